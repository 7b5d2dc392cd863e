"""jaxseg: semantic segmentation in JAX and Flax.

The names below are the public interface; each is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from jaxseg.version import __version__

if TYPE_CHECKING:
    from jaxseg.backbones import register_backbone
    from jaxseg.commands.train import train
    from jaxseg.config import (
        AugmentConfig,
        Config,
        DataConfig,
        EvaluationConfig,
        MeshConfig,
        ModelConfig,
        OptimizerConfig,
        TrainConfig,
    )
    from jaxseg.data.catalog import register_dataset
    from jaxseg.data.image_mask_transform import ImageMaskTransform
    from jaxseg.data.images import load_image
    from jaxseg.data.labels import LabelSet
    from jaxseg.data.named_transforms import register_transform
    from jaxseg.data.sequences import SequenceDataset
    from jaxseg.errors import UserError
    from jaxseg.evaluation.cleaning import clean_mask
    from jaxseg.evaluation.metrics import Confusion, register_metric
    from jaxseg.experiment import load_config
    from jaxseg.heads import register_head
    from jaxseg.losses import register_loss
    from jaxseg.losses.base import Loss
    from jaxseg.models import create_classifier, create_model, list_models
    from jaxseg.predictor import Predictor
    from jaxseg.report.image_files import save_mask
    from jaxseg.report.pictures import overlay
    from jaxseg.trainer.callbacks import Callback
    from jaxseg.trainer.trainer import Trainer
    from jaxseg.weights.load import load_weights, save_weights

_HOMES = {
    "AugmentConfig": "jaxseg.config",
    "Callback": "jaxseg.trainer.callbacks",
    "Config": "jaxseg.config",
    "Confusion": "jaxseg.evaluation.metrics",
    "DataConfig": "jaxseg.config",
    "EvaluationConfig": "jaxseg.config",
    "ImageMaskTransform": "jaxseg.data.image_mask_transform",
    "LabelSet": "jaxseg.data.labels",
    "Loss": "jaxseg.losses.base",
    "MeshConfig": "jaxseg.config",
    "ModelConfig": "jaxseg.config",
    "OptimizerConfig": "jaxseg.config",
    "Predictor": "jaxseg.predictor",
    "SequenceDataset": "jaxseg.data.sequences",
    "TrainConfig": "jaxseg.config",
    "Trainer": "jaxseg.trainer.trainer",
    "UserError": "jaxseg.errors",
    "clean_mask": "jaxseg.evaluation.cleaning",
    "create_classifier": "jaxseg.models",
    "create_model": "jaxseg.models",
    "list_models": "jaxseg.models",
    "load_config": "jaxseg.experiment",
    "load_image": "jaxseg.data.images",
    "load_weights": "jaxseg.weights.load",
    "register_backbone": "jaxseg.backbones",
    "register_dataset": "jaxseg.data.catalog",
    "register_head": "jaxseg.heads",
    "register_loss": "jaxseg.losses",
    "register_metric": "jaxseg.evaluation.metrics",
    "register_transform": "jaxseg.data.named_transforms",
    "overlay": "jaxseg.report.pictures",
    "save_mask": "jaxseg.report.image_files",
    "save_weights": "jaxseg.weights.load",
    "train": "jaxseg.commands.train",
}

__all__ = [
    "AugmentConfig",
    "Callback",
    "Config",
    "Confusion",
    "DataConfig",
    "EvaluationConfig",
    "ImageMaskTransform",
    "LabelSet",
    "Loss",
    "MeshConfig",
    "ModelConfig",
    "OptimizerConfig",
    "Predictor",
    "SequenceDataset",
    "TrainConfig",
    "Trainer",
    "UserError",
    "__version__",
    "clean_mask",
    "create_classifier",
    "create_model",
    "list_models",
    "load_config",
    "load_image",
    "load_weights",
    "overlay",
    "register_backbone",
    "register_dataset",
    "register_head",
    "register_loss",
    "register_metric",
    "register_transform",
    "save_mask",
    "save_weights",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
