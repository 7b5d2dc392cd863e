"""Functions that the tests of broken and hostile files share."""

import re
import tracemalloc

import pytest

from jaxseg.errors import UserError
from jaxseg.weights.readers import read_tensors

MEMORY = 2**25  # bytes; most of it is what Python itself takes


def kind(title, data, words):
    """A row: what is wrong, the file, and words that the message must hold."""
    return pytest.param(data, words, id=title)


def refused(tmp_path, data, words):
    """Check that a file is refused in one printable line and little memory."""
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(UserError) as caught:
            read_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    message = str(caught.value).removeprefix(f"{path}: ")  # the path names the kind
    assert re.search(words, message), message
    assert message.isprintable() and len(message) < 400
