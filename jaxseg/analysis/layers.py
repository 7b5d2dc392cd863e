"""The layers of a model: the output size of each for any image, and what it costs.

The model is traced with abstract values, so that any image size is free and no
parameter is allocated.  A layer is a Linen module: what stands between modules as a
plain function (a pooling, a resize) shows as the step from one layer's output to the
next one's input.

Linen's `nn.tabulate(compute_flops=True)` lists the program for the present device with
XLA's estimate of its operations, which is -1 for every layer of a compiled kernel.
This table is the same on every device and counts the multiply-adds of kernels, padding
included, as publications do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.lowering import ANY_DEVICE, compiling_for
from jaxseg.nn.upsampling import TransposedConv, UpConv

Shape = tuple[int, ...]


@dataclass(frozen=True)
class LayerRow:
    """One call of a module, or a part of the model that is called in training only.

    Attributes:
      path: names from the model to the module, joined by `/`; empty for the model.
      kind: the module's class.
      inputs: shape of each array argument; the batch axis has size 1.
      outputs: shape of each array that it returned.
      parameters: its own, not its submodules'; 0 if it was called before.
      multiply_adds: of its own kernel (convolution or dense), padding counted. Products
        of activations with each other, as in attention, are not.
    """

    path: str
    kind: str
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    parameters: int
    multiply_adds: int


def layer_table(
    model: nn.Module,
    image_size: Sequence[int],
    *,
    method: str | None = None,
    channels: int = 3,
) -> list[LayerRow]:
    """List every layer of a model in the order of its calls, containers first.

    Parts that were not called, such as an auxiliary head, follow with their parameters
    and no shapes.

    Args:
      model: maps an image `[1, *image_size, channels]`.
      image_size: pixels along each spatial axis.
      method: of the model; None is `__call__`.
      channels: of the image.
    """
    image = jax.ShapeDtypeStruct((1, *image_size, channels), jnp.float32)
    rows: list[LayerRow | None] = []
    seen: set[str] = set()
    running: list[str] = []  # paths of the modules that are being called

    def record(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        module = context.module
        path = "/".join(module.path)
        # A module's methods that call each other are one call of it.
        if context.method_name == "setup" or running[-1:] == [path]:
            return call(*args, **kwargs)
        index = len(rows)
        rows.append(None)  # before those of the modules that it calls
        running.append(path)
        result = call(*args, **kwargs)
        running.pop()
        own = _own_parameters(module) if path not in seen else {}
        seen.add(path)
        inputs, outputs = _shapes((args, kwargs)), _shapes(result)
        rows[index] = LayerRow(
            path,
            type(module).__name__,
            inputs,
            outputs,
            sum(leaf.size for leaf in own.values()),
            _multiply_adds(module, inputs, outputs),
        )
        return result

    def run(variables: Any, image: Any) -> Any:
        with nn.intercept_methods(record), compiling_for(ANY_DEVICE):
            return model.apply(variables, image, method=method)

    key = jax.random.key(0)
    variables = jax.eval_shape(lambda x: model.init(key, x, method=method), image)
    jax.eval_shape(run, variables, image)
    called = [row for row in rows if row is not None]
    return called + _idle(variables["params"], called)


def _idle(params: Any, rows: Sequence[LayerRow]) -> list[LayerRow]:
    """Return a row for each part of the model of which no layer was called."""
    parts = {row.path.split("/")[0] for row in rows}
    return [
        LayerRow(
            name,
            "(training only)",
            (),
            (),
            sum(leaf.size for leaf in jax.tree.leaves(params[name])),
            0,
        )
        for name in params
        if name not in parts
    ]


def format_layer_table(rows: Sequence[LayerRow], depth: int | None = None) -> str:
    """Return the table as text, one line a layer, and a line of sums.

    Args:
      rows: of `layer_table`.
      depth: deepest level of modules listed, the model itself being 0; the sums of what
        a container holds are then given in its line.  None lists all, each with its
        own.
    """
    lines = [("layer", "kind", "output", "parameters", "multiply-adds")]
    for index, row in enumerate(rows):
        level = _level(row)
        if depth is not None and level > depth:
            continue
        held = rows[index : index + 1]
        if depth == level:
            held = rows[index : _end(rows, index)]
        lines.append(
            (row.path or "(model)", row.kind, _text(row.outputs), *_sums(held))
        )
    lines.append(("", "", "total", *_sums(rows)))
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _end(rows: Sequence[LayerRow], index: int) -> int:
    """Return the index of the first row after a layer's submodules."""
    end = index + 1
    while end < len(rows) and _level(rows[end]) > _level(rows[index]):
        end += 1
    return end


def _level(row: LayerRow) -> int:
    return row.path.count("/") + 1 if row.path else 0


def _text(shapes: Sequence[Shape]) -> str:
    """Format the last of some shapes, without the batch axis."""
    if not shapes:
        return "-"
    text = "x".join(str(size) for size in shapes[-1][1:])
    return text if len(shapes) == 1 else f"{text} (last of {len(shapes)})"


def _sums(rows: Sequence[LayerRow]) -> tuple[str, str]:
    parameters = sum(row.parameters for row in rows)
    multiply_adds = sum(row.multiply_adds for row in rows)
    return f"{parameters:,}", f"{multiply_adds:,}"


def _shapes(tree: Any) -> tuple[Shape, ...]:
    return tuple(
        leaf.shape for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)
    )


def _own_parameters(module: nn.Module) -> dict[str, Any]:
    params = module.variables.get("params", {})
    return {name: leaf for name, leaf in params.items() if hasattr(leaf, "size")}


def _multiply_adds(
    module: nn.Module, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> int:
    """Return the number of positions of a kernel, times its number of weights."""
    kernel = _own_parameters(module).get("kernel")
    if kernel is None:
        return 0
    enlarges = isinstance(module, nn.ConvTranspose | TransposedConv | UpConv)
    elements = _size((inputs if enlarges else outputs)[0])
    channels = kernel.shape[-2] if enlarges else _features(module, kernel)
    return elements // channels * kernel.size


def _features(module: nn.Module, kernel: Any) -> int:
    """Return the number of outputs of the kernel at each position."""
    features = getattr(module, "features", kernel.shape[-1])
    return _size((features,) if isinstance(features, int) else tuple(features))


def _size(shape: Shape) -> int:
    size = 1
    for side in shape:
        size *= side
    return size
