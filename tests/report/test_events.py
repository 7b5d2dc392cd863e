"""The metric log: what is written, and what a resume keeps."""

import json
import math
import struct

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from jaxseg.errors import UserError
from jaxseg.report.events import MetricLog, read_metrics


def read_events(workdir) -> list[Event]:
    """Read TensorBoard files: length, its checksum, data, its checksum."""
    events = []
    for path in sorted((workdir / "events").iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            events.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return events


def scalars(workdir) -> dict[tuple[str, int], float]:
    return {
        (value.tag, event.step): value.simple_value
        for event in read_events(workdir)
        for value in event.summary.value
    }


def write_steps(workdir, steps, start_step=0, split="train"):
    with MetricLog(workdir, start_step) as log:
        for step in steps:
            log.write(step, split, {"loss": 1.0 / step})


def test_each_write_is_one_json_object_a_line(tmp_path):
    with MetricLog(tmp_path) as log:
        log.write(20, "train", {"loss": 0.5, "learning_rate": np.float32(0.25)})
        log.write(20, "val", {"miou": 0.125})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 20, "split": "train", "loss": 0.5, "learning_rate": 0.25},
        {"step": 20, "split": "val", "miou": 0.125},
    ]


def test_a_line_can_be_read_before_the_log_is_closed(tmp_path):
    with MetricLog(tmp_path) as log:
        log.write(1, "train", {"loss": 2.0})
        assert read_metrics(tmp_path) == [{"step": 1, "split": "train", "loss": 2.0}]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_what_is_not_finite_becomes_null_and_no_event(tmp_path, value):
    with MetricLog(tmp_path) as log:
        log.write(1, "train", {"loss": value})
    assert '"loss": null' in (tmp_path / "metrics.jsonl").read_text()
    assert scalars(tmp_path) == {}


def test_tensorboard_gets_the_same_scalars_named_by_split(tmp_path):
    with MetricLog(tmp_path) as log:
        log.write(3, "train", {"loss": 0.5})
        log.write(3, "val", {"miou": 0.25})
    assert scalars(tmp_path) == {("train/loss", 3): 0.5, ("val/miou", 3): 0.25}


def test_a_resumed_log_reads_as_if_uninterrupted(tmp_path):
    write_steps(tmp_path / "whole", range(1, 9))
    write_steps(tmp_path / "parts", range(1, 7))
    write_steps(tmp_path / "parts", range(5, 9), start_step=4)
    assert (tmp_path / "parts/metrics.jsonl").read_bytes() == (
        tmp_path / "whole/metrics.jsonl"
    ).read_bytes()


def test_a_resume_tells_tensorboard_to_hide_the_later_steps(tmp_path):
    write_steps(tmp_path, range(1, 7))
    write_steps(tmp_path, range(5, 9), start_step=4)
    starts = [event.step for event in read_events(tmp_path) if event.session_log.status]
    assert starts == [0, 5]


def test_a_quick_resume_does_not_overwrite_the_events(tmp_path):
    write_steps(tmp_path, [1, 2])
    write_steps(tmp_path, [3], start_step=2)
    assert {step for _, step in scalars(tmp_path)} == {1, 2, 3}


def test_a_new_run_in_an_old_folder_begins_with_an_empty_log(tmp_path):
    write_steps(tmp_path, [1, 2])
    write_steps(tmp_path, [5])
    assert [record["step"] for record in read_metrics(tmp_path)] == [5]


@pytest.mark.parametrize("torn", ['{"step": 3, "spl', "\0\0\0", "[3]", "\udcff"])
def test_a_torn_line_is_dropped(tmp_path, torn):
    write_steps(tmp_path, [1, 2])
    with (tmp_path / "metrics.jsonl").open("a", errors="surrogateescape") as file:
        file.write(torn)
    assert [record["step"] for record in read_metrics(tmp_path)] == [1, 2]
    write_steps(tmp_path, [3], start_step=2)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]


def test_a_failed_rewrite_leaves_the_old_log_whole(tmp_path, monkeypatch):
    write_steps(tmp_path, [1, 2, 3])
    before = (tmp_path / "metrics.jsonl").read_bytes()

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="disk full"):
        MetricLog(tmp_path, start_step=1)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_a_run_without_metrics_has_none_to_read(tmp_path):
    assert read_metrics(tmp_path / "nowhere") == []


def test_a_file_in_the_place_of_the_folder_is_a_user_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="run: cannot be used as a folder"):
        MetricLog(tmp_path / "run")
