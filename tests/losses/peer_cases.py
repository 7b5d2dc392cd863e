"""Losses that peers have too, and the logits and labels that both get.

`benchmarks/golden_losses.py` computes the peers' values and gradients of these, which
`test_peers.py` compares with, without torch.
"""

from typing import NamedTuple

import numpy as np

IGNORE = 255
SIZE = (2, 9, 7)


class PeerCase(NamedTuple):
    """Our loss, as a configuration names it, and the inputs of its case."""

    ours: str
    task: str = "multiclass"
    ignored: bool = True
    """Whether some pixels are ignored."""
    factor: float = 1.0
    """Our value over the peer's, whose mean is over another number."""


def inputs(task: str, ignored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 logits and labels of the same size; one class is absent."""
    random = np.random.RandomState(7)  # its stream is frozen
    classes = {"multiclass": 4, "binary": 1, "multilabel": 3}[task]
    logits = 2 * random.normal(size=(*SIZE, classes)).astype(np.float32)
    planes = (classes,) if task == "multilabel" else ()
    label = random.randint(0, 3 if task == "multiclass" else 2, (*SIZE, *planes))
    if task == "multilabel":
        label[..., 1] = 0
    if ignored:
        label[0, :3] = IGNORE
        label[1, 4, 2:5] = IGNORE
    return logits, label


CASES = {
    "torch/cross_entropy": PeerCase("cross_entropy"),
    "torch/cross_entropy weighted": PeerCase(
        "cross_entropy(class_weights=(1.0, 2.0, 0.5, 3.0), label_smoothing=0.1)"
    ),
    "torch/binary_cross_entropy": PeerCase("binary_cross_entropy", "binary", False),
    "torch/binary_cross_entropy positive": PeerCase(
        "binary_cross_entropy(pos_weight=(3.0, 1.0, 0.5))", "multilabel", False
    ),
    "smp/soft_bce smoothed": PeerCase(
        "cross_entropy(label_smoothing=0.2)", "binary", False
    ),
    "smp/focal binary": PeerCase("focal(gamma=1.5, alpha=0.25)", "binary"),
    "smp/focal one against the rest": PeerCase("focal(one_vs_rest=True)"),
    "smp/focal multilabel": PeerCase("focal", "multilabel", False),
    "monai/focal softmax": PeerCase("focal(gamma=2.5)", "multiclass", False, 4.0),
    "monai/focal sigmoid": PeerCase("focal(alpha=0.3)", "multilabel", False),
    "smp/dice": PeerCase("dice"),
    "smp/dice smooth": PeerCase("dice(smooth=2.0)"),
    "smp/dice weighted": PeerCase("dice(weights=(0.0, 1.0, 2.0, 1.0))"),
    "smp/dice binary": PeerCase("dice", "binary"),
    "smp/dice multilabel": PeerCase("dice", "multilabel"),
    "monai/dice": PeerCase("dice(smooth=1.0, absent='count')", ignored=False),
    "monai/dice multilabel": PeerCase(
        "dice(smooth=0.5, absent='count')", "multilabel", False
    ),
    "monai/generalised_dice": PeerCase("generalised_dice(smooth=1e-5)", ignored=False),
    "monai/generalised_dice simple": PeerCase(
        "generalised_dice(weighting='simple', smooth=0.1)", "multilabel", False
    ),
    "monai/generalised_dice uniform": PeerCase(
        "generalised_dice(weighting='uniform', smooth=0.1)", ignored=False
    ),
    "smp/jaccard": PeerCase("jaccard(smooth=1.0)"),
    "smp/jaccard binary": PeerCase("jaccard", "binary"),
    "smp/jaccard multilabel": PeerCase("jaccard", "multilabel"),
    "monai/jaccard": PeerCase("jaccard(smooth=0.5, absent='count')", ignored=False),
    "smp/tversky": PeerCase("tversky(alpha=0.3, beta=0.7, gamma=0.75)"),
    "smp/tversky multilabel": PeerCase("tversky(alpha=0.6)", "multilabel"),
    "monai/tversky": PeerCase(
        "tversky(alpha=0.2, beta=0.8, smooth=1.0, absent='count')", ignored=False
    ),
    "smp/focal_tversky": PeerCase("focal_tversky", "binary"),
    "smp/lovasz": PeerCase("lovasz"),
    "smp/lovasz image": PeerCase("lovasz(per_image=True)"),
    "smp/lovasz hinge": PeerCase("lovasz", "binary"),
    "smp/lovasz hinge image": PeerCase("lovasz(per_image=True)", "binary"),
    "monai/boundary": PeerCase("boundary", ignored=False),
    "monai/boundary foreground": PeerCase(
        "boundary(weights=(0.0, 1.0, 1.0, 1.0))", ignored=False
    ),
    "monai/boundary binary": PeerCase("boundary", "binary", False),
    "monai/boundary multilabel": PeerCase("boundary", "multilabel", False),
}
"""Name -> case; before the stroke stands the peer."""
