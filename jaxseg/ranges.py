"""Numbers and their ranges, as types that are written beside a field.

A value outside such a range can only be a mistake, or would take all memory.  The types
are pydantic's `Annotated` ones: `jaxseg.schema` checks a configuration by them, and
`jaxseg.registry` the options of heads, losses and transforms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field

Pair = TypeVar("Pair", bound=tuple[float, float])

Byte = Annotated[int, Field(ge=0, le=255)]
"""A grey value, or one channel of an RGB colour."""

Count = Annotated[int, Field(ge=1, le=10**9)]
"""A number of things, at least one."""

Small = Annotated[int, Field(ge=1, le=2**20)]
"""A number of things that take memory, such as the images of a batch; at least one."""

Side = Annotated[int, Field(ge=1, le=16384)]
"""A side of an image, pixels."""

Channels = Annotated[int, Field(ge=1, le=65536)]
"""Number of channels of a feature map."""

Rate = Annotated[int, Field(ge=1, le=1024)]
"""The rate of an atrous convolution, or a factor on one."""

Rates = Annotated[Sequence[Rate], Field(min_length=1)]
"""The rates of parallel atrous convolutions."""

Level = Annotated[int, Field(ge=-5, le=4)]
"""Index of one of a backbone's five features, from the shallow 0; -1 is the deepest."""

Share = Annotated[float, Field(ge=0, le=1)]
"""A probability or a part of the whole, both ends included."""

Decay = Annotated[float, Field(ge=0, lt=1)]
"""A part of the whole, without the whole itself."""

Factor = Annotated[float, Field(ge=0, le=1e6)]
"""A weight or a factor that may be zero."""

Scale = Annotated[float, Field(gt=0, le=100)]
"""A factor on sizes."""

Off = Annotated[Literal[0], BeforeValidator(lambda value: 0 if value == "0" else value)]
"""A 0 that turns something off, for a field whose range begins above 0.  The command
line gives the text "0", which the literal itself would refuse."""


def in_order(pair: Pair) -> Pair:
    """Return a range, for an `AfterValidator`; its smaller end comes first.

    Raises:
      ValueError: it does not.
    """
    if pair[0] > pair[1]:
        raise ValueError("the smaller number must come first")
    return pair
