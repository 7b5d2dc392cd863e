"""Shapes become the pixels that the format's own library covers."""

import base64
import io
import math

import cv2
import numpy as np
import pycocotools.mask as coco_mask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from jaxseg.data.annotations.regions import (
    Bitmap,
    CocoPolygons,
    Ellipse,
    FilledPolygon,
    PillowShape,
    RunLengths,
    rectangle,
)
from jaxseg.errors import UserError

SIZE = (6, 8)
positions = st.floats(-1, 9, allow_nan=False, width=32)
polygons = st.lists(st.tuples(positions, positions), min_size=3, max_size=7)


def box(top, left, bottom, right, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


def flat(points):
    return [float(number) for point in points for number in point]


def inside(points):
    """Whether the points reach into the image, as a shape must."""
    (x, y), (right, bottom) = np.min(points, axis=0), np.max(points, axis=0)
    return x < SIZE[1] and y < SIZE[0] and right >= 0 and bottom >= 0


def refused(region, message, size=SIZE):
    with pytest.raises(UserError, match=message):
        region.draw(size)


def test_a_polygon_of_coco_covers_the_pixels_between_its_sides():
    square = CocoPolygons([[1, 2, 5, 2, 5, 4, 1, 4]])
    np.testing.assert_array_equal(square.draw(SIZE), box(2, 1, 4, 5))


def test_the_parts_of_an_object_of_coco_are_joined():
    parts = [[0, 0, 2, 0, 2, 2, 0, 2], [4, 3, 8, 3, 8, 6, 4, 6]]
    expected = box(0, 0, 2, 2) | box(3, 4, 6, 8)
    np.testing.assert_array_equal(CocoPolygons(parts).draw(SIZE), expected)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@settings(deadline=None, max_examples=50)
@given(polygons)
def test_a_polygon_of_coco_is_that_of_pycocotools(points):
    if inside(points):
        expected = coco_mask.decode(coco_mask.frPyObjects([flat(points)], *SIZE))
        drawn = CocoPolygons([flat(points)]).draw(SIZE)
        np.testing.assert_array_equal(drawn, expected[..., 0] > 0)


def test_a_polygon_of_two_points_covers_nothing_and_is_no_box():
    thin = [1, 1, 3, 3]
    assert not CocoPolygons([thin]).draw(SIZE).any()
    square = [1, 2, 5, 2, 5, 4, 1, 4]
    both = CocoPolygons([thin, square]).draw(SIZE)
    np.testing.assert_array_equal(both, box(2, 1, 4, 5))


def test_what_lies_outside_the_image_in_part_is_cut_off():
    drawn = CocoPolygons([[-3, -2, 4, -2, 4, 3, -3, 3]]).draw(SIZE)
    np.testing.assert_array_equal(drawn, box(0, 0, 3, 4))


@pytest.mark.parametrize(
    "part, message",
    [
        ([1, 2, 3, 4, 5], "5 numbers, which is odd"),
        ([9, 1, 12, 1, 12, 3], "lies outside the image of 8x6: columns 9 to 12"),
        ([1, -5, 4, -5, 4, -1], "lies outside the image"),
        ([1, 1, 1e9, 1, 3, 3], "reaches far outside the image"),
        ([1, 1, float("nan"), 1, 3, 3], "a position that is no number"),
        ([1, 1, float("inf"), 1, 3, 3], "a position that is no number"),
    ],
)
def test_a_polygon_that_cannot_be_of_the_image_is_refused(part, message):
    refused(CocoPolygons([part]), message)


def test_run_lengths_go_down_the_columns():
    runs = RunLengths([7, 2, 4, 2, 33], SIZE)  # rows 1 and 2 of columns 1 and 2
    np.testing.assert_array_equal(runs.draw(SIZE), box(1, 1, 3, 3))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 40]))
def test_compressed_run_lengths_are_those_of_pycocotools(seed, scale):
    size = (scale * 7, scale * 5)
    noise = np.random.default_rng(seed).random((7, 5)) > 0.5
    mask = np.kron(noise, np.ones((scale, scale), bool))
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = encoded["counts"].decode()
    np.testing.assert_array_equal(RunLengths(text, size).draw(size), mask)


@pytest.mark.parametrize(
    "counts, message",
    [
        ([1, 2], "run lengths of 3 pixels for a mask of 8x6"),
        ([40, 9], "run lengths of 49 pixels"),
        ([50, -2], "run lengths of 48 pixels"),
        ([], "run lengths of 0 pixels"),
        ("", "run lengths of 0 pixels"),
        ("o", "end within a number"),
        ("ooooooo0", "no compressed ones"),
        ("\xff", "no compressed ones"),
        (" ", "no compressed ones"),
    ],
)
def test_run_lengths_that_do_not_fill_the_mask_are_refused(counts, message):
    refused(RunLengths(counts, SIZE), message)


def test_run_lengths_of_another_size_are_refused():
    refused(RunLengths([30], (6, 5)), "run lengths of 5x6 pixels for 8x6")


