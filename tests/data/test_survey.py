from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from jaxseg.data.masks import Mask
from jaxseg.data.survey import Tally, count_values, survey_masks


@given(arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5))))
@settings(deadline=None)
def test_values_and_colours_are_counted(values):
    expected = dict(zip(*np.unique(values, return_counts=True), strict=True))
    tally = count_values(Mask(values))
    assert dict(zip(tally.values, tally.pixels, strict=True)) == expected
    tally = count_values(Mask(np.stack([values, values * 0, values], -1)))
    codes = {int(value) * 0x10001: count for value, count in expected.items()}
    assert dict(zip(tally.values.tolist(), tally.pixels, strict=True)) == codes


def test_all_pixels_of_a_picture_with_many_colours_are_counted():
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    picture[:50] = 7, 8, 9
    tally = count_values(Mask(picture))
    assert tally.pixels.sum() == 40_000 and len(tally.values) < 4096 + 32**3
    assert tally.pixels[tally.values == 0x070809].item() >= 10_000


def test_pixels_and_files_add_up_over_the_splits(tmp_path):
    for name, row in {"a": [0, 0, 1], "b": [1, 1, 1], "c": [0, 2, 1]}.items():
        Image.fromarray(np.array([row], np.uint8)).save(tmp_path / f"{name}.png")
    paths = sorted(tmp_path.iterdir())
    survey = survey_masks({"train": paths[:2], "val": paths[2:]})
    numbers = survey.numbers
    assert numbers.values.tolist() == [0, 1, 2]
    assert numbers.pixels.tolist() == [3, 5, 1] and numbers.files.tolist() == [2, 3, 1]
    assert numbers.text({1}) == (
        "0 (33.3 %, 2 files), 1 (55.6 %, 3 files, ignored), 2 (11.1 %, 1 file)"
    )


def test_the_most_frequent_of_many_values_are_listed():
    count = np.arange(40)
    text = Tally(count, count + 1, count).text({39})
    assert text.startswith(
        "40 values from 0 to 39, most often 39 (4.88 %, 39 files, ign"
    )


def test_a_colour_in_grey_indexed_and_coloured_masks_is_one(tmp_path):
    pixels = np.array([[[255, 255, 255], [255, 0, 0]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).quantize(2).save(tmp_path / "b.png")
    Image.fromarray(pixels[:, :1, 0]).save(tmp_path / "c.png")
    Image.fromarray(pixels[:, :1, 0] > 0).save(tmp_path / "d.png")
    survey = survey_masks({"train": sorted(tmp_path.iterdir())})
    assert [file.kind for file in survey.files] == [
        "colour",
        "indexed",
        "grey",
        "indexed",
    ]
    assert survey.colours.text(colours=True) == (
        "(255, 0, 0) (33.3 %, 2 files), (255, 255, 255) (66.7 %, 4 files)"
    )
