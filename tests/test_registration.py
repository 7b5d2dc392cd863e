"""Mistakes in what a user registers: each is one line, and nothing is registered."""

import subprocess
import sys
import textwrap

import pytest
from registries import REGISTRIES, restored

import jaxseg
from jaxseg.errors import UserError
from jaxseg.experiment import import_experiment, load_config
from jaxseg.losses import LOSSES

START = """
import dataclasses
from typing import Any
import flax.linen as nn
import jax, jax.numpy as jnp, numpy as np
import jaxseg
from jaxseg import *
"""


@pytest.fixture(autouse=True)
def forgotten():
    """Remove what a test registers."""
    with restored():
        yield


def write(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(START + textwrap.dedent(text))
    return path


LOSS = """
@register_loss("mine")
@dataclasses.dataclass(frozen=True)
class Mine(Loss):
    {field}
    def __call__(self, logits, label, factor, prepared=None, align_corners=False):
        return {returned}

def get_config():
    return Config(train=TrainConfig(loss="mine{options}"))
"""


def loss(field="", returned="logits.mean()", options=""):
    return LOSS.format(field=field or "pass", returned=returned, options=options)


HEAD = """
@register_head("mine")
class Mine(nn.Module):
    num_classes: int
    dtype: Any = jnp.float32
    {field}
    @nn.compact
    def __call__(self, features, train):
        x = nn.Dense(self.num_classes)(features[-1])
        return {returned}

def get_config():
    return Config(model=ModelConfig(head="mine{options}", backbone="resnet18"))
"""


def head(field="", returned="x", options=""):
    return HEAD.format(field=field or "pass", returned=returned, options=options)


BACKBONE = """
@register_backbone("mine")
class Mine(nn.Module):
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32
    @nn.compact
    def __call__(self, image, train=False):
        strides = [min(2 ** level, self.output_stride) for level in range(1, 6)]
        found = tuple(image[:, ::s, ::s] for s in strides)
        return {returned}

def get_config():
    return Config(model=ModelConfig(head="fcn8s", backbone="mine"))
"""

TRANSFORM = """
@register_transform("mine")
@dataclasses.dataclass(frozen=True)
class Mine:
    size: int
    def __call__(self, sample, rng):
        return sample

def get_config():
    return Config(augment=AugmentConfig(transforms=("mine{options}",)))
"""


@pytest.mark.parametrize(
    "text",
    [
        loss(),
        loss("gamma: float = 2.0", options="(gamma=1)"),
        loss("gamma: float", options="(gamma=1)"),
        "from __future__ import annotations\n" + loss("gamma: float = 2.0"),
        head(),
        head("depth: int = 2", options="(depth=3)"),
        "from __future__ import annotations\n" + head("depth: int = 2"),
        BACKBONE.format(returned="found"),
        TRANSFORM.format(options="(size=3)"),
    ],
)
def test_a_sound_one_is_taken(tmp_path, text):
    path = tmp_path / "mine.py"
    future = text.startswith("from __future__")
    first, rest = text.split("\n", 1) if future else ("", text)
    path.write_text(f"{first}\n{START}{rest}")
    load_config(path)
    load_config(path)  # and the same file once more


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # Names.
        ("register_loss('cross_entropy')", "'cross_entropy' is one of jaxseg's own"),
        ("register_head('unet')", "'unet' is one of jaxseg's own"),
        ("register_backbone('resnet50')", "'resnet50' is one of jaxseg's own"),
        ("register_transform('flip')", "'flip' is one of jaxseg's own"),
        ("register_dataset('folder')", "'folder' is one of jaxseg's own"),
        ("register_metric('miou')", "'miou' is one of jaxseg's own"),
        ("register_metric('images')", "'images': results have another value"),
        ("register_loss('my-loss')", "'my-loss': a name has letters, digits and"),
        ("register_loss('2')", "does not begin with a digit"),
        ("register_loss('')", "a name has letters"),
        # What is no class, or no function.
        ("@register_loss('mine')\ndef mine(): pass", "function mine is no class"),
        ("@register_loss('mine')\nclass Mine: pass", "derived from jaxseg.Loss"),
        ("@register_head('mine')\nclass Mine: pass", "derived from flax.linen.Module"),
        ("@register_head('mine')\ndef mine(): pass", "function mine is no class"),
        ("@register_backbone('mine')\nclass Mine: pass", "flax.linen.Module"),
        ("register_backbone('mine')(3)", "'mine': int is no function"),
        ("@register_metric('mine')\nclass Mine: pass", "class Mine is no function"),
        ("@register_dataset('mine')\nclass Mine: pass", "class Mine is no function"),
        ("@register_transform('mine')\ndef mine(): pass", "function mine is no class"),
        # No frozen dataclass.
        (
            "@register_loss('mine')\nclass Mine(Loss): pass",
            "write @dataclasses.dataclass(frozen=True) above class Mine, below"
            " @jaxseg.register_loss",
        ),
        (
            "@register_loss('mine')\n@dataclasses.dataclass\nclass Mine(Loss): pass",
            "write @dataclasses.dataclass(frozen=True) above class Mine",
        ),
        (
            "@dataclasses.dataclass(frozen=True)\n@register_loss('mine')\n"
            "class Mine(Loss): pass",
            "write @dataclasses.dataclass(frozen=True) above class Mine, below",
        ),
        (
            "from jaxseg.losses.cross_entropy import CrossEntropy\n"
            "@register_loss('mine')\nclass Mine(CrossEntropy):\n gamma: float = 2.0",
            "write @dataclasses.dataclass(frozen=True) above class Mine",
        ),
        (
            "@register_transform('mine')\n@dataclasses.dataclass(frozen=True)\n"
            "class Mine: pass",
            "class Mine has no __call__(self, sample, rng)",
        ),
        # Options.
        (loss("gamma = 2.0"), "gamma has no type and so is no option: write `gamma:"),
        (loss("sizes = (1, 2)"), "write `sizes: tuple = (1, 2)`"),
        (loss("gamma: 'Nowhere' = 2"), "cannot be read: NameError: name 'Nowhere'"),
        (head("depth = 2"), "depth has no type and so is no option"),
        (head("depth: Nowhere = 2"), "NameError: name 'Nowhere'"),
        (loss("gamma: float", options=""), "no default for its option gamma: give it"),
        (loss(options="(gamma=1)"), "loss 'mine' has no option gamma; it has none"),
        (loss("gamma: float = 2.0", options="(gamma='a')"), "must be a valid number"),
        (loss("gamma: float = 2.0", options="(gamma=1e999)"), "must be a finite"),
        (loss("gamma: float = 2.0", options="(gamma=b)"), "give a name, or a name"),
        (loss("gamma: float = 2.0", options="(1)"), "give a name, or a name with"),
        (loss("gamma: int = 2", options="(gamma=True)"), "must be a valid integer"),
        (
            loss(
                "gamma: int = 2\n    def __post_init__(self):\n"
                "        if self.gamma > 3: raise ValueError('gamma is too large')",
                options="(gamma=4)",
            ),
            "loss 'mine': gamma is too large",
        ),
        (head("depth: int = 2", options="(depth=2.5)"), "must be a valid integer"),
        (TRANSFORM.format(options=""), "'mine' has no default for its option size"),
        # What they return.
        (loss(returned="logits"), "returned float32 [1, 4, 8, 2]; it must return a"),
        (loss(returned="logits.argmax()"), "returned int32 []; it must return a float"),
        (loss(returned="float(logits.mean())"), "loss 'mine': ConcretizationTypeError"),
        (loss(returned="logits @ label"), "loss 'mine': TypeError"),
        (head(returned="x[..., :1]"), "returned float32 [1, 2, 4, 1] of an image"),
        (head(returned="x.swapaxes(1, 2)"), "returned float32 [1, 4, 2, 2]"),
        (head(returned="x.transpose(0, 3, 1, 2)"), "must return logits of float"),
        (head(returned="x.mean((1, 2))"), "returned float32 [1, 2]"),
        (head(returned="(x, x)"), "head 'mine' returned a tuple"),
        (head(returned="x.argmax(-1)"), "head 'mine' returned int32"),
        (head(returned="x + features[7]"), "head 'mine': IndexError"),
        (
            head().replace("    num_classes: int\n", "").replace("self.num_", "2 or "),
            "its field num_classes is missing: write `num_classes: int`",
        ),
        (
            head().replace("    dtype: Any = jnp.float32\n", ""),
            "its field dtype is missing: write `dtype: Any = jnp.float32`",
        ),
        (BACKBONE.format(returned="found[:4]"), "returned 4 features; it must return"),
        (BACKBONE.format(returned="image"), "returned no tuple of features"),
        (BACKBONE.format(returned="found[:4] + (image,)"), "feature 4 as float32 [1,"),
        (
            BACKBONE.format(returned="found").replace(
                "    output_stride: int = 32\n", ""
            ),
            "its field output_stride is missing",
        ),
    ],
)
def test_a_slip_is_one_line(tmp_path, text, said):
    before = [dict(registry) for registry in REGISTRIES]
    with pytest.raises(UserError) as caught:
        load_config(write(tmp_path, text))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    if "get_config" not in text:
        assert [dict(registry) for registry in REGISTRIES] == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "@jaxseg.register_loss\nclass Mine(jaxseg.Loss): pass",
            '@jaxseg.register_loss takes a name: write @jaxseg.register_loss("my_own")',
        ),
        ("@jaxseg.register_dataset\ndef mine(config): pass", "register_dataset takes"),
        ("jaxseg.SequenceDataset(('a', 'b'), {})", "the classes come first, as in"),
        (
            "jaxseg.SequenceDataset(jaxseg.LabelSet(('a', 'b')), [1])",
            "give the sequences by split, as in",
        ),
    ],
)
def test_a_slip_that_types_would_tell_is_one_line_without_them(text, said):
    code = (
        f"import jaxseg\ntry:\n exec({text!r})\nexcept jaxseg.UserError as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert said in done.stdout and done.stdout.count("\n") == 1


def test_a_name_that_another_file_registered_is_refused(tmp_path):
    load_config(write(tmp_path, loss(), "first.py"))
    with pytest.raises(
        UserError, match=r"'mine' is registered already, by .*first\.py"
    ):
        load_config(write(tmp_path, loss(), "second.py"))


def test_a_file_that_was_changed_replaces_what_it_registered(tmp_path):
    path = write(tmp_path, loss("gamma: float = 1.0"))
    load_config(path)
    write(tmp_path, loss("delta: float = 1.0", options="(delta=2)"))
    load_config(path)
    assert [field for field in LOSSES["mine"].__dataclass_fields__] == ["delta"]


def test_two_files_may_share_what_a_third_registers(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, loss(), "shared_by_two.py")
    for name in ("first.py", "second.py"):
        path = write(tmp_path, "from shared_by_two import get_config", name)
        assert load_config(path).train.loss == "mine"


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("sample['image']", "transform 'mine' returned a ndarray; it must return"),
        ("{**sample, 'image': sample['image'] / 255}", "image float64 [8, 8, 3]"),
        ("{**sample, 'label': sample['label'][1:]}", "label uint8 [7, 8]"),
        ("{**sample, 'label': sample['label'].astype(int)}", "label int64 [8, 8]"),
        (
            "{name: np.repeat(a, 2, 0) for name, a in sample.items()}",
            "larger than the [8, 8] that it was given",
        ),
        ("sample['depth']", "transform 'mine': KeyError: 'depth'"),
    ],
)
def test_a_transform_that_returns_no_sample_is_one_line(tmp_path, returned, said):
    import numpy as np

    from jaxseg.build_augmentation import build_augmentation

    text = TRANSFORM.format(options="(size=1)").replace(
        "return sample\n", f"return {returned}\n"
    )
    chain = build_augmentation(load_config(write(tmp_path, text))).chain
    sample = {
        "image": np.zeros((8, 8, 3), np.uint8),
        "label": np.zeros((8, 8), np.uint8),
    }
    (mine,) = [each for each in chain.transforms if hasattr(each, "owner")]
    with pytest.raises(UserError) as caught:
        mine(sample, np.random.default_rng(0))
    assert said in str(caught.value)


def test_an_import_needs_no_config(tmp_path):
    import_experiment(write(tmp_path, loss().split("def get_config")[0]))
    assert "mine" in LOSSES


def test_an_import_that_is_missing_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere.py: no such experiment file"):
        import_experiment(tmp_path / "nowhere.py")


def test_what_is_public_can_be_imported():
    assert all(hasattr(jaxseg, name) for name in jaxseg.__all__)
