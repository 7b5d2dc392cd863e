"""Memory that a process frees stays with it."""

import platform
import subprocess

import pytest
from fresh_process import run

PROGRAM = """
import resource, sys
import numpy as np
from jaxseg.allocation import keep_freed_memory

if {keeps}:
    assert keep_freed_memory()

def faults(call):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def use():
    np.ones(2**27, np.uint8)

faults(use)
print(faults(use))
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library"
)


def faults(keeps):
    """Page faults of using 128 MiB a second time."""
    return int(run(PROGRAM.format(keeps=keeps)))


def test_memory_that_is_used_again_is_not_faulted_in_again():
    assert faults(keeps=True) < 100


def test_a_users_own_settings_stay(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=7")
    with pytest.raises(subprocess.CalledProcessError):
        faults(keeps=True)
