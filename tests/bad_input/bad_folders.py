"""Bad folders of images and masks: their layout, names, links and lists."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bad_input import SIZE, Case, Place, train
from PIL import Image

SEGNET = ("--data.name", "camvid")


def folder(
    name: str, spoil: Callable[[Path], object], said: str, *options: str
) -> Case:
    """The sound data set, spoilt."""

    def make(place: Place) -> list[str]:
        root = place.data()
        spoil(root)
        return train(place.experiment(root), *options)

    return Case(name, make, said)


def patterns(name: str, images: str, masks: str, said: str) -> Case:
    """The sound data set, with patterns."""
    options = ("--data.images", images, "--data.masks", masks)
    return folder(f"patterns: {name}", _nothing, said, *options)


def lists(name: str, content: str | bytes, said: str, *options: str) -> Case:
    """Images and masks in two folders, with a train.txt of some content."""

    def make(place: Place) -> list[str]:
        root = _flat(place)
        place.write("data/train.txt", content)
        (root / "val.txt").write_text("0\n")
        return train(place.experiment(root), *options)

    return Case(f"train.txt: {name}", make, said)


def segnet(name: str, content: str | bytes, said: str) -> Case:
    """The layout of the SegNet tutorial, with a train.txt of some content."""

    def make(place: Place) -> list[str]:
        root = place.data()
        for split in ("train", "val"):
            (root / split / "masks").rename(root / f"{split}annot")
            for path in (root / split / "images").iterdir():
                path.rename(root / split / path.name)
        place.write("data/train.txt", content)
        return train(place.experiment(root), *SEGNET)

    return Case(f"CamVid's train.txt: {name}", make, said)


def root(name: str, lay_out: Callable[[Place], Path], said: str) -> Case:
    """A data set that `lay_out` makes."""
    return Case(name, lambda place: train(place.experiment(lay_out(place))), said)


def _nothing(root: Path) -> None:
    """Spoil nothing."""


def _into(root: Path, below: str) -> None:
    """Move everything into a folder below the root."""
    shutil.move(root, root.parent / "whole")
    (root / below).parent.mkdir(parents=True)
    shutil.move(root.parent / "whole", root / below)


def _flat(place: Place) -> Path:
    """Lay out `images` and `masks` without splits."""
    sound = place.data()
    for kind in ("images", "masks"):
        (sound / "train" / kind).rename(sound / kind)
    shutil.rmtree(sound / "train")
    shutil.rmtree(sound / "val")
    return sound


def _file(place: Place) -> Path:
    return place.write("data", "no folder")


def _empty(place: Place) -> Path:
    (place.folder / "data").mkdir()
    return place.folder / "data"


def _loop(place: Place) -> Path:
    (place.folder / "data").symlink_to("data")
    return place.folder / "data"


def _few(place: Place) -> Path:
    flat = _flat(place)
    for kind in ("images", "masks"):
        for path in sorted((flat / kind).iterdir())[1:]:
            path.unlink()
    return flat


def _link(path: Path, aim: str) -> None:
    path.unlink()
    path.symlink_to(aim)


def _resize(path: Path) -> None:
    Image.fromarray(np.zeros((SIZE[0], SIZE[1] + 1), np.uint8)).save(path)


def _without(*names: str) -> Callable[[Path], None]:
    def remove(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def _copy(source: str, target: str) -> Callable[[Path], object]:
    return lambda root: shutil.copy(root / source, root / target)


def _pipe(root: Path) -> None:
    path = root / "train" / "images" / "0.png"
    path.unlink()
    os.mkfifo(path)


def _folder_for(name: str) -> Callable[[Path], None]:
    def replace(root: Path) -> None:
        (root / name).unlink()
        (root / name).mkdir()

    return replace


NOT_TEXT = b"\xff\xfe\x00\xd8"

FOLDERS = [
    root(
        "it is not there", lambda place: place.folder / "gone", "gone: no such folder"
    ),
    root("it is a file", _file, "data: no such folder"),
    root("it is empty", _empty, "the layout is none of"),
    root("a link to itself", _loop, "data"),
    root("a device", lambda place: Path("/dev/null"), "/dev/null: no such folder"),
    root("a root below a file", lambda place: _file(place) / "x", "data/x"),
    root("too few images to split", _few, "too few images"),
    folder("no masks at all", _without("train/masks", "val/masks"), "no masks beside"),
    folder(
        "no images at all", _without("train/images", "val/images"), "no images besi"
    ),
    folder("no masks for val", _without("val/masks"), "no masks beside it for split"),
    folder("no val", _without("val"), "split .*'val'"),
    folder("no train", _without("train"), "split .*'train'"),
    folder("a mask missing", _without("train/masks/0.png"), "no mask in .* for 0.png"),
    folder("an image missing", _without("train/images/0.png"), "no image in .* 0.png"),
    folder(
        "no files in train",
        lambda root: [path.unlink() for path in (root / "train").rglob("*.png")],
        "split 'train' holds no images",
    ),
    folder(
        "two images of one stem",
        _copy("train/images/0.png", "train/images/0.jpg"),
        "has the same stem",
    ),
    folder(
        "two masks of one stem",
        _copy("train/masks/0.png", "train/masks/0.gif"),
        "has the same stem",
    ),
    folder(
        "two masks of one image",
        _copy("train/masks/0.png", "train/masks/0_mask.png"),
        "a second mask of 0",
    ),
    folder(
        "two folders of one split",
        lambda root: shutil.copytree(root / "train", root / "training"),
        "are both split 'train'",
    ),
    folder(
        "another ending of images",
        lambda root: [
            path.rename(path.with_suffix(".xyz"))
            for path in (root / "train" / "images").iterdir()
        ],
        r"no images beside it for split 'train' .8 \.xyz in .*images end in",
    ),
    folder(
        "masks called otherwise",
        lambda root: [
            path.rename(path.with_stem(f"m{10 + int(path.stem)}"))
            for path in (root / "train" / "masks").iterdir()
        ],
        "no mask in .* and 5 more",
    ),
    folder(
        "a mask of another size",
        lambda root: _resize(root / "train" / "masks" / "3.png"),
        r"masks/3\.png: 57x48 pixels, but .*images/3\.png has 56x48",
    ),
    folder(
        "a folder for an image",
        _folder_for("train/images/0.png"),
        r"0\.png: not a plain file",
    ),
    folder(
        "a folder for a mask",
        _folder_for("train/masks/0.png"),
        r"0\.png: not a plain file",
    ),
    folder("a pipe for an image", _pipe, r"0\.png: .*not a plain file"),
    folder(
        "an image linked to itself",
        lambda root: _link(root / "train" / "images" / "0.png", "0.png"),
        r"0\.png",
    ),
    folder(
        "images linked in a circle",
        lambda root: (
            _link(root / "train" / "images" / "0.png", "1.png"),
            _link(root / "train" / "images" / "1.png", "0.png"),
        ),
        r"0\.png",
    ),
    folder(
        "an image linked to nothing",
        lambda root: _link(root / "train" / "images" / "0.png", "gone.png"),
        "a link to nothing",
    ),
    folder(
        "an image linked to a secret",
        lambda root: _link(root / "train" / "images" / "0.png", "/etc/passwd"),
        "leads out of",
    ),
    folder(
        "an image linked to a device",
        lambda root: _link(root / "train" / "images" / "0.png", "/dev/zero"),
        "leads out of",
    ),
    folder(
        "an image linked out by ..",
        lambda root: _link(root / "val" / "images" / "0.png", "../../../sound.py"),
        "leads out of",
    ),
    folder(
        "a mask linked out",
        lambda root: _link(root / "val" / "masks" / "0.png", "/etc/passwd"),
        "leads out of",
    ),
    folder(
        "masks linked out",
        lambda root: (
            shutil.move(root / "train" / "masks", root.parent / "elsewhere"),
            (root / "train" / "masks").symlink_to(root.parent / "elsewhere"),
        ),
        "leads out of",
    ),
    folder(
        "a split linked out",
        lambda root: (
            shutil.move(root / "val", root.parent / "elsewhere"),
            (root / "val").symlink_to(root.parent / "elsewhere"),
        ),
        "leads out of",
    ),
    folder(
        "a split linked to its parent",
        lambda root: (shutil.rmtree(root / "val"), (root / "val").symlink_to(".")),
        "val",
    ),
    folder(
        "an image in two splits",
        _copy("train/images/0.png", "val/images/0.png"),
        "an image is in two splits.*train/images/0.png = val/images/0.png;"
        " .*--data.allow_leakage True",
    ),
    folder(
        "every image in two splits",
        lambda root: (
            shutil.rmtree(root / "val"),
            shutil.copytree(root / "train", root / "val"),
        ),
        "8 images are in two splits, .* and 5 more",
    ),
    folder(
        "two folders of masks",
        lambda root: shutil.copytree(root / "train" / "masks", root / "train" / "gt"),
        "only you know which; pass --data.images",
    ),
    folder(
        "everything a folder deeper",
        lambda root: _into(root, "inner"),
        "seems to begin deeper: pass --data.root .*inner",
    ),
    folder(
        "everything two folders deeper",
        lambda root: _into(root, "download/v1"),
        "seems to begin deeper: pass --data.root .*download/v1",
    ),
    folder(
        "folders of other names",
        lambda root: [
            (root / split / kind).rename(root / split / name)
            for split in ("train", "val")
            for kind, name in (("images", "photos"), ("masks", "classes"))
        ],
        "Files of the same names lie in {split}/.* pass --data.images",
    ),
    folder(
        "a name that is not UTF-8",
        lambda root: [
            path.rename(path.with_name(os.fsdecode(b"caf\xe9") + path.suffix))
            for path in root.glob("train/*/0.png")
        ],
        "a name that is not UTF-8; rename it and its mask",
    ),
    folder("only one pattern", _nothing, "go together", "--data.masks", "*/masks/*"),
    patterns("two levels up", "../../*", "*/masks/*", "leads out of data.root"),
    patterns("absolute", "/etc/*", "*/masks/*", "leads out of data.root"),
    patterns("of nothing", "*/imges/*", "*/masks/*", "no other image file below"),
    patterns("of the same", "*/*/*", "*/*/*", "no other image file below"),
    patterns("one split", "{split}/images/*", "*/masks/*", "in both or in neither"),
    patterns(
        "no wildcard", "train/images/0.png", "train/masks/0.png", "too few images"
    ),
    patterns("a NUL", "\0*", "*/masks/*", "no other image file below"),
    patterns("a range backwards", "[z-a]/*", "*/masks/*", "not a pattern of names"),
    patterns("a long one", "?*" * 40 + "x", "*/masks/*", "no other image file below"),
    folder(
        "a table of classes that is none",
        lambda root: (root / "labelmap.txt").write_text("red"),
        "labelmap.txt: 'red' is not name:r,g,b",
    ),
    lists("empty", "", "split 'train' holds no images"),
    lists("only remarks", "# none\n\n", "split 'train' holds no images"),
    lists("a name that is not there", "1\nnine\n", "'nine' names no image"),
    lists("a name twice", "1\n2\n1\n", "'1' is listed twice"),
    lists("a name and its file", "1\n1.png\n", "'1.png' is listed twice"),
    lists("..", "../1\n", "leads out of the folder"),
    lists(".. inside", "images/../../1\n", "leads out of the folder"),
    lists(".. with backslashes", "..\\1\n", "leads out of the folder"),
    lists("an absolute name", "/etc/passwd\n", "leads out of the folder"),
    lists("an absolute name of an image", "/1\n", "leads out of the folder"),
    lists("a drive", "C:\\data\\nine\n", "names no image"),
    lists("two names a line", "1 2\n", "'1 2' names no image"),
    lists("commas", "1,2,3\n", "'1,2,3' names no image"),
    lists("a NUL", "1\0\n", "names no image"),
    lists("a name of controls", "\x1b[2J1\n", r"\\x1b.*names no image"),
    lists("a long name", "x" * 100_000 + "\n", "names no image"),
    lists("no text", NOT_TEXT, "cannot be read as text"),
    lists("UTF-16", "1\n2\n".encode("utf-16"), "cannot be read as text"),
    lists("a picture", b"\x89PNG\r\n\x1a\n" + bytes(99), "cannot be read as text"),
    segnet("empty", "", "split 'train' holds no images"),
    segnet("a name that is not there", "/SegNet/CamVid/train/9.png x\n", "'/SegNet"),
    segnet("a name twice", "/train/1.png x\n/train/1.png x\n", "listed twice"),
    segnet("no text", NOT_TEXT, "cannot be read as text"),
    segnet("a NUL", "\0\n", "names no image"),
]
