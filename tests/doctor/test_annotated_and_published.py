"""Data sets whose masks are drawn, or whose files a publisher laid out."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sick_folder import SIZE, labels, picture, save

from jaxseg.config import DataConfig
from jaxseg.doctor.examination import examine
from jaxseg.doctor.facts import read_all
from jaxseg.doctor.files import find_files
from jaxseg.report.checkup import write_checkup


def examined(root, name="folder", **options) -> Any:
    config = DataConfig(name=name, root=str(root), **options)
    files = find_files(config)
    return examine(config, files, read_all(files.source) if files.source else ())


def coco(root):
    """Lay out three images a split, each with a square of either class."""
    for split, first in (("train", 0), ("valid", 50)):
        images, shapes = [], []
        for seed in range(first, first + 3):
            save(root / split / f"{seed}.png", picture(seed))
            size = {"height": SIZE[0], "width": SIZE[1]}
            images.append({"id": seed, "file_name": f"{seed}.png"} | size)
            for number, left in ((1, 4), (2, 20)):
                square = [left, 4, left + 8, 4, left + 8, 12, left, 12]
                shapes.append(
                    {"image_id": seed, "category_id": number, "segmentation": [square]}
                )
        names = [{"id": 1, "name": "cell"}, {"id": 2, "name": "dirt"}]
        content = {"images": images, "annotations": shapes, "categories": names}
        (root / split / "_annotations.coco.json").write_text(json.dumps(content))
    return root


def test_a_clean_coco_folder_has_no_findings_and_the_shares_of_its_shapes(tmp_path):
    found = examined(coco(tmp_path))
    assert found.findings == ()
    assert found.summary.images == {"train": 3, "val": 3}
    squares = 64 / (SIZE[0] * SIZE[1])
    shares = {each.name: each.share for each in found.summary.classes}
    expected = {"background": 1 - 2 * squares, "cell": squares, "dirt": squares}
    assert shares == pytest.approx(expected)


def test_an_image_that_is_listed_and_missing_is_named_and_others_are_examined(tmp_path):
    root = coco(tmp_path)
    (root / "train" / "1.png").unlink()
    found = examined(root)
    (finding,) = found.findings
    assert (finding.check, finding.severity) == ("missing image", "error")
    assert finding.file == root / "train" / "_annotations.coco.json"
    assert "'1.png'" in finding.text
    assert found.summary.images == {"train": 2, "val": 3}


def test_an_annotation_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path):
    root = coco(tmp_path)
    path = root / "valid" / "_annotations.coco.json"
    path.write_text("{")
    found = examined(root)
    assert [(f.check, f.file) for f in found.findings if f.severity == "error"] == [
        ("annotation", path),
        ("splits", None),
    ]
    assert found.summary.images == {"train": 3}
    (root / "train" / "_annotations.coco.json").write_text("{")
    assert {each.check for each in examined(root).findings} == {"annotation"}


def test_an_image_of_another_size_than_annotated_is_an_error_of_its_mask(tmp_path):
    root = coco(tmp_path)
    save(root / "train" / "2.png", picture(2)[:-1])
    found = examined(root)
    (finding,) = found.findings
    assert (finding.check, finding.split) == ("annotation", "train")
    assert "annotated as 56x48 pixels" in finding.text
    json.dumps(found.as_json())
    assert "<img" in write_checkup(tmp_path, found).read_text()


def test_classes_of_annotations_that_overlap_are_counted(tmp_path):
    found = examined(coco(tmp_path), task="multilabel")
    assert found.findings == ()
    assert [each.name for each in found.summary.classes] == ["cell", "dirt"]
    assert [each.images for each in found.summary.classes] == [3, 3]


def class_files(root):
    """Lay out a mask file a class, of which a pixel has one."""
    for split, first in (("train", 0), ("val", 50)):
        for seed in range(first, first + 3):
            save(root / split / "images" / f"{seed}.png", picture(seed))
            for name, value in (("square", 1), ("disc", 2)):
                mask = 255 * (labels(seed) == value).astype(np.uint8)
                save(root / split / "masks" / name / f"{seed}.png", mask)
    return root


def test_a_file_of_those_that_make_a_mask_is_named(tmp_path):
    root = class_files(tmp_path)
    assert examined(root).findings == ()
    path = root / "train" / "masks" / "disc" / "1.png"
    path.write_bytes(b"text")
    found = examined(root)
    assert [(f.check, f.file) for f in found.findings] == [("unreadable", path)]


def voc(root):
    """Lay out VOC 2012, with areas that are ignored."""
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for split, first in (("train", 0), ("val", 50)):
        names = [str(seed) for seed in range(first, first + 3)]
        (lists / f"{split}.txt").write_text("\n".join(names))
        for name in names:
            image = Image.fromarray(picture(int(name)))
            (root / "JPEGImages").mkdir(exist_ok=True)
            image.save(root / "JPEGImages" / f"{name}.jpg")
            mask = labels(int(name))
            mask[mask == 1] = 255
            save(root / "SegmentationClass" / f"{name}.png", mask)
    return root


def test_a_published_set_is_examined_by_its_own_classes(tmp_path):
    found = examined(voc(tmp_path), "voc2012")
    assert {each.severity for each in found.findings} <= {"warning"}
    assert {each.check for each in found.findings} == {"classes"}
    assert found.summary.classes[2].name == "bicycle"
    assert found.summary.classes[2].images == 3
    assert "not the published numbers" in found.notes[0]


def test_a_mask_that_is_not_the_publishers_is_an_error(tmp_path):
    mask = labels(1)
    mask[0, 0] = 77
    path = voc(tmp_path) / "SegmentationClass" / "1.png"
    save(path, mask)
    found = examined(tmp_path, "voc2012")
    (finding,) = [each for each in found.findings if each.severity == "error"]
    assert (finding.check, finding.file) == ("unexpected values", path)
    assert finding.remedy == "unpack the publisher's archive again"


def test_a_published_layout_that_is_not_there_says_what_to_fetch(tmp_path):
    (finding,) = examined(tmp_path, "voc2012").findings
    assert (finding.check, finding.severity) == ("layout", "error")
    assert "VOCtrainval_11-May-2012.tar" in finding.text + finding.remedy
