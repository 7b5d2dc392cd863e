"""Where things are kept."""

from pathlib import Path

import pytest

from jaxseg.paths import cache_folder, replace_text, unwritable_file, unwritable_folder


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


@pytest.mark.parametrize(
    ("place", "as_folder", "as_file"),
    [
        ("folder", "", "Is a directory"),
        ("folder/new", "", ""),
        ("folder/new/deep", "", "No such file or directory"),
        ("file", "File exists", ""),
        ("file/new", "Not a directory", "Not a directory"),
    ],
)
def test_why_a_place_cannot_be_written_is_seen_without_writing(
    tmp_path, place, as_folder, as_file
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert unwritable_folder(tmp_path / place) == as_folder
    assert unwritable_file(tmp_path / place) == as_file
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_text_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    for text in ("old, longer", "new é"):
        replace_text(tmp_path / "a.json", text)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "new é"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        replace_text(tmp_path / "folder", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "folder"}
