"""Text in pictures: the legend of a mask and the titles over a sheet.

Text of ASCII letters is drawn with Pillow's own font, so that it looks the same on
every machine.  Other text is drawn with the first font of the system that has all its
letters, or else with `fonts/DejaVuSans.ttf`; a letter that DejaVu lacks, such as a
Chinese one, becomes an empty box.
`pictures.py` decides which classes are named and where the text goes.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from jaxseg.data.labels import Colour
from jaxseg.report import style

PAPER = ImageColor.getrgb(style.PAPER)
"""The colour between and around pictures, uint8 RGB: that of the report page."""

_INK = ImageColor.getrgb(style.INK)
_EDGE = (134, 141, 149)
_LONGEST = 200  # most letters of a name that are measured

# Fonts that systems may have, for letters beyond ASCII, which Pillow's own font lacks.
_SYSTEM_FONTS = (
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "malgun.ttf",
    "arial.ttf",
)
_LAST_FONT = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
"""Latin, Greek, Cyrillic, Arabic and more; its licence is `fonts/LICENSE_DEJAVU`."""

_NO_LETTER = "\U0010ffff"  # no font has it, so it is drawn like a missing letter

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def legend(entries: Sequence[tuple[str, Colour | None]], width: int) -> np.ndarray:
    """Draw colour chips with their names, wrapped to a width.

    Args:
      entries: name and RGB colour; None draws a hollow chip (the class is not painted).
      width: width of the legend, pixels; a name that is wider is shortened.

    Returns:
      uint8 `[h, width, 3]`, `h` as many rows of text as needed; 0 without entries.
    """
    size = _text_size(width)
    chip, gap, row = size, size // 2, size * 3 // 2
    strip = Image.new("RGB", (width, len(entries) * row + gap), PAPER)
    draw = ImageDraw.Draw(strip)
    x, y = gap, gap // 2
    for name, colour in entries:
        text, font = _fitted(name, size, width - chip - 3 * gap)
        needed = chip + gap + int(font.getlength(text))
        if x > gap and x + needed + gap > width:
            x, y = gap, y + row
        top = y + (row - chip) // 2
        draw.rectangle(
            (x, top, x + chip - 1, top + chip - 1), fill=colour, outline=_EDGE
        )
        draw.text((x + chip + gap, y + row / 2), text, _INK, font, anchor="lm")
        x += needed + 2 * gap
    height = y + row + gap // 2 if entries else 0
    return np.asarray(strip)[:height]


def titles(words: Sequence[str], width: int, gap: int) -> np.ndarray:
    """Draw one title over each of several pictures side by side.

    Args:
      words: the titles.
      width: width of one picture, pixels.
      gap: distance between two pictures, pixels.

    Returns:
      uint8 `[h, len(words) * (width + gap) - gap, 3]`.
    """
    total = len(words) * (width + gap) - gap
    size = _text_size(total)
    strip = Image.new("RGB", (total, size * 2), PAPER)
    draw = ImageDraw.Draw(strip)
    for index, word in enumerate(words):
        text, font = _fitted(word, size, width)
        draw.text((index * (width + gap), size), text, _INK, font, anchor="lm")
    return np.asarray(strip)


def _text_size(width: int) -> int:
    """Return a font size, pixels, that is legible in a picture as wide as a page."""
    return max(width // 75, 13)


def _fitted(text: str, size: int, width: int) -> tuple[str, Font]:
    """Return a name as one line of at most `width` pixels, and a font for it.

    Control characters become spaces; dots stand for the end of a name that is cut off.
    """
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    line = " ".join(line.split())
    line = line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
    font = _font_for(line, size)
    if font.getlength(line) <= width:
        return line, font
    while line and font.getlength(line + "...") > width:
        line = line[:-1]
    return line.rstrip() + "...", font


def _font_for(text: str, size: int) -> Font:
    if text.isascii():
        return _own_font(size)
    fonts = _fonts(size)
    return next((font for font in fonts if _has_letters(font, text)), fonts[-1])


@functools.cache
def _own_font(size: int) -> Font:
    return ImageFont.load_default(size)


@functools.cache
def _fonts(size: int) -> list[ImageFont.FreeTypeFont]:
    """Return the fonts of `_SYSTEM_FONTS` that this machine has, then `_LAST_FONT`."""
    fonts = []
    for name in _SYSTEM_FONTS:
        with contextlib.suppress(OSError):
            fonts.append(ImageFont.truetype(name, size))
    return [*fonts, ImageFont.truetype(str(_LAST_FONT), size)]


def _has_letters(font: ImageFont.FreeTypeFont, text: str) -> bool:
    missing = _drawn(font, _NO_LETTER)
    return all(_drawn(font, letter) != missing for letter in set(text))


def _drawn(font: ImageFont.FreeTypeFont, letter: str) -> bytes:
    mask: Any = font.getmask(letter)
    return bytes(mask)
