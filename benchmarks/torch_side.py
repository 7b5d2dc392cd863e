"""PyTorch's contenders: eager, channels last, compiled; they run only in workers.

All take image bytes and normalise them in the step, as jaxseg does.  Dropout is off on
both sides, so that they compute the same function.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import torch_peers  # noqa: F401  (before the peers)
from benchmarks.model_cases import (
    AUXILIARY_WEIGHT,
    CHECKED_STEPS,
    IGNORE,
    LEARNING_RATE,
    MEAN,
    MOMENTUM,
    STD,
    WEIGHT_DECAY,
    Case,
    step_check,
)
from benchmarks.side_by_side import Prepared, timed

REFERENCE = "torch eager"
"""The contender that writes the weights for jaxseg and counts the operations."""


def build(case: Case, auxiliary: bool) -> torch.nn.Module:
    """Return the peer with random weights and statistics, the same in every worker."""
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = case.gpu  # XLA tries its algorithms too
    if case.library == "smp":
        import segmentation_models_pytorch as smp

        kind = {"unet": smp.Unet, "deeplabv3plus": smp.DeepLabV3Plus}[case.head]
        module = kind(case.backbone, encoder_weights=None, classes=case.classes)
    else:
        from torchvision.models import segmentation

        module = getattr(segmentation, case.model)(
            weights=None,
            weights_backbone=None,
            num_classes=case.classes,
            aux_loss=auxiliary,
        )
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0.0, 0.1)
            layer.running_mean.normal_(0.0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
        if isinstance(layer, torch.nn.Dropout | torch.nn.Dropout2d):
            layer.p = 0.0
    if case.contender == REFERENCE:
        torch.save(module.state_dict(), f"{case.weights}.part")
        os.replace(f"{case.weights}.part", case.weights)  # ours may be waiting
    module.to(_device(case))
    if case.contender != REFERENCE:
        module.to(memory_format=torch.channels_last)
    return module


def _device(case: Case) -> torch.device:
    return torch.device("cuda" if case.gpu else "cpu")


class Normalized(torch.nn.Module):
    """The normalisation of an image followed by the peer: from bytes to logits.

    Args:
      module: the peer.
      case: the case of the race.
    """

    scale: torch.Tensor
    offset: torch.Tensor

    def __init__(self, module: torch.nn.Module, case: Case):
        super().__init__()
        self.module = module
        scale = 1 / (255 * np.array(STD, np.float32))
        offset = np.array(MEAN, np.float32) / np.array(STD, np.float32)
        for name, value in (("scale", scale), ("offset", offset)):
            tensor = torch.from_numpy(value).to(_device(case)).view(1, 3, 1, 1)
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map uint8 `[B, 3, H, W]` to the logits by head, "out" and maybe "aux"."""
        logits = self.module(image.float() * self.scale - self.offset)
        return logits if isinstance(logits, dict) else {"out": logits}


def _tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    image, label = map(torch.from_numpy, case.arrays())
    image = image.to(_device(case)).permute(0, 3, 1, 2)  # bytes: channels last so far
    if case.contender == REFERENCE:
        image = image.contiguous()
    return image, label.to(_device(case)).long()


def _autocast(case: Case) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast("cuda", torch.bfloat16, enabled=case.gpu)


@torch.no_grad()
def _logits(model: torch.nn.Module, image: torch.Tensor) -> np.ndarray:
    """Return exact float32 logits of two images, channels last."""
    model.eval()
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return model(image[:2])["out"].permute(0, 2, 3, 1).cpu().numpy()


def _prepared(
    case: Case,
    once: Callable[[], Any],
    check: Mapping[str, np.ndarray],
    facts: Mapping[str, float] | None = None,
) -> Prepared:
    """Return the run that calls `once` `case.steps` times; call it once here."""

    def work() -> None:
        for _ in range(case.steps):
            once()
        if case.gpu:
            torch.cuda.synchronize()

    work()
    return Prepared(timed(work), check, facts or {})


