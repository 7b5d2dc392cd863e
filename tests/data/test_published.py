"""Published data sets: layouts, classes and messages, on tiny made-up data."""

import json

import numpy as np
import published_layouts
import pytest
from published_layouts import BLACK, BLUE, RED, WHITE, write_image, write_mask
from scipy import io

from jaxseg.config import DataConfig
from jaxseg.data.catalog import check_data, open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.data.matlab import read_label_map
from jaxseg.data.published import (
    PUBLISHED,
    ade20k,
    coco_stuff,
    loveda,
    pascal_context,
    potsdam,
    vistas,
    voc,
)
from jaxseg.data.published.archive import Missing, distinct
from jaxseg.errors import UserError

LABELS = {
    "voc2012": voc.LABELS,
    "voc2012_aug": voc.LABELS,
    "ade20k": ade20k.LABELS,
    "coco_stuff": coco_stuff.LABELS,
    "pascal_context_59": pascal_context.LABELS_59,
    "pascal_context_60": pascal_context.LABELS_60,
    "mapillary_vistas": vistas.LABELS,
    "loveda": loveda.LABELS,
    "potsdam": potsdam.LABELS,
}
FIRST_LABELS = {
    "voc2012": [0, 1, 20, IGNORE],
    "voc2012_aug": [0, 1, 20, IGNORE],
    "ade20k": [IGNORE, 0, 1, 149],
    "coco_stuff": [0, 10, 11, 170, IGNORE],
    "pascal_context_59": [IGNORE, IGNORE, 0, 58, IGNORE],
    "pascal_context_60": [0, 0, 1, 59, 0],
    "mapillary_vistas": [0, 64, IGNORE],
    "mapillary_vistas_2": [0, IGNORE, 1, IGNORE],
    "loveda": [IGNORE, 0, 1, 6],
    "potsdam": [0, 1, 5, IGNORE],
}
"""What the values that `published_layouts` writes mean."""


def made(name, root, **options):
    """The config of a set that was written below `root`."""
    getattr(published_layouts, name)(root / "data", **options)
    return DataConfig(name=name, root=str(root / "data"), cache=str(root / "cache"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_layout_is_read_and_values_become_classes(name, tmp_path):
    dataset = open_dataset(made(name, tmp_path))
    train = {"voc2012_aug": 3, "loveda": 4}.get(name, 2)
    assert dataset.splits == {"train": train, "val": 2 if name == "loveda" else 1}
    label = dataset.samples("val")[0]["label"]
    expected = np.resize(FIRST_LABELS[name], label.size).reshape(label.shape)
    np.testing.assert_array_equal(label, expected)
    if name in LABELS:
        assert dataset.labels.names == LABELS[name].names
        assert dataset.labels.palette == LABELS[name].palette


def test_another_number_of_images_than_published_is_said_in_a_line(tmp_path):
    notes = open_dataset(made("ade20k", tmp_path)).notes
    said = "train 2 in place of 20,210, val 1 in place of 2,000"
    assert notes == (f"ade20k: not the published numbers of images: {said}",)


def test_an_image_in_two_published_splits_is_said_and_no_error(tmp_path):
    config = made("ade20k", tmp_path)
    images = tmp_path / "data/images"
    copied = (images / "training/a.jpg").read_bytes()
    (images / "validation/c.jpg").write_bytes(copied)
    notes = open_dataset(config).notes
    assert "training/a.jpg = images/validation/c.jpg" in notes[1]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("root", ["", "/nowhere/data", "."])
def test_missing_data_is_refused_in_a_line_with_the_publishers_page(
    name, root, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"fetch .* of https?://.*--data.root") as error:
        open_dataset(DataConfig(name=name, root=root, cache=str(tmp_path)))
    assert "\n" not in str(error.value)


def test_the_missing_folder_is_named(tmp_path):
    published_layouts.ade20k(tmp_path)
    for path in (tmp_path / "annotations/validation").iterdir():
        path.unlink()
    (tmp_path / "annotations/validation").rmdir()
    with pytest.raises(UserError, match="no annotations/validation there; fetch ADEC"):
        open_dataset(DataConfig(name="ade20k", root=str(tmp_path)))


def test_a_single_split_is_enough(tmp_path):
    write_image(tmp_path / "images/validation/c.jpg")
    write_mask(tmp_path / "annotations/validation/c.png", (1, 2))
    assert list(PUBLISHED["ade20k"].find(tmp_path).splits) == ["val"]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("annotations/training/b.png", r"images/training: b.jpg without mask in"),
        ("images/training/b.jpg", r"annotations/training: b.png without image in"),
    ],
)
def test_files_without_their_partner_are_refused(gone, said, tmp_path):
    published_layouts.ade20k(tmp_path)
    (tmp_path / gone).unlink()
    with pytest.raises(UserError, match=f"{said}.*; unpack the archives again"):
        PUBLISHED["ade20k"].find(tmp_path)


