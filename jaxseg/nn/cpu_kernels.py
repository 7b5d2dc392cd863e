"""Convolutions compiled for this very CPU, which XLA calls.

XLA's own leave half of a CPU unused.  `cpu_kernels.cc` is built once by the machine's
C++ compiler (a few seconds), kept beside the prepared data and loaded at the first
convolution.  Without a compiler, or with $JAXSEG_KERNELS=0, XLA's convolutions do.

$JAXSEG_KERNEL_FLAGS holds options that the compiler is given after this module's own,
for example `-mno-avx512f` to build for a processor without AVX-512.  Each set of
options has a build of its own, so several can be in use at once.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import math
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

from jaxseg.paths import cache_folder

SOURCE = Path(__file__).with_suffix(".cc")

PARTIAL_SUMS = 2**20
"""Most floats of weight gradients that are summed over parts of the pixels."""


LARGE = 2**15
"""Weights of a kernel of which XLA should make no copy; a first layer has fewer."""


_without = ContextVar("without", default=False)


KERNELS = (
    "convolve",
    "input_gradient",
    "weight_gradient",
    "convolve_channels",
    "channels_input_gradient",
    "channels_weight_gradient",
    "moments",
    "normalization_sums",
)
"""What the source defines."""


class Library:
    """The loaded kernels.

    Attributes:
      columns: output channels that a product computes at once.
      lines: of an output, that a task of a depthwise weight gradient sums.
      pixels: that a task of the moments or of their gradient sums.
      mark: tells these kernels from those of another source or CPU, in their names.
    """

    def __init__(self, path: Path, mark: str) -> None:
        library = ctypes.CDLL(str(path))
        self.columns: int = library.jaxseg_columns()
        self.lines: int = library.jaxseg_lines()
        self.pixels: int = library.jaxseg_pixels()
        self.mark = mark
        for name in KERNELS:
            capsule = jax.ffi.pycapsule(getattr(library, f"jaxseg_{name}"))
            jax.ffi.register_ffi_target(self.target(name), capsule, platform="cpu")

    def target(self, name: str) -> str:
        """Return the name that XLA knows a kernel by; programs are kept under it."""
        return f"jaxseg_{name}_{self.mark}"


def wanted() -> bool:
    """Whether there is one CPU device: XLA cannot split the kernels' work over more."""
    return jax.default_backend() == "cpu" and jax.device_count() == 1


def usable(*operands: jax.Array) -> bool:
    """Whether the kernels can compute something that is being traced, in float32."""
    return (
        wanted()
        and not _without.get()
        and all(x.dtype == jnp.float32 for x in operands)
        and all(isinstance(n, int) and n > 0 for x in operands for n in x.shape)
        and library() is not None
    )


@contextmanager
def without() -> Iterator[None]:
    """Trace with XLA's convolutions: to read the program, or to take it elsewhere."""
    before = _without.set(True)
    try:
        yield
    finally:
        _without.reset(before)


def library() -> Library | None:
    """Load the kernels, built first where they are not; None says there are none."""
    loaded = _load()
    return loaded if isinstance(loaded, Library) else None


def _built() -> Library:
    """Return the kernels where they are `usable`."""
    found = library()
    assert found is not None
    return found


def reason() -> str:
    """Say why there are no kernels; empty if there are."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else ""


@functools.cache
def _load() -> Library | str:
    """Return the kernels, or why there are none."""
    if os.environ.get("JAXSEG_KERNELS") == "0":
        return "$JAXSEG_KERNELS is 0"
    try:
        compiler = _compiler()
        if compiler is None:
            return "no C++ compiler is installed (c++, g++, clang++)"
        command = [*compiler, *_flags(), f"-I{jax.ffi.include_dir()}"]
        said = subprocess.run([*compiler, "--version"], capture_output=True).stdout
        source = SOURCE.read_bytes()
        made_of = (source, said, command, jaxlib.__version__, _processor())
        mark = hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]
        path = cache_folder() / "kernels" / f"{mark}.so"
        if not _is_whole(path):
            _build(command, source, path)
        return Library(path, mark)
    except subprocess.CalledProcessError as error:
        first = error.stderr.decode(errors="replace").strip().splitlines()[:1]
        return f"the C++ compiler failed ({' '.join(first) or error.returncode})"
    except Exception as error:  # speed is all that is lost
        return f"{type(error).__name__}: {error}"


def _compiler() -> list[str] | None:
    """Return the words that call a C++ compiler."""
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
    """Say which instructions there are: what was built here may not run elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return platform.processor().encode()
    named = (b"flags", b"Features", b"model name")
    return b"\n".join(sorted({line for line in lines if line.startswith(named)}))


