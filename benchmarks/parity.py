"""Equal to PyTorch: the same weights and image give the same logits.

For each model the peer's random initialisation, with batch-normalisation statistics
that matter, is read here, and both compute the same images, one of an odd size.  The
figure is the largest absolute difference of the logits over their standard deviation.

Needs an environment with torch, torchvision, timm and segmentation_models_pytorch
beside jaxseg's requirements:

    python benchmarks/parity.py [NAME...] [--write docs/parity.md]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch

from jaxseg.models import abstract_variables
from jaxseg.weights.naming import Rule, leaves, nested, read_by_table, write_by_table

SIZES = ((64, 96), (97, 75))

LIMIT = 1e-4
"""Largest difference that is passed, of float32 logits over their deviation."""


@dataclass(frozen=True)
class Case:
    """A model on both sides.

    Attributes:
      peer: builds the torch module; logits `[B, classes]` or `[B, classes, H, W]`, or
        a dict with them as "out".
      ours: builds the jaxseg model.
      table: rules for all of our paths, `backbone/...`, `head/...`, `auxiliary/...`.
      sizes: of the images.
    """

    peer: Callable[[], torch.nn.Module]
    ours: Callable[[], Any]
    table: Sequence[Rule]
    sizes: Sequence[tuple[int, int]] = SIZES


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Give batch normalisations statistics, scales and shifts that are not trivial."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            shape = layer.running_mean.shape
            layer.running_mean.copy_(0.1 * torch.randn(shape, generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            layer.weight.data.copy_(0.5 + torch.rand(shape, generator=generator))
            layer.bias.data.copy_(0.1 * torch.randn(shape, generator=generator))


def convert(
    module: torch.nn.Module, model: Any, table: Sequence[Rule]
) -> dict[str, Any]:
    """Return the peer's weights as our variables; every tensor of both must be used."""
    tensors = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    abstract = abstract_variables(model)
    found, extra = read_by_table(tensors, abstract, table)
    shapes = {path: leaf.shape for path, leaf in leaves(abstract).items()}
    missing = [path for path in shapes if path not in found]
    extra = [name for name in extra if not name.endswith("num_batches_tracked")]
    wrong = [
        (path, found[path].shape, shapes[path])
        for path in found
        if found[path].shape != shapes[path]
    ]
    if missing or extra or wrong:
        raise SystemExit(
            f"missing {missing[:9]}\nleft over {extra[:9]}\nshapes {wrong[:9]}"
        )
    written, unnamed = write_by_table(nested(found), table)
    for name, tensor in tensors.items():
        if not np.array_equal(written.pop(name), tensor):
            raise SystemExit(f"{name} does not survive the round trip")
    if written or unnamed:
        raise SystemExit(f"written too much: {list(written)[:9]} {unnamed[:9]}")
    return nested(found)


@torch.no_grad()
def difference(case: Case) -> float:
    """Return the largest difference of the logits, relative to their spread."""
    torch.manual_seed(0)
    peer = case.peer().eval()
    randomize(peer)
    model = case.ours()
    variables = convert(peer, model, case.table)
    worst = 0.0
    for height, width in case.sizes:
        image = (
            np.random.default_rng(0)
            .normal(size=(2, height, width, 3))
            .astype(np.float32)
        )
        theirs = peer(torch.from_numpy(image).permute(0, 3, 1, 2))
        theirs = theirs["out"] if isinstance(theirs, dict) else theirs
        theirs = np.moveaxis(theirs.numpy(), 1, -1)
        logits = np.asarray(jax.jit(model.apply)(variables, image))
        if logits.shape != theirs.shape:
            raise SystemExit(f"shapes {logits.shape} and {theirs.shape}")
        worst = max(worst, float(np.abs(logits - theirs).max() / theirs.std()))
    return worst


def cases() -> dict[str, Case]:
    """Return the cases of all families, by source and name."""
    import parity_efficientnet_mobilenet
    import parity_heads
    import parity_resnet_xception_convnext
    import parity_vgg_googlenet_densenet

    return {
        **parity_vgg_googlenet_densenet.CASES,
        **parity_resnet_xception_convnext.CASES,
        **parity_efficientnet_mobilenet.CASES,
        **parity_heads.CASES,
    }


def main() -> None:
    """Compare the cases whose names hold one of the words; print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="parts of names; none takes all")
    parser.add_argument("--write", type=Path, help="file for the table")
    options = parser.parse_args()
    chosen = {
        name: case
        for name, case in cases().items()
        if not options.words or any(word in name for word in options.words)
    }
    rows, worst = [], 0.0
    for name, case in chosen.items():
        value = difference(case)
        worst = max(worst, value)
        rows.append(f"| {name} | {value:.1e} |")
        print(rows[-1], flush=True)
        jax.clear_caches()
        if options.write:
            _write(options.write, rows)
    if worst > LIMIT:
        raise SystemExit(f"{worst:.1e} is above {LIMIT}")


def _write(path: Path, rows: Sequence[str]) -> None:
    """Put the table in the place of the one that the file ends with."""
    text = path.read_text() if path.is_file() else ""
    table = "\n".join(["| model | difference |", "|---|---|", *sorted(rows)])
    path.write_text(text.split("| model |")[0] + table + "\n")


if __name__ == "__main__":
    main()
