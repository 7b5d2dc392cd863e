"""Memory that is not enough is one line with the remedy."""

import errno
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg import memory
from jaxseg.errors import UserError
from jaxseg.parallel import devices

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1536, "1.5 KiB"), (3 * 2**30, "3.0 GiB"), (2**50, "1,024.0 TiB")],
)
def test_bytes_are_written_with_a_unit(count, text):
    assert memory.written(count) == text


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory while training, "),
        (
            MemoryError("Unable to allocate 2.50 TiB for an array"),
            "training, 2.50 TiB were asked for, ",
        ),
        (
            RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1024 bytes."),
            "training, 1.0 KiB were asked for, ",
        ),
        (
            RuntimeError("RESOURCE_EXHAUSTED: ... while trying to allocate 12.5GiB."),
            "training, 12.5 GiB were asked for, ",
        ),
        (RuntimeError("can't start new thread"), "out of memory while training, "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory while tr"),
    ],
)
def test_a_failed_allocation_becomes_one_line(error, said):
    with (
        pytest.raises(UserError, match=said) as caught,
        memory.remedied("training", "R"),
    ):
        raise error
    assert str(caught.value).endswith("are left on the host; R")


def test_numpys_own_refusal_is_understood():
    with pytest.raises(UserError, match="710. TiB were asked"):
        with memory.remedied("training", "R"):
            np.empty(710 * 2**40, np.uint8)


def test_xlas_own_refusal_is_understood():
    with pytest.raises(UserError, match="out of memory while training, .* asked for"):
        with memory.remedied("training", "R", devices.left):
            jnp.zeros(2**46, jnp.uint8).block_until_ready()


@pytest.mark.parametrize("error", [ValueError("x"), UserError("Out of memory: x")])
def test_other_errors_are_raised_unchanged(error):
    with pytest.raises(type(error)) as caught, memory.remedied("training", "R"):
        raise error
    assert caught.value is error


def test_a_need_beyond_what_is_free_is_refused_with_both():
    memory.require(2**30, "a step", "R", 2**30)
    with pytest.raises(
        UserError, match=r"a step takes 2.0 GiB, and 1.0 GiB are free; R"
    ):
        memory.require(2**31, "a step", "R", 2**30)


def test_a_program_whose_buffers_cannot_fit_is_refused_before_it_runs():
    share = 2**44 // jax.local_device_count()  # of a CPU's devices
    numbers = jax.ShapeDtypeStruct((share,), jnp.float32)
    program = jax.jit(jnp.negative).lower(numbers).compile()
    with pytest.raises(UserError, match=r"a program takes 64.0 TiB, and .* free; R"):
        devices.require(program, 0, "a program", "R")
    small = jax.jit(jnp.sin).lower(jnp.float32(0)).compile()
    devices.require(small, 0, "a program", "R")


def run(code: str, limit: int | None = None, **environment: str):
    python = [sys.executable, "-c", f"from jaxseg import cli, memory; {code}"]
    # In a shell of its own: a process with JAX's threads must not fork.
    capped = ["/bin/sh", "-c", f'ulimit -v {limit or "unlimited"}; exec "$@"', "sh"]
    return subprocess.run(
        [*capped, *python],
        cwd=ROOT,
        env={"PATH": "", "HOME": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [["models"], ["inspect"], []])
def test_an_address_space_too_small_for_jax_is_refused(command):
    config = [] if command == ["models"] else ["--config", "experiments/unet.py"]
    words = [*command, *config]
    done = run(f"raise SystemExit(cli.main({words!r}))", 2**20)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ulimit -v allows 1.0 GiB of addresses")
    assert done.stderr.count("\n") == 1


def test_the_free_memory_is_what_a_limit_leaves():
    done = run("assert memory.available() < 2**29", 2**19)
    assert done.returncode == 0, done.stderr


def group(folder: Path, limit: str, taken: int, files: int):
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{taken}\n")
    stat = f"anon {taken - files}\nfile {files}\nshmem 0\nslab_reclaimable 0\n"
    (folder / "memory.stat").write_text(stat)


def test_the_narrowest_control_group_says_what_is_left(tmp_path):
    (tmp_path / "groups").write_text("1:cpu:/other\n0::/job/step\n")
    asked = tmp_path / "groups", tmp_path
    assert memory.left_of_groups(*asked) is None
    group(tmp_path / "job", "max", 2**50, 0)
    group(tmp_path / "job/step", f"{2**60}", 2**50, 2**40)
    outer = memory.left_of_groups(*asked)
    group(tmp_path / "job", f"{2**59}", 2**50, 2**40)
    inner = memory.left_of_groups(*asked)
    assert outer is not None and inner is not None
    assert outer - inner == 2**60 - 2**59
    swap = inner - (2**59 - 2**50 + 2**40)
    assert 0 <= swap < 2**50


@dataclass
class Accelerator:
    """What JAX knows of a device that is no CPU."""

    stats: dict[str, int] | None
    platform: str = "gpu"

    def memory_stats(self):
        return self.stats


def test_an_accelerator_is_asked_for_its_own_memory_or_not_compared(monkeypatch):
    program = jax.jit(jnp.negative)
    program = program.lower(jax.ShapeDtypeStruct((2**44,), jnp.float32)).compile()
    silent = Accelerator(None)
    monkeypatch.setattr(jax, "local_devices", lambda: [silent])
    devices.require(program, 0, "a program", "R")
    small = jax.jit(jnp.sin).lower(jnp.float32(0)).compile()
    full = Accelerator({"bytes_limit": 2**30, "bytes_in_use": 2**30})
    monkeypatch.setattr(jax, "local_devices", lambda: [full])
    with pytest.raises(UserError, match="0 bytes are free; R"):
        devices.require(small, 1, "a program", "R")


@pytest.mark.parametrize("platform", ["cuda", "cpuu"])
def test_a_missing_platform_is_an_error_of_one_line(platform):
    done = run("raise SystemExit(cli.main(['models']))", JAX_PLATFORMS=platform)
    assert done.returncode == 2
    assert f"error: JAX_PLATFORMS={platform} is not here: JAX finds cpu" in done.stderr
    assert "Traceback" not in done.stderr
