"""Folders of annotations as a data set: layouts, classes, overlaps, refusals."""

import dataclasses
import json
import shutil
from typing import Any

import numpy as np
import pytest
from annotation_files import (
    BOX,
    CORNER,
    CVAT_SHAPES,
    EXPECTED,
    RECTANGLES,
    SIZE,
    YOLO_LINES,
    annotation,
    coco,
    cvat,
    image,
    labelme,
    roboflow,
    shape,
    write,
    yolo,
)
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data.catalog import check_data, open_dataset
from jaxseg.data.identity import Identity
from jaxseg.data.labels import IGNORE
from jaxseg.data.tasks import held
from jaxseg.errors import UserError

CELL, DIRT = EXPECTED == 1, EXPECTED == 2


@pytest.fixture
def root(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def config(root, tmp_path):
    cache = str(tmp_path / "cache")
    return DataConfig(name="folder", root=str(root), cache=cache)


def opened(config, **options) -> Any:
    return open_dataset(dataclasses.replace(config, **options))


def refused(config, message, **options):
    with pytest.raises(UserError, match=message) as error:
        opened(config, **options)
    assert "\n" not in str(error.value)


def labels(dataset, split="train"):
    return {each["name"]: each["label"] for each in dataset.samples(split)}


def change(path, **changes):
    """Change parts of a JSON file."""
    write(path, json.loads(path.read_text()) | changes)


def train_file(root):
    return root / "train" / "_annotations.coco.json"


def add_shapes(root, *shapes):
    """Put annotations behind those of Roboflow's train."""
    path = train_file(root)
    before = json.loads(path.read_text())["annotations"]
    change(path, annotations=[*before, *shapes])


def instances(root):
    for split, names in (("train", ["a.png", "b.png"]), ("val", ["c.png"])):
        for name in names:
            image(root / f"{split}2017" / name)
        write(root / "annotations" / f"instances_{split}2017.json", coco(names))
        write(root / "annotations" / f"captions_{split}2017.json", {"images": []})


def one_folder(root):
    for split, names in (("train", ["a.png", "b.png"]), ("val", ["c.png"])):
        for name in names:
            image(root / "images" / name)
        write(root / "annotations" / f"{split}.json", coco(names))


def labelme_files(root):
    for split, names in (("train", "ab"), ("val", "c")):
        for name in names:
            image(root / split / f"{name}.png")
            content = labelme(f"{name}.png", RECTANGLES)
            write(root / split / f"{name}.json", content)


def cvat_project(root):
    names = ["train/a.png", "train/b.png", "val/c.png"]
    for name in names:
        image(root / "images" / name)
    write(root / "annotations.xml", cvat(dict.fromkeys(names, CVAT_SHAPES)))


def yolo_files(root):
    yolo(root, YOLO_LINES)


def roboflow_yolo(root):
    write(
        root / "data.yaml", "train: ../train/images\nnc: 2\nnames: ['cell', 'dirt']\n"
    )
    write(root / "README.dataset.txt", "exported")
    for split, names in (("train", "ab"), ("valid", "c")):
        for name in names:
            image(root / split / "images" / f"{name}.png")
            write(root / split / "labels" / f"{name}.txt", YOLO_LINES)


@pytest.mark.parametrize(
    "lay_out",
    [
        roboflow,
        instances,
        one_folder,
        labelme_files,
        cvat_project,
        yolo_files,
        roboflow_yolo,
    ],
)
def test_an_export_is_found_and_drawn_without_an_option(lay_out, root, config):
    lay_out(root)
    dataset = opened(config)
    assert dataset.labels.names == ("background", "cell", "dirt")
    assert dataset.splits == {"train": 2, "val": 1}
    for label in labels(dataset).values():
        np.testing.assert_array_equal(label, EXPECTED)


@pytest.mark.parametrize("lay_out", [roboflow, labelme_files, cvat_project])
def test_overlaps_are_counted_and_said(lay_out, root, config):
    lay_out(root)
    train, val = held(opened(config), ("train", "val"))
    assert "2 pixels in 2 images are in shapes of several classes" in train
    assert "1 pixels in 1 image are" in val


def test_shapes_of_one_class_do_not_overlap(root, config):
    roboflow(root)
    for path in root.rglob("*.json"):
        shapes = json.loads(path.read_text())["annotations"]
        change(path, annotations=[each | {"category_id": 7} for each in shapes])
    assert "several classes" not in held(opened(config), ("train",))[0]


def test_the_last_in_the_file_lies_on_top(root, config):
    roboflow(root)
    add_shapes(root, annotation(10, 7, [BOX]))
    expected = EXPECTED.copy()
    expected[2:4, 1:5] = 1
    np.testing.assert_array_equal(labels(opened(config))["a"], expected)


def test_run_lengths_and_crowds_are_read_and_crowds_are_ignored_below(root, config):
    roboflow(root)
    whole = {"size": list(SIZE), "counts": [0, 48]}
    add_shapes(root, annotation(10, 7, whole, iscrowd=1))
    expected = np.where(EXPECTED, EXPECTED, IGNORE)
    np.testing.assert_array_equal(labels(opened(config))["a"], expected)


def test_of_classes_that_may_overlap_both_are_kept(root, config):
    roboflow(root)
    crowd = annotation(10, 7, {"size": list(SIZE), "counts": [0, 6, 42]}, iscrowd=1)
    add_shapes(root, crowd)
    dataset = opened(config, task="multilabel")
    assert dataset.labels.names == ("cell", "dirt")
    found = labels(dataset)
    cell = np.zeros(SIZE, np.uint8)
    cell[2:4, 1:5] = 1
    np.testing.assert_array_equal(found["b"], np.stack([cell, DIRT], axis=-1))
    cell[:, 0] = IGNORE
    np.testing.assert_array_equal(found["a"], np.stack([cell, DIRT], axis=-1))


def test_an_image_without_a_shape_has_none_of_the_overlapping_classes(root, config):
    roboflow(root)
    change(train_file(root), annotations=coco(["a.png"])["annotations"])
    found = labels(opened(config, task="multilabel"))
    assert not found["b"].any() and found["a"].any()


def test_a_binary_task_has_one_label_or_is_told_which(root, config):
    roboflow(root)
    message = "2 labels: cell, dirt; name the one .* --data.class_names"
    refused(config, message, task="binary")
    dataset = opened(config, task="binary", class_names=("dirt",))
    assert dataset.labels.names == ("background", "dirt")
    np.testing.assert_array_equal(labels(dataset)["a"], DIRT)
    assert "shapes of label cell are left out" in " ".join(dataset.notes)


def test_names_choose_and_order_the_classes(root, config):
    roboflow(root)
    dataset = opened(config, class_names=("dirt", "background", "cell"))
    expected = np.select([DIRT, CELL], [0, 2], 1)
    np.testing.assert_array_equal(labels(dataset)["a"], expected)
    refused(config, "no label 'cel' .* cell, dirt", class_names=("cel", "dirt"))
    refused(config, "num_classes 2, and there are 3 classes", num_classes=2)


def test_a_class_named_background_is_what_has_no_shape(root, config):
    roboflow(root)
    for path in root.rglob("*.json"):
        names = [{"id": 3, "name": "Background"}, {"id": 7, "name": "cell"}]
        change(path, categories=names)
    dataset = opened(config)
    assert dataset.labels.names == ("Background", "cell")
    np.testing.assert_array_equal(labels(dataset)["a"], CELL)


@pytest.mark.parametrize("name", ["__ignore__", "void", "Unlabeled"])
def test_pixels_of_a_label_such_as_void_are_ignored(name, root, config):
    labelme_files(root)
    for path in root.rglob("*.json"):
        shapes = [RECTANGLES[0], RECTANGLES[1] | {"label": name}]
        change(path, shapes=shapes)
    dataset = opened(config)
    assert dataset.labels.names == ("background", "cell")
    expected = np.where(DIRT, IGNORE, EXPECTED)
    np.testing.assert_array_equal(labels(dataset)["a"], expected)
    assert f"pixels of label {name} are ignored" in " ".join(dataset.notes)
    np.testing.assert_array_equal(
        labels(opened(config, class_names=("cell", name)))["a"], EXPECTED
    )


def test_the_category_that_only_groups_others_is_no_class(root, config):
    roboflow(root)
    categories = [{"id": 0, "name": "things", "supercategory": "none"}]
    categories += [
        {"id": id_, "name": name, "supercategory": "things"}
        for id_, name in ((7, "cell"), (3, "dirt"))
    ]
    for path in root.rglob("*.json"):
        change(path, categories=categories)
    dataset = opened(config)
    assert dataset.labels.names == ("background", "cell", "dirt")
    assert "category things has no objects" in " ".join(dataset.notes)


def test_ids_may_differ_from_file_to_file(root, config):
    roboflow(root)
    path = root / "valid" / "_annotations.coco.json"
    change(path, categories=[{"id": 3, "name": "cell"}, {"id": 7, "name": "dirt"}])
    found = labels(opened(config), "val")["c"]
    expected = np.where(CELL, 2, np.where(DIRT, 1, 0))
    np.testing.assert_array_equal(found, expected)


def test_images_without_shapes_and_without_an_entry_are_said(root, config):
    roboflow(root)
    image(root / "train" / "d.png")
    names = ["a.png", "b.png", "d.png"]
    image(root / "train" / "e.png")
    content = coco(names)
    content["annotations"] = content["annotations"][:4]
    write(train_file(root), content)
    dataset = opened(config)
    said = " ".join(dataset.notes)
    assert dataset.splits["train"] == 3
    assert "1 of 4 images have no shape" in said and "d.png" in said
    assert "left out, as no annotation lists them (1): e.png" in said


def test_an_image_of_yolo_without_labels_is_background(root, config):
    yolo_files(root)
    image(root / "images" / "train" / "d.png")
    dataset = opened(config)
    assert not labels(dataset)["d"].any()
    assert "d.png" in " ".join(dataset.notes)


def test_missing_images_are_refused_unless_a_pattern_chooses_images(root, config):
    roboflow(root)
    (root / "train" / "b.png").unlink()
    refused(config, "1 of 3 annotated images are not below .*: b.png; .*--data.images")
    dataset = opened(config, images="{split}/*")
    assert dataset.splits == {"train": 1, "val": 1}
    assert "left out: b.png" in " ".join(dataset.notes)


def test_an_image_of_the_other_split_is_not_taken_for_a_missing_one(root, config):
    roboflow(root)
    shutil.move(root / "train" / "b.png", root / "valid" / "b.png")
    refused(config, "1 of 3 annotated images are not below .*: b.png")


def test_names_with_the_folders_of_another_machine_are_understood(root, config):
    roboflow(root)
    change(train_file(root), **coco(["C:\\data\\a.png", "/home/x/b.png"]))
    assert opened(config).splits == {"train": 2, "val": 1}


def test_two_images_of_one_name_are_told_apart_by_folders_or_refused(root, config):
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        image(root / name)
    path = write(root / "all.json", coco(["x/a.png", "y/a.png", "y/b.png"]))
    assert sum(opened(config).splits.values()) == 3
    write(path, coco(["a.png", "b.png"]))
    refused(config, "image 'a.png' may be .*x/a.png or .*y/a.png; remove one")


def test_an_image_that_is_listed_twice_is_refused(root, config):
    roboflow(root)
    write(train_file(root), coco(["a.png", "b.png", "a.png"]))
    refused(config, "a.png: annotated as 'a.png' in .*; an image has one annotation")


def test_a_size_that_is_not_the_images_is_refused(root, config):
    roboflow(root)
    write(train_file(root), coco(["a.png", "b.png"], (12, 16)))
    refused(config, r"annotated as 16x12 pixels, but .*[ab].png has 8x6")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_masks_are_turned_as_the_images_are_where_the_size_says_it(
    orientation, root, config
):
    roboflow(root)
    image(root / "train" / "a.png", orientation=orientation)
    write(train_file(root), coco(["a.png", "b.png"]))
    if orientation < 5:
        refused(
            config, "EXIF orientation turns it, .* does not say .*save the image upr"
        )
        return
    sample = next(s for s in opened(config).samples("train") if s["name"] == "a")
    turned = {5: "T", 6: "r", 7: "A", 8: "l"}[orientation]
    expected = {
        "T": EXPECTED.T,
        "A": np.rot90(EXPECTED.T, 2),
        "r": np.rot90(EXPECTED, -1),
        "l": np.rot90(EXPECTED),
    }[turned]
    np.testing.assert_array_equal(sample["label"], expected)
    assert sample["image"].shape[:2] == expected.shape


def test_an_upright_annotation_of_a_turned_image_is_taken_as_it_is(root, config):
    roboflow(root)
    image(root / "train" / "a.png", SIZE[::-1], orientation=6)
    np.testing.assert_array_equal(labels(opened(config))["a"], EXPECTED)


def test_labelme_shows_images_upright(root, config):
    labelme_files(root)
    image(root / "train" / "a.png", orientation=3)
    np.testing.assert_array_equal(labels(opened(config))["a"], EXPECTED)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"categories": [{"id": 7, "name": "cell"}]}, "2 of 4 .* category_id .*: 3;"),
        ({"images": coco(["a.png"])["images"]}, "2 of 4 .* image_id .*: 11;"),
        ({"images": 3}, "not COCO: images: must be a valid list"),
        ({"categories": [{"id": 1}]}, "not COCO: categories.0.name: field required"),
        (
            {"annotations": [annotation(10, 7, [])]},
            "1 of 1 objects have a box and no outline .a.png.,",
        ),
        (
            {"annotations": [annotation(10, 7, [[1, 2, 3, 4, 5]])]},
            "a.png.: a shape of 'cell': a polygon of 5 numbers.*fix or remove",
        ),
        (
            {"categories": [{"id": 7, "name": "x"}, {"id": 7, "name": "y"}]},
            "two categories have id 7",
        ),
    ],
)
def test_a_coco_file_that_cannot_be_right_is_refused(changes, message, root, config):
    roboflow(root)
    change(train_file(root), **changes)
    refused(config, message)


