"""Puts measured tables into documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RELIABILITY = ROOT / "docs/reliability.md"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return [lines[0], "|---" * len(header) + "|", *lines[1:]]


def put(document: Path, mark: str, lines: Sequence[str]) -> None:
    """Replace the text between two comments `<!-- mark -->`."""
    comment = f"<!-- {mark} -->"
    before, _, after = document.read_text().split(comment)
    table = "\n".join(lines)
    document.write_text(f"{before}{comment}\n{table}\n{comment}{after}")
