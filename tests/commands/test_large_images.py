"""Images too large for the memory: the masks of the whole, refusals, the preview."""

import dataclasses

import flax.linen as nn
import numpy as np
import pytest
import tifffile
from PIL import Image

import jaxseg
from jaxseg import cli
from jaxseg.commands.large_images import open_large, predict_large
from jaxseg.config import Config, EvaluationConfig
from jaxseg.data import tiff_rows
from jaxseg.data.image_search import is_result
from jaxseg.data.images import load_image
from jaxseg.data.labels import LabelSet, MaskForm
from jaxseg.data.tiff_rows import TiffRows
from jaxseg.errors import UserError
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.predictor import Predictor
from jaxseg.report import large_masks
from jaxseg.run import Run

LABELS = LabelSet(("red", "green", "blue"))
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Around(nn.Module):
    """Logits that depend on the pixels around and on the place in the window."""

    size_multiple: int = 32

    def low_resolution(self, image, train=False):
        return image.cumsum(1) + image[:, ::-1] + 3 * image, ()


def predictor(**options):
    scores = WindowedScores(Around(), mean=MEAN, std=STD, window=64, **options)
    return Predictor(scores, {}, LABELS)


def opened(tmp_path, options, run=None, needs_all=False):
    names = {image_file(tmp_path): "image"}
    run = run or run_of(tmp_path)
    options = EvaluationConfig(**options)
    return open_large(names, tmp_path / "masks", run, options, needs_all)


def run_of(tmp_path, **options):
    return Run(tmp_path, Config(), LABELS, **options)


def image_file(tmp_path, size=(150, 101)):
    path = tmp_path / "image.tif"
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    options = {"tile": (32, 48), "photometric": "rgb", "compression": "zlib"}
    tifffile.imwrite(path, pixels, **options)
    return path


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch):
    monkeypatch.setattr(tiff_rows, "LARGEST", 1000)
    monkeypatch.setattr(large_masks, "TILE", 64)
    monkeypatch.setattr(large_masks, "PREVIEW", 40)


def test_rows_of_the_padding_are_left_out():
    image = np.random.default_rng(0).integers(0, 255, (97, 101, 3), dtype=np.uint8)
    found = predictor()  # padded to 128 rows, which are done 42 at a time
    rows = list(found.predict_rows((97, 101), image.__getitem__))
    assert [len(part) for part in rows] == [42, 42, 13]
    np.testing.assert_array_equal(np.concatenate(rows), found(image))


def predicted(tmp_path, values="classes", run=None, **options):
    path, masks, pictures = image_file(tmp_path), tmp_path / "m.tif", tmp_path / "over"
    found, run = predictor(**options), run or run_of(tmp_path)
    predict_large(found, TiffRows(path), masks, pictures, run, values)
    return found(load_image(path)), masks, pictures


@pytest.mark.parametrize("options", [{}, {"scales": (0.75,), "flip": True}])
def test_a_mask_written_in_parts_is_that_of_the_whole_image(tmp_path, options):
    expected, path, _ = predicted(tmp_path, **options)
    with Image.open(path) as mask:
        assert mask.mode == "P"
        np.testing.assert_array_equal(mask, expected)
        colours = np.array(mask.getpalette()).reshape(-1, 3)[:3]
    np.testing.assert_array_equal(colours, LABELS.palette)
    assert is_result(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "image.tif",
        "m.tif",
        "over",
    ]


@pytest.mark.parametrize("values", [(7, 0, 300), (4, 5, 6)])
def test_a_mask_may_hold_the_values_of_the_data(tmp_path, values):
    run = run_of(tmp_path, form=MaskForm(values=values))
    expected, path, _ = predicted(tmp_path, "masks", run)
    np.testing.assert_array_equal(tifffile.imread(path), np.array(values)[expected])


def test_a_mask_may_hold_the_colours_of_the_data(tmp_path):
    run = run_of(tmp_path, form=MaskForm(colours=True))
    expected, path, _ = predicted(tmp_path, "masks", run)
    np.testing.assert_array_equal(load_image(path), LABELS.colours(expected))


