from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.image_search import WRITER, find_images, is_result
from jaxseg.data.images import IMAGE_SUFFIXES
from jaxseg.errors import UserError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names(found, root):
    return [path.relative_to(root).as_posix() for path in found.images]


@pytest.fixture
def folder(tmp_path):
    touch(tmp_path, "b.JPG", "a.png", "notes.txt", "deep/er/c.webp")
    return tmp_path


def test_a_folder_gives_its_images_sorted_at_all_depths(folder):
    found = find_images([folder])
    assert names(found, folder) == ["a.png", "b.JPG", "deep/er/c.webp"]
    assert found.left_out() == ""


def test_files_come_in_the_order_given_and_once(folder):
    found = find_images([folder / "b.JPG", str(folder / "a.png"), folder])
    assert [path.name for path in found.images] == ["b.JPG", "a.png", "c.webp"]


def test_one_path_needs_no_list(folder):
    assert names(find_images(str(folder / "a.png")), folder) == ["a.png"]


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_every_known_ending_is_found(tmp_path, suffix):
    touch(tmp_path, f"a{suffix}", f"B{suffix.upper()}")
    assert len(find_images([tmp_path]).images) == 2


def test_hidden_files_and_folders_are_left_out_at_any_depth_and_counted(folder):
    touch(folder, ".a.png", "deep/.ipynb_checkpoints/a-checkpoint.png")
    touch(folder, "deep/__MACOSX/x/._a.png", "@eaDir/a.png/SYNO.jpg", ".git/config")
    found = find_images([folder])
    assert names(found, folder) == ["a.png", "b.JPG", "deep/er/c.webp"]
    assert found.left_out() == "left out: 4 hidden images"


def test_a_hidden_folder_that_is_named_is_searched(tmp_path):
    touch(tmp_path, ".photos/a.png")
    assert names(find_images([tmp_path / ".photos"]), tmp_path) == [".photos/a.png"]


def test_a_hidden_file_that_is_named_is_taken(tmp_path):
    touch(tmp_path, ".a.png")
    assert names(find_images([tmp_path / ".a.png"]), tmp_path) == [".a.png"]


def test_files_in_the_folder_of_the_results_are_left_out(folder):
    touch(folder, "out/masks/a.png", "out/overlays/a.png", "out/old.jpg")
    found = find_images([folder], folder / "out")
    assert names(found, folder) == ["a.png", "b.JPG", "deep/er/c.webp"]
    assert found.left_out() == "left out: 3 results of earlier predictions"


@pytest.mark.parametrize("searched", [".", "deep"])
def test_results_may_go_where_the_images_are(folder, searched):
    touch(folder, "masks/a.png", "overlays/a.png")
    found = find_images([folder / searched], folder)
    assert "deep/er/c.webp" in names(found, folder)
    assert not any("masks" in name or "overlays" in name for name in names(found, "/"))


def test_results_in_another_folder_are_recognised_by_their_metadata(folder):
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("Software", WRITER)
    image = Image.fromarray(np.zeros((2, 2), np.uint8))
    (folder / "earlier").mkdir()
    image.save(folder / "earlier" / "mask.png", pnginfo=told)
    image.save(folder / "earlier" / "image.png")
    found = find_images([folder], folder / "out")
    assert "earlier/image.png" in names(found, folder)
    assert found.left_out() == "left out: 1 result of earlier predictions"
    assert is_result(folder / "earlier" / "mask.png")


def test_files_of_unknown_kinds_are_counted_by_their_ending(folder):
    touch(folder, "a.heic", "deep/b.HEIC", "c.dng", "README", "d.csv", "e.json")
    assert find_images([folder]).left_out() == (
        "left out: files of kinds that are not read (1 without an ending, 1 .dng,"
        " 2 .heic)"
    )


def test_linked_folders_are_not_followed_but_reported(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    touch(other, "z.png")
    (folder / "link").symlink_to(other)
    found = find_images([folder])
    assert names(found, folder) == ["a.png", "b.JPG", "deep/er/c.webp"]
    assert found.left_out() == "left out: 1 link to folders"


def test_a_missing_path_is_named(folder):
    with pytest.raises(UserError, match="missing: no such file or folder"):
        find_images([folder, folder / "missing"])


def test_a_folder_without_images_is_named_with_what_was_left_out(tmp_path):
    touch(tmp_path, "a.heic")
    with pytest.raises(UserError, match=f"{tmp_path.name}: no image .*1 .heic"):
        find_images([tmp_path])


def test_no_path_at_all_is_a_user_error():
    with pytest.raises(UserError, match="no image"):
        find_images([])
