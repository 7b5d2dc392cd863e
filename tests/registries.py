"""Restores registries after a test has added to them."""

from contextlib import contextmanager

from jaxseg.backbones import BACKBONES
from jaxseg.data.catalog import DATASETS
from jaxseg.data.named_transforms import TRANSFORMS
from jaxseg.evaluation.metrics import METRICS
from jaxseg.heads import HEADS
from jaxseg.losses import LOSSES

REGISTRIES = (BACKBONES, DATASETS, HEADS, LOSSES, METRICS, TRANSFORMS)


@contextmanager
def restored():
    """Remove what is registered inside the context."""
    before = [(dict(each), dict(each._modules)) for each in REGISTRIES]
    try:
        yield
    finally:
        for registry, (entries, modules) in zip(REGISTRIES, before, strict=True):
            registry.clear()
            registry.update(entries)
            registry._modules = modules
