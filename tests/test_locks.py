"""Locks between processes."""

import subprocess
import sys
from pathlib import Path

from jaxseg.locks import locked

ROOT = Path(__file__).parents[1]

HOLD = """
import sys, time
from pathlib import Path
from jaxseg.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_held_once_and_given_back(tmp_path):
    path = tmp_path / "lock"
    with locked(path, wait=False) as first, locked(path, wait=False) as second:
        assert (first, second) == (True, False)
    with locked(path, wait=False) as again:
        assert again


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path):
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout.readline() == "held\n"
        with locked(path, wait=False) as free:
            assert not free
        held.kill()
        held.wait()
        with locked(path) as free:
            assert free
