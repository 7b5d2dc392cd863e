"""Locks between processes."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from jaxseg.locks import locked

fcntl = pytest.importorskip("fcntl")

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


def test_a_file_that_was_made_for_a_lock_can_go_with_it(tmp_path):
    path, kept = tmp_path / "lock", tmp_path / "kept"
    kept.touch()
    for each in (path, kept):
        with locked(each, wait=False, remove=True) as free:
            assert free
            with locked(each, wait=False, remove=True) as second:
                assert not second
            assert each.exists()
    assert not path.exists() and kept.exists()


def test_a_file_that_its_holder_deletes_is_no_lock_any_more(tmp_path, monkeypatch):
    """Opened before it was deleted, locked after: the lock is on a new file."""
    path = tmp_path / "lock"
    original, calls = fcntl.flock, []

    def delete_first(file, operation):
        calls.append(None)
        if len(calls) == 1:
            path.unlink()
        return original(file, operation)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    with locked(path) as free, locked(path, wait=False) as second:
        assert (free, second) == (True, False)
        assert path.exists()


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
@pytest.mark.parametrize("wait", [True, False])
def test_a_file_system_without_locks_holds_nothing(tmp_path, monkeypatch, code, wait):
    def refuse(file, operation):
        raise OSError(code, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path / "lock", wait) as free, locked(tmp_path / "lock") as second:
        assert free and second


def test_a_file_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), locked(tmp_path / "file" / "lock", wait=False):
        pass
