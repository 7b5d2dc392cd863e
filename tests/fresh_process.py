"""Runs Python code in a new process, which has one CPU device."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

COMPILE_FAST = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
"""XLA_FLAGS with which programs compile faster and run more slowly.

Most of a test's time is compilation."""


def run(code, **environment):
    """Run code with further environment variables; return what it prints."""
    plain = {**os.environ, "XLA_FLAGS": COMPILE_FAST}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=plain | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
