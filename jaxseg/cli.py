"""The command line: finds the command, and turns errors into one line.

Each command is a file of `jaxseg.commands` with `add_arguments(parser)` and
`run(options) -> exit code`, and an entry in `COMMANDS`.  One that takes overrides of an
experiment (`OVERRIDES = True`) finds them as words in `options.overrides`.
"""

from __future__ import annotations

import errno
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from jaxseg import memory
from jaxseg.command_line import STOPPED, Parser, add_options
from jaxseg.config import Config, DataConfig
from jaxseg.errors import UserError, choose
from jaxseg.experiment import load_config
from jaxseg.paths import cache_folder
from jaxseg.report.console import print_error, print_line
from jaxseg.version import __version__

USAGE = """\
The commands:

    python main.py --config experiments/deeplab.py [--train.steps 200 ...]
    python main.py evaluate --run runs/deeplab
    python main.py predict --run runs/deeplab IMAGES_OR_FOLDERS --out DIR
    python main.py compare RUNS... [--out FILE]
    python main.py doctor --root DIR | --config FILE | --images DIR --masks DIR
    python main.py inspect --config experiments/deeplab.py [--size 480 640]
    python main.py models | datasets | experiments | options

Each command has its own --help; all overrides: --config FILE --help"""

COMMANDS = {
    "train": "jaxseg.commands.train",
    "evaluate": "jaxseg.commands.evaluate",
    "predict": "jaxseg.commands.predict",
    "compare": "jaxseg.commands.compare",
    "doctor": "jaxseg.commands.doctor",
    "inspect": "jaxseg.commands.inspect",
    "models": "jaxseg.commands.models",
    "datasets": "jaxseg.commands.datasets",
    "experiments": "jaxseg.commands.experiments",
    "options": "jaxseg.commands.options",
}
"""Name -> module.  A command line that begins with an option means "train"."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
"""Error numbers of a disk that is full or cannot be written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
      argv: the arguments after the program's name; None takes those of the process.

    Returns:
      The exit code: 0, 1 where `doctor` finds errors, 2 for an error that the user can
      fix, 130 if stopped.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        with memory.remedied("starting", "free some, or see ulimit -a"):
            return _dispatch(words)
    except UserError as error:
        if debug:
            raise
        print_error(str(error))
        return 2
    except KeyboardInterrupt:
        print_error("interrupted")
        return STOPPED
    except BrokenPipeError:  # `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug or error.errno not in DISK:
            raise
        place = error.filename or "the disk"
        print_error(
            f"{place}: {error.strerror}; earlier checkpoints are intact: fix that or"
            " choose another --workdir, then run the same command again"
        )
        return 2


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print_line(USAGE)
        return 0
    if words[0] == "--version":
        print_line(__version__)
        return 0
    name, words = ("train", words) if words[0][:1] == "-" else (words[0], words[1:])
    place = choose("command", name, COMMANDS)
    _prepare_process()
    command = importlib.import_module(place)
    prog = "main.py" if name == "train" else f"main.py {name}"
    parser = Parser(prog=prog, description=command.__doc__, add_help=False)
    parser.add_argument("-h", "--help", action="store_true", help="show this help")
    command.add_arguments(parser)
    overrides = getattr(command, "OVERRIDES", False)
    if "-h" in words or "--help" in words:
        if overrides:
            parser.usage = f"{prog} --config FILE [OPTION ...] [--NAME VALUE ...]"
            add_options(parser, _config_of(words))
        print_line(parser.format_help())
        return 0
    if overrides:
        options, options.overrides = parser.parse_known_args(words)
    else:
        options = parser.parse_args(words)
    return command.run(options)


def _config_of(words: list[str]) -> Config:
    """Return the config whose values are the defaults of the overrides."""
    parser = Parser(prog="main.py", add_help=False)
    parser.add_argument("--config")
    path = parser.parse_known_args(words)[0].config
    return load_config(path) if path else Config()


def _prepare_process() -> None:
    """Set variables that jax reads on import; silence logs that repeat our lines."""
    memory.require_address_space()
    import absl.logging

    compiled = cache_folder(DataConfig().cache) / "compiled"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(compiled))
    # A failed save is reported in one line; Orbax would log a traceback per tensor too.
    absl.logging.set_verbosity(absl.logging.FATAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
