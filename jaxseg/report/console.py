"""Everything that the program prints on a terminal.

Results go to standard output, so that they can be piped; progress, remarks, warnings
and errors go to standard error.  Colour and moving bars appear only on a terminal or in
a notebook, and there is no colour if NO_COLOR is set.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from rich import progress
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

PLAIN_INTERVAL = 15.0
"""Seconds between the lines of a `Progress` that is not on a terminal."""

LONGEST = 2000
"""Characters of a warning or an error; the middle of a longer one is left out."""

UNWRAPPED = 1_000_000
"""Columns of an output that is no terminal, more than any table has."""

_silent = False

_live: Console | None = None
"""The console that draws a live bar; lines that it prints appear above the bar."""


def silence() -> None:
    """Print only warnings and errors from now on, since another process prints."""
    global _silent
    _silent = True


def print_line(text: str) -> None:
    """Print a result to standard output."""
    if not _silent:
        _write(Text(text), sys.stdout)


def log(text: str) -> None:
    """Print a line of progress to standard error, above a live bar if there is one."""
    if not _silent:
        _write(Text(text), sys.stderr)


def warn(text: str) -> None:
    """Print `warning: text` to standard error, as one line."""
    _write(_labelled("warning:", text, "yellow"), sys.stderr)


def print_error(text: str) -> None:
    """Print `error: text` to standard error, as one line; the caller exits."""
    _write(_labelled("error:", text, "red"), sys.stderr)


def table(rows: Sequence[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print an aligned table to standard output.

    Columns of numbers are aligned right, others left; None is shown as `-`.  Cells are
    wrapped only on a terminal that is too narrow for them.

    Args:
      rows: cells of each row: text, numbers or None. Rows may be of unequal length.
      header: column titles; empty for none.
    """
    columns = max(map(len, [header, *rows]), default=0)
    if not columns:
        return
    grid = Table.grid(padding=(0, 2))
    for i in range(columns):
        right = _is_numeric([row[i] for row in rows if i < len(row)])
        grid.add_column(justify="right" if right else "left", overflow="fold")
    if header:
        grid.add_row(*map(Text, header))
        grid.add_row(*[Rule(characters="-", style="none")] * columns)
    for row in rows:
        grid.add_row(*[Text(_cell(cell)) for cell in row])
    console = _console(sys.stdout)
    with console.capture() as printed:
        console.print(grid)
    print_line("\n".join(line.rstrip() for line in printed.get().split("\n")[:-1]))


