"""Tables of the report: classes and their confusion."""

import re

import numpy as np

from jaxseg.data.labels import LabelSet
from jaxseg.report.tables import class_table, heat_table

LABELS = LabelSet(("sky", "road & <path>"), ((1, 2, 3), (4, 5, 6)))
IOU = {"sky": 0.5, "road & <path>": 0.75}
DICE = {"sky": 0.667, "road & <path>": 0.857}
SHARES = {"sky": 0.4, "road & <path>": 0.6}


def rows(table: str) -> list[str]:
    return re.findall(r"<tr>.*?</tr>", table, re.DOTALL)[1:]


def cells(row: str) -> list[str]:
    return re.findall(r"<td>(.*?)</td>", row)


def test_a_class_has_its_chip_iou_dice_and_share_and_the_best_comes_first():
    table = class_table(IOU, DICE, LABELS, SHARES)
    for title in ("IoU, %", "Dice, %", "Pixels, %"):
        assert title in table
    best, other = rows(table)
    assert "road &amp; &lt;path&gt;" in best and "sky" in other
    assert "rgb(4, 5, 6)" in best
    assert cells(best) == ["75.0", "85.7", "60.0"]
    assert cells(other) == ["50.0", "66.7", "40.0"]


def test_the_bar_of_the_iou_lies_on_that_of_the_dice():
    best, _ = rows(class_table(IOU, DICE, LABELS))
    assert re.findall(r"width:([\d.]+)%", best) == ["85.7", "75.0"]


def test_a_class_that_does_not_occur_has_dashes_and_comes_last():
    found = rows(class_table({"sky": None, "road & <path>": 0.0}, {}, LABELS, SHARES))
    assert cells(found[0]) == ["0.0", "–", "60.0"], "older results have no Dice"
    assert cells(found[1]) == ["–", "–", "40.0"]
    assert "width" not in found[1]


def test_without_shares_there_is_no_column_of_them():
    table = class_table(IOU, DICE, LABELS)
    assert "Pixels" not in table
    assert len(cells(rows(table)[0])) == 2


def test_the_confusion_matrix_is_normalised_by_row():
    table = heat_table(np.array([[90, 10], [25, 75]]), LABELS)
    shares = re.findall(r"--v:([\d.]+)", table)
    assert shares == ["0.900", "0.100", "0.250", "0.750"]
    assert re.findall(r'">(\d+)</td>', table) == ["90", "10", "25", "75"]


def test_a_class_without_pixels_is_an_empty_row_of_the_confusion_matrix():
    table = heat_table(np.array([[0, 0], [0, 5]]), LABELS)
    assert re.findall(r"--v:([\d.]+)", table) == ["0.000", "0.000", "0.000", "1.000"]


def test_a_name_cut_short_in_the_confusion_matrix_is_whole_in_its_title():
    table = heat_table(np.eye(2, dtype=int), LABELS)
    assert table.count('title="road &amp; &lt;path&gt;"') == 2, "its row and column"
