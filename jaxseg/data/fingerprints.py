"""Fingerprints, which identify the content of a split of records.

They depend on what training sees: names, pixels and labels.  They do not depend on the
folder and time of the files, nor on the compression of a PNG.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from jaxseg.data.images import decode_stored

SAMPLED = 8
"""Number of samples that are hashed if the fingerprint of a split was not stored."""

_PNG = b"\x89PNG"


def record_digest(name: str, image: bytes, label: bytes) -> bytes:
    """Hash a record.

    Args:
      name: name of the sample.
      image: encoded image; of a PNG, which a builder may have written, the pixels are
        hashed, of other formats the bytes.
      label: encoded label, hashed in the same way.
    """
    digest = hashlib.sha256(name.encode(errors="replace"))
    for encoded in (image, label):
        digest.update(hashlib.sha256(_content(encoded)).digest())
    return digest.digest()


def sample_digest(name: str, image: np.ndarray, label: np.ndarray) -> bytes:
    """Hash a sample of arrays: its name, shapes, dtypes and values."""
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
    """Join the digests of a split's records, in any order, to 16 characters.

    Args:
      digests: digests of all records, or of some that are always the same.
      count: number of all records.
    """
    joined = b"".join([str(count).encode(), *sorted(digests)])
    return hashlib.sha256(joined).hexdigest()[:16]


def _content(encoded: bytes) -> bytes:
    """Return the pixels of a PNG; anything else, even a broken PNG, as it is."""
    if not encoded.startswith(_PNG):
        return encoded
    try:
        pixels = decode_stored(encoded, "")
    except Exception:  # of many kinds; reading the sample reports what is wrong
        return encoded
    return repr(pixels.shape).encode() + pixels.tobytes()