def test_the_files_that_macos_adds_do_not_count(tmp_path):
    published_layouts.ade20k(tmp_path)
    write_image(tmp_path / "images/training/._a.jpg")
    assert len(PUBLISHED["ade20k"].find(tmp_path).splits["train"]) == 2


def test_test_images_without_labels_are_no_split(tmp_path):
    published_layouts.ade20k(tmp_path)
    write_image(tmp_path / "images/testing/d.jpg")
    assert list(PUBLISHED["ade20k"].find(tmp_path).splits) == ["train", "val"]


@pytest.mark.parametrize(
    ("name", "outer"),
    [
        ("voc2012", "VOCdevkit/VOC2012"),
        ("voc2012_aug", "VOC2012"),
        ("pascal_context_59", "VOCdevkit/VOC2010"),
        ("ade20k", "ADEChallengeData2016"),
    ],
)
def test_the_root_may_be_a_folder_around_it(name, outer, tmp_path):
    getattr(published_layouts, name)(tmp_path / outer)
    assert PUBLISHED[name].find(tmp_path).splits.keys() == {"train", "val"}


def test_a_listed_image_without_files_is_refused(tmp_path):
    published_layouts.voc2012(tmp_path)
    (tmp_path / "SegmentationClass/b.png").unlink()
    with pytest.raises(UserError, match="train.txt: of 'b' there is no .*Class/b.png"):
        PUBLISHED["voc2012"].find(tmp_path)


@pytest.mark.parametrize(
    ("lines", "said"), [("", "lists no image"), ("a\na\n", "'a' is listed twice")]
)
def test_a_list_that_names_nothing_or_a_name_twice_is_refused(lines, said, tmp_path):
    published_layouts.voc2012(tmp_path)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text(lines)
    with pytest.raises(UserError, match=f"val.txt: {said}"):
        PUBLISHED["voc2012"].find(tmp_path)


def test_the_augmented_list_may_hold_names_alone_and_have_its_other_name(tmp_path):
    published_layouts.voc2012_aug(tmp_path)
    lists = tmp_path / "ImageSets/Segmentation"
    (lists / "train_aug.txt").unlink()
    (lists / "trainaug.txt").write_text("a\nd\n")
    splits = PUBLISHED["voc2012_aug"].find(tmp_path).splits
    assert [pair.name for pair in splits["train"]] == ["a", "d"]
    assert {pair.mask.parent.name for pair in splits["train"]} == {
        "SegmentationClassAug"
    }
    assert {pair.mask.parent.name for pair in splits["val"]} == {"SegmentationClass"}


def test_without_the_augmented_list_the_set_is_refused(tmp_path):
    published_layouts.voc2012(tmp_path)
    with pytest.raises(Missing, match="ImageSets/Segmentation/train_aug.txt"):
        PUBLISHED["voc2012_aug"].find(tmp_path)


