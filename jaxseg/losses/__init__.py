"""Losses between low-resolution logits and full-resolution labels, by their names.

`LOSSES` is the registry, and `register_loss` adds to it.  The logits are resized to the
label here, once, in training (`bands`): logits of the label's size never exist as a
whole.
"""

from __future__ import annotations

from typing import Any

from jaxseg.losses.base import Loss
from jaxseg.losses.boundary import Boundary
from jaxseg.losses.cross_entropy import BinaryCrossEntropy, CrossEntropy
from jaxseg.losses.focal import Focal
from jaxseg.losses.lovasz import Lovasz
from jaxseg.losses.ohem import HardCrossEntropy
from jaxseg.losses.regions import Dice, FocalTversky, GeneralisedDice, Jaccard, Tversky
from jaxseg.registration import require_dataclass
from jaxseg.registry import Decorator, Registry

LOSSES: Registry[type[Loss]] = Registry(
    "loss",
    {
        "cross_entropy": CrossEntropy,
        "binary_cross_entropy": BinaryCrossEntropy,
        "focal": Focal,
        "ohem": HardCrossEntropy,
        "dice": Dice,
        "generalised_dice": GeneralisedDice,
        "jaccard": Jaccard,
        "tversky": Tversky,
        "focal_tversky": FocalTversky,
        "lovasz": Lovasz,
        "boundary": Boundary,
    },
)
"""Name -> class."""


def register_loss(name: str) -> Decorator[type[Loss]]:
    """Return a decorator that adds a loss, a frozen dataclass derived from `Loss`.

    Its fields are options, each with its type and range.  Fields called `class_weights`
    and `label_smoothing` are filled by `train.class_weights` and
    `train.label_smoothing`, one called `task` by `data.task`.

    Args:
      name: by which a configuration names the loss.

    Raises:
      UserError: the name is one of jaxseg's own, or it is no such class.
    """
    LOSSES.require_name(name)

    def add(loss: Any) -> Any:
        require_dataclass(LOSSES, name, loss, Loss)
        LOSSES.register(name, loss, of=loss)
        return loss

    return add
