"""Files segmented by `predict`: which are taken, how they are read, what is written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from image_kinds import KINDS
from PIL import Image
from slow_cases import slow

import jaxseg
from jaxseg import cli
from jaxseg.data.labels import LabelSet
from jaxseg.data.masks import read_mask

COLOURS = ((10, 20, 30), (200, 0, 0), (0, 100, 250))


@pytest.fixture
def trained(tiny_config, with_train, tmp_path):
    """Train for a step on data with options of its own; return the run folder."""

    def make(**options) -> Path:
        data = dataclasses.replace(tiny_config.data, **options)
        config = dataclasses.replace(tiny_config, data=data)
        config = with_train(config, steps=2, eval_every=2, checkpoint_every=2)
        jaxseg.train(config, tmp_path / "run")
        return tmp_path / "run"

    return make


@pytest.fixture
def photographs(shapes_folder, tmp_path):
    """A folder of three images."""
    (tmp_path / "photographs").mkdir()
    for index in range(3):
        image = (shapes_folder / "val" / "images" / f"{index}.png").read_bytes()
        (tmp_path / "photographs" / f"{index}.png").write_bytes(image)
    return tmp_path / "photographs"


def predict(run, *words) -> int:
    return cli.main(["predict", "--run", str(run), *map(str, words)])


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "masks").iterdir())


def test_every_kind_of_image_is_read_as_elsewhere(trained, tmp_path):
    run = trained()
    readable = {
        f"{index}.{ending}": (content, expected)
        for index, (ending, content, expected) in enumerate(KINDS.values())
        if isinstance(expected, np.ndarray)
    }
    (tmp_path / "kinds").mkdir()
    for name, (content, _) in readable.items():
        (tmp_path / "kinds" / name).write_bytes(content)
    assert predict(run, tmp_path / "kinds", "--out", tmp_path / "out") == 0
    labels = jaxseg.Predictor.from_run(run).labels
    assert len(written(tmp_path / "out")) == len(readable) > 50
    for name, (_, expected) in readable.items():
        png = f"{Path(name).stem}.png"
        mask = np.asarray(Image.open(tmp_path / "out" / "masks" / png))
        overlay = np.asarray(Image.open(tmp_path / "out" / "overlays" / png))
        painted = jaxseg.overlay(expected, mask.astype(int), labels, legend=True)
        np.testing.assert_array_equal(overlay, painted)


def test_hidden_files_and_results_are_left_out_and_reported(
    trained, photographs, capsys
):
    run = trained()
    image = (photographs / "0.png").read_bytes()
    for name in (".ipynb_checkpoints/0-checkpoint.png", "__MACOSX/._1.png"):
        (photographs / name).parent.mkdir()
        (photographs / name).write_bytes(image)
    (photographs / "photo.heic").write_bytes(b"")
    capsys.readouterr()
    unknown = "files of kinds that are not read (1 .heic)"
    for results, said in (
        ("first", f"2 hidden images, {unknown}"),
        ("first", f"2 hidden images, 6 results of earlier predictions, {unknown}"),
        ("second", f"2 hidden images, 6 results of earlier predictions, {unknown}"),
    ):
        assert predict(run, photographs, "--out", photographs / results) == 0
        printed = capsys.readouterr()
        assert f"left out: {said}" in printed.err.splitlines()
        assert "3 masks in" in printed.out
        assert written(photographs / results) == ["0.png", "1.png", "2.png"]


def test_masks_that_no_prediction_wrote_are_not_replaced(trained, photographs, capsys):
    run = trained()
    drawn = photographs / "masks" / "1.png"
    drawn.parent.mkdir()
    Image.fromarray(np.ones((48, 56), np.uint8)).save(drawn)
    before = drawn.read_bytes()
    images = [photographs / f"{index}.png" for index in range(3)]
    assert predict(run, *images, "--out", photographs) == 2
    assert f"{drawn}: exists and was not written by" in capsys.readouterr().err
    assert drawn.read_bytes() == before
    assert not (photographs / "overlays").exists()
    assert predict(run, *images, "--out", photographs / "other") == 0


def check_values(run, photographs, tmp_path, mode: str, labels: LabelSet) -> None:
    """The user's own values, read as their masks are, are the classes predicted."""
    assert predict(run, photographs, "--out", tmp_path / "plain") == 0
    words = ("--out", tmp_path / "own", "--values", "masks")
    assert predict(run, photographs, *words) == 0
    classes = set()
    for index in range(3):
        path = tmp_path / "own" / "masks" / f"{index}.png"
        with Image.open(path) as file:
            assert file.mode == mode
        plain = np.asarray(Image.open(tmp_path / "plain" / "masks" / f"{index}.png"))
        own = labels.encode(read_mask(path).pixels)
        np.testing.assert_array_equal(own, plain)
        classes |= set(np.unique(plain))
    assert len(classes) > 1


