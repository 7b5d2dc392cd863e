"""What is said against a config before data is opened or jax imported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jaxseg.checks import check, check_class_weights, check_images

from jaxseg.config import Config
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.schema import flatten

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))


def test_the_default_config_is_sound():
    check(flatten(Config()))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data.name": "foldr"}, "unknown data set 'foldr'. Did you mean 'folder'"),
        ({"model.head": "unett"}, "unknown head 'unett'. Did you mean 'unet'"),
        ({"model.head": "clasifier"}, "Did you mean 'classifier'"),
        ({"train.batch_size": -4}, "-4: at least 1, at most 1048576$"),
        ({"model.backbone": "resnet5"}, "unknown backbone 'resnet5'"),
        ({"model.preset": "timm"}, "unknown preset 'timm'"),
        ({"model.head": "lraspp", "model.preset": "smp"}, "head of this preset"),
        ({"model.freeze": "head"}, "unknown freeze 'head'"),
        ({"model.dtype": "float16"}, "unknown dtype 'float16'"),
        ({"model.upsampling": "cubic"}, "unknown upsampling 'cubic'"),
        ({"model.head": "unet", "model.rates": (1,)}, "'unet' has no option rates"),
        ({"model.head": "unet_same", "model.auxiliary": True}, "of its own"),
        ({"model.head": "classifier", "model.output_stride": 8}, "no options"),
        ({"model.backbone": "vgg16", "model.multi_grid": (1, 2)}, "no multi-grid"),
        (
            {
                "model.head": "classifier",
                "model.backbone": "vgg16",
                "model.auxiliary": True,
            },
            "no auxiliary classifiers",
        ),
        ({"model.output_stride": 4}, "output stride 4"),
        ({"optimizer.name": "adam"}, "Did you mean 'adamw'"),
        ({"optimizer.schedule": "step"}, "unknown schedule 'step'"),
        ({"train.loss": "dice"}, "unknown loss 'dice'"),
        (
            {"train.steps": 50, "optimizer.warmup_steps": 50},
            "warmup_steps 50: the warm-up is not shorter than the run",
        ),
        ({"augment.crop": (32, 64)}, "at least 33 pixels"),
        ({"augment.scale": (2.0, 1.0)}, "augment.scale 2 1"),
        ({"train.ema": 1.0}, "train.ema 1.0"),
        ({"train.label_smoothing": 1.0}, "train.label_smoothing 1.0"),
        ({"train.batch_size": 8, "train.accumulate": 3}, "use 6 or 9"),
        ({"data.num_classes": 3, "train.class_weights": (1.0,)}, "for 3 classes"),
        (
            {"data.class_names": ("a", "b"), "train.class_weights": (1.0,)},
            "for 2 classes",
        ),
    ],
)
def test_what_no_data_could_make_right_is_refused(changed, said):
    with pytest.raises(UserError, match=said) as caught:
        check(flatten(Config()) | changed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("warmup", [0, 0.1, 49])
def test_the_warm_up_that_the_message_proposes_is_taken(warmup):
    values = {"train.steps": 50, "optimizer.warmup_steps": warmup}
    check(flatten(Config()) | values)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0)])
def test_class_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(UserError, match="class_weights"):
        check_class_weights(weights, 3)


def test_a_head_of_volumes_is_refused_to_train_on_images():
    check(flatten(replace(Config(), model=replace(Config().model, head="unet3d"))))
    check_images("deeplabv3plus")
    with pytest.raises(UserError, match="takes volumes"):
        check_images("unet3d")


def test_an_experiment_may_be_mended_by_its_overrides(tmp_path):
    path = tmp_path / "short.py"
    path.write_text(
        "from jaxseg import *\n"
        "def get_config(): return Config(train=TrainConfig(steps=5),"
        " optimizer=OptimizerConfig(warmup_steps=50))\n"
    )
    with pytest.raises(UserError, match="the warm-up"):
        load_config(path)
    words = ["--optimizer.warmup_steps", "0"]
    assert load_config(path, words).optimizer.warmup_steps == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--trian.steps", "7"],
        ["--train.steps", "-7"],
        ["--model.head", "unett"],
        ["--model.rates", "0"],
        ["--optimizer.warmup_steps", "99999"],
    ],
)
def test_a_config_is_refused_before_jax_numpy_or_tfds_are_imported(words):
    code = (
        "import sys; from jaxseg import cli\n"
        f"assert cli.main(['--config', {str(EXPERIMENTS[0])!r}, *{words!r}]) == 2\n"
        "heavy = {'jax', 'flax', 'numpy', 'tensorflow_datasets', 'orbax', 'grain'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
