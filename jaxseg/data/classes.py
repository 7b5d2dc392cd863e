"""Finds the classes of a folder of masks, from the options or from the masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data import binary
from jaxseg.data.causes import OBJECTS, likely_cause
from jaxseg.data.coding import Coding
from jaxseg.data.labels import (
    IGNORE,
    LabelSet,
    check_palette,
    colour_codes,
    numbered_names,
)
from jaxseg.data.mask_map import parse_mask_map
from jaxseg.data.palettes import check_palettes, colours_option, mostly_near
from jaxseg.data.survey import Survey, Tally, grey_codes
from jaxseg.errors import UserError


def find_classes(config: DataConfig, survey: Survey) -> Coding:
    """Return the classes that the options give, or that are inferred from the masks.

    Args:
      config: the options of the masks.
      survey: the content of the masks.

    Raises:
      UserError: options disagree, the masks leave the classes unclear, or a value or
        colour has no class.
    """
    check_palette(config.palette)
    if config.task == "binary":
        config = binary.filled_in(config, survey)
    mapped = parse_mask_map(config.mask_map)
    count = _given_count(config, len(mapped.values))
    numbered = bool(config.mask_values or config.mask_map)
    by_colour = not numbered and _meant_by_colour(config, survey)
    colours = survey.of_kind("colour")
    if colours and not config.palette:
        raise UserError(
            f"{colours[0].path}: a mask in colours; give data.palette, the RGB of each"
            f" class: {colours_option(survey.colours)}"
        )
    if count == 1:
        raise _one_class(config, survey)
    if not numbered and not by_colour:
        check_palettes(survey, config.ignore_values)
        count = _count_classes(config, count, survey)
    labels = LabelSet(
        names=config.class_names or numbered_names(count),
        palette=config.palette,
        raw_values=mapped.values or config.mask_values,
        raw_ranges=mapped.ranges,
        raw_ignore=(*_ignored(config, mapped.ranges, mapped.values), *mapped.ignored),
        nearest_colour=config.nearest_colour,
        task=config.task,
    )
    coding = Coding(labels, by_colour)
    coding.check(survey, lambda tally, colour: _remedy(config, survey, tally, colour))
    return coding


def _given_count(config: DataConfig, mapped: int) -> int:
    """Return the number of classes that the options give, or 0."""
    if config.mask_map and config.mask_values:
        raise UserError("data.mask_map and data.mask_values: give one of them")
    if config.nearest_colour and not config.palette:
        raise UserError("data.nearest_colour takes data.palette, the RGB of each class")
    counts = {
        "num_classes": config.num_classes,
        "class_names": len(config.class_names),
        "palette": len(config.palette),
        "mask_values": len(config.mask_values),
        "mask_map": mapped,
    }
    given = {f"data.{name}": count for name, count in counts.items() if count}
    if len(set(given.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in given.items())
        raise UserError(f"numbers of classes that differ: {said}")
    if config.mask_map and not mapped:
        raise UserError("data.mask_map ignores every value that it names")
    return max(given.values(), default=0)


def _meant_by_colour(config: DataConfig, survey: Survey) -> bool:
    """Tell whether grey and indexed masks are to be read by the palette's colours.

    Indexed masks are if they have one of its colours.  Grey masks are if there are also
    masks in colour, or if their values fit no class as numbers but all as colours.
    """
    if not config.palette:
        return False
    codes = colour_codes(np.array(config.palette, np.uint8))
    indexed = [file.by_colour().values for file in survey.of_kind("indexed")]
    if any(np.isin(values, codes).any() for values in indexed):
        return True
    if survey.of_kind("colour"):
        return True
    values = survey.numbers.values
    greys = np.isin(grey_codes(values), codes)
    ignored = np.isin(values, config.ignore_values) & ~greys
    fits = (values < len(config.palette)) | ignored
    return bool(greys.all() and not fits.all())


def _ignored(
    config: DataConfig, ranges: Sequence[tuple[int, int, int]], values: Sequence[int]
) -> list[int]:
    """Return the ignored values; 255 is one unless an option makes it a class."""
    named = {*config.mask_values, *values}
    for first, last, _ in ranges:
        named.update(range(first, last + 1))
    both = sorted(named.intersection(config.ignore_values))
    if both and both != [IGNORE]:
        raise UserError(
            f"data.ignore_values {' '.join(map(str, both))}: also the value of a class;"
            " take it out of one of the two options"
        )
    return [value for value in config.ignore_values if value not in both]


def _one_class(config: DataConfig, survey: Survey) -> UserError:
    """Return the error of options that ask for a single class."""
    if config.palette or survey.of_kind("colour"):
        remedy = f"each colour of the masks, {colours_option(survey.colours)}"
    else:
        remedy = _two_classes(config, survey)
    return UserError(
        f"{survey.folder}: one class is asked for, which leaves nothing to tell apart;"
        " to tell it from the background, which needs no name, pass --data.task binary"
        f" as well; or the background is a class too: in its place pass {remedy}"
    )


def _two_classes(config: DataConfig, survey: Survey) -> str:
    """Return the options for background and another class, and the values found."""
    numbers = survey.numbers
    values = numbers.values.tolist()
    option = OBJECTS
    if [value for value in values if value not in config.ignore_values] == [0, 1]:
        option = "--data.num_classes 2"
    elif len(values) == 2:
        option = f"--data.mask_values {values[0]} {values[1]}"
    elif cause := likely_cause(survey):
        option = cause.option
    name = config.class_names[0] if config.class_names else "object"
    names = f"background {'object' if name == 'background' else name}"
    return f"{option} --data.class_names {names} (the masks hold {numbers.text()})"


def _count_classes(config: DataConfig, count: int, survey: Survey) -> int:
    """Return the number of classes of masks that hold 0, 1, 2, ...; refuse others."""
    found, ignored = survey.numbers, config.ignore_values
    values = set(found.values.tolist())
    held = f"{survey.folder}: the masks hold {found.text(ignored)}"
    if count in (0, 2) and values == {0, 255} and 255 in ignored:
        raise UserError(f"{held}: {likely_cause(survey)}")
    kept = sorted(values.difference(ignored))
    listed = " ".join(map(str, sorted(values.union(range(count)).difference(ignored))))
    if clash := sorted(set(range(count)).intersection(ignored)):
        clash = " ".join(map(str, clash))
        raise UserError(
            f"{held}; data.ignore_values {clash} is a class's value too:"
            f" pass {_values(config, listed)}, which leaves it out"
            + f", in place of --data.num_classes {count}"
            * bool(config.num_classes)
        )
    if count:
        return count
    if cause := likely_cause(survey):
        rest = ""
        if cause.option == OBJECTS and max(values) < 255:
            rest = (
                "; if each value is a class all the same pass"
                f" --data.num_classes {kept[-1] + 1}"
            )
        raise UserError(f"{held}: the classes cannot be inferred; {cause}{rest}")
    if len(kept) > 1 and kept == list(range(len(kept))):
        return len(kept)
    if not kept:
        raise UserError(
            f"{held}: all ignored, so the classes cannot be inferred; pass"
            " --data.num_classes, or the value of each class by --data.mask_values"
        )
    every = " ".join(map(str, found.values)) if set(ignored) == {IGNORE} else listed
    options = _values(config, listed)
    if every != listed:
        options += (
            f" if 255 is to be ignored, or {_values(config, every)} if it is a class"
        )
    gaps = (
        f", or --data.num_classes {kept[-1] + 1} if other values up to {kept[-1]} are"
        " classes that these masks lack"
    )
    gaps = gaps * (kept[-1] < 255 and not set(range(kept[-1])).intersection(ignored))
    raise UserError(
        f"{held}: the classes cannot be inferred, as the values are not 0, 1, 2, ...;"
        f" pass the value of each class, {options}{gaps}"
    )


def _values(config: DataConfig, listed: str) -> str:
    """Return the options that make the listed values classes."""
    if config.ignore_values == (IGNORE,):
        return f"--data.mask_values {listed}"
    ignored = " ".join(map(str, config.ignore_values))
    return f"--data.ignore_values {ignored} --data.mask_values {listed}"


def _remedy(config: DataConfig, survey: Survey, tally: Tally, colours: bool) -> str:
    """Return the remedy for values, or codes of colours, of no class."""
    if colours:
        return _colour_remedy(config, survey, tally)
    if config.task == "binary":
        return binary.remedy(config, survey, tally)
    if cause := likely_cause(survey):
        return str(cause) + _in_place(
            config, ("mask_map", "mask_values", "num_classes")
        )
    if len(tally.values) > 8:
        return "fix the masks, or give their values by --data.mask_values"
    unknown = " ".join(map(str, tally.values))
    if config.mask_map:
        more = " ".join(f"{value}:ignore" for value in tally.values)
        return f"to ignore them pass --data.mask_map {' '.join(config.mask_map)} {more}"
    classes = config.mask_values or range(_given_count(config, 0))
    ignore = " ".join(map(str, [*config.ignore_values, *tally.values.tolist()]))
    add = f"--data.mask_values {' '.join(map(str, classes))} {unknown}"
    add += _in_place(config, ("mask_values", "num_classes"))
    if config.class_names or config.palette:
        add += ", with as many values of data.class_names and data.palette as are given"
    return (
        f"fix the masks; or to ignore these values pass --data.ignore_values {ignore};"
        f" or to make each a class pass {add}"
    )


def _in_place(config: DataConfig, names: Sequence[str]) -> str:
    """Return a phrase for the given options that another option replaces, or ""."""
    given = [f"data.{name}" for name in names if getattr(config, name)]
    return f" in place of {' and '.join(given)}" if given else ""


def _colour_remedy(config: DataConfig, survey: Survey, tally: Tally) -> str:
    numbers = survey.numbers.values
    indexed = survey.of_kind("indexed") and len(numbers) == len(config.palette)
    values = " ".join(map(str, numbers))
    if indexed and not survey.of_kind("colour"):
        return (
            "give the colours as they are in the masks,"
            f" {colours_option(survey.colours)}; or if the indices are the classes and"
            f" the palette only paints pass --data.mask_values {values} as well"
        )
    if len(tally.values) > 2 * len(config.palette) and mostly_near(
        tally, config.palette
    ):
        return (
            "the masks look as if they were smoothed or JPEG once: to give every pixel"
            " the nearest class pass --data.nearest_colour True as well"
        )
    return (
        "add each to data.palette, where two colours cannot be one class; or to give"
        " every pixel the nearest class pass --data.nearest_colour True as well"
    )
