"""Everything that the program says to a person on a terminal.

Results go to standard output, so that they can be piped; progress, remarks, warnings
and errors go to standard error.  Colour and moving bars appear only where they are
wanted: on a terminal (or in a notebook), and colour never with NO_COLOR set.  What the
numbers mean is decided elsewhere.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tqdm import tqdm
from tqdm.utils import disp_len

PLAIN_INTERVAL = 15.0
"""Seconds between the lines of a `Progress` that is not on a terminal."""

LONGEST = 2000
"""Characters of a warning or an error; of a longer one the middle is left out."""

_RED, _YELLOW = "31", "33"


_muted = False


def mute() -> None:
    """Say nothing from now on but warnings and errors: another process speaks."""
    global _muted
    _muted = True


def say(text: str) -> None:
    """Print a result to standard output."""
    if not _muted:
        _write(text, sys.stdout)


def note(text: str) -> None:
    """Print what is going on to standard error, above a live bar if there is one."""
    if not _muted:
        _write(text, sys.stderr)


def warn(text: str) -> None:
    """Print `warning: text` to standard error, as one line."""
    _write(_labelled("warning:", text, _YELLOW), sys.stderr)


def fail(text: str) -> None:
    """Print `error: text` to standard error, as one line; the caller ends it all."""
    _write(_labelled("error:", text, _RED), sys.stderr)


def table(rows: Sequence[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print an aligned table to standard output.

    Columns of numbers are aligned right, others left; None is shown as `-`.

    Args:
      rows: cells of each row: text, numbers or None. Rows may be of unequal length.
      header: column titles; empty for none.
    """
    lines = [[str(cell) for cell in header]] if header else []
    lines += [[_cell(cell) for cell in row] for row in rows]
    columns = max((len(line) for line in lines), default=0)
    lines = [line + [""] * (columns - len(line)) for line in lines]
    widths = [max(disp_len(line[i]) for line in lines) for i in range(columns)]
    if header:
        lines.insert(1, ["-" * width for width in widths])
    right = [
        _is_numeric([row[i] for row in rows if i < len(row)]) for i in range(columns)
    ]
    for line in lines:
        cells = []
        for cell, width, to_right in zip(line, widths, right, strict=True):
            space = " " * (width - disp_len(cell))
            cells.append(space + cell if to_right else cell + space)
        say("  ".join(cells).rstrip())


class Progress:
    """How far a run is: a live bar on a terminal or in a notebook, else plain lines.

    Plain lines come at most every `PLAIN_INTERVAL` seconds and once at the end, without
    carriage returns, so that a log file stays readable.  Use it as a context manager.
    """

    def __init__(
        self,
        total: int,
        start: int = 0,
        unit_images: int = 1,
        name: str = "step",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin.

        Args:
          total: the step at which the work is done.
          start: the step at which it begins (of a resumed run).
          unit_images: images in one step, for the images/s.
          name: what is counted.
          clock: seconds that only rise.
        """
        self._total, self._step, self._images, self._name = (
            total,
            start,
            unit_images,
            name,
        )
        self._clock = clock
        self._printed_at, self._text = clock(), ""
        # Recent (time, step); the rate over them forgives a slow stretch long ago.
        self._marks: deque[tuple[float, int]] = deque([(clock(), start)], maxlen=50)
        self._warm = False
        self._bar = _bar(total, start, name)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, step: int, values: Mapping[str, Any] | None = None) -> None:
        """Show that `step` is done.

        Args:
          step: steps done in all, not since the last call.
          values: the latest metrics; `loss` is shown if there.
        """
        advance, self._step = step - self._step, step
        self._marks.append((self._clock(), step))
        if not self._warm and len(self._marks) == 3:
            self._marks.popleft()  # the first step compiled: it says nothing of speed
            self._warm = True
        if self._bar is not None:
            self._bar.set_description_str(self._describe(values), refresh=False)
            self._bar.update(advance)
            return
        self._text = self._describe(values)
        if step >= self._total or self._clock() - self._printed_at >= PLAIN_INTERVAL:
            self._print()

    def advance(self, steps: int = 1) -> None:
        """Show that so many more steps are done."""
        self.update(self._step + steps)

    def note(self, text: str) -> None:
        """Print a line above the bar, and measure the speed anew from here."""
        note(text)
        self._marks.clear()
        self._marks.append((self._clock(), self._step))

    def close(self) -> None:
        """Leave the last state on the screen and the cursor on a line of its own."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None
        elif self._text:
            self._print()

    def _print(self) -> None:
        note(self._text)
        self._printed_at, self._text = self._clock(), ""

    def _describe(self, values: Mapping[str, Any] | None) -> str:
        parts = [f"{self._name} {self._step}/{self._total}"]
        (began, first), (now, last) = self._marks[0], self._marks[-1]
        if last > first and now > began:
            rate = (last - first) / (now - began)
            left = tqdm.format_interval(max(self._total - self._step, 0) / rate)
            images = rate * self._images
            digits = ".0f" if images >= 100 else ".3g"
            unit = "windows" if self._name == "window" else "images"
            parts += [f"{images:{digits}} {unit}/s", f"{left} left"]
        if values and values.get("loss") is not None:
            parts.append(f"loss {float(values['loss']):.4g}")
        return ", ".join(parts)


def _bar(total: int, start: int, name: str) -> tqdm | None:
    """Return a live bar, or None where only lines can be shown."""
    kind = tqdm
    if _muted:
        return None
    if _in_notebook():
        if importlib.util.find_spec("ipywidgets") is not None:
            from tqdm.notebook import tqdm as kind
    elif not _is_terminal(sys.stderr) or _columns(sys.stderr) == 0:
        return None
    return kind(
        total=total,
        initial=start,
        desc=f"{name} {start}/{total}",
        file=sys.stderr,
        dynamic_ncols=True,
        miniters=1,
        bar_format="{percentage:3.0f}% |{bar}| {desc}",
    )


def _in_notebook() -> bool:
    """Tell whether a Jupyter kernel runs this; there a bar works without a terminal."""
    ipython = sys.modules.get("IPython")  # not imported: then it is no notebook
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def _is_terminal(stream: Any) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _columns(stream: Any) -> int | None:
    """Return a terminal's width; 0 is common where a machine runs the program."""
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return None


def _write(text: str, stream: Any) -> None:
    """Print a line without tearing a live bar, on either stream."""
    tqdm.write(text, file=stream)
    stream.flush()


def _labelled(label: str, text: str, colour: str) -> str:
    if _is_terminal(sys.stderr) and not os.environ.get("NO_COLOR"):
        label = f"\033[{colour}m{label}\033[0m"
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[5 - LONGEST // 2 :]}"
    # What a file or a name holds must not move the cursor or break the encoding.
    return f"{label} {''.join(map(_visible, text))}"


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        plain = value == 0 or 1e-3 <= abs(value) < 1e6 or not math.isfinite(value)
        return f"{value:.4f}" if plain else f"{value:.3g}"
    return str(value)


def _is_numeric(cells: Sequence[Any]) -> bool:
    """Tell whether a column holds numbers only, written ones (`72.1%`) included."""
    if all(cell is None or cell == "" for cell in cells):
        return False
    return all(cell is None or _is_number(str(cell)) for cell in cells)


def _is_number(text: str) -> bool:
    try:
        float(text.strip().removesuffix("%").replace(",", "") or "0")
    except ValueError:
        return text.strip() == "-"
    return True
