"""The report: one file, whole, escaped, and honest about what is missing."""

import base64
import io
import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.labels import LabelSet
from jaxseg.report.charts import Line, heat_table, line_chart
from jaxseg.report.events import MetricLog
from jaxseg.report.image_files import save_picture
from jaxseg.report.page import write_report

LABELS = LabelSet(("sky", "road & <path>"), ((1, 2, 3), (4, 5, 6)))
SUMMARY = {
    "step": 1200,
    "split": "val",
    "miou": 0.625,
    "per_class_iou": {"sky": 0.75, "road & <path>": 0.5},
    "pixel_accuracy": 0.875,
    "frequency_weighted_iou": 0.7,
    "mean_dice": 0.8,
    "images": 12,
    "seconds": 3.5,
    "images_per_second": 1234.5,
    "device": "2 x TPU <v4>",
    "versions": {"jax": "0.10.2"},
    "confusion": [[90, 10], [25, 75]],
}
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checker(HTMLParser):
    """Follow the tags; collect text, attributes, and what is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data):
        self.text.append(data)


def check(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


def write(workdir, summary=SUMMARY, labels=LABELS, samples=(), title="run", text="{}"):
    return write_report(workdir, title, summary, text, labels, samples).read_text()


def log_curves(workdir, steps=100):
    with MetricLog(workdir) as log:
        for step in range(1, steps + 1):
            log.write(step, "train", {"loss": 2 / step, "learning_rate": 0.01})
            if step % 25 == 0:
                log.write(step, "val", {"miou": step / 200})


@pytest.fixture
def page(tmp_path) -> str:
    log_curves(tmp_path)
    save_picture(tmp_path / "samples/0001.png", np.zeros((8, 8, 3), np.uint8))
    return write(tmp_path, samples=[tmp_path / "samples/0001.png"])


def test_the_page_is_written_into_the_run_folder(tmp_path):
    path = write_report(tmp_path, "run", SUMMARY, "{}", LABELS, [])
    assert path == tmp_path / "report.html"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_every_tag_is_closed_in_order(page):
    checker = check(page)
    assert checker.crossed == []
    assert checker.open == []


def test_the_page_names_no_address_outside_itself(page):
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link", page)
    sources = [value for _, name, value in check(page).attributes if name == "src"]
    assert len(sources) == 1
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_page_forbids_the_browser_to_load_anything(page):
    assert "default-src 'none'" in page


def test_the_headline_numbers_are_shown(page):
    text = " ".join(" ".join(check(page).text).split())
    for shown in ("Mean IoU 62.5 %", "Pixel accuracy 87.5 %", "Mean Dice 80.0 %"):
        assert shown in text
    assert "Frequency-weighted IoU 70.0 %" in text
    assert "Steps 1,200 Images/s 1,234 Device 2 x TPU <v4>" in text
    assert "Measured on the val split, 12 images, 3.5 s" in text
    assert "jax 0.10.2" in text


def test_names_and_texts_are_escaped(tmp_path):
    page = write(tmp_path, title="<b>&", text='{"name": "</pre><script>"}')
    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert "<h1>&lt;b&gt;&amp;</h1>" in page
    assert "road &amp; &lt;path&gt;" in page
    assert "2 x TPU &lt;v4&gt;" in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page
    assert not re.search("<b>|<path>|<v4>|<script", page)


def test_braces_in_texts_are_kept(tmp_path):
    assert "{body} {0}" in write(tmp_path, text="{body} {0}")


def test_there_is_a_curve_each_for_loss_validation_and_learning_rate(page):
    labels = [
        value for _, name, value in check(page).attributes if name == "aria-label"
    ]
    assert labels == ["Training loss", "Mean IoU, val", "Learning rate"]
    assert "best 50.0%, step 100" in page


def test_a_class_has_its_chip_bar_and_share_and_the_best_comes_first(page):
    rows = re.findall(r"<tr>.*?</tr>", page.split('class="classes"')[1])[1:3]
    assert "sky" in rows[0] and "road" in rows[1]
    assert "rgb(1, 2, 3)" in rows[0]
    assert "width:75.0%" in rows[0] and ">75.0<" in rows[0]
    assert "50.0%" in rows[0], "half of the labelled pixels"


def test_a_class_that_does_not_occur_has_a_dash_and_comes_last(tmp_path):
    summary = SUMMARY | {"per_class_iou": {"sky": None, "road & <path>": 0.0}}
    page = write(tmp_path, summary)
    rows = re.findall(r"<tr>.*?</tr>", page.split('class="classes"')[1])[1:3]
    assert "road" in rows[0] and ">0.0<" in rows[0]
    assert "sky" in rows[1] and "&ndash;" in rows[1]


def test_the_confusion_matrix_is_normalised_by_row():
    table = heat_table(np.array([[90, 10], [25, 75]]), LABELS)
    shares = re.findall(r"--v:([\d.]+)", table)
    assert shares == ["0.900", "0.100", "0.250", "0.750"]
    assert re.findall(r'">(\d+)</td>', table) == ["90", "10", "25", "75"]


def test_a_class_without_pixels_is_an_empty_row_of_the_confusion_matrix():
    table = heat_table(np.array([[0, 0], [0, 5]]), LABELS)
    assert re.findall(r"--v:([\d.]+)", table) == ["0.000", "0.000", "0.000", "1.000"]


@pytest.mark.parametrize("classes", [40, 41])
def test_the_confusion_matrix_is_shown_up_to_40_classes(tmp_path, classes):
    labels = LabelSet(tuple(f"c{index}" for index in range(classes)))
    summary = SUMMARY | {"confusion": np.eye(classes, dtype=int).tolist()}
    assert ("<h2>Confusion</h2>" in write(tmp_path, summary, labels)) == (classes == 40)


def test_a_sample_is_inlined_as_it_is(page, tmp_path):
    data = base64.b64decode(page.split("data:image/png;base64,")[1].split('"')[0])
    assert data == (tmp_path / "samples/0001.png").read_bytes()
    assert 'alt="0001"' in page


def test_a_large_sample_is_inlined_as_jpeg(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    save_picture(tmp_path / "a.png", noise)
    page = write(tmp_path, samples=[tmp_path / "a.png"])
    data = base64.b64decode(page.split("data:image/jpeg;base64,")[1].split('"')[0])
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (300, 300)


def test_a_sample_that_is_gone_is_passed_over(tmp_path):
    assert "<h2>Samples</h2>" not in write(tmp_path, samples=[tmp_path / "gone.png"])


def test_a_run_with_nothing_measured_still_has_a_page(tmp_path):
    page = write(tmp_path, {"miou": None, "pixel_accuracy": math.nan})
    assert page.count("<dd>&ndash;</dd>") == 7
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == ["Configuration"]


@pytest.mark.parametrize("values", [[math.nan], [math.nan, 0.5], [0.5], [0.0, 0.0]])
def test_few_or_lost_values_still_make_a_page(tmp_path, values):
    with MetricLog(tmp_path) as log:
        for step, value in enumerate(values):
            log.write(step, "train", {"loss": value})
            log.write(step, "val", {"miou": value})
    page = write(tmp_path)
    assert ("<svg" in page) == (not math.isnan(values[-1]))
    assert "nan" not in page.split("</style>")[1]


def test_a_loss_that_broke_is_said_to_have(tmp_path):
    with MetricLog(tmp_path) as log:
        for step in range(200):
            log.write(step, "train", {"loss": 1.0 if step < 20 else math.nan})
    assert "not finite at the end" in write(tmp_path)


def points(svg: str, style: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg).iterfind(f".//path[@class='{style}']")
    text = "".join(element.attrib["d"] for element in found)
    return [
        (float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", text)
    ]


def test_a_curve_rises_where_its_values_do():
    (x0, y0), (x1, y1), (x2, y2) = points(
        line_chart([Line([0, 50, 100], [0.0, 1.0, 0.5])], "loss"), "line"
    )
    assert (x0, x2) == (0, 2 * x1)
    assert y1 == 0, "the largest value is at the top"
    assert y0 == 2 * y2


def test_a_lost_value_leaves_a_gap():
    svg = line_chart([Line([1, 2, 3, 4], [0.1, None, 0.3, 0.4])], "loss")
    (path,) = ElementTree.fromstring(svg).iterfind(".//path[@class='line']")
    assert re.findall("[ML]", path.attrib["d"]) == ["M", "M", "L"]


def test_shares_are_written_in_per_cent():
    svg = line_chart([Line([1, 2], [0.0, 0.5])], "IoU", percent=True)
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert texts[:4] == ["0%", "20%", "40%", "60%"]
    assert "step 2: 50.00%" in svg


def test_a_long_curve_is_thinned_to_means():
    steps = list(range(1, 3001))
    curve = points(line_chart([Line(steps, [1.0, 3.0] * 1500)], "loss"), "line")
    assert len(curve) == 300
    assert len({y for _, y in curve}) == 1


def test_what_exceeds_the_top_leaves_the_axes():
    svg = line_chart([Line([1, 2, 3], [100.0, 1.0, 0.0])], "loss", top=1.0)
    (_, above), (_, at_the_top), _ = points(svg, "line")
    assert above < 0
    assert at_the_top == 0


def test_steps_are_counted_in_whole_numbers():
    svg = line_chart([Line([1, 2], [0.5, 0.6])], "loss")
    steps = [
        text.text for text in ElementTree.fromstring(svg).iterfind("*[@class='x']")
    ]
    assert steps == ["0", "1", "2"]
