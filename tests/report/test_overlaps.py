"""Classes that overlap are all seen."""

import numpy as np
import pytest

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError
from jaxseg.report.overlaps import ignored, striped
from jaxseg.report.pictures import overlay
from jaxseg.report.sheets import comparison

LABELS = LabelSet(("a", "b", "c"), task="multilabel")


def scene():
    """Class a on the left, b below, both in a corner; the last row is ignored."""
    planes = np.zeros((40, 60, 3), np.uint8)
    planes[:, :30, 0] = 1
    planes[20:, :, 1] = 1
    planes[39] = IGNORE
    return planes


def test_one_class_is_itself_and_several_take_turns():
    place = striped(scene(), 4)
    assert (place[:20, :30] == 0).all() and (place[20:39, 30:] == 1).all()
    assert (place[:20, 30:] == -1).all() and (place[39] == -1).all()
    shares = np.bincount(place[20:39, :30].ravel()) / (19 * 30)
    np.testing.assert_allclose(shares, [0.5, 0.5], atol=0.05)
    assert ignored(scene()).sum() == 60


def test_three_classes_take_turns_too():
    place = striped(np.ones((30, 30, 3), np.uint8), 3)
    np.testing.assert_allclose(np.bincount(place.ravel()) / 900, 1 / 3, atol=0.02)


def test_an_overlay_shows_the_image_where_no_class_is():
    image = np.full((40, 60, 3), 90, np.uint8)
    picture = overlay(image, scene(), LABELS)
    assert (picture[:19, 31:] == 90).all()
    assert (picture[:20, :29] != 90).any(axis=2).all()
    assert (picture[39] == 90).all()


def test_a_sheet_tells_false_positives_from_false_negatives():
    label, image = scene(), np.full((40, 60, 3), 90, np.uint8)
    prediction = np.where(label == IGNORE, 0, label)
    prediction[:5, :5, 0], prediction[:5, 40:, 1] = 0, 1
    sheet = comparison(image, label, prediction, LABELS)
    names = [name for name, _ in sheet.legend]
    assert names == ["a", "b", "false positive", "false negative", "ignored"]
    prediction[:5, :5, 2] = 1
    sheet = comparison(image, label, prediction, LABELS)
    assert "both, of different classes" in [name for name, _ in sheet.legend]
    assert len({colour for _, colour in sheet.legend}) == len(sheet.legend)


def test_a_mask_of_other_planes_is_refused():
    with pytest.raises(UserError, match="does not fit"):
        overlay(np.zeros((40, 60, 3), np.uint8), scene()[..., :2], LABELS)
