"""Every fault is found with the file named, and a clean data set has none."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sick_folder import (
    FAULTS,
    SIZE,
    TOGETHER,
    Planted,
    case_alone,
    clean,
    indexed,
    labels,
    picture,
    save,
    turned,
)

from jaxseg.config import DataConfig
from jaxseg.doctor.examination import examine
from jaxseg.doctor.facts import read_all
from jaxseg.doctor.files import find_files, match_folders
from jaxseg.doctor.findings import Finding, shown
from jaxseg.errors import UserError


def examined(root, **options) -> Any:
    config = DataConfig(name="folder", root=str(root), **options)
    files = find_files(config)
    return examine(config, files, read_all(files.source) if files.source else ())


def kinds(found):
    return {(each.check, each.severity) for each in found.findings}


def named(found, check):
    return {each.file.name for each in found.findings if each.check == check}


def test_a_clean_set_has_no_findings(tmp_path):
    found = examined(clean(tmp_path))
    assert found.findings == ()
    assert [each.name for each in found.summary.classes] == [
        "class 0",
        "class 1",
        "class 2",
    ]


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_and_its_file_named(plant, tmp_path):
    path = plant(Planted(clean(tmp_path)))
    found = examined(tmp_path)
    check, severity = FAULTS[plant]
    alike = [each for each in found.findings if each.check == check]
    assert path in [each.file for each in alike]
    assert {each.severity for each in alike} == {severity}
    assert all("\n" not in f"{each.text}{each.remedy}" for each in found.findings)
    others = {each.file for each in found.findings} - {path}
    mates = {path.parents[1] / kind / path.name for kind in ("images", "masks")}
    assert others <= mates, found.findings


def test_faults_of_several_files_are_all_found(tmp_path):
    clean(tmp_path)
    paths = {plant: plant(Planted(tmp_path)) for plant in TOGETHER}
    found = examined(tmp_path)
    for plant, path in paths.items():
        assert (FAULTS[plant][0], path) in [(f.check, f.file) for f in found.findings]
    assert found.summary.classes != ()


def test_findings_come_worst_first_and_name_their_split(tmp_path):
    clean(tmp_path)
    for plant in TOGETHER:
        plant(Planted(tmp_path))
    found = examined(tmp_path)
    order = [("error", "warning", "note").index(f.severity) for f in found.findings]
    assert order == sorted(order)
    assert {f.split for f in found.findings if f.file} == {"train", "val"}


def test_a_turned_mask_is_told_from_one_of_another_size(tmp_path):
    turned(Planted(clean(tmp_path)))
    (finding,) = examined(tmp_path).findings
    assert finding.remedy.startswith("turn the mask by 90 degrees")


def test_numbered_names_without_a_bare_one_are_no_copies(tmp_path):
    for split in ("train", "val"):
        for index in range(3):
            seed = index + 9 * (split == "val")
            save(tmp_path / split / "images" / f"{split} ({index}).png", picture(seed))
            save(tmp_path / split / "masks" / f"{split} ({index}).png", labels(seed))
    assert examined(tmp_path).findings == ()


def test_names_that_differ_in_case_are_said_to(tmp_path):
    case_alone(Planted(clean(tmp_path)))
    found = examined(tmp_path)
    assert all(each.text.endswith("in case alone") for each in found.findings)


def test_a_palette_in_another_order_is_found(tmp_path):
    clean(tmp_path)
    usual, other = [0, 0, 0, 255, 0, 0, 0, 255, 0], [0, 0, 0, 0, 255, 0, 255, 0, 0]
    for path in sorted(tmp_path.glob("*/masks/*.png")):
        pixels = np.asarray(Image.open(path))
        order = other if path.name == "train4.png" else usual
        save(path, indexed(pixels, order))
    found = examined(tmp_path)
    assert kinds(found) == {("palettes differ", "error")}
    assert named(found, "palettes differ") == {"train4.png"}


def test_off_palette_pixels_are_found_by_the_colours_that_are_given(tmp_path):
    clean(tmp_path)
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for path in sorted(tmp_path.glob("*/masks/*.png")):
        pixels = colours[np.asarray(Image.open(path))]
        if path.name == "val1.png":
            pixels[0, :5] = (254, 1, 0)
        save(path, pixels)
    palette = tuple(tuple(map(int, colour)) for colour in colours)
    found = examined(tmp_path, palette=palette)
    assert kinds(found) == {("off-palette colours", "error")}
    (finding,) = found.findings
    assert (finding.file.name, finding.values) == ("val1.png", (0xFE0100,))


def test_values_outside_the_named_classes_are_listed_for_every_file(tmp_path):
    found = examined(clean(tmp_path), num_classes=2)
    assert len(named(found, "unexpected values")) == 18


def test_masks_of_0_and_255_are_one_error_unless_the_task_is_binary(tmp_path):
    clean(tmp_path)
    for path in tmp_path.glob("*/masks/*.png"):
        save(path, 255 * (np.asarray(Image.open(path)) > 0).astype(np.uint8))
    (finding,) = examined(tmp_path).findings
    assert (finding.check, finding.severity) == ("classes", "error")
    assert "--data.task binary" in finding.text + finding.remedy
    assert examined(tmp_path, task="binary").findings == ()


def test_a_class_of_one_split_only_is_said(tmp_path):
    clean(tmp_path)
    for path in (tmp_path / "val" / "masks").iterdir():
        save(path, np.minimum(np.asarray(Image.open(path)), 1))
    (finding,) = examined(tmp_path).findings
    assert (finding.check, finding.severity) == ("class in some splits", "warning")
    assert "'class 2' occurs in train and not in val" in finding.text


def test_a_leak_that_is_allowed_is_a_warning(tmp_path):
    root = clean(tmp_path)
    save(root / "val" / "images" / "val2.png", picture(5))
    assert kinds(examined(root, allow_leakage=True)) == {("leakage", "warning")}


def test_classes_that_overlap_are_counted_from_a_file_each(tmp_path):
    for split, first in (("train", 0), ("val", 50)):
        for seed in range(first, first + 3):
            save(tmp_path / split / "images" / f"{seed}.png", picture(seed))
            for name, value in (("square", 1), ("disc", 2)):
                mask = 255 * (labels(seed) == value).astype(np.uint8)
                save(tmp_path / split / "masks" / name / f"{seed}.png", mask)
    found = examined(tmp_path, task="multilabel")
    assert found.findings == ()
    assert [each.name for each in found.summary.classes] == ["disc", "square"]
    assert [each.images for each in found.summary.classes] == [3, 3]
    assert [each.weight for each in found.summary.classes] == [None, None]
    squares = [(labels(seed) == 1).mean() for seed in range(3)]
    assert found.summary.classes[1].share == pytest.approx(np.mean(squares))


def test_only_the_region_of_interest_counts(tmp_path):
    root = clean(tmp_path)
    for path in list(root.glob("*/masks/*.png")):
        mask = np.array(Image.open(path))
        mask[:, :4] = 200
        save(path, mask)
        inside = np.full(SIZE, 255, np.uint8)
        inside[:, :4] = 0
        save(path.parents[1] / "roi" / path.name, inside)
    assert examined(root, roi="{split}/roi/*.png").findings == ()
    assert examined(root).findings != ()


def test_the_summary_counts_pixels_and_colours_by_hand(tmp_path):
    for split, value in (("train", 51), ("val", 0)):
        for index in range(2):
            image = np.full((64, 96, 3), value, np.uint8)
            image[:32] = 255 - index
            mask = np.zeros((64, 96), np.uint8)
            mask[:16] = 1
            save(tmp_path / split / "images" / f"{index}.png", image)
            save(tmp_path / split / "masks" / f"{index}.png", mask)
    summary = examined(tmp_path).summary
    assert summary.images == {"train": 2, "val": 2}
    assert [each.share for each in summary.classes] == [0.75, 0.25]
    assert [each.weight for each in summary.classes] == pytest.approx([2 / 3, 2])
    assert summary.sizes == ((64, 96, 4),)
    assert summary.crop == (64, 96)
    pixels = np.array([255, 254, 51, 51]) / 255
    assert summary.mean == pytest.approx([pixels.mean()] * 3)
    assert summary.deviation == pytest.approx([pixels.std()] * 3)


def test_two_folders_are_paired_and_are_one_split(tmp_path):
    root = clean(tmp_path) / "train"
    (root / "masks" / "train5.png").unlink()
    config = DataConfig(name="folder")
    files = match_folders(config, root / "images", root / "masks")
    assert files.source
    found = examine(config, files, read_all(files.source), alone=True)
    assert kinds(found) == {("image without mask", "error")}
    assert found.summary.images == {"train": 11}


def test_records_are_refused_in_a_line():
    with pytest.raises(UserError, match="digit_scenes.*cannot be seen.*--root"):
        find_files(DataConfig(name="digit_scenes"))


def test_a_folder_that_is_not_understood_says_what_training_says(tmp_path):
    (tmp_path / "things").mkdir()
    save(tmp_path / "things" / "a.png", picture(1))
    (finding,) = examined(tmp_path).findings
    assert (finding.check, finding.severity) == ("layout", "error")


def test_json_has_text_for_paths_and_all_fields(tmp_path):
    turned(Planted(clean(tmp_path)))
    found = examined(tmp_path)
    content = found.as_json()
    assert content["counts"] == {"error": 1, "warning": 0, "note": 0}
    fields = {field.name for field in dataclasses.fields(found.findings[0])}
    assert set(content["findings"][0]) == fields
    assert content["findings"][0]["file"] == str(tmp_path / "train/masks/train2.png")
    assert {"root", "notes", "images", "classes", "sizes", "crop"} < set(content)
    assert {"mean", "deviation", "ignored"} < set(content)


def test_an_image_that_is_not_used_is_a_note(tmp_path):
    for seed in range(4):
        save(tmp_path / "images" / f"{seed}.png", picture(seed))
        if seed < 3:
            save(tmp_path / "masks" / f"{seed}.png", labels(seed))
    (tmp_path / "train.txt").write_text("0\n1\n")
    (tmp_path / "val.txt").write_text("2\n")
    (finding,) = examined(tmp_path).findings
    assert (finding.check, finding.severity) == ("image without mask", "note")
    assert finding.file == tmp_path / "images" / "3.png"


def test_a_deep_image_of_small_values_is_to_be_saved_as_it_is(tmp_path):
    planted = Planted(clean(tmp_path))
    deep = picture(6)[..., 0].astype(np.uint16)
    save(planted.image(6), deep)
    (small,) = examined(tmp_path).findings
    assert small.remedy == "save it with 8 bits a channel, its values as they are"
    save(planted.image(6), 16 * deep)
    (large,) = examined(tmp_path).findings
    assert large.remedy.endswith("with one factor for all")


def test_an_image_nearly_the_same_in_two_splits_is_a_warning(tmp_path):
    root = clean(tmp_path)
    smaller = Image.fromarray(picture(5)).resize((40, 34), Image.Resampling.BILINEAR)
    save(root / "val" / "images" / "val2.png", smaller.resize((56, 48)))
    (finding,) = examined(root).findings
    assert (finding.check, finding.severity) == ("near duplicate", "warning")
    assert finding.other == root / "train" / "images" / "train5.png"


def test_names_that_are_no_text_can_be_printed(tmp_path):
    path = tmp_path / "a\udcff\n.png"
    finding = Finding("size", "error", f"{tmp_path}/b\x1b.png differs", file=path)
    name, text = shown(finding, tmp_path)
    assert (name, text) == (r"a\udcff\n.png", r"b\x1b.png differs")
    assert name.encode()


def test_masks_that_may_lie_in_two_places_are_not_guessed(tmp_path):
    for seed in range(4):
        save(tmp_path / "images" / f"{seed}.png", picture(seed))
        for folder in ("masks", "labels"):
            save(tmp_path / folder / f"{seed}.png", labels(seed))
    found = examined(tmp_path)
    assert kinds(found) == {("layout", "error")}
    assert found.pairs == ()
