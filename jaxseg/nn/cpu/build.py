"""Compiles `kernels.cc` for the processor of this machine, once.

The machine's C++ compiler takes a few seconds.  The library is stored in the cache
folder of prepared data.  Its name is a hash of everything that it depends on, and the
file ends with a checksum.

$JAXSEG_KERNEL_FLAGS holds options for the compiler, added after this module's own,
for example `-mno-avx512f` to build for a processor without AVX-512.  Each set of
options has its own build, so several can be in use at once.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jax
import jaxlib

from jaxseg.errors import UserError
from jaxseg.paths import cache_folder

SOURCE = Path(__file__).with_name("kernels.cc")


def built() -> tuple[Path, str]:
    """Return the compiled library, which is built if it is missing.

    Returns:
      The shared library, and a hash of its source, compiler, options and processor.

    Raises:
      UserError: there is no C++ compiler, or it failed.
      OSError: the cache cannot be written.
    """
    compiler = _compiler()
    if compiler is None:
        raise UserError("no C++ compiler is installed (c++, g++, clang++)")
    command = [*compiler, *_flags(), f"-I{jax.ffi.include_dir()}"]
    version = subprocess.run([*compiler, "--version"], capture_output=True).stdout
    source = SOURCE.read_bytes()
    made_of = (source, version, command, jaxlib.__version__, _processor())
    mark = hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]
    path = cache_folder() / "kernels" / f"{mark}.so"
    if not _is_whole(path):
        _compile(command, source, path)
    return path, mark


def _compiler() -> list[str] | None:
    """Return the command of a C++ compiler."""
    if named := os.environ.get("CXX"):
        return shlex.split(named)
    found = filter(None, map(shutil.which, ("c++", "g++", "clang++")))
    return next(([path] for path in found), None)


def _flags() -> list[str]:
    """Return the compiler's options: ours, then those of $JAXSEG_KERNEL_FLAGS."""
    tuned = (
        "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    )
    ours = [tuned, "-O3", "-std=c++17", "-fPIC", "-shared", "-w"]
    return ours + shlex.split(os.environ.get("JAXSEG_KERNEL_FLAGS", ""))


def _processor() -> bytes:
    """Return the processor's instruction sets, on which a build depends."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return platform.processor().encode()
    named = (b"flags", b"Features", b"model name")
    return b"\n".join(sorted({line for line in lines if line.startswith(named)}))


def _is_whole(path: Path) -> bool:
    """Whether a built file is complete; loading a truncated one kills the process."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def _compile(command: Sequence[str], source: bytes, path: Path) -> None:
    """Compile, append a checksum, and rename, as several processes may do at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        arguments = [*command, "-x", "c++", "-", "-o", str(made)]
        run = functools.partial(subprocess.run, check=True, capture_output=True)
        try:
            run(arguments, input=source, timeout=300)
        except subprocess.CalledProcessError as error:
            first = error.stderr.decode(errors="replace").strip().splitlines()[:1]
            said = " ".join(first) or error.returncode
            raise UserError(f"the C++ compiler failed ({said})") from error
        code = made.read_bytes()
        made.write_bytes(code + hashlib.sha256(code).digest())
        made.replace(path)
