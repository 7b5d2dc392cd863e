"""A backbone's entry by its name and arithmetic; former names are understood.

One network has one name.  Its `arithmetic` says whose weights it computes like:

- "torchvision": torchvision's models.
- "timm": those that timm trained, such as timm's `efficientnet_b0`.
- "tensorflow": the authors', with TensorFlow's padding; timm's `tf_efficientnet_b0`.
- "smp": the encoders `efficientnet-b0` to `b7` of segmentation_models.pytorch.
- "dilated": torchvision's MobileNetV3 inside its segmenters (`dilated=True` there).

"" is the network's usual arithmetic, the first in `BackboneEntry.arithmetics`.
"""

from __future__ import annotations

from jaxseg.backbones import BACKBONES
from jaxseg.backbones.entry import BackboneEntry
from jaxseg.errors import UserError

FORMER_NAMES: dict[str, tuple[str, str]] = {
    **{f"tf_efficientnet_b{n}": (f"efficientnet_b{n}", "tensorflow") for n in range(8)},
    **{f"smp_efficientnet_b{n}": (f"efficientnet_b{n}", "smp") for n in range(8)},
    **{f"timm_efficientnet_b{n}": (f"efficientnet_b{n}", "timm") for n in (5, 6, 7)},
    **{
        f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}", "tensorflow")
        for n in range(5)
    },
    "mobilenet_v3_large_dilated": ("mobilenet_v3_large", "dilated"),
    "mobilenetv3_large_100": ("mobilenet_v3_large", "timm"),
    "mobilenetv3_small_100": ("mobilenet_v3_small", "timm"),
    "tf_mobilenetv3_large_100": ("mobilenet_v3_large", "tensorflow"),
    "tf_mobilenetv3_small_100": ("mobilenet_v3_small", "tensorflow"),
}
"""Name of an earlier version, as configs and `config.json` of older runs have it ->
the network's name and arithmetic."""


def find_backbone(name: str, arithmetic: str = "") -> BackboneEntry:
    """Return the entry of a backbone in one arithmetic.

    Args:
      name: in `BACKBONES` or `FORMER_NAMES`.
      arithmetic: one that the network has; "" is its usual one.

    Raises:
      UserError: an unknown name, or an arithmetic that the network does not have.
    """
    name, arithmetic = resolve_name(name, arithmetic)
    entry = BACKBONES[name]
    return entry.arithmetics[arithmetic] if arithmetic else entry


def resolve_name(name: str, arithmetic: str = "") -> tuple[str, str]:
    """Return a backbone's name in `BACKBONES` and the name of its arithmetic.

    Two spellings of the same network give the same result.  The arithmetic is "" where
    the network has only one.

    Args:
      name: as in `find_backbone`.
      arithmetic: as in `find_backbone`.

    Raises:
      UserError: as in `find_backbone`.
    """
    if name in FORMER_NAMES:
        former, (name, told) = name, FORMER_NAMES[name]
        if arithmetic not in ("", told):
            raise UserError(
                f"backbone {former!r} is {name!r} with the arithmetic {told!r}, and"
                f" {arithmetic!r} was asked for: name the backbone {name!r}"
            )
        arithmetic = told
    known = tuple(BACKBONES.find(name).arithmetics)
    if arithmetic in known:
        return name, arithmetic
    if not arithmetic:
        return name, known[0] if known else ""
    if not known:
        raise UserError(
            f"backbone {name!r} has one arithmetic only, not {arithmetic!r}: leave"
            ' model.arithmetic empty ("")'
        )
    raise UserError(
        f"backbone {name!r} has no arithmetic {arithmetic!r}; it has"
        f" {', '.join(known)} (the first is its usual one)"
    )
