"""Compare runs on one page."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxseg.errors import UserError
from jaxseg.report.comparison import write_comparison
from jaxseg.report.console import print_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("runs", nargs="+", help="run folders, at most 8")
    parser.add_argument("--out", type=Path, default=Path("runs/comparison.html"))


def run(options: argparse.Namespace) -> int:
    """Write the page, and print its path."""
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        print_line(f"{write_comparison(options.runs, options.out)}")
    except OSError as error:
        raise UserError(f"{options.out}: cannot write ({error.strerror})") from error
    return 0
