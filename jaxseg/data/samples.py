"""The interface of the samples of a split that reading, counting and batching use."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Samples(Protocol):
    """Random access to decoded samples, safe to read from several threads."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: Any) -> Any:
        """Return `{"image", "label", "name"}` of one sample."""
        ...
