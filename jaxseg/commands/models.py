"""List the backbones and heads, with their sizes and papers."""

from __future__ import annotations

import argparse

from jaxseg.backbones import BACKBONES
from jaxseg.heads import HEADS
from jaxseg.models import create_model
from jaxseg.parallel.devices import require_devices
from jaxseg.report.console import print_line, table
from jaxseg.segmenter import count_parameters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(options: argparse.Namespace) -> int:
    """Print two tables."""
    require_devices()
    print_line(
        "Backbones (--model.backbone), million parameters as a 1000-class classifier,"
        " arithmetics (--model.arithmetic), the usual one first"
    )
    table(
        [
            (
                name,
                _millions(entry.parameters),
                " ".join(entry.arithmetics) or "one",
                entry.paper,
            )
            for name, entry in BACKBONES.items()
        ],
        ("backbone", "M", "arithmetics", "paper"),
    )
    print_line(
        "\nHeads (--model.head), million parameters with 21 classes on resnet50, or on"
        " their own backbone"
    )
    table(
        [
            (
                name,
                _millions(count_parameters(create_model(name))),
                "own" if entry.backbone else entry.output_stride,
                ", ".join(sorted(entry.options())),
                entry.paper,
            )
            for name, entry in HEADS.items()
        ],
        ("head", "M", "output stride", "options", "paper"),
    )
    return 0


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"
