"""Write the golden files of peers' models that the tests compare with, without torch.

Needs the environment of `parity.py`:

    python -m benchmarks.golden [NAME...]

Each file holds the names and shapes of a peer's tensors, and the logits that the peer
computes from tensors that `tests/weights/peer_tensors.py` makes from these names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

import benchmarks.torch_peers  # noqa: F401  (before the peers)
from benchmarks.parity import cases

TESTS = Path(__file__).resolve().parents[1] / "tests/weights"
sys.path.insert(0, str(TESTS))

from peer_tensors import STEP, image_of, tensor_of  # noqa: E402

CLASSIFIERS = {
    "torchvision/vgg11_bn": "vgg11_bn",
    "torchvision/googlenet": "googlenet",
    "torchvision/resnet18": "resnet18",
    "torchvision/densenet121": "densenet121",
    "torchvision/efficientnet_b0": "efficientnet_b0",
    "torchvision/mobilenet_v2": "mobilenet_v2",
    "torchvision/mobilenet_v3_small": "mobilenet_v3_small",
    "torchvision/convnext_tiny": "convnext_tiny",
    "timm/resnet18d": "resnet18d",
    "timm/seresnet18": "seresnet18",
    "timm/xception41": "xception41",
    "timm/tf_efficientnet_lite0": "efficientnet_lite0",
    "timm/tf_mobilenetv3_small_100": "mobilenet_v3_small",
}
"""Case -> our backbone."""

SEGMENTERS = {
    "torchvision/fcn_resnet50": ("fcn", "resnet50"),
    "torchvision/lraspp_mobilenet_v3_large": ("lraspp", "mobilenet_v3_large"),
    "smp/unet_resnet18": ("unet", "resnet18"),
    "smp/unet_efficientnet-b0": ("unet", "efficientnet_b0"),
    "smp/pspnet_resnet18": ("pspnet", "resnet18"),
    "smp/upernet_resnet18": ("upernet", "resnet18"),
    "smp/deeplabv3_resnet18": ("deeplabv3", "resnet18"),
    "smp/deeplabv3plus_resnet18": ("deeplabv3plus", "resnet18"),
    "smp/segformer_mit_b0": ("segformer", "mit_b0"),
}
"""Case -> our head and backbone."""

ARITHMETICS = {
    "timm/tf_efficientnet_lite0": "tensorflow",
    "timm/tf_mobilenetv3_small_100": "tensorflow",
    "torchvision/lraspp_mobilenet_v3_large": "dilated",
    "smp/unet_efficientnet-b0": "smp",
}
"""Case -> arithmetic of its backbone, if it is not the usual one."""


@torch.no_grad()
def main() -> None:
    """Write the files whose names contain one of the words, or all without a word."""
    words = sys.argv[1:]
    known = cases()
    for name in (*CLASSIFIERS, *SEGMENTERS):
        if words and not any(word in name for word in words):
            continue
        case = known[name]
        peer = case.peer().eval()
        shapes = {key: list(leaf.shape) for key, leaf in peer.state_dict().items()}
        tensors = {key: tensor_of(key, shape) for key, shape in shapes.items()}
        peer.load_state_dict({key: torch.from_numpy(x) for key, x in tensors.items()})
        height, width = case.sizes[-1] if name in SEGMENTERS else (64, 96)
        logits = peer(torch.from_numpy(image_of(height, width)).permute(0, 3, 1, 2))
        logits = logits["out"] if isinstance(logits, dict) else logits
        logits = np.moveaxis(logits.numpy(), 1, -1)
        if name in SEGMENTERS:
            head, backbone = SEGMENTERS[name]
            logits = logits[:, ::STEP, ::STEP]
        else:
            head, backbone = "classifier", CLASSIFIERS[name]
        facts = {
            "head": head,
            "backbone": backbone,
            "arithmetic": ARITHMETICS.get(name, ""),
            "size": [height, width],
            "shapes": shapes,
        }
        path = TESTS / "golden/peers" / f"{name.replace('/', '-')}.npz"
        np.savez_compressed(path, facts=json.dumps(facts), logits=logits)
        spread = float(logits.std())
        print(f"{path.name}: {path.stat().st_size} bytes, deviation {spread:.3g}")


if __name__ == "__main__":
    main()
