"""Seconds of a prediction, jaxseg's and its peers', side by side.

    python -m benchmarks.inference                           CPU: 2 cores, float32
    python -m benchmarks.inference --batch 1 --size 512
    python -m benchmarks.inference --gpu --peak 790          GPU: bfloat16, TFLOP/s

A prediction goes from image bytes, on the device already, to the class of every pixel.
Before anything is timed, with the same random weights and statistics, the float32
logits of two images must equal the peer's, and the classes too except for ties.

Needs torch, and torchvision or segmentation_models_pytorch; on the CPU also onnx,
onnxscript, onnxruntime and openvino; see `side_by_side`.
"""

from __future__ import annotations

from benchmarks import model_cases

CONTENDERS = {
    "torch eager": "benchmarks.torch_side:inference",
    "torch channels_last": "benchmarks.torch_side:inference",
    "torch compile": "benchmarks.torch_side:inference",
    "onnxruntime": "benchmarks.torch_side:onnx",
    "openvino": "benchmarks.torch_side:openvino",
    "jaxseg": "benchmarks.jaxseg_side:inference",
}
ON_CPU_ONLY = ("onnxruntime", "openvino")
FLOAT32 = {"logits": 1e-4, "mask": 1e-3}
BFLOAT16 = {"logits": 1e-4, "mask": 1e-1}
"""Largest differences; the logits are compared in float32 in both."""


if __name__ == "__main__":
    model_cases.main(
        "Prediction",
        CONTENDERS,
        exact=FLOAT32,
        rounded=BFLOAT16,
        on_cpu_only=ON_CPU_ONLY,
    )
