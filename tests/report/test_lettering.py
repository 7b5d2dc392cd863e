"""Text in pictures: legible, within its width, whatever the names are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from jaxseg.report import lettering
from jaxseg.report.lettering import PAPER, legend, titles


def inked(strip: np.ndarray) -> np.ndarray:
    return (strip != PAPER).any(axis=2)


@pytest.mark.parametrize(
    "name", ["x" * 5000, "два слова", "a\nb\tc\0", "", "  ", "道路"]
)
def test_any_name_keeps_within_the_legend(name):
    strip = legend([(name, (1, 2, 3))], 256)
    assert strip.shape == (25, 256, 3)
    assert not inked(strip)[:, -3:].any()


def test_letters_beyond_ascii_are_drawn_and_differ():
    one, other = (
        legend([(name, None)], 256) for name in ("\u00e4\u00e4", "\u0436\u0436")
    )
    assert (one != other).any(), "no boxes for letters that are missing"


def test_the_font_of_letters_beyond_ascii_comes_with_its_licence():
    folder = Path(lettering.__file__).with_name("fonts")
    font = ImageFont.truetype(str(folder / "DejaVuSans.ttf"), 13)
    assert font.getname() == ("DejaVu Sans", "Book")
    assert "Bitstream Vera Fonts Copyright" in (folder / "LICENSE_DEJAVU").read_text()


def test_many_names_are_wrapped_below_each_other():
    few, many = (legend([("name", None)] * count, 300) for count in (2, 200))
    assert few.shape[0] < 30 < many.shape[0]
    assert inked(many)[-24:].any()


def test_a_legend_of_nothing_has_no_height():
    assert legend([], 256).shape == (0, 256, 3)


def test_titles_stand_over_their_pictures():
    strip = titles(["one", "two"], 120, 8)
    assert strip.shape == (26, 248, 3)
    assert inked(strip)[:, :60].any() and inked(strip)[:, 128:190].any()
    assert not inked(strip)[:, 90:126].any()
