"""Text in pictures: the legend of a mask and the titles over a sheet.

Draws on arrays with Pillow's own font, so that it looks the same on every machine.
Which classes are named, and where the strip goes, is `pictures.py`'s business.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxseg.data.labels import Colour

PAPER = (255, 255, 255)
"""The colour between and around the pictures of a sheet."""

_INK = (40, 42, 46)
_EDGE = (150, 153, 158)

# Pillow's own font has ASCII only; for other names take what the system has.
_SYSTEM_FONTS = (
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "DejaVuSans.ttf",
    "arial.ttf",
)

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


def legend(entries: Sequence[tuple[str, Colour | None]], width: int) -> np.ndarray:
    """Draw colour chips with their names, wrapped to a width.

    Args:
      entries: name and RGB colour; None draws a hollow chip (the class is not painted).
      width: of the strip, pixels; a name that is wider is shortened.

    Returns:
      uint8 `[h, width, 3]`, `h` as many rows of text as needed; 0 without entries.
    """
    size = _text_size(width)
    chip, gap, row = size, size // 2, size * 3 // 2
    strip = Image.new("RGB", (width, len(entries) * row + gap), PAPER)
    draw = ImageDraw.Draw(strip)
    x, y = gap, gap // 2
    for name, colour in entries:
        font = _font(size, name.isascii())
        text = _shorten(name, font, width - chip - 3 * gap)
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
      width: of one picture, pixels.
      gap: between two pictures, pixels.

    Returns:
      uint8 `[h, len(words) * (width + gap) - gap, 3]`.
    """
    total = len(words) * (width + gap) - gap
    size = _text_size(total)
    strip = Image.new("RGB", (total, size * 2), PAPER)
    draw = ImageDraw.Draw(strip)
    for index, word in enumerate(words):
        font = _font(size, word.isascii())
        text = _shorten(word, font, width)
        draw.text((index * (width + gap), size), text, _INK, font, anchor="lm")
    return np.asarray(strip)


def _text_size(width: int) -> int:
    """Return a font size, pixels, that is legible when the strip fills a page."""
    return min(max(width // 75, 13), 40)


@functools.cache
def _font(size: int, is_ascii: bool) -> Font:
    if not is_ascii:
        for name in _SYSTEM_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def _shorten(text: str, font: Font, width: int) -> str:
    """Cut `text` to a width in pixels, ending in dots if anything is cut."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text.rstrip() + "..."
