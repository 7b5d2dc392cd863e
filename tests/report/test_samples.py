"""Sample sheets on the page: pictures without a background, text as text."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from jaxseg.report.samples import sample_figures
from jaxseg.report.sheets import Sheet

LEGEND = (("road & <path>", (1, 2, 3)), ("wrong", (255, 255, 0)))


def sheet(size=(4, 5), noise=False) -> Sheet:
    picture = np.full((*size, 3), 9, np.uint8)
    if noise:
        picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    return Sheet({"Image": picture, "Errors": picture + np.uint8(1)}, LEGEND)


def pictures(markup: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/(\w+);base64,([^"]+)"', markup)
    images = [Image.open(io.BytesIO(base64.b64decode(data))) for _, data in found]
    for (kind, _), image in zip(found, images, strict=True):
        assert image.format == kind.upper()
    return images


def test_each_picture_is_inlined_as_it_is_under_its_title():
    markup = sample_figures({"a": sheet()})
    assert re.findall(r"<p>(\w+)</p>", markup) == ["Image", "Errors"]
    shown = [np.asarray(image) for image in pictures(markup)]
    assert [image.shape for image in shown] == [(4, 5, 3)] * 2
    assert [int(image[0, 0, 0]) for image in shown] == [9, 10]


def test_a_large_picture_is_inlined_as_jpeg():
    images = pictures(sample_figures({"a": sheet((300, 300), noise=True)}))
    assert {image.format for image in images} == {"JPEG"}
    assert {image.size for image in images} == {(300, 300)}


def test_the_legend_is_text_beside_its_colours():
    markup = sample_figures({"a": sheet()}).split('class="legend"')[1]
    found = re.findall(r"rgb\(([\d, ]+)\)\"></i><span>(.*?)</span>", markup)
    assert found == [("1, 2, 3", "road &amp; &lt;path&gt;"), ("255, 255, 0", "wrong")]


def test_names_are_escaped():
    markup = sample_figures({"<b>": sheet()})
    assert "<b>" not in markup
    assert "<figcaption>&lt;b&gt;</figcaption>" in markup
    assert 'alt="Errors, &lt;b&gt;"' in markup


@pytest.mark.parametrize(("size", "wide"), [((4, 5), False), ((4, 9), True)])
def test_fewer_wide_pictures_stand_in_a_row(size, wide):
    assert ('class="sheet wide"' in sample_figures({"a": sheet(size)})) == wide


def test_without_samples_there_is_nothing():
    assert sample_figures({}) == ""
