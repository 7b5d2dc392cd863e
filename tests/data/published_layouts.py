"""Tiny made-up data in the layouts of published data sets."""

import json

import numpy as np
from PIL import Image
from scipy import io

NAMES = {"train": ("a", "b"), "val": ("c",)}
RNG = np.random.default_rng(0)


def write_image(path, side=(4, 6)):
    """An image whose pixels no other has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*side, 3), np.uint8)).save(path)


def write_mask(path, values, side=(4, 6)):
    """A mask in which the values, or colours, come one after the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.resize(np.array(values), (side[0] * side[1], *np.shape(values)[1:]))
    pixels = pixels.reshape(*side, *np.shape(values)[1:])
    if path.suffix == ".mat":
        io.savemat(path, {"LabelMap": pixels.astype(np.uint16)})
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_pair(image, mask, values):
    write_image(image)
    write_mask(mask, values)


def write_lists(folder, names=NAMES):
    folder.mkdir(parents=True, exist_ok=True)
    for split, stems in names.items():
        (folder / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def voc2012(root, values=(0, 1, 20, 255), masks="SegmentationClass"):
    write_lists(root / "ImageSets/Segmentation")
    for name in "abc":
        write_pair(
            root / f"JPEGImages/{name}.jpg", root / f"{masks}/{name}.png", values
        )


def voc2012_aug(root, values=(0, 1, 20, 255)):
    voc2012(root, values)
    lines = [f"/JPEGImages/{n}.jpg /SegmentationClassAug/{n}.png" for n in "abd"]
    (root / "ImageSets/Segmentation/train_aug.txt").write_text("\n".join(lines))
    for name in "abd":
        write_mask(root / f"SegmentationClassAug/{name}.png", values)
    write_image(root / "JPEGImages/d.jpg")


def folders(root, images, masks, values, suffix=".jpg"):
    """Files of `{}` folders, one of each split."""
    for split, names in NAMES.items():
        for name in names:
            image = root / images[split] / f"{name}{suffix}"
            write_pair(image, root / masks[split] / f"{name}.png", values)


def ade20k(root, values=(0, 1, 2, 150)):
    places = {"train": "training", "val": "validation"}
    images = {split: f"images/{place}" for split, place in places.items()}
    masks = {split: f"annotations/{place}" for split, place in places.items()}
    folders(root, images, masks, values)


def coco_stuff(root, values=(0, 10, 12, 181, 255)):
    images = {split: f"images/{split}2017" for split in NAMES}
    masks = {split: f"annotations/{split}2017" for split in NAMES}
    folders(root, images, masks, values)


def pascal_context_59(root, values=(0, 1, 2, 458, 459)):
    write_lists(root / "ImageSets/Main")
    for name in "abc":
        mask = root / f"trainval/{name}.mat"
        write_pair(root / f"JPEGImages/{name}.jpg", mask, values)


pascal_context_60 = pascal_context_59


def mapillary_vistas(root, values=(0, 64, 65), masks="labels"):
    places = {"train": "training", "val": "validation"}
    images = {split: f"{place}/images" for split, place in places.items()}
    of_masks = {split: f"{place}/{masks}" for split, place in places.items()}
    folders(root, images, of_masks, values)


def mapillary_vistas_2(root, values=(0, 1, 2, 3)):
    mapillary_vistas(root, values, "v2.0/labels")
    labels = [
        {"readable": "Bird", "color": [165, 42, 42], "evaluate": True},
        {"readable": "Ground Animal", "color": [0, 192, 0], "evaluate": False},
        {"readable": "Curb", "color": [165, 42, 42], "evaluate": True},
        {"readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False},
    ]
    (root / "config_v2.0.json").write_text(json.dumps({"labels": labels}))


def loveda(root, values=(0, 1, 2, 7)):
    for scene in ("Rural", "Urban"):
        images = {s: f"{s.capitalize()}/{scene}/images_png" for s in NAMES}
        masks = {s: f"{s.capitalize()}/{scene}/masks_png" for s in NAMES}
        folders(root, images, masks, values, ".png")


WHITE, BLUE, RED, BLACK = (255, 255, 255), (0, 0, 255), (255, 0, 0), (0, 0, 0)


def potsdam(root, values=(WHITE, BLUE, RED, BLACK)):
    for tile in ("2_10", "7_12", "7_13"):
        write_image(root / f"2_Ortho_RGB/top_potsdam_{tile}_RGB.tif")
        write_mask(root / f"5_Labels_all/top_potsdam_{tile}_label.tif", values)
