"""A prefix that a trainer puts before all names is found, logged, or refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.errors import UserError
from jaxseg.models import create_classifier, create_model
from jaxseg.weights.load import load_weights, save_weights
from jaxseg.weights.naming import leaves
from jaxseg.weights.prefixes import choose_prefix
from jaxseg.weights.readers import read_tensors
from jaxseg.weights.writers import write_safetensors

SMALL = {"width": 0.125, "max_channels": 16}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A model, its variables, and their tensors by PyTorch's names."""
    model = create_classifier("resnet18", 5, **SMALL)
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 40, 40, 3)))
    file = tmp_path_factory.mktemp("plain") / "x.safetensors"
    save_weights(model, variables, file, names="torch")
    return model, variables, read_tensors(file)


def write(path, tensors, *prefixes, **others):
    """Write the tensors behind each prefix, the n-th times n, with others beside."""
    named = {
        prefix + name: np.asarray(tensor * number, tensor.dtype)
        for number, prefix in enumerate(prefixes, start=1)
        for name, tensor in tensors.items()
    }
    write_safetensors(path, named | others, {})
    return path


def assert_equal(one, other, factor=1.0):
    one, other = leaves(one), leaves(other)
    assert one.keys() == other.keys()
    for path in one:
        np.testing.assert_array_equal(one[path], factor * other[path])


@pytest.mark.parametrize(
    "prefix",
    ["model.", "net.", "module.", "_orig_mod.", "module.model.", "trainer.a.b.net."],
)
def test_a_prefix_of_all_names_is_found_and_logged(classifier, tmp_path, prefix):
    model, variables, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, prefix)
    said = []
    assert_equal(load_weights(model, file, log=said.append), variables)
    assert any(f"names begin with {prefix!r}" in line for line in said)


def test_a_trainers_own_tensors_are_left_out_and_named(classifier, tmp_path):
    model, variables, tensors = classifier
    mean = np.ones((1, 3, 1, 1), np.float32)
    others = {"mean": mean, "loss.weight": np.ones(5, np.float32)}
    file = write(tmp_path / "x.safetensors", tensors, "model.", **others)
    said = []
    loaded = load_weights(model, file, strict=False, log=said.append)
    assert_equal(loaded, variables)
    assert "2 left over" in said[-1]
    assert "mean" in said[-1] and "loss.weight" in said[-1]


def test_a_strict_load_refuses_them_by_name(classifier, tmp_path):
    model, _, tensors = classifier
    mean = np.ones(3, np.float32)
    file = write(tmp_path / "x.safetensors", tensors, "model.", mean=mean)
    with pytest.raises(UserError, match="left over: mean"):
        load_weights(model, file, log=lambda line: None)


def test_a_segmenters_backbone_is_found_behind_a_prefix(classifier, tmp_path):
    model, variables, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, "module.encoder_q.")
    segmenter = create_model("fcn8s", "resnet18", 3, **SMALL)
    loaded = load_weights(segmenter, file, strict=False, log=lambda line: None)
    assert_equal(loaded["params"]["backbone"], variables["params"]["backbone"])


def test_the_moving_average_beside_the_weights_is_not_read_and_a_line_says_so(
    classifier, tmp_path
):
    model, variables, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, "ema_model.", "model.")
    said = []
    loaded = load_weights(model, file, strict=False, log=said.append)
    assert_equal(loaded["params"], variables["params"], 2.0)
    assert "'model.'; not read, a moving average: ema_model." in said[0]


def test_two_networks_that_fit_alike_are_refused_until_one_is_named(
    classifier, tmp_path
):
    model, variables, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, "student.", "teacher.")
    with pytest.raises(UserError, match=r"student\.'.*teacher\.'.*#PREFIX") as caught:
        load_weights(model, file, strict=False)
    assert "\n" not in str(caught.value)
    said = []
    named = f"{file}#teacher."
    loaded = load_weights(model, named, strict=False, log=said.append)
    assert_equal(loaded["params"], variables["params"], 2.0)
    assert "names begin with 'teacher.'" in said[0]


def test_a_part_of_a_network_is_not_named_beside_the_network():
    inside = [f"backbone.{index}" for index in range(9)] + ["head.weight"]
    names = [prefix + name for prefix in ("student.", "teacher.") for name in inside]
    fits = {"student.": 10, "teacher.": 10, "teacher.backbone.": 9}
    with pytest.raises(UserError, match=r"with: 'student.' \(10\), 'teacher.' \(10\)$"):
        choose_prefix(names, 0, lambda prefix: fits.get(prefix, 0))


def test_a_prefix_that_no_name_has_is_refused(classifier, tmp_path):
    model, _, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, "net.")
    with pytest.raises(UserError, match="none of its tensors"):
        load_weights(model, f"{file}#nett.", strict=False)


def test_weights_without_a_prefix_are_taken_silently(classifier, tmp_path):
    model, variables, tensors = classifier
    file = write(tmp_path / "x.safetensors", tensors, "")
    said = []
    assert_equal(load_weights(model, file, log=said.append), variables)
    assert said == []