def _is_whole(path: Path) -> bool:
    """Whether a built file is there, undamaged: the system dies of half a library."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def _build(command: Sequence[str], source: bytes, path: Path) -> None:
    """Compile, append a checksum, and rename: several processes may do it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        built = Path(folder) / path.name
        arguments = [*command, "-x", "c++", "-", "-o", str(built)]
        run = functools.partial(subprocess.run, check=True, capture_output=True)
        run(arguments, input=source, timeout=300)
        code = built.read_bytes()
        built.write_bytes(code + hashlib.sha256(code).digest())
        built.replace(path)


Geometry = tuple[
    tuple[int, int], tuple[tuple[int, int], tuple[int, int]], tuple[int, int]
]
"""Strides, zeros before and after, rates: of rows and columns."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve by the kernels, gradients too; only where they are `usable`.

    There is no forward mode (`jax.jvp`), and XLA does not fuse with it.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, C, O]`.
      geometry: strides, padding and rates.

    Returns:
      float32 `[B, H', W', O]`.
    """
    return _convolve(geometry, False, image, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 6))
def convolve_affine(
    image: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    scale: jax.Array,
    offset: jax.Array,
    plus: jax.Array | None,
    relu: bool,
) -> jax.Array:
    """Convolve, then scale and shift channels, add, rectify: all in one pass.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, C, O]`.
      geometry: strides, padding and rates.
      scale: float32 `[O]`, that the convolution is multiplied with.
      offset: float32 `[O]`, that is then added.
      plus: float32 `[B, H', W', O]` that is added as well, or None.
      relu: whether a ReLU follows.

    Returns:
      float32 `[B, H', W', O]`.
    """
    return _convolve(geometry, relu, image, kernel, scale, offset, plus)


def _affine_forward(*arguments: Any) -> tuple[jax.Array, Any]:
    *operands, relu = arguments
    del operands[2]
    return convolve_affine(*arguments), operands


def _affine_backward(
    geometry: Geometry, relu: bool, saved: Any, gradient: jax.Array
) -> Any:
    """Pull back through the same in steps, which are computed again."""

    def steps(image, kernel, scale, offset, plus):
        y = convolve(image, kernel, geometry) * scale + offset
        y = y if plus is None else y + plus
        return jax.nn.relu(y) if relu else y

    return jax.vjp(steps, *saved)[1](gradient)


convolve_affine.defvjp(_affine_forward, _affine_backward)


def _convolve(
    geometry: Geometry,
    relu: bool,
    image: jax.Array,
    kernel: jax.Array,
    scale: jax.Array | None = None,
    offset: jax.Array | None = None,
    plus: jax.Array | None = None,
) -> jax.Array:
    shape = _shape(image, kernel, geometry)
    scratch = _panels(kernel.shape, *kernel.shape[2:])
    ending = [
        jnp.zeros((0,) * axes, jnp.float32) if given is None else given
        for given, axes in ((scale, 1), (offset, 1), (plus, 4))
    ]
    operands = (image, kernel, *ending)
    return _call("convolve", shape, scratch, geometry, *operands, relu=relu)


