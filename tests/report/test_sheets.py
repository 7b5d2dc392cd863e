"""Sample sheets: what each picture shows, and the meaning of its colours."""

import numpy as np
import pytest

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError
from jaxseg.report.lettering import PAPER
from jaxseg.report.marks import marks_of
from jaxseg.report.sheets import comparison

LABELS = LabelSet(
    ("background", "cell", "wall"), ((0, 0, 0), (200, 0, 0), (0, 100, 250))
)
TWO = LabelSet(("background", "nucleus"))


def halves(left: int, right: int) -> np.ndarray:
    mask = np.full((256, 256), left)
    mask[:, 128:] = right
    return mask


def test_a_comparison_shows_image_truth_prediction_and_errors():
    image = np.full((256, 256, 3), 100, np.uint8)
    label = np.zeros((256, 256), int)
    label[:64] = IGNORE
    prediction = np.zeros((256, 256), int)
    prediction[128:] = 1
    pictures = comparison(image, label, prediction, LABELS).pictures
    assert list(pictures) == ["Image", "Ground truth", "Prediction", "Errors"]
    np.testing.assert_array_equal(pictures["Image"], image)
    np.testing.assert_array_equal(pictures["Ground truth"], LABELS.colours(label))
    np.testing.assert_array_equal(pictures["Prediction"], LABELS.colours(prediction))
    errors, marks = pictures["Errors"], marks_of(LABELS)
    assert (errors[:64] == 224).all(), "ignored: as grey as in the ground truth"
    assert (errors[64:128] == 35).all(), "right: dark"
    assert (errors[128:] == marks.wrong).all()


def test_right_pixels_lose_their_colours_among_the_errors():
    image = np.zeros((256, 256, 3), np.uint8)
    image[..., 0] = 200
    mask = np.ones((256, 256), int)
    errors = comparison(image, mask, mask, LABELS).pictures["Errors"]
    assert (errors == round(0.35 * 0.299 * 200)).all()


def test_errors_of_two_classes_are_false_positives_and_false_negatives():
    image = np.zeros((256, 256, 3), np.uint8)
    sheet = comparison(image, halves(0, 1), halves(1, 0), TWO)
    errors = sheet.pictures["Errors"]
    legend = dict(sheet.legend)
    positive = legend["false positive (nucleus)"]
    negative = legend["false negative (nucleus)"]
    assert (errors[:, :128] == positive).all(), "nucleus where background is"
    assert (errors[:, 128:] == negative).all(), "background where the nucleus is"
    assert positive != negative
    assert "wrong" not in legend


def test_errors_of_more_classes_have_one_colour():
    image = np.zeros((256, 256, 3), np.uint8)
    sheet = comparison(image, halves(0, 1), halves(1, 0), LABELS)
    assert (sheet.pictures["Errors"] == marks_of(LABELS).wrong).all()
    assert dict(sheet.legend)["wrong"] == marks_of(LABELS).wrong


def test_a_legend_names_what_occurs_and_nothing_else():
    image = np.zeros((256, 256, 3), np.uint8)
    right = comparison(image, halves(0, 2), halves(0, 2), LABELS)
    assert [name for name, _ in right.legend] == ["background", "wall"]
    ignored = comparison(image, halves(IGNORE, 1), halves(0, 2), LABELS)
    names = [name for name, _ in ignored.legend]
    assert names == ["background", "cell", "wall", "wrong", "ignored"]
    only = comparison(image, halves(0, 1), halves(0, 0), TWO)
    assert [name for name, _ in only.legend][2:] == ["false negative (nucleus)"]


def test_every_colour_of_the_masks_and_errors_is_in_the_legend():
    image = np.full((256, 256, 3), 100, np.uint8)
    label = halves(0, 2)
    label[:32] = IGNORE
    sheet = comparison(image, label, halves(1, 2), LABELS)
    known = {colour for _, colour in sheet.legend}
    for title in ("Ground truth", "Prediction", "Errors"):
        found = set(map(tuple, sheet.pictures[title].reshape(-1, 3).tolist()))
        assert found - {(35, 35, 35)} <= known, title


def test_ignored_pixels_have_a_colour_of_their_own_in_every_palette():
    labels = LabelSet(("a", "b", "c"), ((224, 224, 224), (255, 255, 0), (0, 0, 0)))
    image = np.zeros((256, 256, 3), np.uint8)
    sheet = comparison(image, halves(IGNORE, 0), halves(0, 0), labels)
    ignored = dict(sheet.legend)["ignored"]
    assert ignored not in labels.palette
    for title in ("Ground truth", "Errors"):
        assert (sheet.pictures[title][:, :128] == ignored).all()


@pytest.mark.parametrize(
    ("size", "shown"),
    [((32, 64), (128, 256)), ((300, 400), (300, 400)), ((512, 2048), (128, 512))],
)
def test_a_comparison_brings_pictures_to_256_to_512_pixels(size, shown):
    image = np.zeros((*size, 3), np.uint8)
    mask = np.ones(size, int)
    for picture in comparison(image, mask, mask, LABELS).pictures.values():
        assert picture.shape == (*shown, 3)


@pytest.mark.parametrize("size", [(256, 256), (40, 800), (800, 40)])
def test_a_flat_sheet_holds_titles_pictures_and_legend(size):
    image = np.full((*size, 3), 7, np.uint8)
    mask = np.ones(size, int)
    sheet = comparison(image, mask, mask, LABELS)
    flat = sheet.flat()
    height, width = sheet.pictures["Image"].shape[:2]
    place = (flat.shape[1] + 8) // 4
    assert place >= width
    top = int(np.flatnonzero((flat[:, :width] == 7).all(axis=(1, 2)))[0])
    for index, picture in enumerate(sheet.pictures.values()):
        left = index * place
        shown = flat[top : top + height, left : left + width]
        np.testing.assert_array_equal(shown, picture)
    for strip in (flat[:top], flat[top + height :]):
        assert (strip == PAPER).all(axis=2).mean() > 0.5
        assert (strip != PAPER).any()


def test_arrays_that_do_not_fit_are_refused():
    image, mask = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), int)
    with pytest.raises(UserError, match="does not fit"):
        comparison(image, mask[:-1], mask, LABELS)
    with pytest.raises(UserError, match="exceed the 3 classes"):
        comparison(image, mask, mask + 3, LABELS)
