"""List everything that an experiment or the command line may set."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable

from jaxseg.command_line import default_of, type_of
from jaxseg.report.console import print_line, table
from jaxseg.schema import Option, json_schema, options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "json-schema"),
        default="text",
        help="a table for the terminal (the default), a table in Markdown, or the JSON"
        " schema of config.json",
    )


def run(given: argparse.Namespace) -> int:
    """Print them."""
    if given.format == "json-schema":
        print_line(json.dumps(json_schema(), indent=2))
    elif given.format == "markdown":
        print_line(markdown(options().values()))
    else:
        rows = [_row(option) for option in options().values()]
        table(rows, ("option", "type", "default", ""))
    return 0


def _row(option: Option) -> tuple[str, str, str, str]:
    return option.name, type_of(option), default_of(option), option.help


def markdown(listed: Iterable[Option]) -> str:
    """Return a table in Markdown."""
    lines = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for option in listed:
        name, kind, default, text = (part.replace("|", "\\|") for part in _row(option))
        lines.append(f"| `{name}` | {kind} | {default} | {text} |")
    return "\n".join(lines)