class Progress:
    """The progress of a run: a live bar on a terminal or in a notebook, else lines.

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
        """Begin at a step.

        Args:
          total: the step at which the work is done.
          start: the step at which it begins, which is not 0 for a resumed run.
          unit_images: images in one step, for the images per second.
          name: what is counted, such as "step".
          clock: returns seconds, never fewer than before.
        """
        self._total, self._step, self._images, self._name = (
            total,
            start,
            unit_images,
            name,
        )
        self._clock = clock
        self._printed_at, self._text = clock(), ""
        # Recent (time, step): the speed is measured over these only.
        self._marks: deque[tuple[float, int]] = deque([(clock(), start)], maxlen=50)
        self._warm = False
        self._bar = _bar()
        if self._bar is not None:
            self._task = self._bar.add_task(
                f"{name} {start}/{total}", total=total, completed=start
            )
            self._outer = _show(self._bar)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, step: int, values: Mapping[str, Any] | None = None) -> None:
        """Show that `step` is done.

        Args:
          step: steps done in all, not since the last call.
          values: the latest metrics; `loss` is shown if they have it.
        """
        self._step = step
        self._marks.append((self._clock(), step))
        if not self._warm and len(self._marks) == 3:
            self._marks.popleft()  # the first step compiles, so its time is no measure
            self._warm = True
        text = self._describe(values)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
            return
        self._text = text
        if step >= self._total or self._clock() - self._printed_at >= PLAIN_INTERVAL:
            self._print()

    def advance(self, steps: int = 1) -> None:
        """Advance the bar by a number of steps."""
        self.update(self._step + steps)

    def log(self, text: str) -> None:
        """Print a line above the bar, and restart the measurement of the speed."""
        log(text)
        self._marks.clear()
        self._marks.append((self._clock(), self._step))

    def close(self) -> None:
        """Leave the last state on the screen and the cursor on a line of its own."""
        if self._bar is not None:
            _hide(self._bar, self._outer)
            self._bar = None
        elif self._text:
            self._print()

    def _print(self) -> None:
        log(self._text)
        self._printed_at, self._text = self._clock(), ""

    def _describe(self, values: Mapping[str, Any] | None) -> str:
        parts = [f"{self._name} {self._step}/{self._total}"]
        (began, first), (now, last) = self._marks[0], self._marks[-1]
        if last > first and now > began:
            rate = (last - first) / (now - began)
            left = _interval(max(self._total - self._step, 0) / rate)
            images = rate * self._images
            digits = ".0f" if images >= 100 else ".3g"
            unit = "windows" if self._name == "window" else "images"
            parts += [f"{images:{digits}} {unit}/s", f"{left} left"]
        if values and values.get("loss") is not None:
            parts.append(f"loss {float(values['loss']):.4g}")
        return ", ".join(parts)


def _bar() -> progress.Progress | None:
    """Return a live bar, or None if only lines can be shown."""
    if _silent:
        return None
    console = _live or _console(sys.stderr)
    if not console.is_terminal:
        notebook = Console(file=sys.stderr)
        if not notebook.is_jupyter or find_spec("ipywidgets") is None:
            return None
        console = notebook
    return progress.Progress(
        progress.TextColumn("{task.percentage:3.0f}%", markup=False),
        progress.BarColumn(bar_width=None),
        progress.TextColumn("{task.description}", markup=False),
        console=console,
        expand=True,
        redirect_stdout=False,  # it would send results to standard error
        redirect_stderr=False,
    )


def _show(bar: progress.Progress) -> Console | None:
    """Start a bar; return the console of the bar that is live already, if any."""
    global _live
    outer = _live
    bar.start()
    if bar.console.is_terminal:
        bar.console.show_cursor(True)  # a killed process would leave it hidden
        _live = bar.console
    return outer


def _hide(bar: progress.Progress, outer: Console | None) -> None:
    """Leave the last state of a bar on the screen."""
    global _live
    bar.refresh()  # in a notebook, stop() would not
    bar.stop()
    _live = outer


class _Console(Console):
    """A console that lets the caller handle a closed pipe."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError instead of ending the process, as rich does."""
        raise


def _console(stream: Any) -> Console:
    """Return a console for a stream, as the stream and the environment are now.

    A stream that is no terminal gets neither colour nor lines cut to a width.
    """
    terminal = _is_terminal(stream)
    return _Console(
        file=stream,
        force_terminal=terminal,
        force_jupyter=False,
        width=None if terminal else UNWRAPPED,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _is_terminal(stream: Any) -> bool:
    """Tell whether a stream is a terminal that can move its cursor and has a width.

    A width of 0 is common if another program runs this one.
    """
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError):
        return True


def _write(text: Text, stream: Any) -> None:
    """Print a line to a stream, above a live bar if there is one."""
    live = _live if _is_terminal(stream) else None
    (live or _console(stream)).print(text, soft_wrap=True)


def _labelled(label: str, text: str, colour: str) -> Text:
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[5 - LONGEST // 2 :]}"
    # Text from a file or a name must not move the cursor or break the encoding.
    return Text.assemble((label, colour), " ", "".join(map(_visible, text)))


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]


def _interval(seconds: float) -> str:
    """Return a time as MM:SS or H:MM:SS."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes:02}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        plain = value == 0 or 1e-3 <= abs(value) < 1e6 or not math.isfinite(value)
        return f"{value:.4f}" if plain else f"{value:.3g}"
    return str(value)


def _is_numeric(cells: Sequence[Any]) -> bool:
    """Tell whether a column holds only numbers, or texts such as `72.1%`."""
    if all(cell is None or cell == "" for cell in cells):
        return False
    return all(cell is None or _is_number(str(cell)) for cell in cells)


def _is_number(text: str) -> bool:
    try:
        float(text.strip().removesuffix("%").replace(",", "") or "0")
    except ValueError:
        return text.strip() == "-"
    return True
