"""Several processes, one run: starting them, and what only the first of them does.

Every process computes its part of each batch.  The first one also writes: data, run
folder, checkpoints, report.  What it finds out is told to the others, errors included,
so that all go on or all stop.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import jax
from jax._src.distributed import global_state  # the key-value store has no public name

from jaxseg.errors import UserError

HEARTBEAT = 30
"""Seconds of silence after which a process counts as dead."""

PATIENCE = 24 * 3600
"""Seconds that the others wait for the first, which may be preparing data."""

FAREWELL = 5
"""Seconds that a process which fails waits for others to fail likewise."""

_numbers = itertools.count()


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


def several() -> bool:
    """Whether other processes take part."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this is the process that writes."""
    return jax.process_index() == 0


def from_first(call: Callable[[], Any]) -> Any:
    """Call a function in the first process and return its result in all of them.

    All must come here in the same order.

    Args:
      call: gives a JSON-able value.

    Raises:
      UserError: what `call` raised, in every process.
    """
    if not several():
        return call()
    client: Any = global_state.client
    key = f"jaxseg/{next(_numbers)}"
    if is_first():
        try:
            said = {"value": call()}
        except UserError as error:
            said = {"error": str(error)}
        client.key_value_set(key, json.dumps(said))
    else:
        said = json.loads(client.blocking_key_value_get(key, PATIENCE * 1000))
    if "error" in said:
        raise UserError(said["error"])
    return said["value"]


def leave(code: int) -> NoReturn:
    """End this process after a failure, whatever the others do.

    jax would wait for them, and they for this one.  If all fail alike they leave
    together; the first is the last to go, since jax kills those that lose it.
    """
    client: Any = global_state.client
    with contextlib.suppress(RuntimeError):  # some are gone, or not yet here
        client.wait_at_barrier("jaxseg/leave", FAREWELL * 1000)
    if is_first():
        time.sleep(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
