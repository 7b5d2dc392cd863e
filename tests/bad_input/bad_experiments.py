"""Bad experiment files."""

from __future__ import annotations

from collections.abc import Callable

from bad_input import Case, Place, train

HEAD = "from jaxseg import *\n"


def text(name: str, content: str | bytes, said: str) -> Case:
    """An experiment file of some content."""

    def make(place: Place) -> list[str]:
        place.write("bad.py", content)
        return train("bad.py")

    return Case(name, make, rf"bad\.py: .*{said}")


def config(name: str, inside: str, said: str) -> Case:
    """An experiment whose get_config returns `inside`."""
    return text(name, f"{HEAD}def get_config():\n    return {inside}\n", said)


def file(name: str, write: Callable[[Place], str], said: str) -> Case:
    """An experiment file that `write` lays out; it returns the file's name."""
    return Case(name, lambda place: train(write(place)), said)


def _folder(place: Place) -> str:
    (place.folder / "bad.py").mkdir()
    return "bad.py"


def _loop(place: Place) -> str:
    (place.folder / "bad.py").symlink_to("bad.py")
    return "bad.py"


def _dangling(place: Place) -> str:
    (place.folder / "bad.py").symlink_to("gone.py")
    return "bad.py"


EXPERIMENTS = [
    text("nothing in it", "", "define get_config"),
    text("only a comment", "# to do\n", "define get_config"),
    text("a syntax error", "def get_config(:\n", "SyntaxError"),
    text("an indentation error", "def get_config():\nreturn 1\n", "IndentationError"),
    text("tabs and spaces", "if 1:\n\tx = 1\n        y = 2\n", "TabError"),
    text("an open string", 'x = "', "SyntaxError"),
    text("an open bracket", "x = (", "SyntaxError"),
    text("brackets nested without end", "x = " + "(" * 5000 + ")" * 5000, "Error"),
    text("operators nested without end", "x = " + "-" * 200_000 + "1", "Error"),
    text("a number of too many digits", "x = " + "9" * 10_000, "SyntaxError"),
    text("a NUL byte", b"x = 1\0\n", "null bytes"),
    text("binary bytes", bytes(range(256)), "Error"),
    text("a picture", b"\x89PNG\r\n\x1a\n" + bytes(64), "Error"),
    text("UTF-16", "x = 1".encode("utf-16"), "Error"),
    text("UTF-32", "x = 1".encode("utf-32"), "Error"),
    text("Latin-1", "x = 'été'\n".encode("latin-1"), "SyntaxError|UnicodeDecode"),
    text("an unknown encoding", "# -*- coding: klingon -*-\n", "klingon"),
    text("a module that is not there", "import no_such_module\n", "no_such_module"),
    text("a name that jaxseg lacks", "from jaxseg import Confg\n", "Confg"),
    text("a name that is not defined", "x = Confg\n", "Confg"),
    text("it raises", "raise ValueError('of no use')\n", "ValueError: of no use"),
    text("it raises many lines", "raise ValueError('a\\n' * 20)\n", "ValueError"),
    text("it raises without words", "raise KeyError\n", "KeyError"),
    text("it fails an assertion", "assert 1 == 2\n", "AssertionError"),
    text("it divides by zero", "1 / 0\n", "ZeroDivisionError"),
    text("it leaves", "import sys\nsys.exit(3)\n", "SystemExit: 3"),
    text("it leaves with 0", "import sys\nsys.exit()\n", "SystemExit"),
    text("it leaves with words", "raise SystemExit('enough')\n", "SystemExit: enough"),
    text("it recurses for ever", "def f(): f()\nf()\n", "RecursionError"),
    text("it asks for terabytes", "x = bytearray(1 << 48)\n", "MemoryError"),
    text("another name", "def config(): pass\n", "define get_config"),
    text("get_config is a number", "get_config = 7\n", "define get_config"),
    text("get_config is a Config", HEAD + "get_config = Config()\n", "define get_conf"),
    text("get_config is a class", "class get_config: pass\n", "must return a jaxseg"),
    text("an argument", "def get_config(steps): pass\n", "steps"),
    text("it is a generator", "def get_config():\n    yield 1\n", "must return"),
    config("it returns nothing", "", "must return a jaxseg.Config"),
    config("it returns a dict", "{}", "must return a jaxseg.Config"),
    config("it returns the class", "Config", "must return a jaxseg.Config"),
    config("it returns a part", "TrainConfig()", "must return a jaxseg.Config"),
    config("it returns a pair", "(Config(), 1)", "must return a jaxseg.Config"),
    config("it raises inside", "int('x')", "invalid literal"),
    config("an unknown section", "Config(trian=TrainConfig())", "trian"),
    config("an unknown field", "Config(train=TrainConfig(stepz=3))", "stepz"),
    config("a field too many", "Config(*range(20))", "positional"),
    config("it leaves inside", "exit(1)", "SystemExit|exit"),
    config("it recurses inside", "get_config()", "RecursionError"),
    config("text for a number", "Config(seed='7')", "seed"),
    config("a number out of range", "Config(seed=-7)", "seed -7"),
    config("an object of no JSON", "Config(seed=object())", "object"),
    config("a section that is none", "Config(train=None)", "train"),
    config("a section of another kind", "Config(train=ModelConfig())", "train"),
    config("a key that is not there", "{}['a']", "KeyError"),
    config("a file that is not there", "open('gone.txt')", "gone.txt"),
    file("it is a folder", _folder, "bad.py: no such experiment file"),
    file("a link to itself", _loop, "bad.py"),
    file("a link to nothing", _dangling, "bad.py: no such experiment file"),
    file("it is not there", lambda place: "bad.py", "bad.py: no such experiment file"),
    file("a typo in its name", lambda place: place.experiment() + "x", "sound.py"),
    file("an empty name", lambda place: "", "missing|no such experiment"),
    file(
        "a NUL in its name",
        lambda place: "ba\0d.py",
        "ba.x00d.py: no such experiment file",
    ),
    file("a name of 5000 letters", lambda place: "b" * 5000, "no such experiment file"),
    file("a newline in its name", lambda place: "a\nb.py", "a b.py: no such exp"),
    file("a name that is no text", lambda place: "\udcff.py", "no such experiment"),
    file("a device", lambda place: "/dev/null", "no such experiment file"),
]
