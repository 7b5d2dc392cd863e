"""Parity with PyTorch: the same weights and image give the same logits.

For each model the peer's random initialisation, with batch-normalisation statistics
that are not trivial, is saved by torch and read here, and both compute the same images,
one of an odd size.  The result is the largest absolute difference of the logits over
their standard deviation.

Needs an environment with torch, torchvision, timm and segmentation_models_pytorch
beside jaxseg's requirements:

    python -m benchmarks.parity [NAME...]
    python -m benchmarks.parity --write docs/parity.md
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch

import benchmarks.torch_peers  # noqa: F401  (before the peers)
from benchmarks.parity_case import Case, randomize
from jaxseg.segmenter import abstract_variables
from jaxseg.weights.names import unused
from jaxseg.weights.naming import Rule, leaves, nested, read_by_table, write_by_table
from jaxseg.weights.readers import read_tensors

LIMIT = 1e-4
"""Largest allowed difference of float32 logits over their standard deviation."""

TITLE = "## Differences"
"""The line of the document that is followed by the table."""


def saved_and_read(module: torch.nn.Module) -> dict[str, np.ndarray]:
    """Return the module's tensors from a file that torch wrote, read without torch."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "peer.pth"
        torch.save(module.state_dict(), path)
        return dict(read_tensors(path))


def convert(
    module: torch.nn.Module, model: Any, table: Sequence[Rule]
) -> dict[str, Any]:
    """Return the peer's weights as our variables; every tensor of both must be used."""
    idle = unused(model, "smp")
    tensors = {
        name: tensor
        for name, tensor in saved_and_read(module).items()
        if name not in idle
    }
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
    """Return the largest difference of the logits over their standard deviation."""
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
        if not (np.isfinite(logits).all() and np.isfinite(theirs).all()):
            raise SystemExit("logits that are not finite")
        worst = max(worst, float(np.abs(logits - theirs).max() / theirs.std()))
    return worst


def cases() -> dict[str, Case]:
    """Return the cases of all families, by source and name."""
    from benchmarks import (
        parity_efficientnet_mobilenet,
        parity_heads,
        parity_resnet_xception_convnext,
        parity_vgg_googlenet_densenet,
    )

    return {
        **parity_vgg_googlenet_densenet.CASES,
        **parity_resnet_xception_convnext.CASES,
        **parity_efficientnet_mobilenet.CASES,
        **parity_heads.CASES,
    }


def main() -> None:
    """Compare the cases whose names contain a word; print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="parts of names; none takes all")
    parser.add_argument("--write", type=Path, help="document that ends in the table")
    options = parser.parse_args()
    if options.words and options.write:
        parser.error("the table holds all models: leave NAME out")
    chosen = {
        name: case
        for name, case in cases().items()
        if not options.words or any(word in name for word in options.words)
    }
    differences: dict[str, float] = {}
    for name, case in chosen.items():
        differences[name] = difference(case)
        print(f"{differences[name]:.1e} {name}", flush=True)
        jax.clear_caches()
        if options.write:
            _write(options.write, differences)
    if max(differences.values()) > LIMIT:
        raise SystemExit(f"a difference is above {LIMIT}")


def _write(path: Path, differences: dict[str, float]) -> None:
    """Replace the table at the end of the file."""
    text = path.read_text().split(TITLE)[0]
    rows = [f"| {name} | {value:.1e} |" for name, value in sorted(differences.items())]
    worst = max(differences.values())
    summary = f"{len(rows)} models, the worst {worst:.1e}."
    table = "\n".join(["| model | difference |", "|---|---|", *rows])
    path.write_text(f"{text}{TITLE}\n\n{summary}\n\n{table}\n")


if __name__ == "__main__":
    main()
