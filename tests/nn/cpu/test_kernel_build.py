"""Builds of the kernels: one for each set of options, whole or made again."""

import pytest
from fresh_process import run

from jaxseg.nn.cpu.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="needs a C++ compiler")

BUILT = """
from jaxseg.nn.cpu.library import library
print(library().target("convolve"))
"""


def test_each_set_of_compiler_options_has_a_build_of_its_own():
    names = {run(BUILT, JAXSEG_KERNEL_FLAGS=options) for options in ("", "-g0")}
    assert len(names) == 2


def test_a_damaged_library_is_built_again(tmp_path):
    environment = {"JAXSEG_CACHE": str(tmp_path)}
    name = run(BUILT, **environment)
    (built,) = (tmp_path / "kernels").glob("*.so")
    whole = built.read_bytes()
    built.write_bytes(whole[:1000])
    assert run(BUILT, **environment) == name
    assert built.read_bytes() == whole
