"""The manifest of a checkpoint on disk: the sha256 of each of its files.

Storage formats notice some damage and restore the rest silently wrong, so every step
has a manifest beside it, `<step>.json`, which also holds the step's score.  It is
written last: a step without one was not saved completely.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxseg.paths import replace_text

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest.

    Attributes:
      step: of the checkpoint.
      miou: mean IoU of this state, of a binary run the foreground's IoU; None if it
        was not evaluated.
      files: path inside the checkpoint -> sha256, hexadecimal.
      thresholds: of a binary or multilabel run, those of the best IoU of each class
        that has a logit.
      without_gain: evaluations in a row, up to this step, whose score was not above
        all scores before it.
    """

    step: int
    miou: float | None
    files: dict[str, str]
    thresholds: tuple[float, ...] = ()
    without_gain: int = 0

    @classmethod
    def of(cls, directory: Path, step: int, miou: float | None = None) -> Manifest:
        """Create the manifest of a checkpoint by hashing each of its files."""
        return cls(step, miou, _sums(directory))

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Manifest:
        """Return the manifest of its values, which may come from JSON."""
        thresholds = tuple(map(float, values.get("thresholds", ())))
        return cls(**{**values, "thresholds": thresholds})

    def write(self, path: Path) -> None:
        """Replace the file at `path` in one step, and flush it to the disk."""
        content = asdict(self)
        for name in ("thresholds", "without_gain"):
            if not content[name]:  # as earlier versions wrote and read it
                del content[name]
        content = {**content, "sha256": _sum_of(content)}
        replace_text(path, json.dumps(content, indent=1))

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """Read what `write` wrote; None if it is anything else, changed or torn."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("sha256") != _sum_of(content):
                return None
            return cls.of_values(content)
        except _UNREADABLE:
            return None

    def difference(self, directory: Path) -> str | None:
        """Say how a checkpoint differs from what was saved, or return None."""
        try:
            found = _sums(directory)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        for name, value in self.files.items():
            if name not in found:
                return f"{name} is missing"
            if found[name] != value:
                return f"{name} has changed"
        extra = sorted(set(found) - set(self.files))
        return f"{extra[0]} was added" if extra else None

    @property
    def rank(self) -> tuple[float, int]:
        """Sort key, worst first; of equal scores the newest step is the best."""
        rated = self.miou is not None and math.isfinite(self.miou)
        return (self.miou if rated and self.miou is not None else -math.inf, self.step)


def _sums(directory: Path) -> dict[str, str]:
    sums = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            sums[path.relative_to(directory).as_posix()] = digest
    return sums


def _sum_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
