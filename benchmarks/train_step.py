"""Seconds of a training step, jaxseg's and PyTorch's, side by side.

    python -m benchmarks.train_step                          CPU: 2 cores, float32
    python -m benchmarks.train_step --models unet_resnet34 --rounds 20
    python -m benchmarks.train_step --gpu --peak 790         GPU: bfloat16, TFLOP/s

A step is normalisation, forward pass, cross-entropy at the label's size (with
torchvision's auxiliary head), backward pass, and SGD with momentum and weight decay;
the batch is on the device already.  Before anything is timed, with the same random
weights and statistics, the float32 logits of two images, the loss, the gradient's norm
and the losses after one and two updates must equal the peer's.  Operations are those of
convolutions and matrix products, counted by PyTorch.

Needs torch, and torchvision or segmentation_models_pytorch; see `side_by_side`.
"""

from __future__ import annotations

from benchmarks import model_cases

CONTENDERS = {
    "torch eager": "benchmarks.torch_side:train_step",
    "torch channels_last": "benchmarks.torch_side:train_step",
    "torch compile": "benchmarks.torch_side:train_step",
    "jaxseg": "benchmarks.jaxseg_side:train_step",
}
FLOAT32 = {"logits": 1e-4, "loss": 1e-4, "gradient": 1e-2, "later": 1e-2}
BFLOAT16 = {"logits": 1e-4, "loss": 2e-2, "gradient": 1e-1, "later": 1e-1}
"""Largest differences; the logits are compared in float32 in both.

Batch statistics of small deep maps amplify rounding: the gradient norms of PyTorch's
contenders differ as much as jaxseg's does, which the table shows.
"""


if __name__ == "__main__":
    model_cases.main(
        "Training step",
        CONTENDERS,
        exact=FLOAT32,
        rounded=BFLOAT16,
    )
