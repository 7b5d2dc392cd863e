"""Folders of hubs and trainers: the file of weights in them is taken or named."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.errors import UserError
from jaxseg.models import create_model
from jaxseg.weights.folders import files_of_weights, is_run
from jaxseg.weights.load import load_weights
from jaxseg.weights.naming import leaves
from jaxseg.weights.writers import write_safetensors

INDEX = "model.safetensors.index.json"


def folder(path, *names):
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).write_bytes(b"x")
    return path


def test_the_one_file_of_weights_is_taken(tmp_path):
    hub = folder(tmp_path / "hub", "config.json", "README.md", "model.safetensors")
    files, said = files_of_weights(hub)
    assert files == [hub / "model.safetensors"]
    assert said == "model.safetensors in it is taken"


def test_safetensors_is_taken_of_two_formats_and_logged(tmp_path):
    hub = folder(tmp_path / "hub", "pytorch_model.bin", "model.safetensors")
    files, said = files_of_weights(hub)
    assert files == [hub / "model.safetensors"]
    assert said.endswith("not read: pytorch_model.bin")


def test_several_checkpoints_are_refused_by_name(tmp_path):
    hub = folder(tmp_path / "run", "best.ckpt", "last.ckpt")
    with pytest.raises(UserError, match=r"2 files.*best\.ckpt.*last\.ckpt"):
        files_of_weights(hub)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("config.json", "README.md"), "it holds README.md, config.json"),
        ((), "it holds nothing"),
        (tuple(f"{i}.png" for i in range(9)), "4.png and 4 more"),
    ],
)
def test_a_folder_without_weights_says_what_it_holds(tmp_path, names, said):
    with pytest.raises(UserError, match=said):
        files_of_weights(folder(tmp_path / "folder", *names))


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"weight_map": {"a": "gone.safetensors"}}, "gone.safetensors, which is missi"),
        ({"weight_map": {"a": "../x.safetensors"}}, "no file beside it"),
        ({"weight_map": {"a": 7}}, "no file beside it"),
        ({"weight_map": {}}, "names no file"),
        ({}, "not an index"),
    ],
)
def test_a_bad_index_is_refused(tmp_path, index, said):
    hub = folder(tmp_path / "hub", "model-1.safetensors")
    (hub / INDEX).write_text(json.dumps(index))
    with pytest.raises(UserError, match=said):
        files_of_weights(hub)


def test_the_parts_of_an_index_are_read_together(tmp_path):
    model = create_model("fcn8s", "resnet18", 2, width=0.125, max_channels=16)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 40, 40, 3)))
    flat = {"/".join(path): np.asarray(x) for path, x in leaves(variables).items()}
    names = list(flat)
    hub = folder(tmp_path / "hub")
    index = {}
    for part, some in enumerate((names[:9], names[9:])):
        file = f"model-{part}.safetensors"
        write_safetensors(hub / file, {name: flat[name] for name in some}, {})
        index |= dict.fromkeys(some, file)
    (hub / INDEX).write_text(json.dumps({"weight_map": index}))
    said = []
    loaded = leaves(load_weights(model, hub, log=said.append))
    for path, leaf in leaves(variables).items():
        np.testing.assert_array_equal(loaded[path], leaf)
    assert "the 2 parts" in said[0]


def test_a_hubs_folder_is_no_run_though_it_has_a_config(tmp_path):
    assert not is_run(folder(tmp_path / "hub", "config.json", "model.safetensors"))
    assert is_run(folder(tmp_path / "run", "config.json", "labels.json"))
