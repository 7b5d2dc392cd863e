"""Samples side by side: where each lies, and what the legend says."""

import numpy as np

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.report.grid import sample_grid
from jaxseg.report.lettering import PAPER
from jaxseg.report.marks import marks_of

LABELS = LabelSet(("a", "b"), ((10, 20, 30), (40, 50, 60)))


def test_an_image_lies_beside_its_label_and_the_next_row_below():
    images = [np.full((200, 300, 3), value, np.uint8) for value in (1, 2, 3, 4)]
    masks = [np.full((200, 300), index % 2, np.uint8) for index in range(4)]
    grid = sample_grid(images, masks, LABELS)
    assert grid.shape[1] == 2 * 608 - 8
    for index, (top, left) in enumerate([(0, 0), (0, 608), (208, 0), (208, 608)]):
        assert (grid[top : top + 200, left : left + 300] == index + 1).all()
        label = grid[top : top + 200, left + 300 : left + 600]
        assert (label == LABELS.palette[index % 2]).all()
    assert (grid[:200, 600:608] == PAPER).all()


def test_small_samples_are_enlarged_without_new_label_colours():
    mask = np.array([[0, 1], [IGNORE, 1]], np.uint8).repeat(20, 0).repeat(20, 1)
    grid = sample_grid([np.zeros((40, 40, 3), np.uint8)], [mask], LABELS)
    label = grid[:160, 160:320]
    colours = {tuple(colour) for colour in label.reshape(-1, 3).tolist()}
    assert colours == {*LABELS.palette, tuple(marks_of(LABELS).ignored)}
    assert len(grid) > 168  # the legend


def test_classes_that_overlap_are_drawn():
    labels = LabelSet(("a", "b"), task="multilabel")
    planes = np.zeros((200, 200, 2), np.uint8)
    planes[:100, :, 0] = 1
    grid = sample_grid([np.zeros((200, 200, 3), np.uint8)], [planes], labels)
    assert (grid[50, 300] == labels.palette[0]).all()
    assert (grid[150, 300] == 0).all()
