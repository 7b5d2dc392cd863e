"""The training step: exact under micro-batches, devices, padding; learns; averages."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, AxisType
from slow_cases import slow

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.metrics import Confusion, confusion_matrix
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.losses.regions import Dice
from jaxseg.losses.weighted_sum import WeightedSum
from jaxseg.models import create_model
from jaxseg.nn.cpu import library
from jaxseg.nn.normalization import normalize_image
from jaxseg.parallel.mesh import (
    BATCH_AXIS,
    ROW_AXIS,
    abstract_batch,
    create_mesh,
    device_put,
    shard_batch,
    shardings,
)
from jaxseg.segmenter import abstract_variables
from jaxseg.training.optimizer import create_optimizer
from jaxseg.training.state import create_state, fresh_state
from jaxseg.training.step import create_train_step

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def make_batch(count=8, size=40, classes=3, seed=0):
    """Images whose colour says the class of each half."""
    rng = np.random.default_rng(seed)
    label = np.zeros((count, size, size), np.uint8)
    label[:, :, size // 2 :] = rng.integers(1, classes, (count, 1, 1))
    image = rng.integers(0, 60, (count, size, size, 3), dtype=np.uint8)
    for index in range(classes):
        image[label == index, index] += np.uint8(150)
    return {"image": image, "label": label, "valid": np.ones(count, bool)}


class Harness:
    """A small model, its state and its step."""

    def __init__(
        self,
        mesh,
        head="fcn8s",
        rate=0.05,
        ema=0.0,
        model=None,
        loss=CrossEntropy(),  # noqa: B008
        **options,
    ):
        arguments = {"width": 0.125, "max_channels": 16}
        if head not in ("unet", "upernet"):
            arguments["dropout"] = 0.0
        arguments |= model or {}
        backbone = "mit_b0" if head == "segformer" else "resnet18"
        self.model = create_model(head, backbone, 3, **arguments)
        if self.model.auxiliary is not None:
            still = self.model.auxiliary.clone(dropout=0.0)
            self.model = self.model.clone(auxiliary=still)
        schedule = optax.constant_schedule(rate)
        optimizer = create_optimizer("sgd", schedule)
        state = create_state(self.model, optimizer, 0, (40, 40), ema=ema > 0)
        split = options.get("split", False)
        self.mesh, self.state = mesh, device_put(state, mesh, split)
        self.step = create_train_step(
            self.model,
            optimizer,
            schedule,
            loss,
            mesh,
            mean=MEAN,
            std=STD,
            ema=ema,
            **options,
        )

    def run(self, batch, steps=1):
        metrics = {}
        for _ in range(steps):
            self.state, metrics = self.step(self.state, shard_batch(batch, self.mesh))
        return {name: float(value) for name, value in metrics.items()}


def difference(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(np.abs(np.asarray(x) - np.asarray(y)).max()) for x, y in pairs)


def check_equal_steps(one, many, batch):
    """Take a step on one device and on many, then another one on the many."""
    first = one.run(batch), many.run(batch)
    assert first[0]["loss"] == pytest.approx(first[1]["loss"], rel=1e-5)
    norms = [metrics["gradient_norm"] for metrics in first]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    assert difference(one.state.params, many.state.params) < 1e-4
    assert difference(one.state.batch_stats, many.state.batch_stats) < 1e-4
    many.run(batch)
    # The second step is the first one's program: the state lies where it lay.
    assert many.step._cache_size() == 1


@pytest.mark.parametrize("align_corners", [*slow(False), True])
def test_the_first_loss_is_the_models_cross_entropy(one_device, align_corners):
    harness = Harness(one_device, model={"align_corners": align_corners})
    batch = make_batch()
    image = normalize_image(jnp.asarray(batch["image"]), MEAN, STD)
    logits, _ = harness.model.apply(
        {"params": harness.state.params, "batch_stats": harness.state.batch_stats},
        image,
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},
    )
    expected = float(CrossEntropy()(logits, jnp.asarray(batch["label"])))
    metrics = harness.run(batch)
    assert metrics["loss"] == pytest.approx(expected, rel=1e-5)
    assert metrics["learning_rate"] == pytest.approx(0.05)
    assert int(harness.state.step) == 1


@pytest.mark.slow
def test_eight_devices_equal_one(one_device):
    batch = make_batch()
    one, eight = Harness(one_device), Harness(create_mesh())
    assert eight.mesh.size == 8
    losses = one.run(batch, 3)["loss"], eight.run(batch, 3)["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert difference(one.state.params, eight.state.params) < 1e-4
    assert difference(one.state.batch_stats, eight.state.batch_stats) < 1e-4


@pytest.mark.parametrize(
    ("head", "count", "options"),
    [
        ("fcn8s", 8, {"split": True}),
        *slow(
            ("fcn8s", 12, {}),
            ("unet", 3, {}),
            ("deeplabv3plus", 6, {"accumulate": 2}),
            ("deeplabv3plus", 3, {"split": True}),
        ),
    ],
    ids=str,
)
def test_any_batch_and_split_parameters_equal_one_device(
    one_device, head, count, options
):
    """Batches that eight devices do not divide; parameters split over them."""
    model, batch = {"width": 0.25, "max_channels": 64}, make_batch(count)
    kept = {name: value for name, value in options.items() if name != "split"}
    one = Harness(one_device, head, rate=0.01, model=model, **kept)
    many = Harness(create_mesh(), head, rate=0.01, model=model, **options)
    check_equal_steps(one, many, batch)
    shares = {
        shard.data.size / leaf.size
        for leaf in jax.tree.leaves(many.state.opt_state)
        for shard in leaf.addressable_shards
    }
    assert shares == ({1, 1 / 8} if "split" in options else {1})


@pytest.mark.parametrize(
    ("head", "bands", "size", "split"),
    [
        # The 7x7 kernel spans more rows than a device would keep.
        ("fcn8s", 2, 64, False),
        *slow(
            ("fcn8s", 4, 96, True),
            ("unet", 2, 72, False),  # 72, 36, 18 rows are split, 9 are not
            ("deeplabv3plus", 4, 72, False),  # at 64 a ReLU may lie on its kink
            ("deeplabv3plus", 2, 41, False),
            ("upernet", 2, 72, False),
            ("segformer", 4, 64, False),
        ),
    ],
)
def test_bands_of_rows_equal_whole_images(
    one_device, head, bands, size, split, monkeypatch
):
    # The devices of a mesh have no kernels; compare with one that has none either.
    monkeypatch.setattr(library, "_load", lambda: "XLA's on both sides")
    model, batch = {"width": 0.25, "max_channels": 64}, make_batch(3, size)
    one = Harness(one_device, head, rate=0.01, model=model)
    mesh = create_mesh(spatial=bands)
    many = Harness(mesh, head, rate=0.01, model=model, split=split)
    check_equal_steps(one, many, batch)


@pytest.mark.parametrize("deterministic", [*slow(False), True])
def test_equal_runs_are_equal_bit_for_bit(one_device, deterministic):
    states = []
    for _ in range(2):
        harness = Harness(
            one_device,
            "deeplabv3plus",
            model={"output_stride": 8},
            deterministic=deterministic,
        )
        harness.run(make_batch(), 2)
        states.append(harness.state)
    assert difference(*states) == 0


@pytest.mark.slow
def test_micro_batches_of_equal_images_equal_one_batch(one_device):
    """With identical images the statistics of a micro-batch are those of the batch."""
    batch = make_batch(1)
    batch = {name: np.repeat(leaf, 4, 0) for name, leaf in batch.items()}
    batch["label"][:, :3] = IGNORE
    whole, parts = Harness(one_device), Harness(one_device, accumulate=2)
    losses = whole.run(batch)["loss"], parts.run(batch)["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert difference(whole.state.params, parts.state.params) < 1e-5


@pytest.mark.parametrize("remat", [False, *slow(True)])
def test_micro_batches_have_the_regions_of_the_whole_batch(one_device, remat):
    """The images are equal and their labels are not, nor are those of the parts."""
    batch = make_batch(1)
    batch = {name: np.repeat(leaf, 4, 0) for name, leaf in batch.items()}
    batch["label"] = make_batch(4, seed=1)["label"]
    batch["label"][::2, :30] = IGNORE
    loss = WeightedSum((CrossEntropy(), Dice(smooth=1.0)), (1.0, 0.5))
    given = {"model": {"auxiliary": True}, "loss": loss}
    whole = Harness(one_device, **given)
    parts = Harness(one_device, accumulate=2, remat=remat, **given)
    found = whole.run(batch), parts.run(batch)
    assert found[0]["loss"] == pytest.approx(found[1]["loss"], rel=1e-5)
    norms = [metrics["gradient_norm"] for metrics in found]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    assert difference(whole.state.params, parts.state.params) < 1e-5


def test_recomputing_blocks_gives_the_same_step(one_device):
    batch = make_batch(4)
    kept, recomputed = Harness(one_device), Harness(one_device, remat=True)
    kept.run(batch)
    recomputed.run(batch)
    assert difference(kept.state.params, recomputed.state.params) < 1e-5


def test_an_image_marked_invalid_does_not_change_the_loss(one_device):
    batch = make_batch(4)
    garbled = {name: leaf.copy() for name, leaf in batch.items()}
    garbled["valid"][3] = False
    garbled["label"][3] = 1
    other = {name: leaf.copy() for name, leaf in garbled.items()}
    other["label"][3] = 2
    losses = [Harness(one_device, rate=0.0).run(b)["loss"] for b in (garbled, other)]
    assert losses[0] == losses[1]


def test_a_batch_without_labels_changes_nothing_but_statistics(one_device):
    batch = make_batch(4)
    batch["label"][:] = IGNORE
    harness = Harness(one_device)
    before = jax.tree.map(np.asarray, harness.state.params)
    assert harness.run(batch)["loss"] == 0
    assert difference(before, harness.state.params) == 0


def test_the_average_follows_with_its_decay(one_device):
    harness = Harness(one_device, ema=0.75)
    before = jax.tree.map(np.asarray, harness.state.params)
    harness.run(make_batch(4))
    expected = jax.tree.map(
        lambda old, new: 0.75 * old + 0.25 * np.asarray(new),
        before,
        harness.state.params,
    )
    assert difference(harness.state.ema["params"], expected) < 1e-6
    assert harness.state.variables is harness.state.ema


@pytest.mark.slow
def test_the_auxiliary_loss_adds_its_share(one_device):
    batch, model = make_batch(4), {"auxiliary": True}
    none = Harness(one_device, rate=0.0, model=model, auxiliary_weight=0.0).run(batch)
    some = Harness(one_device, rate=0.0, model=model, auxiliary_weight=0.5).run(batch)
    full = Harness(one_device, rate=0.0, model=model, auxiliary_weight=1.0).run(batch)
    share = some["loss"] - none["loss"]
    assert share > 0
    assert full["loss"] - none["loss"] == pytest.approx(2 * share, rel=1e-4)


@pytest.mark.slow
def test_bfloat16_follows_float32(one_device):
    batch = make_batch(4)
    high = Harness(one_device, rate=0.003, model={"width": 0.5})
    low = Harness(one_device, rate=0.003, model={"width": 0.5, "dtype": "bfloat16"})
    assert low.run(batch)["loss"] == pytest.approx(high.run(batch)["loss"], rel=0.02)
    # Rounding to 8 bits adds up over the steps: 7 % was seen at three times this rate.
    after_steps = high.run(batch, 4)["loss"]
    assert low.run(batch, 4)["loss"] == pytest.approx(after_steps, rel=0.1)


@pytest.mark.parametrize(
    "head", ["fcn8s", *slow("fcn", "unet", "deeplabv3", "deeplabv3plus")]
)
def test_a_head_overfits_one_batch(one_device, head):
    harness, batch = Harness(one_device, head), make_batch(4)
    for _ in range(60):
        harness.run(batch)
    image = normalize_image(jnp.asarray(batch["image"]), MEAN, STD)
    logits = jax.jit(harness.model.apply)(harness.state.variables, image)
    counts = confusion_matrix(jnp.asarray(batch["label"]), logits.argmax(-1), 3)
    assert (Confusion.zero(3) + np.asarray(counts)).mean_iou > 0.95


def lowered_step(platform, devices, accumulate):
    """A step for devices that are not here: its text, and how many convolutions."""
    device = AbstractDevice("", None, platform)
    axes = (BATCH_AXIS, ROW_AXIS), (AxisType.Auto, AxisType.Auto)
    mesh = AbstractMesh((devices, 1), *axes, abstract_device=device)
    model = create_model("deeplabv3plus", "resnet18", 3, width=0.125, max_channels=16)
    variables, schedule = abstract_variables(model), optax.constant_schedule(0.1)
    optimizer = create_optimizer("sgd", schedule)
    options = {"mean": MEAN, "std": STD, "accumulate": accumulate}
    step = create_train_step(
        model, optimizer, schedule, CrossEntropy(), mesh, **options
    )
    state = jax.eval_shape(lambda given: fresh_state(given, optimizer), variables)
    state = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=place
        ),
        state,
        shardings(state, mesh),
    )
    batch = make_batch(4)
    leaves = {name: (leaf.shape, leaf.dtype) for name, leaf in batch.items()}
    traced = step.trace(state, abstract_batch(leaves, mesh))
    target = {"gpu": "cuda"}.get(platform, platform)
    text = traced.lower(lowering_platforms=(target,)).as_text()
    return text, sum(leaf.ndim == 4 for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_a_step_for_other_devices_has_xlas_own_operations(platform, accumulate):
    text, count = lowered_step(platform, 1, accumulate)
    assert "jaxseg_" not in text
    # Forward, and gradients of kernel and input, but not of the image; in a loop once.
    assert text.count("stablehlo.convolution") == 3 * count - 1


@pytest.mark.parametrize(("devices", "compiled"), [(1, True), (2, False)])
def test_a_step_has_compiled_kernels_on_one_cpu_only(devices, compiled):
    text, count = lowered_step("cpu", devices, 1)
    assert ("jaxseg_weight_gradient" in text) == compiled
    assert text.count("stablehlo.convolution") < count * (1 if compiled else 3)
