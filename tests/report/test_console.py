"""What is printed on which stream, and progress with and without a terminal."""

import io
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

import pytest

from jaxseg.report import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def open_terminal(monkeypatch) -> Terminal:
    """Stand in for a terminal; in the test itself, as pytest sets stderr before it."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return stream


def shown(terminal: Terminal) -> list[str]:
    """Return what stands on the lines of a terminal at the end, uncoloured."""
    text = re.sub(r"\033\[[?0-9;]*[a-zA-Z]", "", terminal.getvalue())
    return [line.split("\r")[-1].rstrip() for line in text.split("\n")]


def test_results_go_to_standard_output_and_the_rest_to_standard_error(capsys):
    console.print_line("mean IoU 0.7")
    console.log("resumed at step 4")
    console.warn("odd")
    out, err = capsys.readouterr()
    assert out == "mean IoU 0.7\n"
    assert err == "resumed at step 4\nwarning: odd\n"


def test_an_error_is_one_line_without_colour_where_there_is_no_terminal(capsys):
    console.print_error("first\n  second")
    assert capsys.readouterr().err == "error: first second\n"


def test_an_error_is_red_on_a_terminal(monkeypatch):
    terminal = open_terminal(monkeypatch)
    console.print_error("broken")
    assert terminal.getvalue() == "\033[31merror:\033[0m broken\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(monkeypatch, name, value):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setenv(name, value)
    console.print_error("broken")
    assert terminal.getvalue() == "error: broken\n"


def test_a_table_aligns_numbers_right_and_text_left(capsys):
    rows = [("Sky", 0.9, "91.5%"), ("SignSymbol", 12, "-"), ("Tree", None, "3%")]
    console.table(rows, header=("class", "IoU", "share"))
    assert capsys.readouterr().out.splitlines() == [
        "class          IoU  share",
        "----------  ------  -----",
        "Sky         0.9000  91.5%",
        "SignSymbol      12      -",
        "Tree             -     3%",
    ]


def test_a_table_counts_wide_characters_twice(capsys):
    console.table([("道路", "a"), ("road", "b")])
    assert capsys.readouterr().out == "道路  a\nroad  b\n"


def test_a_table_is_not_wrapped_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    console.table([("name", "word " * 100)])
    assert capsys.readouterr().out == f"name  {'word ' * 99}word\n"


def test_a_table_is_wrapped_in_its_last_column_on_a_narrow_terminal(monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "20")
    console.table([("name", "a sentence of some words")])
    assert terminal.getvalue() == "name  a sentence of\n      some words\n"


HOSTILE = "[red]no[/red] [/] :smile: /a/path 12 'x' " + "long " * 100 + "end"


@pytest.mark.parametrize("printed", [console.print_line, console.log])
def test_text_is_printed_as_it_is(printed, capsys):
    printed(HOSTILE)
    out, err = capsys.readouterr()
    assert out + err == HOSTILE + "\n"


def test_text_is_printed_as_it_is_on_a_terminal_too(monkeypatch):
    terminal = open_terminal(monkeypatch)
    console.log(HOSTILE)
    console.warn(HOSTILE)
    assert terminal.getvalue() == (f"{HOSTILE}\n\033[33mwarning:\033[0m {HOSTILE}\n")


def test_a_cell_is_printed_as_it_is(capsys):
    console.table([("[b]x[/b]", ":smile:")], header=("[red]", "[/]"))
    assert capsys.readouterr().out.splitlines() == [
        "[red]     [/]",
        "--------  -------",
        "[b]x[/b]  :smile:",
    ]


def test_a_closed_pipe_is_left_to_the_caller(monkeypatch):
    class Left(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Left())
    with pytest.raises(BrokenPipeError):
        console.print_line("more")


def test_lines_of_several_threads_stay_whole_above_the_bar(monkeypatch):
    terminal = open_terminal(monkeypatch)
    lines = [f"line {number} {'x' * 20}" for number in range(200)]
    with console.Progress(200) as progress, ThreadPoolExecutor(8) as threads:
        for done in as_completed([threads.submit(console.log, x) for x in lines]):
            done.result()
            progress.advance()
    assert set(lines) < set(shown(terminal))


def test_a_process_that_is_silenced_prints_warnings_and_errors_only(
    monkeypatch, capsys
):
    monkeypatch.setattr(console, "_silent", False)  # and is put back at the end
    console.silence()
    console.print_line("result")
    console.table([("a", 1)])
    with console.Progress(2) as progress:
        progress.update(2)
        progress.log("remark")
    console.warn("odd")
    console.print_error("broken")
    assert capsys.readouterr() == ("", "warning: odd\nerror: broken\n")


def test_a_bar_within_a_bar_leaves_the_outer_one_live(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with console.Progress(2, name="epoch") as outer:
        with console.Progress(5, name="batch") as inner:
            inner.update(5)
        outer.log("between")
        outer.update(2)
    assert "between" in shown(terminal)
    assert "epoch 2/2" in shown(terminal)[-2]


def test_a_table_takes_rows_of_unequal_length_and_none(capsys):
    console.table([("a",), ("b", "c")])
    console.table([])
    assert capsys.readouterr().out == "a\nb  c\n"


def test_without_a_terminal_a_line_comes_every_15_seconds_and_at_the_end(capsys):
    clock = Clock()
    with console.Progress(100, unit_images=8, clock=clock) as progress:
        for step in range(1, 101):
            clock.now += 1
            progress.update(step, {"loss": 0.123456, "learning_rate": 1.0})
    err = capsys.readouterr().err
    lines = err.splitlines()
    assert "\r" not in err and "\033" not in err
    assert lines[0] == "step 15/100, 8 images/s, 01:25 left, loss 0.1235"
    assert lines[-1] == "step 100/100, 8 images/s, 00:00 left, loss 0.1235"
    assert len(lines) == 7


def test_an_interrupted_run_still_says_how_far_it_came(capsys):
    clock = Clock()
    with (
        pytest.raises(KeyboardInterrupt),
        console.Progress(10, clock=clock) as progress,
    ):
        clock.now += 1
        progress.update(3)
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "step 3/10, 3 images/s, 00:02 left\n"


def test_the_first_slow_step_does_not_count_in_the_rate(capsys):
    clock = Clock()
    with console.Progress(3, clock=clock) as progress:
        for step, seconds in enumerate((60, 1, 1), start=1):
            clock.now += seconds
            progress.update(step)
    assert "step 3/3, 1 images/s" in capsys.readouterr().err


def test_a_resumed_run_counts_from_its_first_step(capsys):
    clock = Clock()
    with console.Progress(12, start=8, unit_images=2, clock=clock) as progress:
        clock.now += 1
        progress.update(10)
    assert capsys.readouterr().err == "step 10/12, 4 images/s, 00:01 left\n"


def test_windows_are_counted_as_windows(capsys):
    clock = Clock()
    with console.Progress(12, name="window", clock=clock) as progress:
        clock.now += 1
        progress.advance(4)
        clock.now += 1
        progress.advance(4)
    assert capsys.readouterr().err == "window 8/12, 4 windows/s, 00:01 left\n"


def test_a_run_with_nothing_to_do_prints_nothing(capsys):
    with console.Progress(5, start=5):
        pass
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_live_bar_shows_the_last_state_and_ends_its_line(monkeypatch):
    terminal = open_terminal(monkeypatch)
    clock = Clock()
    with console.Progress(4, clock=clock) as progress:
        for step in range(1, 5):
            clock.now += 1
            progress.update(step, {"loss": 2.0})
    last = shown(terminal)[-2:]
    assert last[0].startswith("100% ")
    assert last[0].endswith(" step 4/4, 1 images/s, 00:00 left, loss 2")
    assert last[1] == ""


def test_a_remark_stands_on_a_line_of_its_own_above_the_bar(monkeypatch):
    terminal = open_terminal(monkeypatch)
    with console.Progress(4) as progress:
        progress.update(1)
        progress.log("val: mean IoU 0.5")
        progress.update(2)
    assert "val: mean IoU 0.5" in shown(terminal)


def test_closing_twice_is_harmless(monkeypatch):
    terminal = open_terminal(monkeypatch)
    progress = console.Progress(2)
    progress.update(2)
    progress.close()
    written = terminal.getvalue()
    progress.close()
    assert terminal.getvalue() == written


def test_a_bar_shows_what_it_counts_before_the_first_step(monkeypatch):
    terminal = open_terminal(monkeypatch)
    console.Progress(9, start=4, name="batch").close()
    assert "batch 4/9" in terminal.getvalue()


def test_a_terminal_without_width_gets_plain_lines(monkeypatch):
    terminal = open_terminal(monkeypatch)
    monkeypatch.setattr(terminal, "fileno", lambda: 2)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((0, 0)))
    with console.Progress(2, clock=Clock()) as progress:
        progress.update(2)
    assert terminal.getvalue() == "step 2/2\n"