def test_a_preview_holds_the_mean_of_squares_and_the_class_in_their_middle(tmp_path):
    path = image_file(tmp_path, (150, 101))
    image, rows = load_image(path), TiffRows(path)
    factor = large_masks.reduction(rows.size)
    assert factor == 4
    found = large_masks.reduced_image(rows.rows, rows.size, factor)
    squares = image[:148, :100].reshape(37, 4, 25, 4, 3).mean((1, 3))
    np.testing.assert_allclose(found, squares, atol=0.51)
    small, mask = large_masks.ReducedMask(rows.size, factor), image[..., 0]
    parts = iter(np.split(mask, [7, 8, 90]))
    np.testing.assert_array_equal(np.concatenate(list(small.passed(parts))), mask)
    np.testing.assert_array_equal(small.classes, mask[2:150:4, 2:101:4][:37, :25])


@pytest.mark.parametrize(
    "options, remedy",
    [({}, "give --window 512"), ({"window": 64, "crf": 2}, "give --crf 0")],
)
def test_a_large_image_that_needs_other_options_is_refused(tmp_path, options, remedy):
    with pytest.raises(UserError, match=f"image.tif: too large.*{remedy}"):
        opened(tmp_path, options)


def test_what_takes_all_pixels_at_once_is_refused(tmp_path):
    with pytest.raises(UserError, match="image.tif: too large for --probabilities"):
        opened(tmp_path, {"window": 64}, needs_all=True)


def test_classes_that_may_overlap_are_refused(tmp_path):
    run = Run(tmp_path, Config(), dataclasses.replace(LABELS, task="multilabel"))
    with pytest.raises(UserError, match="multilabel run.*cut it into tiles"):
        opened(tmp_path, {"window": 64}, run)


def test_other_images_are_not_read_by_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_rows, "LARGEST", 10**6)
    assert opened(tmp_path, {}) == {}


def test_a_tiff_that_no_prediction_wrote_is_not_replaced(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "image.tif").write_bytes(image_file(tmp_path).read_bytes())
    with pytest.raises(UserError, match=r"image.tif: exists and was not written by"):
        opened(tmp_path, {"window": 64})


def test_a_band_that_does_not_fit_the_memory_is_refused_with_a_remedy(monkeypatch):
    monkeypatch.setattr("jaxseg.memory.available", lambda: 10_000)
    rows = predictor().predict_rows((150, 101), lambda index: np.empty(0))
    with pytest.raises(UserError, match="128 columns of 3 classes.*smaller window"):
        next(rows)


def test_an_image_is_read_by_rows_for_windows_only():
    whole = Predictor(lambda variables, image: image, {}, LABELS)
    with pytest.raises(UserError, match="give a window"):
        next(whole.predict_rows((150, 101), lambda index: np.empty(0)))


@pytest.mark.slow
def test_predict_writes_a_large_image_beside_a_small_one(
    tiny_config, with_train, shapes_folder, tmp_path
):
    config = with_train(tiny_config, steps=2, eval_every=2, checkpoint_every=2)
    jaxseg.train(config, tmp_path / "run")
    image = image_file(tmp_path)
    small = shapes_folder / "val" / "images" / "0.png"  # 2688 pixels, and no TIFF
    words = ["--run", tmp_path / "run", image, small, "--out", tmp_path / "out"]
    words += ["--window", 64]
    for _ in range(2):  # results are replaced
        assert cli.main(["predict", *map(str, words)]) == 0
    masks = tmp_path / "out" / "masks"
    assert sorted(each.name for each in masks.iterdir()) == ["0.png", "image.tif"]
    options = dataclasses.replace(tiny_config.evaluation, window=64)
    expected = Predictor.from_run(tmp_path / "run", options)(load_image(image))
    np.testing.assert_array_equal(tifffile.imread(masks / "image.tif"), expected)
