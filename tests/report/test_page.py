"""The report: one file, whole, escaped, and honest about what is missing."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jaxseg.data.labels import LabelSet
from jaxseg.report.events import MetricLog
from jaxseg.report.page import write_report
from jaxseg.report.sheets import comparison

LABELS = LabelSet(("sky", "road & <path>"), ((1, 2, 3), (4, 5, 6)))
SUMMARY = {
    "name": "roads",
    "model": {"head": "unet", "backbone": "resnet34"},
    "data": {"name": "folder", "root": "streets"},
    "step": 1200,
    "split": "val",
    "miou": 0.625,
    "per_class_iou": {"sky": 0.75, "road & <path>": 0.5},
    "per_class_dice": {"sky": 0.857, "road & <path>": 0.667},
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


def write(workdir, summary=SUMMARY, labels=LABELS, samples=None, text="{}"):
    return write_report(workdir, summary, text, labels, samples).read_text()


def log_curves(workdir, steps=100):
    with MetricLog(workdir) as log:
        for step in range(1, steps + 1):
            log.write(step, "train", {"loss": 2 / step, "learning_rate": 0.01})
            if step % 25 == 0:
                log.write(step, "val", {"miou": step / 200})


@pytest.fixture
def page(tmp_path) -> str:
    log_curves(tmp_path)
    mask = np.zeros((40, 40), int)
    sheet = comparison(np.zeros((40, 40, 3), np.uint8), mask, mask, LABELS)
    return write(tmp_path, samples={"<0001>": sheet})


def test_the_page_is_written_into_the_run_folder(tmp_path):
    path = write_report(tmp_path, SUMMARY, "{}", LABELS)
    assert path == tmp_path / "report.html"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_every_tag_is_closed_in_order(page):
    checker = check(page)
    assert checker.crossed == []
    assert checker.open == []


def test_the_page_names_no_address_outside_itself(page):
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link", page)
    sources = [value for _, name, value in check(page).attributes if name == "src"]
    assert len(sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_the_page_forbids_the_browser_to_load_anything(page):
    assert "default-src 'none'" in page


def test_the_headline_numbers_are_shown(page):
    text = " ".join(" ".join(check(page).text).split())
    for shown in ("Mean IoU 62.5 %", "Pixel accuracy 87.5 %", "Mean Dice 80.0 %"):
        assert shown in text
    assert "Frequency-weighted IoU 70.0 %" in text
    assert "Best step 1,200 Parameters – Images/s 1,234 Device 2 x TPU <v4>" in text
    assert "Run: roads. Measured on 12 images of the val split in 3.5 s." in text
    assert "jax 0.10.2" in text


def test_names_and_texts_are_escaped(tmp_path):
    summary = SUMMARY | {"data": {"name": "<b>&"}, "name": "<i>"}
    page = write(tmp_path, summary, text='{"name": "</pre><script>"}')
    assert "<title>U-Net on ResNet-34, &lt;b&gt;&amp;</title>" in page
    assert "<h1>U-Net on ResNet-34, &lt;b&gt;&amp;</h1>" in page
    assert "Run: &lt;i&gt;." in page
    assert "road &amp; &lt;path&gt;" in page
    assert "2 x TPU &lt;v4&gt;" in page
    assert "&lt;/pre&gt;&lt;script&gt;" in page
    assert not re.search("<b>|<i>|<path>|<v4>|<script", page)


def test_braces_in_texts_are_kept(tmp_path):
    assert "{body} {0}" in write(tmp_path, text="{body} {0}")


def test_there_is_a_curve_each_for_loss_validation_and_learning_rate(page):
    labels = [
        value for _, name, value in check(page).attributes if name == "aria-label"
    ]
    assert labels == ["Training loss", "Mean IoU, val", "Learning rate"]
    assert "best 50.0%, step 100" in page


def test_the_heading_is_model_and_data(page):
    assert "<h1>U-Net on ResNet-34, streets</h1>" in page
    assert "<title>U-Net on ResNet-34, streets</title>" in page


def test_a_report_of_older_results_is_headed_by_the_name(tmp_path):
    older = {k: v for k, v in SUMMARY.items() if k not in ("model", "data")}
    del older["per_class_dice"]
    page = write(tmp_path, older)
    assert "<h1>roads</h1>" in page
    assert "Run: roads" not in page, "said once"


def test_one_class_alone_is_reported_above_the_metrics(tmp_path):
    page = write(tmp_path, SUMMARY | {"confusion": [[5, 0], [0, 0]]})
    assert "Only one class, sky, occurs in the labels" in page
    assert "Only one class" not in write(tmp_path)


def test_the_sections_stand_in_their_order(page):
    headings = re.findall("<h2>(.*?)</h2>", page)
    assert headings == [
        "Learning curves",
        "Classes",
        "Samples",
        "Confusion",
        "Configuration",
    ]


@pytest.mark.parametrize("classes", [40, 41])
def test_the_confusion_matrix_is_shown_up_to_40_classes(tmp_path, classes):
    labels = LabelSet(tuple(f"c{index}" for index in range(classes)))
    summary = SUMMARY | {"confusion": np.eye(classes, dtype=int).tolist()}
    page = write(tmp_path, summary, labels)
    assert ('class="heat"' in page) == (classes == 40)
    assert ("A matrix of 41 classes is too large" in page) == (classes == 41)


def test_a_run_with_nothing_measured_still_has_a_page(tmp_path):
    page = write(tmp_path, {"miou": None, "pixel_accuracy": math.nan})
    assert page.count("<dd>–</dd>") == 8
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


def test_a_loss_that_was_not_finite_is_mentioned(tmp_path):
    with MetricLog(tmp_path) as log:
        for step in range(200):
            log.write(step, "train", {"loss": 1.0 if step < 20 else math.nan})
    assert "not finite at the end" in write(tmp_path)


def test_the_worst_images_have_a_section_of_their_own(tmp_path):
    mask = np.zeros((40, 40), int)
    sheet = comparison(np.zeros((40, 40, 3), np.uint8), mask, mask, LABELS)
    worst = {"0007": sheet}
    found = {
        "per_image": {"mean_iou": {"mean": 0.5, "median": 0.25}},
        "worst_images": [{"name": "0007", "score": 0.125}],
    }
    page = write_report(tmp_path, SUMMARY | found, "{}", LABELS, {}, worst).read_text()
    checker = check(page)
    assert checker.crossed == [] == checker.open
    text = " ".join(" ".join(checker.text).split())
    assert "Mean over the images: mean IoU 50.0 % (median 25.0 %)." in text
    assert "0007, mean IoU 12.5 %" in text
    assert "Worst images" not in write(tmp_path)
