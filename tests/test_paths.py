"""Where things are kept."""

from pathlib import Path

import pytest

from jaxseg.paths import cache_folder


@pytest.mark.parametrize(
    ("cache", "variable", "expected"),
    [
        ("/a", "/b", Path("/a")),
        ("", "/b", Path("/b")),
        ("", "", Path("~/.cache/jaxseg").expanduser()),
    ],
)
def test_the_cache_is_the_option_else_the_variable_else_the_home_folder(
    cache, variable, expected, monkeypatch
):
    monkeypatch.setenv("JAXSEG_CACHE", variable)
    assert cache_folder(cache) == expected.resolve()
