"""Masks of a file a class, of which a pixel has one class: one mask is made of them.

The later class lies on top; pixels of no file are background.  `class_files` finds the
files, and `multilabel` which two values they hold.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data.binary import NAMES
from jaxseg.data.images import image_size, read_bytes
from jaxseg.data.labels import IGNORE
from jaxseg.data.masks import Mask, MaskSource, read_mask
from jaxseg.data.multilabel import FileCoding, find_file_coding
from jaxseg.data.splits import Splits
from jaxseg.data.survey import survey_masks
from jaxseg.errors import UserError


class ClassFiles:
    """What the mask files of all classes hold, which is found out when it is needed.

    Attributes:
      names: of the classes that have files, the lowest first.
      numbers: of these classes.
      background: number of the class of pixels of no file.
    """

    def __init__(
        self, config: DataConfig, splits: Splits, names: tuple[str, ...], shift: int
    ) -> None:
        """Keep the files.

        Args:
          config: options of what the values of the files mean.
          splits: pairs with a file a class.
          names: of the classes.
          shift: 1 where class 0 is a background that has no files.
        """
        self._config = replace(config, class_names=names)
        self._splits = splits
        self._coding: FileCoding | UserError | None = None
        self._lock = threading.Lock()
        self.numbers = [index + shift for index in range(len(names))]
        self.background = 0 if shift else names.index(_background(names)[0])
        self.names = names

    @property
    def coding(self) -> FileCoding:
        """Which two values the files hold.

        Raises:
          UserError: a file cannot be read, or holds other values.
        """
        with self._lock:  # masks are read by several threads
            if self._coding is None:
                try:
                    self._coding = self._find_coding()
                except UserError as error:  # all files are not read again
                    self._coding = error
        if isinstance(self._coding, UserError):
            raise self._coding
        return self._coding

    def _find_coding(self) -> FileCoding:
        of: dict[MaskSource, str] = {
            source: name
            for pairs in self._splits.values()
            for pair in pairs
            for name, source in zip(self.names, pair.planes, strict=True)
            if source is not None
        }
        lossy = bool(self._config.mask_map)
        return find_file_coding(self._config, of, survey_masks({"": list(of)}, lossy))


@dataclass(frozen=True, eq=False)
class Stack:
    """The mask files of an image, one above the other.

    Attributes:
      image: the image's file.
      paths: of each class; None where the image has none of it.
      of: what the files hold.
    """

    image: Path
    paths: Sequence[MaskSource | None]
    of: ClassFiles

    def __str__(self) -> str:
        """Name the image."""
        return f"the masks of {self.image}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that there are."""
        return tuple(path for path in self.paths if isinstance(path, Path))

    def read(self) -> Mask:
        """Read the files.

        Returns:
          uint8 `[H, W]`: the class, or `IGNORE` where a file says so and no later class
          lies above.

        Raises:
          UserError: a file that cannot be read or has another size than the first.
        """
        planes = []
        for number, path in zip(self.of.numbers, self.paths, strict=True):
            if path is None:
                continue
            plane = self.of.coding.encode(read_mask(path, lossy=True), str(path))
            planes.append((number, plane, path))
        size = planes[0][1].shape if planes else image_size(self.image)
        label = np.full(size, self.of.background, np.uint8)
        several, claimed = np.zeros(size, bool), np.zeros(size, bool)
        for number, plane, path in planes:
            if plane.shape != size:
                raise UserError(
                    f"{path}: {plane.shape[1]}x{plane.shape[0]} pixels, and"
                    f" {self.files[0]} has {size[1]}x{size[0]}; the masks of an image"
                    " have its size"
                )
            region = plane == 1
            several |= region & claimed
            claimed |= region
            label[plane == IGNORE] = IGNORE
            label[region] = number
        return Mask(label, overlap=int(several.sum()))

    def digest(self) -> bytes:
        """Hash the files, and of which classes they are."""
        digest = hashlib.sha256(repr((self.of.numbers, self.of.background)).encode())
        for path in self.paths:
            content = read_bytes(path) if isinstance(path, Path) else b""
            digest.update(hashlib.sha256(content).digest())
        return digest.digest()


def all_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all classes, with a background if none is called so."""
    return names if _background(names) else (NAMES[0], *names)


def with_stacks(config: DataConfig, splits: Splits, names: tuple[str, ...]) -> Splits:
    """Return pairs of images and masks that are made of a file a class.

    Args:
      config: options of what the values of the files mean.
      splits: pairs with the file of each class.
      names: of the classes that have files, which are not all numbers.
    """
    shift = len(all_names(names)) - len(names)
    of = ClassFiles(config, splits, names, shift)
    return {
        split: [
            pair._replace(planes=(), drawn=Stack(pair.image, pair.planes, of))
            for pair in pairs
        ]
        for split, pairs in splits.items()
    }


def are_names(names: Sequence[str]) -> bool:
    """Whether names can be those of classes that nobody named.

    Names that differ in numbers only are more often those of objects or annotators.
    """
    plain = [re.sub(r"\d+(st|nd|rd|th)?", "", name) for name in names]
    return len(set(plain)) == len(names) and all(re.search(r"\w", n) for n in plain)


def _background(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.lower() == NAMES[0]]
