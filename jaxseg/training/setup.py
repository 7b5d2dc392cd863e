"""What a training is made of: data, model, loss, optimiser and compiled step.

What is done with them is the business of `training.loop`.
"""

from __future__ import annotations

from typing import Any

from jax.sharding import Mesh

from jaxseg import memory
from jaxseg.config import Config
from jaxseg.data.catalog import Dataset, open_dataset
from jaxseg.data.transforms import Chain, training_transforms
from jaxseg.evaluation.evaluate import EvaluationStep, create_evaluation_step
from jaxseg.models import Segmenter, count_parameters
from jaxseg.nn.lowering import compiling_for, missing_kernels
from jaxseg.report.console import note, warn
from jaxseg.run import (
    learning_rate,
    loss,
    normalization,
    optimizer,
    scores,
    segmenter,
    starting_variables,
)
from jaxseg.training.border_weights import BorderWeights
from jaxseg.training.capacity import compile_step, require_batch
from jaxseg.training.distributed import from_first, is_first
from jaxseg.training.mesh import batch_devices, check_batch_size, create_mesh, place
from jaxseg.training.results import describe_devices
from jaxseg.training.state import TrainState, create_state, with_variables
from jaxseg.training.step import TrainStep, create_train_step


class Setup:
    """The objects of one run, made from its Config.

    Attributes:
      config: of the run.
      mesh: the devices.
      dataset: opened, prepared if it was not.
      train_samples: the training split.
      eval_samples: the evaluation split.
      eval_sizes: height and width of its images.
      num_classes: of the data set.
      transform: augments a training sample.
      model: without its variables.
      parameters: how many it has.
    """

    def __init__(self, config: Config):
        """Open the data and build the model.

        Raises:
          UserError: something that the user can mend; nothing was written but
            prepared data.
        """
        self.config = config
        self.mesh: Mesh = create_mesh(spatial=config.mesh.spatial)
        _check_batch(config, self.mesh)
        augment = config.augment
        self.mean, self.std = normalization(config)
        self.transform = training_transforms(
            augment.crop,
            scale=augment.scale,
            max_class_share=augment.max_class_share,
            flip=augment.flip,
            rotation=augment.rotation,
            elastic=augment.elastic,
            photometric=augment.photometric,
            mean=self.mean,
        )
        if config.train.border_weight:
            border = BorderWeights(w0=config.train.border_weight)
            self.transform = Chain((self.transform, border))
        self.schedule = learning_rate(config)
        self.optimizer = optimizer(config, self.schedule)
        note(f"data set {config.data.name}: preparing or opening")
        self.dataset: Dataset
        from_first(self._open_data)
        if not is_first():  # they find it made
            self._open_data()
        for text in self.dataset.notes:
            note(text)
        remarks = self.dataset.check_classes(config.data)
        for remark in remarks if is_first() else ():
            warn(remark)
        splits = config.data
        self.train_samples = self.dataset.samples(splits.train_split)
        self.eval_samples = self.dataset.samples(splits.eval_split, "data.eval_split")
        self.eval_sizes = self.eval_samples.sizes()
        self.num_classes = self.dataset.labels.num_classes
        self.model: Segmenter = segmenter(config, self.num_classes)
        self.loss = loss(config, self.num_classes)
        self.parameters = count_parameters(self.model)
        self._step: TrainStep | None = None
        where = describe_devices(self.mesh, config.model.dtype)
        note(
            f"{len(self.train_samples)} training and {len(self.eval_samples)}"
            f" {config.data.eval_split} images, {self.num_classes} classes;"
            f" {config.model.head} on {config.model.backbone},"
            f" {self.parameters / 1e6:.2f} M parameters; {where}"
        )
        with compiling_for(self.mesh):
            if reason := missing_kernels():
                note(f"convolutions are XLA's, half as fast as could be: {reason}")

    def _open_data(self) -> None:
        remedy = "give fewer --data.threads, or split or shrink the largest images"
        with memory.remedied("preparing the data", remedy):
            self.dataset = open_dataset(self.config.data)

    def compile(self, state: TrainState) -> TrainStep:
        """Compile the step, once; what does not fit into memory is refused."""
        if self._step is None:
            step = self.train_step()
            self._step = compile_step(step, state, self.config, self.mesh)
        assert self._step is not None
        return self._step

    def initial_state(self, fresh: bool) -> TrainState:
        """Draw the state, or where a restore follows only something of its form."""
        state = create_state(
            self.model,
            self.optimizer,
            self.config.seed,
            self.config.augment.crop,
            ema=self.config.train.ema > 0,
        )
        if fresh and self.config.model.weights:
            start = {"params": state.params, "batch_stats": state.batch_stats}
            start = starting_variables(self.config, self.model, start, note)
            state = with_variables(state, start)
        return place(state, self.mesh, self.config.mesh.sharded_parameters)

    def train_step(self) -> Any:
        """Return the training step, not yet compiled."""
        config = self.config
        return create_train_step(
            self.model,
            self.optimizer,
            self.schedule,
            self.loss,
            self.mesh,
            mean=self.mean,
            std=self.std,
            auxiliary_weight=config.train.auxiliary_weight,
            ema=config.train.ema,
            accumulate=config.train.accumulate,
            remat=config.model.remat,
            seed=config.seed,
            split=config.mesh.sharded_parameters,
            deterministic=config.train.deterministic,
        )

    def evaluation_step(self) -> EvaluationStep:
        """Return the evaluation step, not yet compiled."""
        function = scores(self.config, self.model)
        return create_evaluation_step(function, self.num_classes, self.mesh)


def _check_batch(config: Config, mesh: Mesh) -> None:
    """Refuse a batch that does not fit; note a larger one that costs nothing."""
    batch_size = config.train.batch_size
    check_batch_size(batch_size, config.train.accumulate, mesh)
    require_batch(config)
    count = batch_devices(mesh)
    if batch_size % count:
        full = -(-batch_size // count) * count
        note(
            f"train.batch_size {batch_size} over {count} devices: {full}"
            " would take no longer"
        )
