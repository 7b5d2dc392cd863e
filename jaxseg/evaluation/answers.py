"""From images to masks, probabilities, or both, computed in one pass of the network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxseg.evaluation.inference import Scores, WholeScores
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.nn.lowering import compiling_for, devices_of

Finish = Callable[[jax.Array], jax.Array]
"""Turns scores into masks or probabilities, `[B, H, W, ...]`."""

Answer = Callable[
    [Any, np.ndarray, Callable[[int], None], Sequence[Finish]], list[np.ndarray]
]
"""`(variables, uint8 [B, H, W, 3], called as windows are done, what is made of the
scores) -> what each of these makes`."""


def _unchanged(scores: jax.Array) -> jax.Array:
    return scores


def answering(scores: Scores | WindowedScores) -> Answer:
    """Return a function that scores images and turns the scores into masks or others.

    Scores are the same whether one result is computed from them, band by band, or
    several are.
    """
    if isinstance(scores, WindowedScores):
        return _by_window(scores)

    @functools.partial(jax.jit, static_argnums=2)
    def compute(variables: Any, images: jax.Array, finish: Finish) -> jax.Array:
        if isinstance(scores, WholeScores):
            return scores.mapped(variables, images, finish)
        return finish(scores(variables, images))

    def answer(
        variables: Any,
        images: np.ndarray,
        done: Callable[[int], None],
        finishes: Sequence[Finish],
    ) -> list[np.ndarray]:
        with compiling_for(devices_of(variables)):
            if len(finishes) == 1:  # scores of all pixels are never in memory at once
                return [np.asarray(compute(variables, images, finishes[0]))]
            found = compute(variables, images, _unchanged)
            return [np.asarray(finish(found)) for finish in finishes]

    return answer


def _by_window(scores: WindowedScores) -> Answer:
    def answer(
        variables: Any,
        images: np.ndarray,
        done: Callable[[int], None],
        finishes: Sequence[Finish],
    ) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for top, block in scores.blocks(variables, images, done=done):
            parts = [np.asarray(finish(block)) for finish in finishes]
            if top == 0:
                found = [
                    np.empty(images.shape[:3] + part.shape[3:], part.dtype)
                    for part in parts
                ]
            for whole, part in zip(found, parts, strict=True):
                whole[:, top : top + part.shape[1]] = part
        return found

    return answer
