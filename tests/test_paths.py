"""Where things are kept."""

from pathlib import Path

import pytest

from jaxseg.paths import cache_folder, replace_text


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


def test_a_text_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for text in ("old, longer", "new é"):
        replace_text(tmp_path / "a.json", text)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "new é"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_text(tmp_path / "folder", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "folder"}
