"""Several processes, one run: starting them, and what only the primary one does.

Every process computes its part of each batch.  The primary process, which is number 0,
also writes: data, run folder, checkpoints, report.  It tells the others what it finds
out, errors included, so that all of them go on or all of them stop.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxseg.errors import UserError

HEARTBEAT = 30
"""Seconds of silence after which a process counts as dead."""

INTERVAL = 5.0
"""Seconds between the primary process' messages that it is still busy.  Collective
operations time out (in gloo after minutes), so no process waits in one for longer."""

FAREWELL = 5
"""Seconds that the primary process lets the others end before it, after a failure."""

_BUSY = 0
"""Length of a message that is not there yet; a message in JSON is never empty."""


def start(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
) -> None:
    """Join the processes of a run, before jax touches a device.

    Args:
      coordinator: `HOST:PORT` of the first process; None asks the environment (TPU
        pods, Slurm, Open MPI).
      processes: how many there are.
      process: which of them this is, from 0.

    Raises:
      UserError: `coordinator` is no address, the environment does not say, or the
        others were not reached.
    """
    if coordinator is not None:
        _check_address(coordinator)
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=2 * HEARTBEAT,
        )
    except (ValueError, TypeError) as error:
        raise UserError(
            f"--distributed: {error} Outside TPU pods, Slurm and Open MPI give"
            " --coordinator HOST:PORT --processes COUNT --process NUMBER"
        ) from error
    except RuntimeError as error:
        line = str(error).splitlines()[0]
        raise UserError(f"--distributed: {coordinator or 'cluster'}: {line}") from error


def _check_address(coordinator: str) -> None:
    """Refuse what is no HOST:PORT: jax would wait for minutes."""
    host, _, port = coordinator.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 65536:
        raise UserError(
            f"--coordinator {coordinator!r}: HOST:PORT with a port from 1 to 65535,"
            " such as localhost:1234"
        )


def is_distributed() -> bool:
    """Whether other processes take part."""
    return jax.process_count() > 1


def is_primary() -> bool:
    """Whether this is the process that writes."""
    return jax.process_index() == 0


def broadcast_from_primary(call: Callable[[], Any]) -> Any:
    """Call a function in the primary process and return its result in all processes.

    All processes must call this in the same order.  The call may take hours: the others
    are told every `INTERVAL` seconds to wait on.

    Args:
      call: returns a value that JSON can represent; only called in the primary process.

    Raises:
      UserError: what `call` raised, in every process.
      RuntimeError: another process has ended.
    """
    if not is_distributed():
        return call()
    message = json.loads(_send(call) if is_primary() else _receive())
    if "error" in message:
        raise UserError(message["error"])
    return message["value"]


def _send(call: Callable[[], Any]) -> bytes:
    """Call, and broadcast the result or its error; another thread says "busy"."""
    finished = threading.Event()

    def say_busy() -> None:
        while not finished.wait(INTERVAL):
            _broadcast_length(_BUSY)

    with ThreadPoolExecutor(1, "busy") as pool:
        saying = pool.submit(say_busy)
        try:
            message = _result(call)
        finally:
            finished.set()
        saying.result()  # raises if a process that should have heard it has ended
    _broadcast_length(len(message))
    return _broadcast_bytes(message, len(message))


def _receive() -> bytes:
    """Wait for what the primary process sends, however long it is busy."""
    length = _BUSY
    while length == _BUSY:
        length = _broadcast_length(_BUSY)
    return _broadcast_bytes(b"", length)


def _result(call: Callable[[], Any]) -> bytes:
    """Return the value of a call, or the line that says its error, as JSON."""
    try:
        message = {"value": call()}
    except UserError as error:
        message = {"error": str(error)}
    return json.dumps(message).encode()


def _broadcast_length(length: int) -> int:
    return int(multihost_utils.broadcast_one_to_all(np.int32(length)))


def _broadcast_bytes(message: bytes, length: int) -> bytes:
    """Broadcast bytes, padded to a power of two so that few programs are compiled."""
    padded = np.zeros(1 << (length - 1).bit_length(), np.uint8)
    padded[: len(message)] = np.frombuffer(message, np.uint8)
    return multihost_utils.broadcast_one_to_all(padded)[:length].tobytes()


def gather_rows(rows: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """Return the rows of all processes, each of which has computed some of them.

    All processes must call this in the same order.

    Args:
      rows: float64 `[N, ...]`, equally large in all processes.
      mine: bool `[N]`, which rows this process has computed, and no other has.
    """
    if not is_distributed():
        return rows
    own = np.zeros_like(rows)
    own[mine] = rows[mine]
    bits = multihost_utils.process_allgather(own.view(np.uint32))  # jax lacks float64
    return np.asarray(bits).sum(axis=0, dtype=np.uint32).view(np.float64)


def abort(code: int) -> NoReturn:
    """End this process after a failure, whatever the others do.

    An ordinary exit would wait for the others, and they for this one.  The primary
    process goes last: it coordinates the others, and jax kills those that lose it,
    while they may still have the same failure to report.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if is_primary():
        time.sleep(FAREWELL)
    os._exit(code)
