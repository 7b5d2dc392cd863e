"""Coverage-guided fuzzing of everything that reads a file from outside.

    pip install --target DIR atheris        Python 3.11 or 3.12
    PYTHONPATH=DIR python -m benchmarks.fuzz [--seconds 60] [TARGET...]

Each target runs in its own process, which starts from small valid files and changes
them; with 60 seconds for each, all take ten minutes.  A reader may return or raise
`UserError`.  Any other exception, a call of more than 20 seconds, or more than 4 GB of
memory is a failure: it stops the target, and the input is stored in `--keep`.  For each
target the numbers of inputs and of points reached in our code are printed.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "tests" / "weights" / "golden"
SMALL = 64_000  # bytes of a seed

Read = Callable[[Path], object]


def _weights(pattern: str) -> tuple[Callable[[], Iterable[bytes]], Callable[[], Read]]:
    """Files of `tests/weights/golden`, and the reader of them all."""

    def seeds() -> list[bytes]:
        files = [path.read_bytes() for path in sorted(GOLDEN.glob(pattern))]
        return [content for content in files if len(content) <= SMALL]

    def reader() -> Read:
        from jaxseg.weights.readers import read_weights

        return lambda path: read_weights(path, allow_nonfinite=True)

    return seeds, reader


def _config_seeds() -> list[bytes]:
    from jaxseg.config import Config
    from jaxseg.schema import to_json

    return [to_json(Config()).encode(), b"{}", b'{"train": {"steps": 7}}']


def _config() -> Read:
    from jaxseg.experiment import load_config

    return lambda path: load_config(path.rename(path.with_suffix(".json")))


def _run_seeds() -> list[bytes]:
    labels = {"names": ["a", "b"], "palette": [[0, 0, 0], [9, 9, 9]]}
    line = {"step": 1, "split": "val", "loss": 0.5, "miou": 0.1}
    return [json.dumps(content).encode() for content in (labels, line, [line])]


def _run() -> Read:
    """Read the same content as `labels.json`, `metrics.jsonl`, ... of a run."""
    from jaxseg.config import Config
    from jaxseg.errors import UserError
    from jaxseg.report.comparison import write_comparison
    from jaxseg.run import Run
    from jaxseg.schema import to_json

    def read(path: Path) -> None:
        folder = path.parent
        (folder / "config.json").write_text(to_json(Config()))
        for name in ("labels.json", "metrics.jsonl", "results.json"):
            (folder / name).write_bytes(path.read_bytes())
        try:
            write_comparison([folder], folder / "page.html")
        except UserError:
            (folder / "results.json").unlink()
            write_comparison([folder], folder / "page.html")
        Run.open(folder)

    return read


def _list_seeds() -> list[bytes]:
    return [b"# names\nimages/1.png\n2\n", b"\xef\xbb\xbf..\\1\r\n/2\n"]


def _list() -> Read:
    from jaxseg.data.layout import find

    def read(path: Path) -> None:
        root = path.parent / "root"
        for name in ("images/1.png", "images/2.png", "masks/1.png", "masks/2.png"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        path.replace(root / "train.txt")
        find(root)

    return read


def _image_seeds() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 4, (9, 7, 3), np.uint8)
    seeds = []
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000"):
        for mode in ("RGB", "L", "P", "1", "RGBA", "CMYK", "I;16"):
            image = Image.fromarray(pixels)
            image = image.convert("L").convert("I") if mode == "I;16" else image
            file = io.BytesIO()
            try:
                image.convert(mode).save(file, kind, exif=exif)
            except (OSError, ValueError):  # the format cannot hold such pixels
                continue
            seeds.append(file.getvalue())
    return seeds


def _image() -> Read:
    """Read an image as training and as `predict` do, with the same result."""
    from jaxseg.data.images import decode_image, image_size, load_image, read_image
    from jaxseg.errors import UserError

    def read(path: Path) -> None:
        try:
            pixels = load_image(path)
        except UserError as error:
            refused = str(error)
        else:
            encoded, size = read_image(path)
            assert pixels.shape == (*size, 3) == (*image_size(path), 3)
            assert np.array_equal(decode_image(encoded, "record"), pixels)
            return
        try:
            read_image(path)
        except UserError as error:
            assert str(error) == refused
            raise
        raise AssertionError(f"not refused to train: {refused}")

    return read


def _mask() -> Read:
    from jaxseg.data.coding import Coding
    from jaxseg.data.labels import LabelSet
    from jaxseg.data.masks import read_mask
    from jaxseg.errors import UserError

    labels = LabelSet(("a", "b", "c", "d"))
    codings = [Coding(labels, by_colour) for by_colour in (False, True)]

    def read(path: Path) -> None:
        for coding in codings:
            try:
                coding.encode(read_mask(path), "mask")
            except UserError:
                continue

    return read


TARGETS: dict[str, tuple[Callable[[], Iterable[bytes]], Callable[[], Read]]] = {
    "pickle": _weights("legacy.pth"),
    "zip": _weights("*.pth"),
    "safetensors": _weights("*.safetensors"),
    "npz": _weights("*.npz"),
    "h5": _weights("*.h5"),
    "config": (_config_seeds, _config),
    "run": (_run_seeds, _run),
    "list": (_list_seeds, _list),
    "image": (_image_seeds, _image),
    "mask": (_image_seeds, _mask),
}


def fuzz(target: str, seconds: int, keep: Path) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    seeds, reader = TARGETS[target]
    with atheris.instrument_imports(include=["jaxseg"]):
        import jaxseg.data.images  # noqa: F401
        from jaxseg.errors import UserError

        read = reader()
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for index, seed in enumerate(seeds()):
        (corpus / str(index)).write_bytes(seed)
    (folder / "at").mkdir()

    def one(content: bytes) -> None:
        path = folder / "at" / "input"
        path.write_bytes(content)
        try:
            read(path)
        except UserError as error:
            assert "\n" not in str(error).strip()

    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=4096",
        f"-max_len={SMALL}",
        f"-artifact_prefix={keep}/{target}-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one)
    atheris.Fuzz()


def main() -> int:
    """Fuzz every target that was asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"{', '.join(sorted(unknown))}: known are {', '.join(TARGETS)}")
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.here:
        fuzz(options.targets[0], options.seconds, options.keep)
    failed = False
    for target in options.targets or TARGETS:
        words = [target, "--seconds", str(options.seconds), "--keep", str(options.keep)]
        command = [sys.executable, "-m", "benchmarks.fuzz", *words, "--here"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        tried = re.findall(r"number_of_executed_units: (\d+)", done.stderr)
        reached = re.findall(r"cov: (\d+)", done.stderr)
        print(
            f"{target:12} {(tried or ['0'])[-1]:>9} inputs"
            f" {(reached or ['0'])[-1]:>6} points reached"
            f" {'ok' if done.returncode == 0 else 'FAILED'}",
            flush=True,
        )
        if done.returncode:
            failed = True
            print(done.stderr[-3000:], file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
