"""From a Config to objects, and options that fit no data and no device."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.backbones import BACKBONES
from jaxseg.build import (
    build_loss,
    build_model,
    build_schedule,
    check,
    check_images,
    warmup_steps,
)
from jaxseg.build_augmentation import build_augmentation
from jaxseg.config import Config, OptimizerConfig, TrainConfig
from jaxseg.data.transforms import PhotometricDistortion
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.heads import HEADS
from jaxseg.losses import LOSSES
from jaxseg.losses.base import Loss
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.schema import replaced
from jaxseg.training.optimizer import poly

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def changed(**values):
    """The default Config with values by their names, `__` for a dot."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return replaced(Config(), named)


def test_the_default_config_is_sound():
    check(Config())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"data__name": "foldr"}, "unknown data set 'foldr'. Did you mean 'folder'"),
        ({"model__head": "unett"}, "unknown head 'unett'. Did you mean 'unet'"),
        ({"model__head": "clasifier"}, "Did you mean 'classifier'"),
        ({"model__head": "unet("}, "give a name, or a name with options in brackets"),
        ({"model__head": "unet(3)"}, "give a name, or a name with options in brackets"),
        ({"model__head": "unet(depth=3)"}, "'unet' has no option depth; it has chan"),
        (
            {"model__head": "unet(channels=0)"},
            "channels of head 'unet', 0: must",
        ),
        ({"model__head": "unet(channels='a')"}, "'a': must be a valid integer"),
        (
            {"model__head": "unet(channels=9)", "model__channels": 8},
            "option channels of the head is given twice",
        ),
        ({"model__backbone": "resnet5"}, "unknown backbone 'resnet5'"),
        ({"model__preset": "timm"}, "unknown preset 'timm'"),
        ({"model__head": "lraspp", "model__preset": "smp"}, "head of this preset"),
        ({"model__freeze": "head"}, "unknown freeze 'head'"),
        ({"model__dtype": "float16"}, "unknown dtype 'float16'"),
        ({"model__upsampling": "cubic"}, "unknown upsampling 'cubic'"),
        (
            {"model__head": "unet", "model__rates": (1,)},
            "the experiment or the command line gives: take it back by --model.rates",
        ),
        ({"model__rates": ()}, "option rates of head 'deeplabv3plus', "),
        ({"model__rates": (0,)}, "option rates of head 'deeplabv3plus', 0: must be"),
        ({"model__head": "deeplabv1", "model__rates": (1, 2)}, "at most 1 item"),
        ({"model__dropout": 1.5}, "option dropout of head 'deeplabv3plus', 1.5: must"),
        ({"model__head": "unet_same", "model__auxiliary": True}, "of its own"),
        ({"model__head": "unet_same", "model__output_stride": 16}, "of its own"),
        ({"model__head": "classifier", "model__output_stride": 8}, "no options"),
        ({"model__head": "classifier", "model__channels": 8}, "no options"),
        ({"model__backbone": "vgg16", "model__multi_grid": (1, 2)}, "no multi-grid"),
        (
            {
                "model__head": "classifier",
                "model__backbone": "vgg16",
                "model__auxiliary": True,
            },
            "no auxiliary classifiers",
        ),
        ({"model__output_stride": 4}, "output stride 4"),
        ({"model__output_stride": 0}, "output stride 0"),
        ({"optimizer__name": "adam"}, "Did you mean 'adamw'"),
        ({"optimizer__schedule": "step"}, "unknown schedule 'step'"),
        ({"train__loss": "dicee"}, "unknown loss 'dicee'"),
        (
            {"train__loss": "cross_entropy(label_smoothing=1.0)"},
            "option label_smoothing of loss 'cross_entropy', 1.0: must be less than 1",
        ),
        (
            {
                "train__loss": "cross_entropy(label_smoothing=0.1)",
                "train__label_smoothing": 0.1,
            },
            "given there and as train.label_smoothing",
        ),
        (
            {"train__steps": 50, "optimizer__warmup_steps": 50},
            "warmup_steps 50: the warm-up is not shorter than the run",
        ),
        (
            {"optimizer__warmup_steps": 5, "optimizer__warmup_ratio": 0.1},
            "give one of them",
        ),
        ({"augment__crop": (32, 64)}, "augment.crop 32 64: at least 33 pixels"),
        ({"augment__scale": (2.0, 1.0)}, "augment.scale 2 1"),
        ({"augment__transforms": ("blurr",)}, "unknown transform 'blurr'"),
        (
            {"augment__transforms": ("photometric(gamma=2)",)},
            "transform 'photometric' has no option gamma",
        ),
        ({"augment__mix": ("mixup",)}, "unknown augment.mix 'mixup'. Did you mean"),
        ({"augment__mix": ("cutmix(alpha=0)",)}, "augment.mix 'cutmix', 0: must be"),
        ({"augment__strength": 0.5}, "augment.strength 0.5 is that of a preset"),
        ({"train__batch_size": 8, "train__accumulate": 3}, "use 6 or 9"),
        ({"data__num_classes": 3, "train__class_weights": (1.0,)}, "for 3 classes"),
        (
            {"data__class_names": ("a", "b"), "train__class_weights": (1.0,)},
            "for 2 classes",
        ),
        ({"train__class_weights": (0.0, 0.0)}, "must not be all zero"),
        ({"data__name": "camvidd"}, "unknown data set 'camvidd'"),
        (
            {"data__name": "digit_scenes", "data__task": "binary"},
            "its labels are multiclass, of 11 classes",
        ),
        (
            {"data__name": "cityscapes", "data__task": "multilabel"},
            "its labels are multiclass, of 19 classes",
        ),
    ],
)
def test_options_that_fit_no_data_are_refused(values, said):
    config = changed(**values)
    with pytest.raises(UserError) as caught:
        check(config)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Plain(Loss):
    """The mean of the logits, which has no options."""

    def __call__(self, logits, label, factor=None, prepared=None, align_corners=False):
        return jnp.mean(logits)


