"""Images of a few pixels, and annotations of them in every format."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (6, 8)
BOX = [1, 2, 5, 2, 5, 4, 1, 4]
"""A polygon of COCO that covers rows 2 and 3, columns 1 to 4."""
CORNER = [4, 3, 8, 3, 8, 6, 4, 6]
"""Rows 3 to 5, columns 4 to 7: one pixel of `BOX` too."""

EXPECTED = np.zeros(SIZE, np.uint8)
"""`BOX` of class 1 below `CORNER` of class 2."""
EXPECTED[2:4, 1:5] = 1
EXPECTED[3:6, 4:8] = 2


def image(path: Path, size: tuple[int, int] = SIZE, orientation: int = 0) -> Path:
    """Write an image that no other one equals."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(str(path).encode())
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def write(path: Path, content: Any) -> Path:
    """Write text, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    return path


def annotation(image_id: Any, category: Any, segmentation: Any, **more: Any) -> dict:
    """Return an annotation of COCO."""
    said = {"image_id": image_id, "category_id": category, "segmentation": segmentation}
    return said | {"iscrowd": 0, "bbox": [1, 2, 4, 2], "area": 8} | more


def coco(names: list[str], size: tuple[int, int] | None = SIZE) -> dict[str, Any]:
    """Return a COCO file in which each image has the two shapes."""
    sides = {} if size is None else {"height": size[0], "width": size[1]}
    images = [{"id": 10 + i, "file_name": name} | sides for i, name in enumerate(names)]
    shapes = [
        annotation(each["id"], category, [polygon])
        for each in images
        for category, polygon in ((7, BOX), (3, CORNER))
    ]
    categories = [{"id": 7, "name": "cell"}, {"id": 3, "name": "dirt"}]
    return {
        "info": {"year": 2026},
        "images": images,
        "annotations": [{"id": i} | shape for i, shape in enumerate(shapes)],
        "categories": categories,
    }


def roboflow(root: Path) -> Path:
    """Lay out COCO as Roboflow does: a file beside the images of each split."""
    for split, names in (("train", ["a.png", "b.png"]), ("valid", ["c.png"])):
        for name in names:
            image(root / split / name)
        write(root / split / "_annotations.coco.json", coco(names))
    return root


def labelme(name: str, shapes: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a LabelMe file."""
    height, width = SIZE
    said = {"version": "5.5.0", "flags": {}, "imageData": None, "imagePath": name}
    return said | {"shapes": shapes, "imageHeight": height, "imageWidth": width} | more


def shape(label: str, points: list[list[float]], kind: str = "polygon") -> dict:
    """Return a shape of LabelMe."""
    return {"label": label, "points": points, "shape_type": kind, "group_id": None}


RECTANGLES = [
    shape("cell", [[1, 2], [4, 3]], "rectangle"),
    shape("dirt", [[4, 3], [7, 5]], "rectangle"),
]
"""The two shapes in LabelMe."""

CVAT_SHAPES = """
    <box label="dirt" xtl="4" ytl="3" xbr="8" ybr="6" z_order="1" occluded="0"/>
    <polygon label="cell" points="1,2;5,2;5,4;1,4" z_order="0" occluded="0"/>
"""


def cvat(images: dict[str, str]) -> str:
    """Return CVAT's XML of images, each with its shapes; their folders are subsets."""
    inner = []
    for index, (name, shapes) in enumerate(images.items()):
        subset = f'subset="{name.split("/")[0]}"'
        inner.append(
            f'<image id="{index}" name="{name}" {subset} width="8" height="6">'
            f"{shapes}</image>"
        )
    labels = "".join(
        f"<label><name>{name}</name><color>#ff0000</color></label>"
        for name in ("cell", "dirt")
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>'
        f"<meta><task><labels>{labels}</labels></task></meta>{''.join(inner)}"
        "</annotations>"
    )


def yolo(root: Path, lines: str) -> Path:
    """Lay out YOLO's segmentation labels."""
    write(root / "data.yaml", "train: images/train\nnames: {0: cell, 1: dirt}\n")
    for split, names in (("train", "ab"), ("val", "c")):
        for name in names:
            image(root / "images" / split / f"{name}.png")
            write(root / "labels" / split / f"{name}.txt", lines)
    return root


YOLO_LINES = (
    "0 0.125 0.34 0.5 0.34 0.5 0.5 0.125 0.5\n1 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9\n"
)
