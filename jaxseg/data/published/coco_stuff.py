"""COCO-Stuff 164k: things and stuff of all images of COCO 2017.

Caesar et al. 2018, "COCO-Stuff: Thing and Stuff Classes in Context".  The labels are
those of `labels.txt` of github.com/nightrome/cocostuff, of numbers 1..182; the masks
(stuffthingmaps) hold the number less one, and 255 for unlabelled pixels, which are
ignored.  Eleven numbers have no masks: 171 classes are left, and a mask that holds one
of the eleven is refused.  The set has no colours of its own: a class has that of its
number in the colour map of PASCAL VOC.
"""

from __future__ import annotations

from pathlib import Path

from jaxseg.data.labels import LabelSet, voc_palette
from jaxseg.data.published.archive import Found, PublishedSet, plain_splits

_LABELS = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire
hydrant, street sign, stop sign, parking meter, bench, bird, cat, dog, horse, sheep,
cow, elephant, bear, zebra, giraffe, hat, backpack, umbrella, shoe, eye glasses,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, plate, wine glass, cup,
fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot, hot dog,
pizza, donut, cake, chair, couch, potted plant, bed, mirror, dining table, window, desk,
toilet, door, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster,
sink, refrigerator, blender, book, clock, vase, scissors, teddy bear, hair drier,
toothbrush, hair brush, banner, blanket, branch, bridge, building-other, bush, cabinet,
cage, cardboard, carpet, ceiling-other, ceiling-tile, cloth, clothes, clouds, counter,
cupboard, curtain, desk-stuff, dirt, door-stuff, fence, floor-marble, floor-other,
floor-stone, floor-tile, floor-wood, flower, fog, food-other, fruit, furniture-other,
grass, gravel, ground-other, hill, house, leaves, light, mat, metal, mirror-stuff, moss,
mountain, mud, napkin, net, paper, pavement, pillow, plant-other, plastic, platform,
playingfield, railing, railroad, river, road, rock, roof, rug, salad, sand, sea, shelf,
sky-other, skyscraper, snow, solid-other, stairs, stone, straw, structural-other, table,
tent, textile-other, towel, tree, vegetable, wall-brick, wall-concrete, wall-other,
wall-panel, wall-stone, wall-tile, wall-wood, water-other, waterdrops, window-blind,
window-other, wood
"""
"""The names of labels 1..182."""

_REMOVED = (
    *("blender", "desk", "door", "eye glasses", "hair brush", "hat", "mirror"),
    *("plate", "shoe", "street sign", "window"),
)
"""Thing classes of COCO that were never annotated."""

_CLASSES = {
    name: value
    for value, name in enumerate(_LABELS.replace("\n", " ").strip().split(", "))
    if name not in _REMOVED
}

LABELS = LabelSet(
    names=tuple(_CLASSES),
    palette=tuple(voc_palette(183)[value + 1] for value in _CLASSES.values()),
    raw_values=tuple(_CLASSES.values()),
    raw_ignore=(255,),
)


def _find(root: Path) -> Found:
    places = "images/{}", "annotations/{}", "train2017", "val2017"
    return Found(plain_splits(root, root, *places), LABELS)


COCO_STUFF = PublishedSet(
    description="COCO 2017 with things and stuff: 171 classes, 118287 train, 5000 val"
    " images, annotations CC BY 4.0, images of Flickr's terms; images + annotations by"
    " --data.root",
    find=_find,
    fetch="fetch train2017.zip and val2017.zip of https://cocodataset.org and"
    " stuffthingmaps_trainval2017.zip of https://github.com/nightrome/cocostuff, unpack"
    " them as DIR/images/train2017, DIR/images/val2017, DIR/annotations/train2017 and"
    " DIR/annotations/val2017, and pass --data.root DIR",
    counts={"train": 118287, "val": 5000},
    num_classes=171,
)