def test_polygons_without_an_area_are_left_out_and_said(root, config):
    roboflow(root)
    add_shapes(root, annotation(10, 7, [[1, 1, 2, 2]]))
    dataset = opened(config)
    np.testing.assert_array_equal(labels(dataset)["a"], EXPECTED)
    assert "1 polygon has fewer than three points" in " ".join(dataset.notes)


@pytest.mark.parametrize("kind", ["line", "point", "linestrip"])
def test_a_shape_of_labelme_without_an_area_is_refused(kind, root, config):
    labelme_files(root)
    lines = [shape("cell", [[1, 1], [3, 3]], kind)]
    change(root / "train" / "a.json", shapes=lines)
    refused(config, f"a.json: shape 'cell' is a {kind}, which has no area; draw it")


def test_a_file_of_labelme_is_of_the_image_of_its_name_if_the_other_is_gone(
    root, config
):
    labelme_files(root)
    change(root / "train" / "a.json", imagePath="..\\old\\before.png")
    assert opened(config).splits == {"train": 2, "val": 1}


@pytest.mark.parametrize(
    "shapes, message",
    [
        (
            '<polyline label="cell" points="1,1;2,2"/>',
            "polyline 'cell': it has no area",
        ),
        (
            '<box label="cat" xtl="1" ytl="1" xbr="2" ybr="2"/>',
            "label 'cat' of a shape",
        ),
        ('<polygon label="cell" points="1,a;2,2"/>', "points 'a' is no number"),
        ('<box label="cell" xtl="1"/>', "ytl '' is no number"),
    ],
)
def test_a_shape_of_cvat_that_cannot_be_drawn_is_refused(shapes, message, root, config):
    cvat_project(root)
    names = ["train/a.png", "train/b.png", "val/c.png"]
    write(root / "annotations.xml", cvat(dict.fromkeys(names, shapes)))
    refused(config, message)


