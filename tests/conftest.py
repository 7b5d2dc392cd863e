"""The environment of every test: type checks, eight CPU devices, a compile cache."""

import os
import tempfile
from pathlib import Path

from fresh_process import COMPILE_FAST

# Set before jax is imported: the devices, and the cache of compiled programs.
os.environ.setdefault(
    "XLA_FLAGS", f"--xla_force_host_platform_device_count=8 {COMPILE_FAST}"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
_cache = Path(tempfile.gettempdir()) / "jaxseg-test-compiled"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("jaxseg", "numeric_beartype.check")

from dataclasses import replace  # noqa: E402

import jax  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from jaxseg.config import (  # noqa: E402
    AugmentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)


@pytest.fixture
def one_device():
    """A mesh of one device."""
    from jaxseg.parallel.mesh import create_mesh

    return create_mesh(jax.devices()[:1])


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory):
    """A folder data set: bright squares and discs on dark noise, three classes."""
    from PIL import Image

    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 5)):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for index in range(count):
            image = rng.integers(0, 60, (48, 56, 3), dtype=np.uint8)
            mask = np.zeros((48, 56), np.uint8)
            top, left = rng.integers(0, 20, 2)
            mask[top : top + 16, left : left + 16] = 1
            rows, columns = np.mgrid[:48, :56]
            mask[(rows - 34) ** 2 + (columns - 42) ** 2 < 90] = 2
            image[mask == 1] += np.array([150, 20, 20], np.uint8)
            image[mask == 2] += np.array([20, 20, 150], np.uint8)
            Image.fromarray(image).save(root / split / "images" / f"{index}.png")
            Image.fromarray(mask).save(root / split / "masks" / f"{index}.png")
    return root


@pytest.fixture
def tiny_config(shapes_folder, tmp_path_factory) -> Config:
    """A run of a few seconds on `shapes_folder`."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    return Config(
        name="tiny",
        data=DataConfig(
            name="folder", root=str(shapes_folder), cache=str(cache), threads=2
        ),
        augment=AugmentConfig(crop=(33, 33), scale=(0.8, 1.2), max_class_share=1.0),
        model=ModelConfig(
            head="fcn8s", backbone="resnet18", width=0.125, max_channels=16
        ),
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3, weight_decay=0.0),
        train=TrainConfig(
            steps=6, batch_size=8, log_every=1, eval_every=3, checkpoint_every=3
        ),
        evaluation=EvaluationConfig(batch_size=8),
    )


@pytest.fixture
def with_train():
    """Change values of `config.train`."""

    def change(config: Config, **values) -> Config:
        return replace(config, train=replace(config.train, **values))

    return change
