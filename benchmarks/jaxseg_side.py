"""Our contender: jaxseg's training step and prediction; it runs only in workers.

It reads the peer's weights, so that both sides start from the same.
"""

from __future__ import annotations

import os
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.model_cases import (
    AUXILIARY_WEIGHT,
    CHECKED_STEPS,
    LEARNING_RATE,
    MEAN,
    MOMENTUM,
    STD,
    WEIGHT_DECAY,
    Case,
    step_check,
)
from benchmarks.side_by_side import Prepared, timed
from jaxseg.evaluation.inference import create_scores
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.models import create_model
from jaxseg.parallel.mesh import (
    BATCH_AXIS,
    create_mesh,
    device_put,
    shard_batch,
    shardings,
)
from jaxseg.segmenter import Segmenter, abstract_variables
from jaxseg.training.optimizer import create_optimizer
from jaxseg.training.state import TrainState, fresh_state
from jaxseg.training.step import TrainStep, create_train_step
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.load import load_weights


def build(case: Case, auxiliary: bool, exact: bool = False) -> Segmenter:
    """Return the model that computes what the peer does; `exact` in float32."""
    arguments = SMP_ARGUMENTS[case.head] if case.library == "smp" else {}
    model = create_model(
        case.head,
        case.backbone,
        case.classes,
        auxiliary=auxiliary and case.library == "torchvision",
        dtype="bfloat16" if case.gpu and not exact else "float32",
        **arguments,
    )
    parts = {"head": model.head, "auxiliary": model.auxiliary}
    still = {k: v.clone(dropout=0.0) for k, v in parts.items() if hasattr(v, "dropout")}
    return model.clone(**still)


def training(case: Case, mesh: jax.sharding.Mesh) -> tuple[TrainStep, Any]:
    """Return the training step, not compiled yet, and its optimizer."""
    schedule = optax.constant_schedule(LEARNING_RATE)
    optimizer = create_optimizer(
        "sgd", schedule, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
    )
    step = create_train_step(
        build(case, auxiliary=True),
        optimizer,
        schedule,
        CrossEntropy(),
        mesh,
        mean=MEAN,
        std=STD,
        auxiliary_weight=AUXILIARY_WEIGHT,
    )
    return step, optimizer


def compiled_training(
    case: Case, mesh: jax.sharding.Mesh
) -> tuple[Any, TrainState, dict[str, Any]]:
    """Return the compiled step, and the shapes and shardings of state and batch."""
    step, optimizer = training(case, mesh)
    variables = abstract_variables(build(case, auxiliary=True))
    state = jax.eval_shape(lambda given: fresh_state(given, optimizer), variables)
    axes = jax.sharding.PartitionSpec(BATCH_AXIS)
    split = jax.sharding.NamedSharding(mesh, axes)
    side = (case.batch, case.size, case.size)
    shapes = {"image": ((*side, 3), np.uint8), "label": (side, np.uint8)}
    batch = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=split)
        for name, (shape, dtype) in (shapes | {"valid": (side[:1], bool)}).items()
    }
    state = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=place
        ),
        state,
        shardings(state, mesh),
    )
    compiled = step.lower(state, batch).compile()  # type: ignore[attr-defined]
    return compiled, state, batch


def ones(shapes: Any) -> Any:
    """Return a tree of ones with these shapes and shardings."""
    return jax.tree.map(
        lambda leaf: jax.device_put(jnp.ones(leaf.shape, leaf.dtype), leaf.sharding),
        shapes,
    )


def read_weights(model: Segmenter, case: Case, patience: float = 120.0) -> Any:
    """Read the reference's weights as soon as they are written."""
    end = time.monotonic() + patience
    while not os.path.isfile(case.weights) and time.monotonic() < end:
        time.sleep(0.1)
    return load_weights(model, case.weights)


def _logits(case: Case, variables: Any, auxiliary: bool) -> np.ndarray:
    """Return exact float32 logits of two images."""
    model = build(case, auxiliary, exact=True)
    scores = jax.jit(create_scores(model, mean=MEAN, std=STD))
    with jax.default_matmul_precision("highest"):
        return np.asarray(scores(variables, case.arrays()[0][:2]))


def train_step(**settings: Any) -> Prepared:
    """Build a training step."""
    case = Case(**settings)
    mesh = create_mesh(jax.devices()[:1])
    variables = read_weights(build(case, auxiliary=True), case)
    check = {"logits": _logits(case, variables, auxiliary=True)}
    step, optimizer = training(case, mesh)
    state = device_put(fresh_state(variables, optimizer), mesh)
    image, label = case.arrays()
    valid = np.ones(case.batch, bool)
    batch = shard_batch({"image": image, "label": label, "valid": valid}, mesh)
    losses, norms = [], []
    for _ in range(CHECKED_STEPS):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["gradient_norm"]))
    check |= step_check(losses, norms[0])

    def work() -> None:
        nonlocal state
        for _ in range(case.steps):
            state, _ = step(state, batch)
        jax.block_until_ready(state)

    work()
    return Prepared(timed(work), check)


def inference(**settings: Any) -> Prepared:
    """Build a prediction, the same function as the Predictor's."""
    case = Case(**settings)
    model = build(case, auxiliary=False)
    variables = read_weights(model, case)
    check = {"logits": _logits(case, variables, auxiliary=False)}
    scores = create_scores(model, mean=MEAN, std=STD)
    predict = jax.jit(lambda v, image: jnp.argmax(scores(v, image), -1).astype("int32"))
    variables, image = jax.device_put((variables, case.arrays()[0]))
    check["mask"] = np.asarray(predict(variables, image))

    def work() -> None:
        for _ in range(case.steps - 1):
            predict(variables, image)
        predict(variables, image).block_until_ready()

    work()
    return Prepared(timed(work), check)
