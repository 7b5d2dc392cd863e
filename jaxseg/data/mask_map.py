"""The option `mask_map`, text such as `0-127:0` that gives mask values a class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from jaxseg.errors import UserError

_ENTRY = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?:(\d{1,3}|ignore)", re.ASCII)


class MaskMap(NamedTuple):
    """The classes of mask values, as attributes of a `LabelSet`.

    Attributes:
      values: the first value that was given for each class.
      ranges: the other values of classes, `(first, last, class)` each.
      ignored: values that are ignored.
    """

    values: tuple[int, ...]
    ranges: tuple[tuple[int, int, int], ...]
    ignored: tuple[int, ...]


def parse_mask_map(entries: Sequence[str]) -> MaskMap:
    """Read `VALUE:CLASS` and `LOW-HIGH:CLASS`, where CLASS may be `ignore`.

    Raises:
      UserError: an entry has another form, two entries name the same value, or the
        classes are not 0, 1, 2, ... without a gap.
    """
    owner: dict[int, str] = {}
    first: dict[int, int] = {}
    ranges, ignored = [], []
    for entry in entries:
        parts = _ENTRY.fullmatch(entry)
        low = int(parts[1]) if parts else 0
        high = int(parts[2] or low) if parts else 0
        if parts is None or not low <= high <= 65535:
            raise UserError(
                f"data.mask_map {entry!r}: give VALUE:CLASS, LOW-HIGH:CLASS or"
                " VALUE:ignore, values 0 to 65535, as in --data.mask_map 0-127:0"
                " 128-255:1"
            )
        for value in range(low, high + 1):
            if value in owner:
                raise UserError(
                    f"data.mask_map {owner[value]} and {entry} both name value {value}"
                )
            owner[value] = entry
        if parts[3] == "ignore":
            ignored.extend(range(low, high + 1))
            continue
        index = int(parts[3])
        if index not in first:
            first[index] = low
            low += 1
        if low <= high:
            ranges.append((low, high, index))
    if sorted(first) != list(range(len(first))):
        missing = min(set(range(len(first))) - set(first))
        raise UserError(
            f"data.mask_map {' '.join(entries)}: no value has class {missing}; classes"
            " are 0, 1, 2, ... without a gap"
        )
    values = tuple(first[index] for index in range(len(first)))
    return MaskMap(values, tuple(ranges), tuple(ignored))
