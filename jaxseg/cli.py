"""The commands: parsing, and one call each.

    python main.py --config experiments/deeplab.py [--train.steps 200 ...]
    python main.py evaluate --run runs/deeplab
    python main.py predict --run runs/deeplab IMAGES_OR_FOLDERS --out DIR
    python main.py compare RUNS... [--out FILE]
    python main.py inspect --config experiments/deeplab.py [--size 480 640]
    python main.py models | datasets

What the user can mend ends in one line and exit code 2; `--debug` shows the traceback.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from jaxseg import memory
from jaxseg.checks import check_images
from jaxseg.commands.figures import print_figures
from jaxseg.commands.options import (
    add_inference_options,
    check_inference,
    less_memory,
)
from jaxseg.config import Config, DataConfig, load_config, print_overrides
from jaxseg.errors import UserError, choose, nearest
from jaxseg.paths import cache_folder, unwritable_file
from jaxseg.report.console import fail, mute, note, say, table
from jaxseg.version import __version__

LIGHT = ("-h", "--help", "--version", "models", "datasets", "compare", "inspect")
"""First words of commands that compute nothing heavy."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""What a disk that is full or may not be written to answers."""

STOPPED = 130
"""Exit code of a run that was asked to stop."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
      argv: the words behind the program's name; None takes the process'.

    Returns:
      The exit code: 0, 2 for what the user can mend, 130 if asked to stop.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if argv is None and words and words[0] not in LIGHT:
        _use_huge_pages()
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with memory.remedied("starting", "free some, or see ulimit -a"):
            return _dispatch(words)
    except UserError as error:
        if debug:
            raise
        fail(str(error))
        return 2
    except KeyboardInterrupt:
        fail("interrupted")
        return STOPPED
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug or error.errno not in DISK:
            raise
        place = error.filename or "the disk"
        fail(
            f"{place}: {error.strerror}; earlier checkpoints are intact: mend that or"
            " choose another --workdir, then run the same command again"
        )
        return 2


COMMANDS = {
    "train": lambda words: _train(words),
    "evaluate": lambda words: _evaluate(words),
    "predict": lambda words: _predict(words),
    "models": lambda words: _models(words),
    "datasets": lambda words: _datasets(words),
    "compare": lambda words: _compare(words),
    "inspect": lambda words: _inspect(words),
}


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        say(__doc__.strip() if __doc__ else "")
        say("\nEach command has its own --help; overrides: --config FILE --help")
        return 0
    if words[0] == "--version":
        say(__version__)
        return 0
    if words[0].startswith("-"):
        return _train(words)
    choose("command", words[0], COMMANDS)
    return COMMANDS[words[0]](words[1:])


def _train(words: list[str]) -> int:
    parser = _Parser(prog="main.py", add_help=False, allow_abbrev=False)
    parser.add_argument("--config", help="an experiment file")
    parser.add_argument("--workdir", help="the run folder; default runs/<name>")
    parser.add_argument("--distributed", action="store_true")
    parser.add_argument("--coordinator", metavar="HOST:PORT")
    parser.add_argument("--processes", type=int)
    parser.add_argument("--process", type=int)
    parser.add_argument("-h", "--help", action="store_true")
    known, overrides = parser.parse_known_args(words)
    if not known.config:
        close = nearest(words[0] if words else "", ["--config", "--help", "--version"])
        hint = f" Did you mean {close}?" if close and close != words[0] else ""
        raise UserError(f"--config FILE is missing: name an experiment.{hint}")
    if known.help:
        say(
            "usage: main.py --config FILE [--workdir DIR] [--NAME VALUE ...]\n"
            "       [--distributed [--coordinator HOST:PORT --processes COUNT --process"
            " NUMBER]]\n\n"
            "Train, evaluate and report; run again to resume.\n"
            "--distributed is given to every process of a run on several hosts.\n"
        )
        print_overrides(load_config(known.config))
        return 0
    config = load_config(known.config, overrides)
    check_images(config.model.head)
    _set_up()
    given = (known.coordinator, known.processes, known.process)
    if known.distributed or given != (None, None, None):
        return _train_together(config, known)
    return _train_here(config, known.workdir)


def _train_here(config: Config, workdir: str | None) -> int:
    from jaxseg.devices import require_devices
    from jaxseg.training.loop import Interrupted, train

    require_devices()
    try:
        result = train(config, workdir)
    except Interrupted as stopped:
        note(f"{stopped}; run the same command again to go on")
        return STOPPED
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to go on")
        return STOPPED
    print_figures(result.results)
    return 0


def _train_together(config: Config, known: argparse.Namespace) -> int:
    """Train as one of several processes; a failure here must not leave them waiting."""
    from jaxseg.training import distributed

    distributed.start(known.coordinator, known.processes, known.process)
    if not distributed.is_first():
        mute()
    try:
        return _train_here(config, known.workdir)
    except UserError as error:
        fail(str(error))
        code = 2
    except RuntimeError as error:  # of a collective operation, or of the coordinator
        lines = str(error).splitlines() or [type(error).__name__]
        fail(
            f"another process of this run has ended or is out of reach ({lines[0]});"
            " start all of them with the same commands again to go on"
        )
        code = 1
    distributed.leave(code)


def _evaluate(words: list[str]) -> int:
    parser = _Parser(prog="main.py evaluate", description="Score a trained run.")
    parser.add_argument("--run", required=True, help="run folder")
    parser.add_argument("--split", help="default: the run's evaluation split")
    add_inference_options(parser)
    parser.add_argument("--root", help="folder of the raw data, if it has moved")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args(words)
    check_inference(options)
    if options.out and (reason := unwritable_file(options.out)):
        raise UserError(f"{options.out}: cannot write ({reason})")
    _set_up()
    from jaxseg.commands.evaluate import evaluate_run
    from jaxseg.devices import left, require_devices

    require_devices()
    with memory.remedied("evaluating", less_memory(options), left):
        results = evaluate_run(
            options.run,
            split=options.split,
            root=options.root,
            scales=options.scales,
            flip=options.flip,
            window=options.window,
            crf=options.crf,
        )
    print_figures(results)
    if options.out:
        _write(options.out, json.dumps(results, indent=2) + "\n")
    return 0


def _predict(words: list[str]) -> int:
    parser = _Parser(prog="main.py predict", description="Segment images.")
    parser.add_argument("--run", required=True, help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder for the results"
    )
    add_inference_options(parser)
    parser.add_argument(
        "--values",
        choices=("classes", "masks"),
        default="classes",
        help="what the masks hold: numbers of classes (the default), or the values or"
        " colours of the data set's own masks",
    )
    options = parser.parse_args(words)
    check_inference(options)
    from jaxseg.data.image_search import find_images

    find_images(options.images, options.out)
    _set_up()
    from jaxseg.commands.predict import predict_files
    from jaxseg.devices import left, require_devices

    require_devices()
    with memory.remedied("predicting", less_memory(options), left):
        count = predict_files(
            options.run,
            options.images,
            options.out,
            scales=options.scales,
            flip=options.flip,
            window=options.window,
            crf=options.crf,
            values=options.values,
        )
    say(f"{count} masks in {options.out / 'masks'}, {options.out / 'overlays'}")
    return 0


def _models(words: list[str]) -> int:
    _Parser(prog="main.py models", description="List the models.").parse_args(words)
    memory.require_address_space()
    from jaxseg.backbones import BACKBONES
    from jaxseg.devices import require_devices
    from jaxseg.heads import HEADS
    from jaxseg.models import count_parameters, create_model

    require_devices()

    def millions(count: int) -> str:
        return f"{count / 1e6:.2f}"

    say(
        "Backbones (--model.backbone), million parameters as a 1000-class classifier,"
        " arithmetics (--model.arithmetic), the usual one first"
    )
    table(
        [
            (
                name,
                millions(entry.parameters),
                " ".join(entry.arithmetics) or "one",
                entry.paper,
            )
            for name, entry in BACKBONES.items()
        ],
        ("backbone", "M", "arithmetics", "paper"),
    )
    say(
        "\nHeads (--model.head), million parameters with 21 classes on resnet50, or on"
        " the backbone of their own"
    )
    table(
        [
            (
                name,
                millions(count_parameters(create_model(name))),
                "own" if entry.backbone else entry.output_stride,
                entry.paper,
            )
            for name, entry in HEADS.items()
        ],
        ("head", "M", "output stride", "paper"),
    )
    return 0


def _datasets(words: list[str]) -> int:
    _Parser(prog="main.py datasets", description="List data sets.").parse_args(words)
    from jaxseg.data.catalog import DATASETS

    table(
        [(name, entry.description) for name, entry in DATASETS.items()],
        ("data set", ""),
    )
    return 0


def _inspect(words: list[str]) -> int:
    parser = _Parser(
        prog="main.py inspect",
        description="Show a model before it is trained: layers, sizes, cost, field.",
    )
    parser.add_argument("--config", required=True, help="an experiment file")
    parser.add_argument(
        "--size", nargs="+", type=int, help="of the image; default: the crop"
    )
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--depth", type=int, help="of modules listed; default: all")
    options, overrides = parser.parse_known_args(words)
    config = load_config(options.config, overrides)
    memory.require_address_space()
    from jaxseg.analysis.layers import format_layer_table, layer_table
    from jaxseg.analysis.receptive_field import theoretical
    from jaxseg.devices import require_devices
    from jaxseg.run import segmenter

    require_devices()
    model = segmenter(config, options.classes)
    *sides, channels = model.example
    images = len(sides) == 2
    size = tuple(options.size or (config.augment.crop if images else sides))
    if len(size) != len(sides) or min(size) < 1:
        raise UserError(f"--size takes {len(sides)} positive numbers, not {size}")
    rows = layer_table(model, size, channels=channels)
    say(format_layer_table(rows, options.depth))
    if not images:
        return 0
    field = theoretical(model.backbone, image_level=False)
    seen = "the whole image" if field.clipped else f"{field.size} pixels"
    say(f"\nThe deepest features see {seen} (theoretical receptive field).")
    return 0


def _compare(words: list[str]) -> int:
    parser = _Parser(prog="main.py compare", description="Compare runs on one page.")
    parser.add_argument("runs", nargs="+", help="run folders, at most 8")
    parser.add_argument("--out", type=Path, default=Path("runs/comparison.html"))
    options = parser.parse_args(words)
    from jaxseg.report.comparison import write_comparison

    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        say(f"{write_comparison(options.runs, options.out)}")
    except OSError as error:
        raise UserError(f"{options.out}: cannot write it ({error.strerror})") from error
    return 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror})") from error


def _use_huge_pages() -> None:
    """Start this process again with memory in huge pages, if it has a choice.

    XLA on a CPU takes and returns some 100 MB a step; with small pages a quarter of a
    training step is spent on page faults.  glibc reads the setting at start-up only.
    """
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, sys.orig_argv)


def _set_up() -> None:
    """Prepare the process, before jax is imported."""
    memory.require_address_space()
    import absl.logging

    compiled = cache_folder(DataConfig().cache) / "compiled"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compiled))
    # A save that fails is one line here; Orbax logs a traceback for each tensor too.
    absl.logging.set_verbosity(absl.logging.FATAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
