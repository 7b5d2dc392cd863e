"""Finds the image files in folders that are given to `predict`.

Hidden files, results of earlier predictions and files of unsupported kinds are left
out.  `jaxseg.data.images` reads the images.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL.TiffImagePlugin import TiffImageFile

from jaxseg.data.images import IMAGE_SUFFIXES, open_image
from jaxseg.errors import UserError

WRITER = "jaxseg"
"""The value of `Software` in the PNG and TIFF files that a prediction writes."""

SOFTWARE = 305
"""The TIFF tag `Software`."""

_ARRAYS = ["probabilities.npy", "classes.npy"]
"""The arrays in a file of probabilities."""

FOLDERS = ("masks", "overlays", "probabilities")
"""Folders of the results."""

_HIDDEN = ("__MACOSX", "@eaDir")
"""Folders that archives and network disks create for their own use."""

_NO_IMAGES = (
    *(".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md"),
    *(".html", ".log", ".ini", ".db", ".py", ".ipynb", ".pdf", ".npz"),
)
"""Suffixes that are not counted as left out, since nobody takes them for images."""


@dataclass
class Found:
    """The result of a search.

    Attributes:
      images: files to predict, in the order of the paths, sorted within a folder.
      hidden: number of images that are hidden or lie in a hidden folder.
      results: number of images that an earlier prediction wrote.
      links: number of links to folders, which are not followed.
      unknown: suffix -> number of files with that suffix, which are not read.
    """

    images: dict[Path, None] = field(default_factory=dict)
    hidden: int = 0
    results: int = 0
    links: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def left_out(self) -> str:
        """Return a line on the files that were left out; empty if none were."""
        kinds = ", ".join(
            f"{count} {suffix or 'without an ending'}"
            for suffix, count in sorted(self.unknown.items())
        )
        parts = {
            _count(self.hidden, "hidden image"): self.hidden,
            _count(self.results, "result") + " of earlier predictions": self.results,
            _count(self.links, "link") + " to folders": self.links,
            f"files of kinds that are not read ({kinds})": self.unknown.total(),
        }
        said = ", ".join(text for text, count in parts.items() if count)
        return f"left out: {said}" if said else ""


def find_images(paths: Iterable[str | Path], out: str | Path | None = None) -> Found:
    """List image files.

    Args:
      paths: files, which are always taken, and folders, which are searched at all
        depths for files that end in `IMAGE_SUFFIXES`.
      out: folder of the results, whose files are left out.  If it is a folder that is
        searched, or contains one, only the files in its `FOLDERS` are.

    Returns:
      The files, each once, and how many were left out.

    Raises:
      UserError: a path does not exist, or there is no image in any of them.
    """
    paths = [paths] if isinstance(paths, str) else list(paths)
    found = Found()
    for path in map(Path, paths):
        try:
            there, is_folder = path.exists(), path.is_dir()
        except OSError as error:  # too long for a name, ...
            raise UserError(f"{path}: {error.strerror}") from error
        if is_folder:
            _search(path, _own_folders(path, out), found)
        elif there:
            found.images[path] = None
        else:
            raise UserError(f"{path}: no such file or folder")
    if not found.images:
        where = ", ".join(map(str, paths)) or "nothing"
        but = f"; {found.left_out()}" if found.left_out() else ""
        raise UserError(f"{where}: no image ({' '.join(IMAGE_SUFFIXES)}) found{but}")
    return found


def is_result(path: Path) -> bool:
    """Whether a file is a PNG, TIFF or NumPy file that a prediction wrote."""
    ending = path.suffix.lower()
    if ending not in (".png", ".tif", ".tiff", ".npz"):
        return False
    try:
        if ending == ".npz":
            with zipfile.ZipFile(path) as arrays:
                return arrays.namelist() == _ARRAYS
        if ending != ".png":
            with TiffImageFile(path) as image:  # which may be of any size
                return image.tag_v2.get(SOFTWARE) == WRITER
        with open_image(path, str(path)) as image:
            return image.info.get("Software") == WRITER
    except Exception:  # a broken image is no result
        return False


def _own_folders(folder: Path, out: str | Path | None) -> tuple[Path, ...]:
    if out is None:
        return ()
    own = _real(out)
    if _real(folder).is_relative_to(own):
        return tuple(own / name for name in FOLDERS)
    return (own,)


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))  # unlike `resolve`, it takes circular links


def _search(folder: Path, own: tuple[Path, ...], found: Found) -> None:
    images = []
    for path, hidden in _walk(folder, found):
        suffix = path.suffix.lower()
        if suffix not in IMAGE_SUFFIXES:
            if not hidden and suffix not in _NO_IMAGES:
                found.unknown[suffix] += 1
        elif hidden:
            found.hidden += 1
        elif any(_real(path).is_relative_to(place) for place in own) or is_result(path):
            found.results += 1
        else:
            images.append(path)
    found.images |= dict.fromkeys(sorted(images))


def _walk(folder: Path, found: Found) -> Iterator[tuple[Path, bool]]:
    """Yield the files below a folder, each with whether it is hidden there."""
    for parent, folders, files in os.walk(folder):
        inside = Path(parent).relative_to(folder).parts
        found.links += sum(os.path.islink(Path(parent, name)) for name in folders)
        for name in files:
            yield Path(parent, name), any(map(_is_hidden, (*inside, name)))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _HIDDEN


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