def test_a_loss_without_an_option_of_the_config_refuses_it(monkeypatch):
    monkeypatch.setitem(LOSSES, "plain", Plain)
    check(changed(train__loss="plain"))
    with pytest.raises(UserError, match="'plain' has no option label_smoothing"):
        check(changed(train__loss="plain", train__label_smoothing=0.1))
    with pytest.raises(UserError, match="give --train.accumulate 1"):
        check(changed(train__loss="plain", train__accumulate=2))


def test_class_weights_are_one_a_class():
    config = changed(train__class_weights=(1.0, 2.0))
    check(config)  # the number of classes is not known yet
    assert build_loss(config, 2) == CrossEntropy((1.0, 2.0))
    with pytest.raises(UserError, match="2 values for 3 classes"):
        build_loss(config, 3)


def test_a_head_of_volumes_is_refused_to_train_on_images():
    volumes = changed(model__head="unet3d")
    check(volumes)
    check_images(Config())
    with pytest.raises(UserError, match="takes volumes"):
        check_images(volumes)


@pytest.mark.parametrize("head", HEADS)
def test_the_options_of_a_head_are_given_in_its_name_or_beside_it(head):
    options = HEADS[head].options()
    plain = build_model(changed(model__head=head), 3)
    for name in options:
        default = getattr(plain.head, name, None)
        if default is None:  # the paper's, or the own backbone's
            continue
        named = build_model(changed(model__head=f"{head}({name}={default!r})"), 3)
        assert named == plain


def test_an_option_in_the_name_reaches_the_head():
    model = build_model(changed(model__head="pspnet(bins=(1, 5))"), 3)
    assert model.head.bins == (1, 5)


def test_every_backbone_can_be_named():
    for name in BACKBONES:
        check(changed(model__backbone=name))