def test_a_file_of_labelme_that_names_another_image_is_refused(root, config):
    labelme_files(root)
    (root / "train" / "b.json").unlink()
    change(root / "train" / "a.json", imagePath="b.png")
    refused(config, "a.json: it says that it is of 'b.png' .* has the name of .*a.png")


def test_masks_of_cvat_are_read_and_tracks_are_refused(root, config):
    cvat_project(root)
    names = ["train/a.png", "train/b.png", "val/c.png"]
    mask = '<mask label="cell" rle="0, 4, 2, 2" left="1" top="2" width="4" height="2"/>'
    write(root / "annotations.xml", cvat(dict.fromkeys(names, mask)))
    expected = np.zeros(SIZE, np.uint8)
    expected[2, 1:5] = expected[3, 3:5] = 1
    np.testing.assert_array_equal(labels(opened(config))["a"], expected)
    write(root / "annotations.xml", "<annotations><track/></annotations>")
    refused(config, "tracks of a video; export the task as 'CVAT for images 1.1'")


@pytest.mark.parametrize(
    "lines, message",
    [
        ("0 0.5 0.5 0.2 0.2\n", "1 of 1 objects have a box and no outline"),
        (
            "2 0.1 0.1 0.2 0.2 0.1 0.2\n",
            "class 2, and .*data.yaml names 2, from 0 to 1",
        ),
        ("0 10 10 20 20 10 20\n", "shares of the image, from 0 to 1, not pixels"),
        ("0 0.1 0.1 0.2 0.2 0.1\n", "5 positions, which is odd"),
        ("cell 0.1 0.1\n", "line 1 is not a class and points"),
    ],
)
def test_a_line_of_yolo_that_is_no_polygon_is_refused(lines, message, root, config):
    yolo(root, lines)
    refused(config, message)