@pytest.mark.parametrize("name", LABELS)
def test_the_number_of_classes_is_that_of_the_table(name):
    assert LABELS[name].num_classes == PUBLISHED[name].num_classes


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("voc2012", 0, "background"),
        ("voc2012", 15, "person"),
        ("ade20k", 1, "wall"),
        ("ade20k", 13, "person"),
        ("ade20k", 150, "flag"),
        ("coco_stuff", 0, "person"),
        ("coco_stuff", 12, "stop sign"),
        ("coco_stuff", 89, "toothbrush"),
        ("coco_stuff", 91, "banner"),
        ("coco_stuff", 181, "wood"),
        ("pascal_context_59", 2, "aeroplane"),
        ("pascal_context_59", 284, "person"),
        ("pascal_context_59", 458, "wood"),
        ("pascal_context_60", 284, "person"),
        ("pascal_context_60", 283, "background"),
        ("mapillary_vistas", 0, "Bird"),
        ("mapillary_vistas", 19, "Person"),
        ("mapillary_vistas", 64, "Ego Vehicle"),
        ("loveda", 1, "background"),
        ("loveda", 7, "agriculture"),
    ],
)
def test_a_mask_value_is_the_published_class(name, value, expected):
    labels = LABELS[name]
    assert labels.names[labels.encode(np.array([[value]]))[0, 0]] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("voc2012", 255),
        ("ade20k", 0),
        ("coco_stuff", 255),
        ("pascal_context_59", 0),
        ("pascal_context_59", 283),
        ("mapillary_vistas", 65),
        ("loveda", 0),
    ],
)
def test_a_mask_value_of_no_class_is_ignored_as_published(name, value):
    assert LABELS[name].encode(np.array([[value]])) == IGNORE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("voc2012", 21),
        ("ade20k", 151),
        ("ade20k", 255),
        ("coco_stuff", 11),
        ("coco_stuff", 90),
        ("coco_stuff", 182),
        ("pascal_context_59", 460),
        ("mapillary_vistas", 66),
        ("loveda", 8),
    ],
)
def test_a_mask_value_that_was_never_published_is_refused(name, value):
    with pytest.raises(UserError, match=f"mask value {value} is not one of"):
        LABELS[name].encode(np.array([[value]]))


def test_a_file_with_a_gap_of_coco_stuff_is_refused_with_its_name(tmp_path):
    config = made("coco_stuff", tmp_path, values=(0, 11))
    with pytest.raises(UserError, match="a.png: mask value 11 .*unpack the publisher"):
        open_dataset(config)


@pytest.mark.parametrize(
    ("name", "of", "colour"),
    [
        ("voc2012", "person", (192, 128, 128)),
        ("ade20k", "wall", (120, 120, 120)),
        ("ade20k", "skyscraper", (140, 140, 141)),
        ("mapillary_vistas", "Road", (128, 64, 128)),
        ("loveda", "water", (0, 0, 255)),
        ("potsdam", "car", (255, 255, 0)),
    ],
)
def test_a_class_has_the_published_colour(name, of, colour):
    labels = LABELS[name]
    assert labels.palette[labels.names.index(of)] == colour


def test_a_colour_that_was_given_before_changes_by_the_least_of_blue():
    same = (1, 2, 255)
    assert distinct([same, same, (1, 2, 0)]) == (same, (1, 2, 0), (1, 2, 1))


def test_vistas_1_2_is_read_from_the_folders_of_version_2_too(tmp_path):
    published_layouts.mapillary_vistas(tmp_path, masks="v1.2/labels")
    splits = PUBLISHED["mapillary_vistas"].find(tmp_path).splits
    assert splits["val"][0].mask.parent.parent.name == "v1.2"


def test_the_classes_of_vistas_2_are_those_that_its_file_evaluates(tmp_path):
    published_layouts.mapillary_vistas_2(tmp_path)
    labels = PUBLISHED["mapillary_vistas_2"].find(tmp_path).labels
    assert labels.names == ("Bird", "Curb")
    assert (labels.raw_values, labels.raw_ignore) == ((0, 2), (1, 3))
    assert labels.palette == ((165, 42, 42), (165, 42, 43))


@pytest.mark.parametrize("text", ["", "[]", '{"labels": [1]}', '{"labels": [{}]}'])
def test_a_broken_file_of_classes_is_refused(text, tmp_path):
    path = tmp_path / "config_v2.0.json"
    path.write_text(text)
    with pytest.raises(UserError, match="config_v2.0.json: not the list of labels"):
        vistas.read_labels(path)


def test_vistas_2_without_its_file_is_refused(tmp_path):
    published_layouts.mapillary_vistas(tmp_path, masks="v2.0/labels")
    with pytest.raises(Missing, match="config_v2.0.json"):
        PUBLISHED["mapillary_vistas_2"].find(tmp_path)


def test_scenes_of_loveda_are_in_the_names(tmp_path):
    published_layouts.loveda(tmp_path)
    splits = PUBLISHED["loveda"].find(tmp_path).splits
    assert [pair.name for pair in splits["val"]] == ["Rural/c", "Urban/c"]