@pytest.fixture
def other_values(shapes_folder, tmp_path):
    """Copy the data set, with other values in its masks; return its place."""

    def make(values: np.ndarray) -> str:
        for path in sorted(shapes_folder.rglob("*.png")):
            target = tmp_path / "data" / path.relative_to(shapes_folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.parent.name == "masks":
                Image.fromarray(values[np.asarray(Image.open(path))]).save(target)
            else:
                target.write_bytes(path.read_bytes())
        return str(tmp_path / "data")

    return make


@pytest.mark.parametrize(
    ("values", "mode"), [((0, 128, 255), "L"), *slow(((7, 1000, 60000), "I;16"))]
)
def test_grey_values_of_the_users_own_masks_are_written(
    trained, photographs, other_values, tmp_path, values, mode
):
    root = other_values(np.array(values, np.uint8 if mode == "L" else np.uint16))
    run = trained(root=root, mask_values=values)
    labels = LabelSet(("a", "b", "c"), raw_values=values, raw_ignore=())
    check_values(run, photographs, tmp_path, mode, labels)


@pytest.mark.slow
def test_colours_of_the_users_own_masks_are_written(
    trained, photographs, other_values, tmp_path
):
    run = trained(root=other_values(np.array(COLOURS, np.uint8)), palette=COLOURS)
    labels = LabelSet(("a", "b", "c"), palette=COLOURS)
    check_values(run, photographs, tmp_path, "RGB", labels)


@pytest.mark.slow
def test_masks_have_the_first_of_several_values_of_a_class(
    trained, photographs, other_values, tmp_path
):
    root = other_values(np.array((9, 5, 255), np.uint8))
    run = trained(root=root, mask_map=("9:0", "0:0", "5:1", "255:2"))
    labels = LabelSet(("a", "b", "c"), raw_values=(9, 5, 255), raw_ignore=())
    check_values(run, photographs, tmp_path, "L", labels)


@pytest.mark.slow
def test_values_that_a_table_beside_the_masks_gives_are_written(
    trained, photographs, other_values, tmp_path
):
    root = other_values(np.array((3, 6, 9), np.uint8))
    table = "Pixel Value, Class\n3, ground\n6, square\n9, disc\n"
    (Path(root) / "_classes.csv").write_text(table)
    labels = LabelSet(("a", "b", "c"), raw_values=(3, 6, 9))
    check_values(trained(root=root), photographs, tmp_path, "L", labels)


@pytest.mark.slow
def test_an_older_run_takes_the_values_from_its_options(
    trained, photographs, other_values, tmp_path
):
    values = (0, 128, 255)
    root = other_values(np.array(values, np.uint8))
    run = trained(root=root, mask_values=values)
    labels = json.loads((run / "labels.json").read_text())
    older = {name: labels[name] for name in ("names", "palette")}
    (run / "labels.json").write_text(json.dumps(older))
    labels = LabelSet(("a", "b", "c"), raw_values=values, raw_ignore=())
    check_values(run, photographs, tmp_path, "L", labels)


def test_masks_of_class_numbers_are_written_in_grey(trained, photographs, tmp_path):
    check_values(trained(), photographs, tmp_path, "L", LabelSet(("a", "b", "c")))


def test_an_unknown_kind_of_values_is_refused(trained, photographs, tmp_path):
    from jaxseg.commands.predict import predict_files

    with pytest.raises(jaxseg.UserError, match="'mask'. Did you mean 'masks'"):
        predict_files(trained(), [photographs], tmp_path / "out", values="mask")


def test_probabilities_are_those_of_the_masks_whatever_the_file(
    trained, photographs, tmp_path
):
    run = trained()
    assert predict(run, photographs, "--out", tmp_path / "none") == 0
    predictor = jaxseg.Predictor.from_run(run)
    expected = predictor.probabilities(sorted(photographs.iterdir()))
    for kind in ("npz", "png", "tiff"):
        out = tmp_path / kind
        words = ("--out", out, "--probabilities", kind)
        for _ in range(2):  # its own results may be replaced
            assert predict(run, photographs, *words) == 0
        assert written(out) == written(tmp_path / "none")
        for folder in ("masks", "overlays"):
            for path in (out / folder).iterdir():
                other = tmp_path / "none" / folder / path.name
                assert path.read_bytes() == other.read_bytes()
    for index, shares in enumerate(expected):
        with np.load(tmp_path / "npz" / "probabilities" / f"{index}.npz") as file:
            assert file["classes"].tolist() == list(predictor.labels.names)
            assert file["probabilities"].dtype == np.float32
            np.testing.assert_array_equal(file["probabilities"], shares)
        for place, name in enumerate(predictor.labels.names):
            plane = shares[..., place]
            path = tmp_path / "tiff" / "probabilities" / name / f"{index}.tiff"
            np.testing.assert_array_equal(np.asarray(Image.open(path)), plane)
            path = tmp_path / "png" / "probabilities" / name / f"{index}.png"
            with Image.open(path) as file:
                assert file.mode == "I;16"
                grey = np.asarray(file)
            np.testing.assert_array_equal(grey, np.rint(plane.astype(float) * 65535))


def test_small_components_are_dropped_from_masks_and_overlays(
    trained, photographs, tmp_path
):
    run = trained()
    words = ("--components", "40", "--probabilities", "npz")
    assert predict(run, photographs, "--out", tmp_path / "out", *words) == 0
    predictor = jaxseg.Predictor.from_run(run)
    changed = 0
    for index in range(3):
        image = jaxseg.load_image(photographs / f"{index}.png")
        mask = predictor(image)
        cleaned = jaxseg.clean_mask(mask, predictor.labels, components=40)
        changed += (cleaned != mask).any()
        png = f"{index}.png"
        found = np.asarray(Image.open(tmp_path / "out" / "masks" / png))
        np.testing.assert_array_equal(found, cleaned)
        overlay = np.asarray(Image.open(tmp_path / "out" / "overlays" / png))
        painted = jaxseg.overlay(image, cleaned, predictor.labels, legend=True)
        np.testing.assert_array_equal(overlay, painted)
        with np.load(tmp_path / "out" / "probabilities" / f"{index}.npz") as file:
            np.testing.assert_array_equal(file["probabilities"].argmax(-1), mask)
    assert changed


def test_probabilities_that_no_prediction_wrote_are_not_replaced(
    trained, photographs, capsys
):
    run = trained()
    other = photographs / "probabilities" / "1.npz"
    other.parent.mkdir()
    np.savez(other, mine=np.zeros(3))
    images = [photographs / f"{index}.png" for index in range(3)]
    words = ("--out", photographs, "--probabilities", "npz")
    assert predict(run, *images, *words) == 2
    assert f"{other}: exists and was not written by" in capsys.readouterr().err
    assert not (photographs / "masks").exists()