def test_numbers_of_yolo_without_names_ask_for_them(root, config):
    yolo_files(root)
    (root / "data.yaml").unlink()
    refused(config, "have no names: lay data.yaml or classes.txt into it, or pass")
    dataset = opened(config, class_names=("cell", "dirt"))
    assert dataset.labels.names == ("background", "cell", "dirt")
    write(root / "classes.txt", "cell\ndirt\n")
    np.testing.assert_array_equal(labels(opened(config))["a"], EXPECTED)


def test_a_pattern_chooses_between_annotations(root, config):
    roboflow(root)
    write(root / "other" / "x.json", coco(["a.png", "b.png"]))
    refused(config, "a.png: annotated as .* choose the files by --data.annotations")
    chosen = opened(config, annotations="{split}/_annotations.coco.json")
    assert chosen.splits == {"train": 2, "val": 1}
    refused(config, "no file below .* matches it", annotations="*.coco")
    write(root / "other" / "x.json", {"via": 1})
    refused(config, "no format that is known: COCO", annotations="other/*.json")


def test_annotations_of_several_formats_are_refused(root, config):
    roboflow(root)
    write(root / "train" / "a.json", labelme("a.png", RECTANGLES))
    refused(config, "annotations of several formats, .*COCO in .*LabelMe in")


