"""Presets of augmentation, and the values of the options that were left to them.

`complete` is the one place where a preset becomes values.  `load_config` calls it, and
so does whatever takes a Config made in Python, so that a run's `config.json` holds
values and no preset.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxseg.config import Config
from jaxseg.errors import UserError

USUAL: dict[str, Any] = {
    "scale": (0.5, 2.0),
    "flip": 0.5,
    "rotation": 0.0,
    "photometric": True,
}
"""What the options that are None are without a preset."""

MOST_DISTORTION = 1.6
"""Factor on the ranges of the distortion of colours, at which the smallest contrast is
0.2; beyond 2 images would be inverted."""


def complete(config: Config) -> Config:
    """Return a config in which no value is left to a preset, and no preset is named.

    A value that is given stays.  The transforms and mixes of a preset come before those
    that are given; of two of the same name the given one counts.  `photometric`, if it
    is given, stands in place of the preset's distortion of colours.

    Raises:
      UserError: a strength without a preset, or a preset with nothing to set.
    """
    augment = config.augment
    left = [name for name in USUAL if getattr(augment, name) is None]
    if not augment.preset:
        if augment.strength != 1:
            raise UserError(
                f"augment.strength {augment.strength:g} is that of a preset, and none"
                " is named; give --augment.preset light, medium or strong with it"
            )
        values = {name: USUAL[name] for name in left}
        return replace(config, augment=replace(augment, **values))
    if not left:
        raise UserError(
            f"augment.preset {augment.preset!r}: {', '.join(USUAL)} are all given, as"
            " in the config.json of a run; leave to the preset one or more of them, as"
            " in --augment.scale None"
        )
    chosen = preset(augment.preset, augment.strength)
    if "photometric" not in left:
        chosen["transforms"] = _without("photometric", chosen["transforms"])
    values = {name: chosen[name] for name in left}
    for name in ("transforms", "mix"):
        values[name] = _together(chosen[name], getattr(augment, name))
    completed = replace(augment, **values, preset="", strength=1.0)
    return replace(config, augment=completed)


def preset(name: str, strength: float) -> dict[str, Any]:
    """Return the values of `AugmentConfig` that a preset sets.

    Args:
      name: "light", "medium" or "strong".
      strength: 0 is no change, 1 the preset, 2 one twice as strong: of ranges their
        distance to no change (of factors in the logarithm), of probabilities the value,
        which is at most 1.
    """
    level = ("light", "medium", "strong").index(name)
    scale, power = ((1.25, 1.5, 2.0)[level] ** strength, 1.3**strength)
    transforms, mix = [_distortion((0.5, 0.75, 1.0)[level] * strength)], []
    if level >= 1:
        powers = f"({_short(1 / power)}, {_short(power)})"
        transforms += [
            f"gamma(probability={_share(0.2 * level * strength)}, gamma={powers})",
            f"gaussian_blur(probability={_share(0.1 * level * strength)})",
            f"gaussian_noise(probability={_share(0.1 * level * strength)})",
        ]
    if level == 2:
        transforms += [
            f"grey(probability={_share(0.1 * strength)})",
            f"coarse_dropout(probability={_share(0.25 * strength)})",
        ]
        mix = [f"cutmix(probability={_share(0.25 * strength)})"]
    return {
        "scale": (round(1 / scale, 4), round(scale, 4)),
        "flip": min(0.5, 0.5 * strength),
        "rotation": (0.0, 5.0, 15.0)[level] * strength,
        "photometric": False,
        "transforms": tuple(transforms) if strength else (),
        "mix": tuple(mix) if strength else (),
    }


def _distortion(factor: float) -> str:
    """Return `photometric` with its default ranges times a factor."""
    factor = min(factor, MOST_DISTORTION)
    range_ = f"({_short(1 - 0.5 * factor)}, {_short(1 + 0.5 * factor)})"
    return (
        f"photometric(brightness={_short(32 * factor)}, contrast={range_},"
        f" saturation={range_}, hue={_short(36 * factor)})"
    )


def _short(value: float) -> str:
    return f"{value:.4g}"


def _share(value: float) -> str:
    return _short(min(value, 1.0))


def _name(text: str) -> str:
    return text.partition("(")[0].strip()


def _without(name: str, texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in texts if _name(text) != name)


def _together(ours: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Return both, of ours only what no given one has the name of."""
    names = {_name(text) for text in given}
    return (*(text for text in ours if _name(text) not in names), *given)