def maybe_compiled(case: Case, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, compiled if the contender is the compiled one."""
    return torch.compile(function) if "compile" in case.contender else function


def training(case: Case) -> tuple[torch.nn.Module, Callable[[], torch.Tensor]]:
    """Return the model and a training step that returns the loss."""
    model = Normalized(build(case, auxiliary=True), case).train()
    image, label = _tensors(case)
    kernels = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": WEIGHT_DECAY}, {"params": others}],
        lr=LEARNING_RATE,
        momentum=MOMENTUM,
    )

    def loss(image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        logits = model(image)
        total = functional.cross_entropy(logits["out"], label, ignore_index=IGNORE)
        if "aux" not in logits:
            return total
        auxiliary = functional.cross_entropy(logits["aux"], label, ignore_index=IGNORE)
        return total + AUXILIARY_WEIGHT * auxiliary

    compute = maybe_compiled(case, loss)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with _autocast(case):
            value = compute(image, label)
        value.backward()
        optimizer.step()
        return value

    return model, step


def train_step(**settings: Any) -> Prepared:
    """Build a training step."""
    case = Case(**settings)
    model, step = training(case)
    check = {"logits": _logits(model, _tensors(case)[0])}
    model.train()
    losses, facts, norm = [], {}, 0.0
    for index in range(CHECKED_STEPS):
        count = index == 0 and case.contender == REFERENCE
        counter = FlopCounterMode(display=False) if count else contextlib.nullcontext()
        with counter:
            losses.append(step().item())
        if isinstance(counter, FlopCounterMode):
            facts["flops"] = float(counter.get_total_flops() * case.steps)
        if index == 0:
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            norm = float(torch.nn.utils.get_total_norm(gradients))
    check |= step_check(losses, norm)

    return _prepared(case, step, check, facts)


def inference(**settings: Any) -> Prepared:
    """Build a prediction: bytes to the class of every pixel."""
    case = Case(**settings)
    model = Normalized(build(case, auxiliary=False), case).eval()
    image, _ = _tensors(case)
    predict = maybe_compiled(case, lambda image: model(image)["out"].argmax(1).int())
    check = {"logits": _logits(model, image)}

    @torch.no_grad()
    def once() -> torch.Tensor:
        with _autocast(case):
            return predict(image)

    facts = {}
    if case.contender == REFERENCE:
        with FlopCounterMode(display=False) as counter:
            once()
        facts["flops"] = float(counter.get_total_flops() * case.steps)
    check["mask"] = once().cpu().numpy()

    return _prepared(case, once, check, facts)


class Bytes(torch.nn.Module):
    """The prediction as a module from `[B, H, W, 3]`, for an export.

    Args:
      model: a `Normalized`.
    """

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map uint8 `[B, H, W, 3]` to int32 `[B, H, W]`."""
        return self.model(image.permute(0, 3, 1, 2))["out"].argmax(1).int()


def _exported(case: Case) -> tuple[str, np.ndarray]:
    """Write an ONNX file of the prediction; return it and the image."""
    model = Bytes(Normalized(build(case, auxiliary=False), case)).eval()
    image, _ = case.arrays()
    file = str(Path(case.folder) / f"{case.contender}.onnx")
    torch.onnx.export(model, (torch.from_numpy(image),), file, dynamo=True)
    return file, image


def onnx(**settings: Any) -> Prepared:
    """Build the prediction in onnxruntime, on the CPU."""
    import onnxruntime

    case = Case(**settings)
    file, image = _exported(case)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def predict() -> np.ndarray:
        return np.asarray(session.run(None, {name: image})[0])

    return _prepared(case, predict, {"mask": predict()})


def openvino(**settings: Any) -> Prepared:
    """Build the prediction in OpenVINO, on the CPU."""
    from openvino import Core

    case = Case(**settings)
    file, image = _exported(case)
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = Core().compile_model(file, "CPU", options)

    def predict() -> np.ndarray:
        return np.asarray(compiled([image])[0])

    return _prepared(case, predict, {"mask": predict()})
