from __future__ import annotations

import pytest

from jaxseg.data.contents import Content, check_contents
from jaxseg.errors import UserError

NAMES = ("sky", "road", "tree")
SOUND = Content((5, 6, 7), 0, "0 (28 %, 1 file)")


def check(train=SOUND, val=SOUND):
    return check_contents({"train": train, "val": val}, NAMES, "train", "val", "at")


def test_splits_with_all_classes_give_no_warning():
    assert check() == []


def test_splits_that_were_not_counted_give_no_warning():
    assert check_contents({}, NAMES, "train", "val", "at") == []


def test_a_class_that_the_training_split_lacks_is_a_warning():
    (said,) = check(train=Content((5, 0, 7), 1, "0 (40 %)"))
    assert "at: split 'train' has no pixel of class road" in said and "0 (40 %)" in said


def test_a_class_that_the_evaluation_split_lacks_gives_no_warning():
    assert check(val=Content((5, 0, 7), 0, "")) == []


@pytest.mark.parametrize(
    ("pixels", "said"), [((0, 5, 0), "class 'road' only"), ((0, 0, 0), "no counted")]
)
def test_a_training_split_of_less_than_two_classes_is_refused(pixels, said):
    with pytest.raises(UserError, match=f"split 'train' holds .*{said}.* 9 .5 %"):
        check(train=Content(pixels, 3, "9 (5 %)"))


def test_an_evaluation_split_of_one_class_is_a_warning():
    (said,) = check(val=Content((0, 0, 9), 0, ""))
    assert "split 'val' has pixels of class tree only" in said


def test_an_evaluation_split_of_ignored_pixels_is_refused():
    with pytest.raises(UserError, match="at: split 'val' holds ignored pixels only"):
        check(val=Content((0, 0, 0), 9, "255"))
