"""Finds images that are in two splits, on which a model would be tested and trained.

Images are the same if their pixels are, whatever their names, masks and lossless
encodings.  Images of a single colour do not count, since empty slices and tiles are
common in every split and give nothing to memorise.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.data import records
from jaxseg.data.splits import Splits
from jaxseg.errors import UserError, listed
from jaxseg.paths import replace_text

Leak = tuple[str, str, str, str]
"""Split and name of an image, and split and name of another one with its pixels."""

_FILE = "leakage.json"


def check(
    directory: Path, splits: Splits, root: Path, allowed: bool
) -> tuple[str, ...]:
    """Refuse prepared records with an image in two splits, unless that is allowed.

    The images are compared once; the result is stored beside the records.

    Args:
      directory: folder of the records.
      splits: the files from which the records were made.
      root: messages give the files' paths relative to this folder.
      allowed: whether to return a note instead of raising an error.

    Returns:
      A note if there are such images and they are allowed, or nothing.

    Raises:
      UserError: there are such images; the message counts them and names three.
    """
    leaks = find(directory, tuple(splits))
    if not leaks:
        return ()
    place = {
        (split, pair.name): pair.image.relative_to(root).as_posix()
        for split, pairs in splits.items()
        for pair in pairs
    }
    said = [f"{place[leak[:2]]} = {place[leak[2:]]}" for leak in leaks]
    count = "an image is" if len(leaks) == 1 else f"{len(leaks)} images are"
    found = f"{root}: {count} in two splits, with the same pixels: {listed(said)}"
    if allowed:
        return (found,)
    raise UserError(
        f"{found}; take them out of one of the two, or pass --data.allow_leakage True"
        " to go on"
    )


def find(directory: Path, splits: tuple[str, ...]) -> list[Leak]:
    """Return the images that are in two splits of prepared records.

    Args:
      directory: folder of the records.
      splits: names of the splits.
    """
    known = directory.parent / _FILE
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        return _checked(json.loads(known.read_text()), splits)
    leaks = sorted(_compare(records.open_records("folder", directory), splits))
    with contextlib.suppress(OSError):  # the cache may be read-only
        replace_text(known, json.dumps(leaks))
    return leaks


def _checked(stored: Any, splits: tuple[str, ...]) -> list[Leak]:
    """Return the value if it is a list that `find` wrote for these splits.

    Raises:
      ValueError, TypeError: it is something else.
    """
    leaks: list[Leak] = []
    for split, name, other, other_name in stored:
        if not {split, other} <= set(splits):
            raise ValueError("of other splits")
        leaks.append((split, str(name), other, str(other_name)))
    return leaks


def _compare(dataset: records.RecordDataset, splits: tuple[str, ...]) -> list[Leak]:
    first: dict[bytes, tuple[str, str]] = {}
    leaks: list[Leak] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for split in splits:
            samples = dataset.samples(split)
            digests = pool.map(lambda i, s=samples: _digest(s[i]), range(len(samples)))
            found: dict[bytes, tuple[str, str]] = {}
            for name, known in digests:
                if known and known in first:
                    leaks.append((*first[known], split, name))
                elif known:
                    found.setdefault(known, (split, name))
            first |= found
    return leaks


def _digest(sample: dict[str, Any]) -> tuple[str, bytes]:
    """Return a sample's name and the hash of its image; empty for a single colour."""
    image: np.ndarray = sample["image"]
    if (image == image[0, 0]).all():
        return sample["name"], b""
    return sample["name"], digest(image)


def digest(image: np.ndarray) -> bytes:
    """Return the hash of an image's pixels, uint8 `[H, W, 3]`, and of its size."""
    found = hashlib.sha256(repr(image.shape).encode())
    found.update(np.ascontiguousarray(image).data)
    return found.digest()