def _saving(convolution: Callable[..., Any]) -> Callable[..., Any]:
    """Return the forward pass that keeps what the gradients need, the operands."""

    def forward(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> Any:
        return convolution(image, kernel, geometry), (image, kernel)

    return forward


def _convolve_backward(
    geometry: Geometry, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    image, kernel = saved
    channels, outputs = kernel.shape[2:]
    scratch = _panels(kernel.shape, outputs, channels)
    for_image = _call(
        "input_gradient", image.shape, scratch, geometry, gradient, kernel
    )
    sums = _taps(kernel.shape) * channels * outputs
    scratch = sums * max(1, min(32, PARTIAL_SUMS // sums))
    # The image's gradient, the kernel's last reader, comes first: else the update could
    # be before it, and XLA copies the kernel.  It may be needed for this alone.
    nothing = jnp.zeros((0,) * 4, jnp.float32)
    operands = (image, gradient, for_image if kernel.size >= LARGE else nothing)
    for_kernel = _call("weight_gradient", kernel.shape, scratch, geometry, *operands)
    return for_image, for_kernel


convolve.defvjp(_saving(convolve), _convolve_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_channels(
    image: jax.Array, kernel: jax.Array, geometry: Geometry
) -> jax.Array:
    """Convolve each channel by itself, as `convolve` does all of them.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, 1, C]`.
      geometry: strides, padding and rates.

    Returns:
      float32 `[B, H', W', C]`.
    """
    shape = _shape(image, kernel, geometry)
    return _call("convolve_channels", shape, 0, geometry, image, kernel)


def _channels_backward(
    geometry: Geometry, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    image, kernel = saved
    operands = (geometry, gradient, kernel)
    for_image = _call("channels_input_gradient", image.shape, 0, *operands)
    lines = gradient.shape[0] * gradient.shape[1]
    scratch = -(-lines // _built().lines) * kernel.size
    operands = (geometry, image, gradient)
    for_kernel = _call("channels_weight_gradient", kernel.shape, scratch, *operands)
    return for_image, for_kernel


convolve_channels.defvjp(_saving(convolve_channels), _channels_backward)


def _shape(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> tuple[int, ...]:
    """Return the output's."""
    strides, padding, rates = geometry
    sides = [
        (image.shape[1 + a] + sum(padding[a]) - (kernel.shape[a] - 1) * rates[a] - 1)
        // strides[a]
        + 1
        for a in (0, 1)
    ]
    return (image.shape[0], *sides, kernel.shape[3])


def _taps(kernel: Sequence[int]) -> int:
    """Return how many weights of a channel and output there are: by tiles 16, not 9."""
    return 16 if tuple(kernel[:2]) == (3, 3) else math.prod(kernel[:2])


def _panels(kernel: Sequence[int], channels: int, outputs: int) -> int:
    """Return the floats of the packed weights."""
    columns = _built().columns
    return _taps(kernel) * channels * -(-outputs // columns) * columns


def _call(
    name: str,
    shape: Sequence[int],
    scratch: int,
    geometry: Geometry,
    *operands: jax.Array,
    **attributes: Any,
) -> jax.Array:
    strides, padding, rates = geometry
    attributes |= {
        "strides": np.array(strides, np.int64),
        "padding": np.array([before for before, _ in padding], np.int64),
        "rates": np.array(rates, np.int64),
    }
    return _ffi(name, shape, (scratch,))(*operands, **attributes)[0]


def _ffi(name: str, *shapes: Sequence[int]) -> Callable[..., Any]:
    """Return a kernel as a function to arrays of these shapes."""
    types = [jax.ShapeDtypeStruct(tuple(shape), jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(_built().target(name), types, vmap_method="sequential")


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalize(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalise by the batch's own statistics; only where kernels are `usable`.

    Args:
      x: float32 `[B, ..., C]`.
      scale: float32 `[C]`.
      bias: float32 `[C]`.
      epsilon: added to the variance.
      relu: whether a ReLU follows.

    Returns:
      float32 of x's shape; mean and variance `[C]`, which have no gradient.
    """
    return _normalize_forward(x, scale, bias, epsilon, relu)[0]


def _normalize_forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], Any]:
    pixels = x.reshape(-1, x.shape[-1])
    mean, variance, _ = _ffi("moments", *_channel_sums(pixels))(pixels)
    inverse = jax.lax.rsqrt(variance + epsilon)
    y = (x - mean) * (scale * inverse) + bias
    y = jax.nn.relu(y) if relu else y
    return (y, mean, variance), (x, scale, bias, mean, inverse)


def _normalize_backward(
    epsilon: float, relu: bool, saved: Any, gradients: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, scale, bias, mean, inverse = saved
    gradient, *_ = gradients
    factor = scale * inverse
    pixels, flat = (a.reshape(-1, x.shape[-1]) for a in (x, gradient))
    call = _ffi("normalization_sums", *_channel_sums(pixels))
    sums, products, _ = call(pixels, flat, mean, factor, bias, relu=relu)
    distance = x - mean
    if relu:
        gradient = jnp.where(distance * factor + bias > 0, gradient, 0)
    # Ioffe & Szegedy 2015, section 3, in x instead of the normalised one.
    count = len(pixels)
    slope = products * inverse**2 / count
    for_x = factor * (gradient - sums / count - distance * slope)
    return for_x, inverse * products, sums


normalize.defvjp(_normalize_forward, _normalize_backward)


def _channel_sums(pixels: jax.Array) -> list[tuple[int, ...]]:
    """Return the shapes of two sums over the pixels, and of what they need."""
    count, channels = pixels.shape
    parts = -(-count // _built().pixels)
    return [(channels,), (channels,), (parts * 2 * channels,)]
