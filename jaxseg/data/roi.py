"""Regions of interest: a mask file per image, outside of which pixels are ignored.

The files are found by the pattern `data.roi` and matched with the images by their
names, as masks are.  `survey` and the builder leave out the pixels outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxseg.data.labels import colour_codes
from jaxseg.data.masks import read_mask
from jaxseg.data.pairing import Pair, match
from jaxseg.data.patterns import Table
from jaxseg.data.splits import Splits
from jaxseg.errors import UserError, listed


def with_roi(
    splits: Splits, table: Table, pattern: str
) -> tuple[Splits, tuple[str, ...]]:
    """Return the pairs with the file of their region of interest, and notes.

    Args:
      splits: the pairs of each split.
      table: the files of the pattern; files without an image are left out.
      pattern: the pattern `data.roi`.

    Raises:
      UserError: an image has no file or two, or a name is in two splits that the
        pattern does not tell apart.
    """
    where = f"data.roi {pattern!r}"
    if "" in table:
        _check_names(splits, where)
        every = [pair for pairs in splits.values() for pair in pairs]
        found, notes = _matched(every, table[""], where)
    else:
        found, notes = {}, ()
        for split, pairs in splits.items():
            more, said = _matched(pairs, table.get(split, {}), where)
            found, notes = found | more, (*notes, *said)
    return {
        split: [pair._replace(roi=found[pair.image]) for pair in pairs]
        for split, pairs in splits.items()
    }, tuple(dict.fromkeys(notes))


def _check_names(splits: Splits, where: str) -> None:
    """Refuse names that are in two splits, whose images would share a file."""
    known: dict[str, str] = {}
    for split, pairs in splits.items():
        for pair in pairs:
            other = known.setdefault(pair.name, split)
            if other != split:
                raise UserError(
                    f"{where}: {pair.name!r} is the name of an image in {other} and in"
                    f" {split}; write {{split}} in the pattern where they differ"
                )


def _matched(
    pairs: Sequence[Pair], files: Mapping[str, Path], where: str
) -> tuple[dict[Path, Path], tuple[str, ...]]:
    """Return the file of each image, by the name of its sample or by its stem."""
    found = match({pair.name: pair.image for pair in pairs}, files)
    stems = {pair.image.stem: pair.image for pair in pairs}
    if found.images_without_mask and len(stems) == len(pairs):
        by_stem = match(stems, files)
        found = found if by_stem.images_without_mask else by_stem
    if found.images_without_mask:
        names = listed([path.name for path in found.images_without_mask])
        raise UserError(
            f"{where}: no file for {names}; give each image a file of its name, apart"
            " from words such as image and mask before or behind it"
        )
    for path, other in found.seconds:
        raise UserError(
            f"{path}: a second file of data.roi for one image, beside {other.name};"
            " remove one, or narrow the pattern"
        )
    return {pair.image: pair.mask for pair in found.pairs}, found.notes


def read_roi(path: Path, size: tuple[int, int], of: Path | str) -> np.ndarray:
    """Read a region of interest.

    Args:
      path: a mask file that is 0 (black) outside and has one other value inside.
      size: height and width that the mask must have.
      of: the image or mask of that size, for the message.

    Returns:
      bool `[H, W]`, True inside.

    Raises:
      UserError: the file cannot be read, has more values, or has another size.
    """
    mask = read_mask(path, lossy=True)
    codes = mask.pixels
    if mask.palette is not None:
        codes = colour_codes(mask.palette)[codes]
    elif codes.ndim == 3:
        codes = colour_codes(codes)
    if codes.shape != size:
        raise UserError(
            f"{path}: {codes.shape[1]}x{codes.shape[0]} pixels, but {of} has"
            f" {size[1]}x{size[0]}; a region of interest has the size of its image"
        )
    values = np.unique(codes)
    if (values > 0).sum() > 1:
        raise UserError(
            f"{path}: {len(values)} values or colours; a file of data.roi is 0 outside"
            " and has one other value inside: threshold it and save it as a PNG of 0"
            " and 255"
        )
    return codes > 0
