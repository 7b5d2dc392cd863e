"""List the experiments that come with jaxseg, or copy them to be changed."""

from __future__ import annotations

import argparse
import ast
import shutil
from pathlib import Path

from jaxseg.errors import UserError
from jaxseg.paths import experiments_folder
from jaxseg.report.console import print_line, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--copy", type=Path, metavar="DIR", help="copy them into DIR")


def run(options: argparse.Namespace) -> int:
    """Print a table, or copy the files."""
    paths = sorted(experiments_folder().glob("*.py"))
    if options.copy:
        copy(paths, options.copy)
        print_line(f"{len(paths)} experiments in {options.copy}")
        return 0
    table([(path.stem, _title(path)) for path in paths], ("experiment", ""))
    print_line(
        "\nRun one by its name (--config NAME), or copy all (experiments --copy DIR)."
    )
    return 0


def copy(paths: list[Path], folder: Path) -> None:
    """Copy files into a folder, which is made if it is missing.

    Raises:
      UserError: a file of the same name exists already, or the folder cannot be written
        into; nothing is replaced.
    """
    there = [path.name for path in paths if (folder / path.name).exists()]
    if there:
        raise UserError(
            f"{folder / there[0]}: exists already; choose another folder, or move it"
            " away"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copyfile(path, folder / path.name)
    except OSError as error:
        raise UserError(f"{folder}: cannot write ({error.strerror})") from error


def _title(path: Path) -> str:
    """Return the first line of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0]
