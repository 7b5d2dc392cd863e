"""Bad annotations of images: COCO, LabelMe, CVAT and YOLO."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_input import SIZE, Case, Place, train

BOX = [8, 8, 40, 8, 40, 40, 8, 40]


def coco(names: list[str]) -> dict[str, Any]:
    """Return a sound COCO file of one category."""
    height, width = SIZE
    return {
        "images": [
            {"id": i, "file_name": name, "height": height, "width": width}
            for i, name in enumerate(names)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": [BOX]}
            for i in range(len(names))
        ],
        "categories": [{"id": 1, "name": "cell"}],
    }


def annotated(place: Place) -> Path:
    """Lay out the sound images with sound annotations in place of masks."""
    root = place.data()
    for split in ("train", "val"):
        shutil.rmtree(root / split / "masks")
        names = sorted(path.name for path in (root / split / "images").iterdir())
        path = root / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(coco(names)))
    return root


def coco_file(
    name: str, spoil: Callable[[dict[str, Any]], object], said: str, *options: str
) -> Case:
    """A COCO file that `spoil` changes."""

    def make(place: Place) -> list[str]:
        root = annotated(place)
        path = root / "annotations" / "instances_train.json"
        content = json.loads(path.read_text())
        spoil(content)
        path.write_text(json.dumps(content))
        return train(place.experiment(root), *options)

    return Case(f"COCO: {name}", make, said)


def file(name: str, place_of: str, content: str | bytes, said: str) -> Case:
    """A file in place of the annotations."""

    def make(place: Place) -> list[str]:
        root = annotated(place)
        shutil.rmtree(root / "annotations")
        place.write(f"data/{place_of}", content)
        return train(place.experiment(root))

    return Case(name, make, said)


def first(**changes: Any) -> Callable[[dict[str, Any]], object]:
    """Change the first annotation."""
    return lambda content: content["annotations"][0].update(changes)


def first_image(**changes: Any) -> Callable[[dict[str, Any]], object]:
    """Change the first image."""
    return lambda content: content["images"][0].update(changes)


def runs(counts: str | list[int], size: tuple[int, int] = SIZE) -> Any:
    """Return a change to run lengths."""
    return first(segmentation={"size": list(size), "counts": counts})


LABELME = {"imagePath": "0.png", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}

ANNOTATIONS = [
    coco_file("a category that is not there", first(category_id=9), "category_id.*: 9"),
    coco_file("an image that is not there", first(image_id=99), "image_id .*: 99"),
    coco_file("a box alone", first(segmentation=[]), "have a box and no outline"),
    coco_file("an odd polygon", first(segmentation=[BOX[:-1]]), "7 numbers, which is"),
    coco_file(
        "a polygon outside", first(segmentation=[[900] * 6]), "outside the image"
    ),
    coco_file(
        "a huge polygon", first(segmentation=[[0, 0, 1e300, 0, 9, 9]]), "outside"
    ),
    coco_file(
        "a polygon of text", first(segmentation="round"), "not COCO: annotations"
    ),
    coco_file(
        "runs that end early", runs([5, 5]), "run lengths of 10 pixels for a mask"
    ),
    coco_file(
        "runs without an end", runs([0, 2**60]), "run lengths of 1152921504606846"
    ),
    coco_file("runs that are none", runs("~~~"), "run lengths"),
    coco_file("runs of another size", runs([4], (2, 2)), "run lengths of 2x2 pixels"),
    coco_file("a missing image", first_image(file_name="x.png"), "not below .*: x.png"),
    coco_file("an image outside", first_image(file_name="../../sound.py"), "not below"),
    coco_file("an image of no name", first_image(file_name=""), "not below"),
    coco_file("another size", first_image(width=57), "annotated as 57x48 pixels, but"),
    coco_file("a size of minus one", first_image(width=-1), "annotated as -1x48"),
    coco_file("an image twice", first_image(file_name="1.png"), "has one annotation"),
    coco_file("no categories", lambda content: content.pop("categories"), "it lacks"),
    coco_file(
        "a class that no label has", first(), "no label 'x'", "--data.class_names", "x"
    ),
    coco_file(
        "values of masks",
        first(),
        "data.mask_values is of mask files",
        "--data.mask_values",
        "0",
        "1",
    ),
    coco_file(
        "a pattern of none",
        first(),
        "no file below .* matches it",
        "--data.annotations",
        "*.xml",
    ),
    coco_file(
        "a pattern that leads out",
        first(),
        "leads out of data.root",
        "--data.annotations",
        "../*.json",
    ),
    coco_file(
        "masks as well",
        first(),
        "masks are drawn or read; give one of them",
        "--data.annotations",
        "*/*.json",
        "--data.images",
        "*/*/*",
        "--data.masks",
        "*",
    ),
    file("JSON that is cut off", "a.json", '{"images": [', "cannot be read as JSON"),
    file("JSON without an end", "a.json", "[" * 99_999, "cannot be read as JSON"),
    file(
        "LabelMe: a line",
        "train/images/0.json",
        json.dumps(
            LABELME
            | {
                "shapes": [
                    {"label": "cell", "points": [[1, 1], [9, 9]], "shape_type": "line"}
                ]
            }
        ),
        "shape 'cell' is a line, which has no area",
    ),
    file(
        "CVAT: entities",
        "a.xml",
        '<!DOCTYPE a [<!ENTITY b "b">]><annotations/>',
        "XML that declares entities",
    ),
    file("CVAT: no XML", "a.xml", "<annotations>", "cannot be read as XML"),
    file("CVAT: a video", "a.xml", "<annotations><track/></annotations>", "of a video"),
    file(
        "YOLO: no names",
        "labels/train/0.txt",
        "0 0.1 0.1 0.2 0.2 0.1 0.2\n",
        "have no names: lay data.yaml or classes.txt",
    ),
]
