"""Write the golden file of peers' losses that the tests compare with, without torch.

Needs an environment with torch, segmentation_models_pytorch 0.6 and monai:

    python -m benchmarks.golden_losses

The file holds the value and the gradient of each case in `tests/losses/peer_cases.py`,
computed in float64 (for SMP's Lovász losses in float32).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import benchmarks.torch_peers  # noqa: F401  (before the peers)

TESTS = Path(__file__).resolve().parents[1] / "tests/losses"
sys.path.insert(0, str(TESTS))

import monai.losses  # noqa: E402
import segmentation_models_pytorch.losses as smp  # noqa: E402
from peer_cases import CASES, IGNORE, inputs  # noqa: E402

Peer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A function of float64 logits `[B, C, H, W]` and an int64 label `[B, H, W]` or
`[B, C, H, W]`."""


def by_smp(kind: type, mode: str, **options: object) -> Peer:
    """Return a loss of SMP, which leaves out ignored pixels."""
    return kind(mode, ignore_index=IGNORE, **options)


def by_monai(kind: type, sigmoid: bool = False, **options: object) -> Peer:
    """Return a loss of MONAI, whose labels have an axis of channels."""
    if sigmoid:
        loss = kind(sigmoid=True, **options)
        return lambda logits, label: loss(logits, _planes(logits, label).double())
    loss = kind(softmax=True, to_onehot_y=True, **options)
    return lambda logits, label: loss(logits, label[:, None])


def _planes(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return label if label.ndim == logits.ndim else label[:, None]


def sigmoid_entropy(positive: tuple[float, ...] = ()) -> Peer:
    """Return torch's binary cross-entropy, with a factor for each channel."""
    weight = torch.tensor(positive).reshape(-1, 1, 1).double() if positive else None

    def loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        target = _planes(logits, label).double()
        return functional.binary_cross_entropy_with_logits(
            logits, target, pos_weight=weight
        )

    return loss


def focal_of_monai(**options: object) -> Peer:
    loss = monai.losses.FocalLoss(**options)
    return lambda logits, label: loss(logits, _planes(logits, label))


def lovasz(mode: str, **options: object) -> Peer:
    """Return SMP's Lovász loss, which takes float32 only."""
    loss = by_smp(smp.LovaszLoss, mode, **options)
    return lambda logits, label: loss(logits.float(), label)


def smoothed(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    loss = smp.SoftBCEWithLogitsLoss(smooth_factor=0.1)
    return loss(logits[:, 0], label.double())


def weighted(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(
        logits,
        label,
        torch.tensor([1.0, 2.0, 0.5, 3.0]).double(),
        ignore_index=IGNORE,
        label_smoothing=0.1,
    )


CLASSES, ONE, LABELS = "multiclass", "binary", "multilabel"
dice, jaccard = monai.losses.DiceLoss, partial(monai.losses.DiceLoss, jaccard=True)
general, tversky = monai.losses.GeneralizedDiceLoss, monai.losses.TverskyLoss
boundary = monai.losses.BoundaryLoss


def smooth(value: float) -> dict[str, object]:
    return {"smooth_nr": value, "smooth_dr": value, "batch": True}


PEERS: dict[str, Peer] = {
    "torch/cross_entropy": partial(functional.cross_entropy, ignore_index=IGNORE),
    "torch/cross_entropy weighted": weighted,
    "torch/binary_cross_entropy": sigmoid_entropy(),
    "torch/binary_cross_entropy positive": sigmoid_entropy((3.0, 1.0, 0.5)),
    "smp/soft_bce smoothed": smoothed,
    "smp/focal binary": by_smp(smp.FocalLoss, ONE, gamma=1.5, alpha=0.25),
    "smp/focal one against the rest": by_smp(smp.FocalLoss, CLASSES),
    "smp/focal multilabel": smp.FocalLoss(LABELS),
    "monai/focal softmax": focal_of_monai(
        gamma=2.5, use_softmax=True, to_onehot_y=True
    ),
    "monai/focal sigmoid": focal_of_monai(alpha=0.3),
    "smp/dice": by_smp(smp.DiceLoss, CLASSES),
    "smp/dice smooth": by_smp(smp.DiceLoss, CLASSES, smooth=1.0),
    "smp/dice weighted": by_smp(
        smp.DiceLoss, CLASSES, class_weights=[0.0, 1.0, 2.0, 1.0]
    ),
    "smp/dice binary": by_smp(smp.DiceLoss, ONE),
    "smp/dice multilabel": by_smp(smp.DiceLoss, LABELS),
    "monai/dice": by_monai(dice, **smooth(1.0)),
    "monai/dice multilabel": by_monai(dice, True, **smooth(0.5)),
    "monai/generalised_dice": by_monai(general, **smooth(1e-5)),
    "monai/generalised_dice simple": by_monai(
        general, True, w_type="simple", **smooth(0.1)
    ),
    "monai/generalised_dice uniform": by_monai(
        general, w_type="uniform", **smooth(0.1)
    ),
    "smp/jaccard": by_smp(smp.JaccardLoss, CLASSES, smooth=1.0),
    "smp/jaccard binary": by_smp(smp.JaccardLoss, ONE),
    "smp/jaccard multilabel": by_smp(smp.JaccardLoss, LABELS),
    "monai/jaccard": by_monai(jaccard, **smooth(1.0)),
    "smp/tversky": by_smp(smp.TverskyLoss, CLASSES, alpha=0.3, beta=0.7, gamma=0.75),
    "smp/tversky multilabel": by_smp(smp.TverskyLoss, LABELS, alpha=0.6),
    "monai/tversky": by_monai(tversky, alpha=0.2, beta=0.8, **smooth(1.0)),
    "smp/focal_tversky": by_smp(smp.TverskyLoss, ONE, alpha=0.3, beta=0.7, gamma=0.75),
    "smp/lovasz": lovasz(CLASSES),
    "smp/lovasz image": lovasz(CLASSES, per_image=True),
    "smp/lovasz hinge": lovasz(ONE),
    "smp/lovasz hinge image": lovasz(ONE, per_image=True),
    "monai/boundary": by_monai(boundary),
    "monai/boundary foreground": by_monai(boundary, include_background=False),
    "monai/boundary binary": by_monai(boundary, True),
    "monai/boundary multilabel": by_monai(boundary, True),
}
"""Name of a case -> the peer's loss."""


def main() -> None:
    """Compute all cases and write the file."""
    assert PEERS.keys() == CASES.keys()
    arrays: dict[str, np.ndarray] = {}
    for name, peer in PEERS.items():
        logits, label = inputs(CASES[name].task, CASES[name].ignored)
        given = torch.from_numpy(logits).double().permute(0, 3, 1, 2).requires_grad_()
        target = torch.from_numpy(label)
        if label.ndim == 4:
            target = target.permute(0, 3, 1, 2)
        value = peer(given, target)
        value.backward()
        assert given.grad is not None
        arrays[f"{name}/value"] = np.float64(value.item())
        gradient = given.grad.permute(0, 2, 3, 1).numpy()
        arrays[f"{name}/gradient"] = gradient.astype(np.float32)
        print(f"{value.item():.6f} {name}")
    path = TESTS / "golden_peers.npz"
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