def test_mask_files_are_read_where_there_are_some(root, config):
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            image(root / split / kind / "a.png")
            path = root / split / "masks" / "a.png"
        Image.fromarray(np.eye(6, 8, dtype=np.uint8)).save(path)
    write(root / "all.json", coco(["a.png"]))
    assert opened(config).labels.names == ("class 0", "class 1")


def test_without_splits_a_hash_divides_the_images(root, config):
    names = [f"{index}.png" for index in range(10)]
    for name in names:
        image(root / "images" / name)
    write(root / "annotations" / "instances_default.json", coco(names))
    splits = opened(config).splits
    assert splits.keys() == {"train", "val"} and sum(splits.values()) == 10


def test_the_only_split_says_how_it_can_be_divided(root, config):
    roboflow(root)
    shutil.rmtree(root / "valid")
    options = opened(config).whole_options
    assert options == f"--data.root {root / 'train'}"
    assert opened(config, root=str(root / "train")).splits == {"train": 1, "val": 1}


def test_regions_of_interest_leave_out_what_is_outside(root, config):
    roboflow(root)
    inside = np.zeros(SIZE, np.uint8)
    inside[:3] = 255
    for path in list(root.rglob("*.png")):
        (path.parent / "roi").mkdir(exist_ok=True)
        Image.fromarray(inside).save(path.parent / "roi" / path.name)
    found = labels(opened(config, roi="{split}/roi/*"))["a"]
    np.testing.assert_array_equal(found, np.where(inside > 0, EXPECTED, IGNORE))


def test_what_is_annotated_is_part_of_the_datas_identity(root, config):
    roboflow(root)
    before = Identity.of(opened(config), ("train", "val"))
    path = train_file(root)
    content = json.loads(path.read_text())
    write(path, json.dumps(content, indent=2))
    assert Identity.of(opened(config), ("train", "val")) == before
    add_shapes(root, annotation(10, 7, [CORNER]))
    assert Identity.of(opened(config), ("train", "val")) != before


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mask_values": (0, 1, 2)}, "data.mask_values is of mask files"),
        ({"mask_bits": True}, "data.mask_bits is of mask files"),
        ({"ignore_values": (7,)}, "data.ignore_values is of mask files"),
    ],
)
def test_options_of_mask_files_are_refused(options, message, root, config):
    roboflow(root)
    refused(config, message, **options)


def test_options_that_clash_are_refused_before_data_is_touched():
    pattern = {"annotations": "*.json"}
    with pytest.raises(UserError, match="give --data.name folder"):
        check_data(DataConfig(name="camvid", **pattern))
    with pytest.raises(UserError, match="give one of them"):
        check_data(DataConfig(name="folder", masks="*.png", images="*", **pattern))


def test_colours_paint_the_classes(root, config):
    roboflow(root)
    palette = ((0, 0, 0), (9, 9, 9), (1, 2, 3))
    dataset = opened(config, palette=palette)
    assert dataset.labels.palette == palette
    np.testing.assert_array_equal(labels(dataset)["a"], EXPECTED)


def test_an_xml_that_declares_entities_is_refused(root, config):
    cvat_project(root)
    bomb = '<!DOCTYPE a [<!ENTITY b "b">]><annotations>&b;</annotations>'
    write(root / "annotations.xml", bomb)
    refused(config, "XML that declares entities")


def test_json_that_is_cut_off_is_refused(root, config):
    roboflow(root)
    path = train_file(root)
    path.write_text(path.read_text()[:100])
    refused(config, "cannot be read as JSON")