def test_potsdams_tiles_are_found_in_the_root_and_split_as_published(tmp_path):
    for tile in ("6_9", "4_15", "9_99"):
        write_image(tmp_path / f"top_potsdam_{tile}_RGB.tif")
        write_image(tmp_path / f"top_potsdam_{tile}_IRRG.tif")
        write_mask(tmp_path / f"top_potsdam_{tile}_label_noBoundary.tif", (RED, BLUE))
    splits = PUBLISHED["potsdam"].find(tmp_path).splits
    names = {split: [pair.name for pair in splits[split]] for split in splits}
    assert names == {"train": ["top_potsdam_6_9"], "val": ["top_potsdam_4_15"]}


def test_potsdam_without_a_tile_of_both_kinds_is_refused(tmp_path):
    write_image(tmp_path / "top_potsdam_6_9_RGB.tif")
    write_mask(tmp_path / "top_potsdam_6_8_label.tif", (RED, BLUE))
    with pytest.raises(Missing, match="published tile in both"):
        PUBLISHED["potsdam"].find(tmp_path)


def test_potsdam_is_published_in_24_and_14_tiles():
    assert (len(potsdam._TRAIN), len(potsdam._VAL)) == (24, 14)
    assert not set(potsdam._TRAIN) & set(potsdam._VAL)


def test_potsdams_masks_with_boundaries_go_before_those_without(tmp_path):
    published_layouts.potsdam(tmp_path)
    write_mask(tmp_path / "0/top_potsdam_2_10_label_noBoundary.tif", (RED, BLUE))
    mask = PUBLISHED["potsdam"].find(tmp_path).splits["train"][0].mask
    assert mask.name == "top_potsdam_2_10_label.tif"


def test_colours_of_no_class_of_potsdam_are_ignored_and_said(tmp_path):
    strange = (252, 255, 255)
    config = made("potsdam", tmp_path, values=(WHITE, BLUE, strange, BLACK))
    dataset = open_dataset(config)
    label = dataset.samples("val")[0]["label"]
    np.testing.assert_array_equal(label.ravel()[:4], [0, 1, IGNORE, IGNORE])
    remark = dataset.contents["val"].remark
    assert remark == (
        "6 of the ignored pixels have colours of no class, in"
        " top_potsdam_7_13_label.tif"
    )


def test_a_mask_in_colours_is_refused_where_numbers_are_published(tmp_path):
    config = made("ade20k", tmp_path, values=(RED, BLUE))
    with pytest.raises(UserError, match="a.png: a mask in colours; unpack"):
        open_dataset(config)


@pytest.mark.parametrize(
    ("option", "value"),
    [("class_names", ("a", "b")), ("mask_values", (1, 2)), ("images", "img/*")],
)
def test_options_of_a_folder_are_refused_before_data(option, value):
    config = DataConfig(name="ade20k", **{option: value})
    with pytest.raises(UserError, match=f"data.{option} is of data set 'folder'"):
        check_data(config)


def test_a_label_map_of_matlab_keeps_its_numbers(tmp_path):
    io.savemat(tmp_path / "a.mat", {"LabelMap": np.array([[0.0, 459.0, 1.0]])})
    found = read_label_map(tmp_path / "a.mat")
    assert found.tolist() == [[0, 459, 1]] and found.dtype == np.uint16


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read as a MATLAB file"),
        ({"other": np.ones((2, 2))}, "no matrix 'LabelMap'"),
        ({"LabelMap": np.ones((2, 2, 2))}, "no matrix 'LabelMap'"),
        ({"LabelMap": np.full((2, 2), 0.5)}, "whole numbers of 0..65535"),
        ({"LabelMap": np.full((2, 2), -1)}, "whole numbers of 0..65535"),
        ({"LabelMap": np.array([["text"]], object)}, "whole numbers of 0..65535"),
    ],
)
def test_another_file_of_matlab_is_refused(content, said, tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(b"no MATLAB")
    if content is not None:
        io.savemat(path, content)
    with pytest.raises(UserError, match=f"a.mat: .*{said}"):
        read_label_map(path)


def test_a_file_of_classes_that_is_json_keeps_the_order(tmp_path):
    path = tmp_path / "config_v2.0.json"
    labels = [
        {"readable": text, "color": [place, 0, 0], "evaluate": text != "b"}
        for place, text in enumerate("cba")
    ]
    path.write_text(json.dumps({"labels": labels}))
    assert vistas.read_labels(path).names == ("c", "a")