def test_run_lengths_of_cvat_go_along_the_rows_of_their_box():
    runs = RunLengths([1, 2, 0, 1], (2, 2), (3, 4), by_rows=True)
    expected = box(3, 5, 4, 6) | box(4, 4, 5, 6)
    np.testing.assert_array_equal(runs.draw(SIZE), expected)


@pytest.mark.parametrize("corner", [(5, 4), (3, 7), (-1, 0)])
def test_a_mask_of_cvat_that_is_not_inside_the_image_is_refused(corner):
    refused(
        RunLengths([4], (2, 2), corner, by_rows=True), "not inside the image of 8x6"
    )


def of_labelme(kind, points):
    """Draw as labelme's shape_to_mask does."""
    mask = Image.fromarray(np.zeros(SIZE, np.uint8))
    draw = ImageDraw.Draw(mask)
    xy = [tuple(point) for point in points]
    if kind == "circle":
        (cx, cy), (px, py) = xy
        d = math.sqrt((cx - px) ** 2 + (cy - py) ** 2)
        draw.ellipse([cx - d, cy - d, cx + d, cy + d], outline=1, fill=1)
    elif kind == "rectangle":
        draw.rectangle(xy, outline=1, fill=1)
    else:
        draw.polygon(xy=xy, outline=1, fill=1)
    return np.array(mask, dtype=bool)


@settings(deadline=None, max_examples=50)
@given(polygons)
def test_a_polygon_of_labelme_is_that_of_its_library(points):
    if inside(points):
        drawn = PillowShape("polygon", points).draw(SIZE)
        np.testing.assert_array_equal(drawn, of_labelme("polygon", points))


@pytest.mark.parametrize("kind", ["rectangle", "circle"])
def test_a_shape_of_two_points_is_that_of_labelme(kind):
    points = [(1.2, 1.4), (4.6, 3.1)]
    drawn = PillowShape(kind, points).draw(SIZE)
    np.testing.assert_array_equal(drawn, of_labelme(kind, points))


def test_a_rectangle_of_labelme_covers_its_corners_in_any_order():
    for points in ([(1, 2), (4, 3)], [(4, 3), (1, 2)], [(4, 2), (1, 3)]):
        drawn = PillowShape("rectangle", points).draw(SIZE)
        np.testing.assert_array_equal(drawn, box(2, 1, 4, 5))


@pytest.mark.parametrize("kind", ["rectangle", "circle"])
def test_a_shape_of_other_than_two_points_is_refused(kind):
    refused(PillowShape(kind, [(1, 1)]), f"a {kind} of 1 points; it has two")


def png(mask):
    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_a_mask_of_labelme_lies_in_its_box():
    inner = np.array([[1, 0, 1], [0, 1, 1]])
    drawn = Bitmap([(2, 3), (4, 4)], png(inner)).draw(SIZE)
    expected = np.zeros(SIZE, bool)
    expected[3:5, 2:5] = inner
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    "points, encoded, message",
    [
        ([(2, 3), (4, 4)], png(np.ones((2, 2))), "2x2 pixels in a box of 3x2"),
        ([(6, 3), (8, 4)], png(np.ones((2, 3))), "not inside the image"),
        ([(2, 3), (4, 4)], "no base 64", "no PNG in base64"),
        ([(2, 3), (4, 4)], "AAAA", "no PNG in base64"),
        ([(2, 3)], png(np.ones((2, 3))), "its box has two corners"),
    ],
)
def test_a_mask_of_labelme_that_does_not_fit_is_refused(points, encoded, message):
    refused(Bitmap(points, encoded), message)


def test_a_polygon_of_yolo_is_filled_by_opencv_at_whole_pixels():
    points = (0.125, 0.34, 0.65, 0.34, 0.65, 0.7, 0.125, 0.7)
    expected = np.zeros(SIZE, np.uint8)
    corners = np.array([[[1, 2], [5, 2], [5, 4], [1, 4]]], np.int32)
    cv2.fillPoly(expected, corners, 1)
    np.testing.assert_array_equal(FilledPolygon(points).draw(SIZE), expected > 0)


def test_a_box_is_a_rectangle_also_when_it_is_turned():
    np.testing.assert_array_equal(rectangle((1, 2, 5, 4)).draw(SIZE), box(2, 1, 4, 5))
    turned = rectangle((1, 2, 5, 4), rotation=90).draw(SIZE)
    np.testing.assert_array_equal(turned, box(1, 2, 5, 4))


def test_a_box_is_turned_clockwise():
    x, y = rectangle((0, 0, 4, 2), 90).parts[0][:2]
    np.testing.assert_allclose((x, y), (3, -1), atol=1e-9)  # the upper left corner


def test_an_ellipse_is_that_of_opencv():
    expected = np.zeros(SIZE, np.uint8)
    cv2.ellipse(expected, (4, 3), (3, 1), 20, 0, 360, 1, thickness=-1)
    drawn = Ellipse((4.2, 2.8), (2.9, 1.1), 20).draw(SIZE)
    np.testing.assert_array_equal(drawn, expected > 0)
