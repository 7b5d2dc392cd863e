"""Lets torchvision, and libraries that import it, load with a CPU-only torch.

PyPI's torchvision is linked against CUDA, so its compiled operators are missing with a
CPU-only torch, and `import torchvision` fails.  It succeeds if their schemas are
declared, and its Python models and transforms need no more.  Import this module first.
"""

import torch

if not torch.backends.cuda.is_built():
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
