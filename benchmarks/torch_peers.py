"""Let torchvision, and what imports it, load beside a CPU-only torch.

PyPI's torchvision is linked against CUDA: beside a CPU-only torch its compiled
operators are missing, and `import torchvision` fails on them.  Declared by their
schemas they are found; its Python models and transforms need no more.  Import this
first.
"""

import torch

if not torch.backends.cuda.is_built():
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
