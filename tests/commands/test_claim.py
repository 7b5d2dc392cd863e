"""A run is resumed only with its settings and data; a refusal changes nothing."""

import dataclasses
import json
import os
import shutil

import jax
import numpy as np
import pytest
from PIL import Image
from slow_cases import slow

from jaxseg.commands import claim
from jaxseg.commands.evaluate import evaluate_run
from jaxseg.commands.train import train
from jaxseg.config import Config
from jaxseg.errors import UserError
from jaxseg.locks import locked
from jaxseg.parallel.mesh import create_mesh


def replaced(config, section, **values):
    changed = dataclasses.replace(getattr(config, section), **values)
    return dataclasses.replace(config, **{section: changed})


@pytest.fixture
def short(tiny_config, with_train):
    return with_train(tiny_config, steps=2, eval_every=2, checkpoint_every=1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept") / "run"


@pytest.fixture
def run(short, kept, tmp_path):
    """A copy of a finished run, with files that a kill may leave."""
    if not (kept / "results.json").exists():
        train(short, kept)
    copy = tmp_path / "run"
    shutil.copytree(kept, copy)
    (copy / "checkpoints" / "3.orbax-checkpoint-tmp").mkdir()
    return copy


@pytest.fixture
def data(shapes_folder, tmp_path):
    """A copy of the data that the run is of, to change."""
    return shutil.copytree(shapes_folder, tmp_path / "data")


@pytest.mark.parametrize(
    ("before", "after", "difference"),
    [
        (("tf_efficientnet_lite0", ""), ("efficientnet_lite0", "tensorflow"), None),
        (("efficientnet_lite0", ""), ("efficientnet_lite0", "timm"), None),
        ((None, ""), (None, ""), None),
        (
            ("efficientnet_lite0", ""),
            ("efficientnet_lite0", "tensorflow"),
            "model.arithmetic timm, not tensorflow",
        ),
    ],
)
def test_two_spellings_of_a_network_are_the_same_run(before, after, difference):
    old, new = (
        replaced(Config(), "model", backbone=backbone, arithmetic=arithmetic)
        for backbone, arithmetic in (before, after)
    )
    assert claim._changed_settings(old, new) == difference


def change_mask(data, split="train", name="3"):
    path = data / split / "masks" / f"{name}.png"
    Image.fromarray((np.asarray(Image.open(path)) + 1) % 3).save(path)


def add_class(data):
    path = data / "train" / "masks" / "0.png"
    mask = np.asarray(Image.open(path)).copy()
    mask[:9] = 3
    Image.fromarray(mask).save(path)


def remove_image(data):
    for kind in ("images", "masks"):
        (data / "val" / kind / "4.png").unlink()


def turn_round(data):
    for path in data.glob("*/masks/*.png"):
        Image.fromarray(2 - np.asarray(Image.open(path))).save(path)


def overwrite(name, text):
    return lambda run, data: (run / name).write_text(text)


def damage_checkpoints(run, data):
    for path in run.glob("checkpoints/*.json"):
        path.write_text("{")


def lose_checkpoints(run, data):
    """Leave the run as if it was killed before its first checkpoint was complete."""
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints" / "1.orbax-checkpoint-tmp").mkdir(parents=True)


def hold(run, data):
    """Keep the lock of a folder until the process ends."""
    lock = locked(run / ".lock", wait=False)
    assert lock.__enter__()
    hold.locks = [lock]


def other_width(run, data):
    """A run of a wider network, without its config."""
    path = run / "config.json"
    content = json.loads(path.read_text())
    content["model"]["width"] = 0.25
    content["model"]["max_channels"] = 32
    path.write_text(json.dumps(content))


NOTHING = overwrite("metrics.jsonl", "")
REFUSED = {
    "a mask changed": (
        lambda run, data: change_mask(data),
        {},
        r"other data \(train has 12 images: 1 changed \(3\)\)",
    ),
    "a mask of the validation split changed": (
        lambda run, data: change_mask(data, "val", "0"),
        {},
        r"other data \(val has 5 images: 1 changed \(0\)\)",
    ),
    "classes in another order": (
        lambda run, data: turn_round(data),
        {},
        r"12 changed \(0, 1, 10, \.\.\.\); val has 5 images: 5 changed",
    ),
    "an image gone, and the file of a killed run's lock left": (
        lambda run, data: [(run / ".lock").touch(), remove_image(data)],
        {},
        r"val has 4 images, not 5: 1 gone \(4\)",
    ),
    "a class more": (
        lambda run, data: add_class(data),
        {},
        r"3 classes \(class 0, class 1, class 2\), not 4 \(",
    ),
    "no such data": (
        lambda run, data: shutil.rmtree(data),
        {},
        "data: no such folder; give the folder by --data.root",
    ),
    "other settings": (
        NOTHING,
        {"optimizer": {"learning_rate": 0.5}},
        "optimizer.learning_rate 0.003, not 0.5",
    ),
    "another batch size": (
        NOTHING,
        {"train": {"batch_size": 4}},
        "train.batch_size 8, not 4: choose another --workdir, where --model.weights",
    ),
    "fewer steps": (
        NOTHING,
        {"train": {"steps": 1}},
        "stands at step 2, beyond train.steps 1: give --train.steps 2 or more",
    ),
    "locked": (hold, {}, "another process is training here"),
    "labels damaged": (overwrite("labels.json", "{"), {}, r"labels\.json"),
    "config damaged": (overwrite("config.json", "{"), {}, r"config\.json"),
    "identity damaged": (overwrite("data.json", "{"), {}, r"data\.json: not a desc"),
    "all checkpoints damaged": (damage_checkpoints, {}, "every checkpoint is damaged"),
    "checkpoints of another net": (
        other_width,
        {"model": {"width": 0.25, "max_channels": 32}},
        "does not fit this model",
    ),
    "a setting of no sense": (
        lose_checkpoints,
        {"train": {"class_weights": (1.0, 2.0)}},
        "2 values for 3 classes",
    ),
}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_start_changes_no_byte_of_the_folder(short, run, data, kind):
    spoil, sections, said = REFUSED[kind]
    spoil(run, data)
    config = replaced(short, "data", root=str(data))
    for section, values in sections.items():
        config = replaced(config, section, **values)
    before = contents(run)
    with pytest.raises(UserError, match=said):
        train(config, run)
    assert contents(run) == before


@pytest.mark.slow
def test_weights_that_are_gone_are_missed_before_anything_is_written(
    short, run, tmp_path
):
    """The run was killed before its first checkpoint."""
    weights = shutil.copytree(run, tmp_path / "weights")
    config = replaced(short, "model", weights=str(weights))
    train(config, tmp_path / "second")
    lose_checkpoints(tmp_path / "second", None)
    shutil.rmtree(weights)
    before = contents(tmp_path / "second")
    with pytest.raises(UserError, match="weights"):
        train(config, tmp_path / "second")
    assert contents(tmp_path / "second") == before


def test_moved_and_touched_data_is_the_same_data(short, run, data):
    for path in data.rglob("*.png"):
        os.utime(path, (1, 1))
    before = json.loads((run / "data.json").read_text())
    longer = dataclasses.replace(short.train, steps=3)
    config = replaced(dataclasses.replace(short, train=longer), "data", root=str(data))
    assert train(config, run).results["trained_steps"] == 3
    assert json.loads((run / "data.json").read_text()) == before


def test_a_test_split_may_be_added_to_the_data_of_a_run(short, run, data):
    shutil.copytree(data / "val", data / "test")
    for path in (data / "test" / "images").iterdir():  # others than those of val
        Image.fromarray(np.asarray(Image.open(path))[::-1]).save(path)
    train(replaced(short, "data", root=str(data)), run)
    noted = json.loads((run / "data.json").read_text())
    assert noted["name"] == "folder" and set(noted["splits"]) == {
        "train",
        "val",
        "test",
    }
    assert noted["splits"]["test"]["images"] == 5


def test_a_run_that_does_not_say_its_data_goes_on_and_says_it(short, run, capsys):
    noted = (run / "data.json").read_text()
    (run / "data.json").unlink()
    train(short, run)
    assert "does not record which data it was begun with" in capsys.readouterr().err
    assert (run / "data.json").read_text() == noted


def test_a_run_that_does_not_say_its_data_still_has_its_classes(short, run, data):
    (run / "data.json").unlink()
    add_class(data)
    before = contents(run)
    with pytest.raises(UserError, match="3 classes .* not 4"):
        train(replaced(short, "data", root=str(data)), run)
    assert contents(run) == before


@pytest.mark.slow
def test_the_remedies_that_a_refusal_names_work(short, run, data, tmp_path):
    add_class(data)
    config = replaced(short, "data", root=str(data))
    with pytest.raises(
        UserError, match=f"another --workdir, where --model.weights {run}"
    ):
        train(config, run)
    started = replaced(config, "model", weights=str(run))
    assert train(started, tmp_path / "next").results["trained_steps"] == 2
    shutil.rmtree(run)
    assert train(config, run).results["trained_steps"] == 2


@pytest.mark.slow
def test_a_warm_up_in_steps_goes_on_as_the_same_share_of_the_steps(short, tmp_path):
    in_steps = replaced(short, "optimizer", warmup_steps=1)
    train(in_steps, tmp_path / "run")
    train(replaced(short, "optimizer", warmup_ratio=0.5), tmp_path / "run")
    with pytest.raises(UserError, match=r"optimizer.warmup_ratio 0\.5, not 0\.1"):
        train(replaced(short, "optimizer", warmup_ratio=0.1), tmp_path / "run")


def test_an_evaluation_on_other_data_says_so_and_leaves_the_run_alone(
    run, data, shapes_folder, capsys
):
    before = contents(run)
    assert evaluate_run(run, root=str(data))["images"] == 5
    assert "other data" not in capsys.readouterr().err
    change_mask(data, "val", "2")
    evaluate_run(run, root=str(data))
    said = f"measured on other data than {run}'s: val has 5 images: 1 changed (2)"
    assert said in capsys.readouterr().err
    evaluate_run(run, root=str(data), split="train")
    assert "other data" not in capsys.readouterr().err
    assert contents(run) == before


@pytest.mark.parametrize("relative", [False, *slow(True)])
def test_an_evaluation_whose_data_has_moved_says_how_to_name_it(
    short, data, tmp_path, monkeypatch, relative
):
    monkeypatch.chdir(tmp_path)
    root = "data" if relative else str(data)
    train(replaced(short, "data", root=root), tmp_path / "run")
    moved = data.rename(tmp_path / "moved")
    where = f" in {tmp_path}" if relative else ""
    with pytest.raises(UserError, match=f"data: no such folder{where}; if .* --root"):
        evaluate_run(tmp_path / "run")
    assert evaluate_run(tmp_path / "run", root=str(moved))["images"] == 5


@pytest.mark.parametrize(
    ("devices", "values"),
    [
        *slow(
            (1, {"batch_size": 1}),
            (8, {"batch_size": 1}),
            (1, {"batch_size": 2, "accumulate": 2}),
            (8, {"batch_size": 2, "accumulate": 2}),
        ),
    ],
)
def test_one_image_at_a_time_is_resumed_bit_for_bit(
    short, with_train, tmp_path, devices, values
):
    mesh = create_mesh(jax.devices()[:devices])
    config = replaced(with_train(short, steps=4, **values), "evaluation", batch_size=1)
    # The other schedules depend on the number of steps.
    config = replaced(config, "optimizer", schedule="constant")
    whole = train(config, tmp_path / "whole", mesh=mesh).results
    train(with_train(config, steps=2), tmp_path / "parts", mesh=mesh)
    resumed = train(config, tmp_path / "parts", mesh=mesh).results
    for name in ("parameters_sha256", "confusion"):
        assert resumed[name] == whole[name]
