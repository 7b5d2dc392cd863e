"""Drawings of architectures: what a model's parts give, as boxes of their size.

A box is as high as its map and as wide as the logarithm of its channels; the numbers
are channels above and the map's size below.  Shapes are traced, nothing is computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.lowering import ANY_DEVICE, compiling_for
from jaxseg.nn.upsampling import Upsample
from jaxseg.segmenter import Segmenter, abstract_variables

_COLOURS = {"image": "#9aa3ad", "backbone": "#2a6f97", "head": "#d95f02"}
_DEPTH = 0.16  # of a box, as a share of its height
_GAP = 0.55


@dataclass(frozen=True)
class Map:
    """One map of features.

    Attributes:
      part: "image", "backbone" or "head".
      name: of the module that gives it, or "".
      height: rows.
      width: columns.
      channels: their number.
    """

    part: str
    name: str
    height: int
    width: int
    channels: int


def trace_maps(model: Segmenter, size: tuple[int, int]) -> list[Map]:
    """Return the image, the backbone's features and what the head's modules give.

    Args:
      model: a segmenter or classifier.
      size: height and width of the image.
    """
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    maps = [Map("image", "image", *size, 3)]

    def record(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        output = call(*arguments, **options)
        path = context.module.path
        if context.method_name == "__call__" and path[:1] == ("backbone",):
            if len(path) == 1:
                shown = [feature for feature in output if feature.shape[-1] > 0]
                maps.extend(_map("backbone", "", feature) for feature in shown)
        elif context.method_name == "__call__" and path[:1] == ("head",):
            plain = not isinstance(context.module, nn.Dropout | Upsample)
            if len(path) == 2 and plain and getattr(output, "ndim", 0) == image.ndim:
                maps.append(_map("head", path[1], output))
        return output

    def run(variables: Any, image: Any) -> Any:
        with nn.intercept_methods(record), compiling_for(ANY_DEVICE):
            return model.apply(variables, image, method="low_resolution")

    logits, _ = jax.eval_shape(run, abstract_variables(model), image)
    last = _map("head", "logits", logits)
    if maps[-1].name == "classifier":  # it gave them
        maps.pop()
    return [*maps, last]


def _map(part: str, name: str, x: Any) -> Map:
    return Map(part, name, x.shape[1], x.shape[2], x.shape[3])


def draw_architecture(model: Segmenter, size: tuple[int, int], title: str) -> Any:
    """Draw a model's maps from left to right.

    Args:
      model: a segmenter or classifier.
      size: height and width of the image.
      title: above the drawing.

    Returns:
      A matplotlib figure.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon

    maps = trace_maps(model, size)
    figure = Figure(figsize=(2 + 0.62 * len(maps), 2.9), layout="constrained")
    axes = figure.subplots()
    x = 0.0
    for one in maps:
        height = 3.0 * one.height / size[0] + 0.12
        width = 0.09 * math.log2(one.channels + 1)
        slant = _DEPTH * height
        colour = _COLOURS[one.part]
        low, high = -height / 2, height / 2
        front = [(x, low), (x + width, low), (x + width, high), (x, high)]
        top = [
            (x, high),
            (x + width, high),
            (x + width + slant, high + slant),
            (x + slant, high + slant),
        ]
        side = [
            (x + width, low),
            (x + width, high),
            (x + width + slant, high + slant),
            (x + width + slant, low + slant),
        ]
        for face, alpha in ((front, 0.85), (top, 0.45), (side, 0.6)):
            axes.add_patch(
                Polygon(face, facecolor=colour, alpha=alpha, edgecolor="white", lw=0.6)
            )
        centre = x + width / 2
        axes.text(
            centre + slant / 2, high + slant + 0.08, str(one.channels), **_style(7.5)
        )
        axes.text(
            centre, low - 0.1, f"{one.height}×{one.width}", **_style(6.5, va="top")
        )
        if one.name:
            axes.text(
                centre, -2.0, one.name, **_style(7, va="top", rotation=35, ha="right")
            )
        x += width + slant + _GAP
    axes.set_xlim(-0.5, x)
    axes.set_ylim(-3.0, 2.4)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(title, fontsize=10, loc="left")
    return figure


def _style(size: float, va: str = "bottom", ha: str = "center", **more: Any) -> Any:
    return {"fontsize": size, "va": va, "ha": ha, "color": "#333333", **more}
