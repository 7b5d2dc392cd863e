"""List the data sets."""

from __future__ import annotations

import argparse

from jaxseg.data.catalog import DATASETS
from jaxseg.report.console import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options."""


def run(options: argparse.Namespace) -> int:
    """Print a table."""
    rows = [(name, entry.description) for name, entry in DATASETS.items()]
    table(rows, ("data set", ""))
    return 0
