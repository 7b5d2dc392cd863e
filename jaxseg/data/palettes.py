"""Palettes of indexed masks: whether an index means the same in every file."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from jaxseg.data.labels import Colour, code_colours
from jaxseg.data.survey import Survey, Tally, colour_text, grey_codes
from jaxseg.errors import UserError


def check_palettes(survey: Survey, ignored: Collection[int]) -> None:
    """Refuse masks whose numbers could have different meanings in different files.

    Only palette entries that pixels use are compared; 1-bit masks count as indexed ones
    in black and white.

    Raises:
      UserError: an index has two colours, or a colour is one number in a grey mask and
        another in an indexed one.
    """
    seen: dict[int, tuple[int, str]] = {}
    for file in survey.of_kind("indexed"):
        assert file.palette is not None
        for index, code in zip(
            file.tally.values.tolist(), file.palette.tolist(), strict=True
        ):
            before, path = seen.setdefault(index, (code, str(file.path)))
            if before != code:
                raise _unclear(
                    f"{survey.folder}: the palettes of indexed masks differ: index"
                    f" {index} is {colour_text(before)} in {path} and"
                    f" {colour_text(code)} in {file.path}",
                    survey,
                    ignored,
                )
    grey = Tally.total([file.tally for file in survey.of_kind("grey")]).values
    by_code = dict(zip(grey_codes(grey).tolist(), grey.tolist(), strict=True))
    for index, (code, path) in seen.items():
        value = by_code.get(code, index)
        if value != index and index not in grey:
            raise _unclear(
                f"{survey.folder}: grey masks beside indexed or 1-bit ones:"
                f" {colour_text(code)} is value {value} in the former and index {index}"
                f" in {path}",
                survey,
                ignored,
            )


def _unclear(what: str, survey: Survey, ignored: Collection[int]) -> UserError:
    numbers = survey.numbers.values.tolist()
    kept = " ".join(str(value) for value in numbers if value not in ignored)
    options = f"--data.mask_values {' '.join(map(str, numbers))}"
    if left_out := ", ".join(str(value) for value in numbers if value in ignored):
        options = (
            f"--data.mask_values {kept} if {left_out} is to be ignored, or {options} if"
            " it is a class"
        )
    return UserError(
        f"{what}; if the colours are the classes pass {colours_option(survey.colours)};"
        f" if the numbers are, pass {options}"
    )


def colours_option(tally: Tally) -> str:
    """Return `--data.palette` with all colours that were found, and how often.

    Args:
      tally: how often each code of a colour occurs.
    """
    codes = [int(code) for code in tally.values]
    if len(codes) > 32:
        return (
            "--data.palette and those of the classes among"
            f" {tally.text(colours=True)}, with --data.nearest_colour True if the"
            " others are from smoothing or JPEG"
        )
    words = " ".join(f"{code >> 16} {code >> 8 & 255} {code & 255}" for code in codes)
    return f"--data.palette {words} (found: {tally.text(colours=True)})"


def mostly_near(tally: Tally, palette: Sequence[Colour]) -> bool:
    """Whether most pixels are near a colour of the palette, as after JPEG.

    Args:
      tally: how often each code of a colour occurs.
      palette: RGB colours.
    """
    found = code_colours(tally.values)
    distances = [np.abs(found - colour).max(-1) for colour in np.array(palette)]
    near = np.min(distances, axis=0) <= 48
    return bool(tally.pixels[near].sum() >= 0.7 * tally.pixels.sum())
