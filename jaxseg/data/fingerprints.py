"""Fingerprints: what tells one split of records from another.

They go by what training sees: names, pixels and labels.  Where the files lie, when they
were touched, and how a PNG is compressed does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from jaxseg.data.images import decode_stored

SAMPLED = 8
"""Samples that stand for all of a split whose fingerprint was not stored."""

_PNG = b"\x89PNG"


def record_digest(name: str, image: bytes, label: bytes) -> bytes:
    """Hash a record.

    Args:
      name: of the sample.
      image: encoded; of a PNG, which a builder may have written, the pixels count.
      label: encoded likewise.
    """
    digest = hashlib.sha256(name.encode(errors="replace"))
    for encoded in (image, label):
        digest.update(hashlib.sha256(_content(encoded)).digest())
    return digest.digest()


def sample_digest(name: str, image: np.ndarray, label: np.ndarray) -> bytes:
    """Hash a sample that was never a file: its name, shapes, types and values."""
    digest = hashlib.sha256(name.encode(errors="replace"))
    for array in (image, label):
        said = repr((array.shape, array.dtype.str)).encode()
        digest.update(hashlib.sha256(said + array.tobytes()).digest())
    return digest.digest()


def sampled(count: int) -> list[int]:
    """Return at most `SAMPLED` indices below `count`, at equal distances."""
    return [
        int(index) for index in np.linspace(0, count - 1, min(SAMPLED, count)).round()
    ]


def fingerprint(digests: Iterable[bytes], count: int) -> str:
    """Join the digests of a split's records, in whatever order, to 16 characters.

    Args:
      digests: of all records, or of some of them that are always the same.
      count: of all records.
    """
    joined = b"".join([str(count).encode(), *sorted(digests)])
    return hashlib.sha256(joined).hexdigest()[:16]


def _content(encoded: bytes) -> bytes:
    """Return the pixels of a PNG; anything else, a broken PNG too, as it is."""
    if not encoded.startswith(_PNG):
        return encoded
    try:
        pixels = decode_stored(encoded, "")
    except Exception:  # many kinds; whoever trains on it says what is wrong
        return encoded
    return repr(pixels.shape).encode() + pixels.tobytes()
