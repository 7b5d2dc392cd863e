"""Requests to stop a training: by Ctrl-C, SIGTERM or a callback, in any process.

Several processes must stop at the same step, so they exchange their requests in a small
collective operation.  A single process needs no exchange.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxseg.parallel.distributed import is_distributed
from jaxseg.parallel.mesh import replicated


class Stop(IntEnum):
    """A request to a training; if there are several, the greatest counts."""

    NO = 0
    FINISH = 1
    """Save, evaluate and report, as after the last step."""
    INTERRUPT = 2
    """Save and leave at once, to be resumed."""


class StopRequest:
    """The request to stop that all processes of a training have agreed on."""

    def __init__(self, mesh: Mesh):
        """Start without a request.

        Args:
          mesh: the devices of all processes.
        """
        self._mesh, self._asked = mesh, Stop.NO
        self._exchanged: jax.Array | None = None
        self._largest = jax.jit(jnp.max, out_shardings=replicated(mesh))

    def ask(self, stop: Stop) -> None:
        """Request a stop in this process; `poll` and `agree` pass it to the others."""
        self._asked = max(self._asked, stop)

    def poll(self) -> Stop:
        """Return the request; with several processes, as it was at the previous call.

        All processes must call this equally often, and get the same result.  It does
        not wait for the device, since the exchange of the previous call is complete.
        """
        if not is_distributed():
            return self._asked
        last, self._exchanged = self._exchanged, self._exchange()
        return Stop.NO if last is None else Stop(int(last))

    def agree(self) -> Stop:
        """Return the request of all processes up to now; this waits for the exchange.

        All processes must call this equally often, and get the same result.
        """
        if not is_distributed():
            return self._asked
        self._exchanged = self._exchange()
        return Stop(int(self._exchanged))

    def _exchange(self) -> jax.Array:
        """Start computing the greatest request of all processes."""
        flat = NamedSharding(self._mesh, PartitionSpec(self._mesh.axis_names))
        mine = np.full(self._mesh.local_mesh.size, self._asked, np.int32)
        return self._largest(jax.make_array_from_process_local_data(flat, mine))


@contextmanager
def interrupted_by_signals(request: StopRequest) -> Iterator[None]:
    """Turn the first Ctrl-C or SIGTERM into a request; a second has its usual effect.

    Python allows this in the main thread only; elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {}

    def interrupt(number: int, frame: Any) -> None:
        request.ask(Stop.INTERRUPT)
        signal.signal(number, previous[number])

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
