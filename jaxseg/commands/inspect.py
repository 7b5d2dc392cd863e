"""Show a model before it is trained: layers, sizes, cost, receptive field."""

from __future__ import annotations

import argparse

from jaxseg.analysis.layers import format_layer_table, layer_table
from jaxseg.analysis.receptive_field import theoretical
from jaxseg.build import build_model
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.parallel.devices import require_devices
from jaxseg.report.console import print_line

OVERRIDES = True
"""Arguments that are no options of this command change the config."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--config", required=True, help="an experiment file")
    parser.add_argument(
        "--size", nargs="+", type=int, help="of the image; default: the crop"
    )
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--depth", type=int, help="of modules listed; default: all")


def run(options: argparse.Namespace) -> int:
    """Print the table of layers."""
    config = load_config(options.config, options.overrides)
    require_devices()
    model = build_model(config, options.classes)
    *sides, channels = model.example
    images = len(sides) == 2
    size = tuple(options.size or (config.augment.crop if images else sides))
    if len(size) != len(sides) or min(size) < 1:
        raise UserError(f"--size takes {len(sides)} positive numbers, not {size}")
    rows = layer_table(model, size, channels=channels)
    print_line(format_layer_table(rows, options.depth))
    if not images:
        return 0
    field = theoretical(model.backbone, image_level=False)
    seen = "the whole image" if field.clipped else f"{field.size} pixels"
    print_line(f"\nThe deepest features see {seen} (theoretical receptive field).")
    return 0
