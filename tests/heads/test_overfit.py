"""Every head overfits one small batch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from slow_cases import slow_but

from jaxseg.evaluation.metrics import Confusion, confusion_matrix
from jaxseg.heads import HEADS
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.models import create_model

SIDE, STEPS = 64, 150

# The networks with a backbone of their own are overfitted in test_unet_original.
NAMES = [name for name, entry in HEADS.items() if entry.backbone is None]
QUICK = ("segformer",)


def quadrants():
    """Four classes, each a quarter of the image, so that stride 32 can tell them."""
    half = SIDE // 2
    label = np.zeros((2, SIDE, SIDE), np.int32)
    label[:, :half, half:], label[:, half:, :half], label[:, half:, half:] = 1, 2, 3
    label[1] = label[1, ::-1]
    colours = np.random.default_rng(0).normal(size=(4, 3))
    noise = np.random.default_rng(1).normal(size=(2, SIDE, SIDE, 3))
    image = colours[label] + 0.1 * noise
    return jnp.asarray(image, jnp.float32), jnp.asarray(label)


@pytest.mark.parametrize("head", slow_but(QUICK, NAMES))
def test_a_head_overfits_one_batch(head):
    image, label = quadrants()
    model = create_model(head, "resnet18", 4, width=0.25, max_channels=64, dropout=None)
    variables = jax.jit(model.init)(jax.random.key(0), image)
    optimizer, loss = optax.adam(5e-3), CrossEntropy()

    def train_loss(params, stats, key):
        (logits, _), changed = model.apply(
            {"params": params, "batch_stats": stats},
            image,
            train=True,
            method="low_resolution",
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return loss(logits, label) / label.size, changed["batch_stats"]

    @jax.jit
    def step(params, stats, state, key):
        compute = jax.value_and_grad(train_loss, has_aux=True)
        (_, stats), grads = compute(params, stats, key)
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), stats, state

    params, stats = variables["params"], variables["batch_stats"]
    state, key = optimizer.init(params), jax.random.key(1)
    predict, mean_iou = jax.jit(model.apply), 0.0
    for index in range(STEPS):
        params, stats, state = step(
            params, stats, state, jax.random.fold_in(key, index)
        )
        if index % 25 == 24 and mean_iou <= 0.95:
            logits = predict({"params": params, "batch_stats": stats}, image)
            counts = confusion_matrix(label, logits.argmax(-1).astype(jnp.int32), 4)
            mean_iou = Confusion(np.asarray(counts)).mean_iou
        if mean_iou > 0.95:
            return
    raise AssertionError(f"mean IoU {mean_iou:.3f} after {STEPS} steps")