def test_further_transforms_come_before_padding():
    text = ("photometric(hue=3.0)", "photometric")
    chain = build_augmentation(changed(augment__transforms=text)).chain
    *_, first, second, _ = chain.transforms
    assert first.transform == PhotometricDistortion(hue=3.0)
    assert second.transform == PhotometricDistortion()


def with_warmup(steps, **warmup):
    return Config(optimizer=OptimizerConfig(**warmup), train=TrainConfig(steps=steps))


@pytest.mark.parametrize(
    ("ratio", "steps", "found"),
    [
        (0.1, 300, 30),
        (0.29, 100, 29),
        (0.025, 4, 0),
        (0.999, 1, 0),
        (0.999, 10**9, 999 * 10**6),
    ],
)
def test_a_share_of_the_steps_is_rounded_down(ratio, steps, found):
    assert warmup_steps(with_warmup(steps, warmup_ratio=ratio)) == found


@pytest.mark.parametrize(
    ("asked", "steps", "said"),
    [
        (1, 1, "warmup_steps 1: the warm-up is not shorter than the run of train.step"),
        (50, 4, "warmup_steps 50: .* train.steps 4; give --optimizer.warmup_steps 0"),
    ],
)
def test_a_warm_up_longer_than_the_run_is_refused(asked, steps, said):
    with pytest.raises(UserError, match=said):
        build_schedule(with_warmup(steps, warmup_steps=asked))
    build_schedule(with_warmup(steps, warmup_steps=0, warmup_ratio=0.1))
    build_schedule(with_warmup(steps, warmup_steps=0))


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.py")), ids=lambda p: p.stem)
@pytest.mark.parametrize("steps", [1, 4, 100])
def test_every_experiment_has_a_schedule_in_a_short_run_too(path, steps):
    short = load_config(path, ["--train.steps", str(steps)])
    assert build_schedule(short)(0) > 0


@pytest.mark.parametrize(
    ("name", "warmup"),
    [
        ("folder", 50),
        ("camvid_unet", 100),
        ("camvid_deeplab", 100),
        ("camvid_lite", 20),
        ("degradation", 100),
        ("any_model", 100),
        ("deeplab", 0),
    ],
)
def test_the_experiments_warm_up_as_long_as_they_were_measured_with(name, warmup):
    given = load_config(EXPERIMENTS / f"{name}.py")
    options, steps = given.optimizer, given.train.steps
    peak, final = options.learning_rate, options.final_learning_rate
    expected = poly(peak, final, steps, warmup, options.power)
    for step in (0, 1, warmup, warmup + 1, steps // 2, steps):
        np.testing.assert_array_equal(build_schedule(given)(step), expected(step))


def test_a_warm_up_in_steps_takes_the_place_of_a_share():
    path = EXPERIMENTS / "folder.py"
    assert warmup_steps(load_config(path, ["--optimizer.warmup_steps", "7"])) == 7
    assert warmup_steps(load_config(path, ["--optimizer.warmup_steps", "0"])) == 0
    halved = load_config(path, ["--optimizer.warmup_steps", "0.5"])  # as it was given
    assert warmup_steps(replace(halved, train=TrainConfig(steps=10))) == 5


def test_a_head_of_volumes_is_refused_before_its_options():
    with pytest.raises(UserError, match="takes volumes"):
        check(changed(model__head="unet3d", model__separable=True))


@dataclass(frozen=True)
class WeightedByTarget(Loss):
    """A loss whose weights and targets have one value a class."""

    class_weights: tuple[float, ...] = ()

    def __call__(self, logits, label, factor=None, prepared=None, align_corners=False):
        target = jax.nn.one_hot(label, logits.shape[-1])
        return jnp.sum(target * jnp.asarray(self.class_weights))


def test_a_loss_is_tried_with_as_many_classes_as_weights(monkeypatch):
    monkeypatch.setitem(LOSSES, "weighted", WeightedByTarget)
    check(changed(train__loss="weighted", train__class_weights=(1.0, 2.0, 3.0)))
