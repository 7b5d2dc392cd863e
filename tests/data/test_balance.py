"""Repeat factors of images, and what an epoch draws by them."""

import numpy as np
import pytest

from jaxseg.data.balance import ByClasses, draws, epoch_length, parse_sampling
from jaxseg.data.frequencies import ClassFrequencies, count_classes
from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError


def having(*images, classes=2):
    """Frequencies of a split whose images have these classes."""
    return ClassFrequencies((1,) * classes, (1,) * classes, images)


RARE = range(500, 510)
ONE_PERCENT = having(*((0, 1) if i in RARE else (0,) for i in range(1000)))


def test_an_image_has_the_largest_factor_of_its_classes():
    # Shares 1, 1/2 and 1/4; sqrt(0.5 / (1/4)) is sqrt(2).
    frequencies = having((0, 1), (0, 1, 2), (0,), (0,), classes=4)
    found = ByClasses(threshold=0.5).repeats(frequencies)
    assert found == pytest.approx((1, 2**0.5, 1, 1))


@pytest.mark.parametrize("threshold", [1.0, 0.1, 1e-9])
def test_no_image_has_a_factor_below_one(threshold):
    assert min(ByClasses(threshold).repeats(ONE_PERCENT)) == 1


def test_a_class_in_one_percent_of_the_images_is_drawn_at_the_expected_rate():
    repeats = ByClasses(threshold=0.1).repeats(ONE_PERCENT)
    factor = 10**0.5  # sqrt(0.1 / 0.01)
    assert repeats[500] == pytest.approx(factor)
    assert epoch_length(repeats) == 1022  # 990 + 31.62, rounded up
    expected = 10 * factor * 1022 / (990 + 10 * factor)
    epochs = [draws(repeats, 0, epoch) for epoch in range(200)]
    totals = [np.isin(each, RARE).sum() for each in epochs]
    assert set(totals) == {int(expected), int(expected) + 1}
    assert np.mean(totals) == pytest.approx(expected, rel=2e-3)


def test_an_epoch_draws_every_image_its_factor_rounded_down_or_up():
    repeats = ByClasses(threshold=0.1).repeats(ONE_PERCENT)
    for epoch in range(5):
        counts = np.bincount(draws(repeats, 7, epoch), minlength=1000)
        assert set(counts[500:510]) <= {3, 4}
        assert set(np.delete(counts, RARE)) <= {1, 2}
        assert counts.sum() == 1022


def test_equal_factors_draw_every_image_once_in_an_order_of_seed_and_epoch():
    orders = [draws((1.0,) * 50, *key).tolist() for key in ((0, 0), (0, 1), (1, 0))]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(map(tuple, orders))) == 3
    assert draws((1.0,) * 50, 0, 1).tolist() == orders[1]


def test_ignored_pixels_give_an_image_no_class():
    labels = [[[IGNORE, IGNORE]], [[0, IGNORE]], [[0, 1]]]
    samples = [{"label": np.array(label, np.uint8)} for label in labels]
    found = count_classes(samples, LabelSet(("a", "b")))
    assert found.images == ((), (0,), (0, 1))
    assert ByClasses(threshold=1.0).repeats(found) == pytest.approx(
        (1, 1.5**0.5, 3**0.5)
    )


def test_classes_that_overlap_are_counted_by_image():
    planes = np.zeros((2, 1, 1, 3), np.uint8)
    planes[0, ..., 2], planes[1, ..., 0], planes[1, ..., 1] = 1, IGNORE, 1
    labels = LabelSet(("a", "b", "c"), task="multilabel")
    assert count_classes([{"label": p} for p in planes], labels).images == ((2,), (1,))


def test_options_are_given_in_brackets_and_empty_text_is_no_balance():
    assert parse_sampling("") is None
    assert parse_sampling("classes") == ByClasses(0.1, 0.5)
    given = parse_sampling("classes(threshold=0.2, crops=0)")
    assert given == ByClasses(threshold=0.2, crops=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class", "unknown data.balance 'class'.*'classes'"),
        ("classes(threshold=0)", "option threshold of data.balance .*greater than 0"),
        ("classes(crops=2)", "option crops of data.balance .*less than or equal to 1"),
        ("classes(beta=2)", "has no option beta; it has crops, threshold"),
    ],
)
def test_other_text_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        parse_sampling(text)
