"""Look for faults in a data set before it is trained on.

Reads every image and mask once and lists what would stop or spoil a training, on the
terminal, in doctor.json and in doctor.html.  The exit code is 1 if there is such an
error, else 0; warnings and notes do not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from pathlib import Path

from jaxseg.command_line import changed
from jaxseg.config import Config
from jaxseg.data.catalog import check_data
from jaxseg.data.tasks import check_options
from jaxseg.doctor.examination import Examination, examine
from jaxseg.doctor.facts import read_all
from jaxseg.doctor.files import find_files, match_folders
from jaxseg.doctor.findings import shown
from jaxseg.doctor.summary import ClassSummary, Summary
from jaxseg.errors import UserError
from jaxseg.experiment import read_config
from jaxseg.paths import replace_text, unwritable_folder
from jaxseg.report.checkup import write_checkup
from jaxseg.report.console import Progress, log, print_line, table

OVERRIDES = True
"""Words that are no options of this command change the config."""

_SHOWN = 5  # findings of a kind that the terminal lists


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--config", metavar="FILE", help="an experiment's file")
    parser.add_argument(
        "--root", metavar="DIR", help="images with masks or annotations, as --data.root"
    )
    parser.add_argument(
        "--images", metavar="DIR", type=Path, help="a folder of images, with --masks"
    )
    parser.add_argument(
        "--masks", metavar="DIR", type=Path, help="the folder of their masks"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("doctor"),
        help="where doctor.json and doctor.html are written; default: doctor",
    )


def run(options: argparse.Namespace) -> int:
    """Examine the files, print what was found and write both reports."""
    config = _config(options)
    check_data(config.data)
    check_options(config)
    alone = options.images is not None
    if alone:
        files = match_folders(config.data, options.images, options.masks)
        folders = [options.images, options.masks]
    else:
        files = find_files(config.data)
        folders = [files.root]
    _check_out(options.out, folders)
    began = time.monotonic()
    count = sum(map(len, files.source.splits.values())) if files.source else 0
    with Progress(count, name="pair") as progress:
        facts = []
        for each in read_all(files.source) if files.source else ():
            facts.append(each)
            progress.update(len(facts))
    found = examine(config.data, files, facts, alone)
    seconds = time.monotonic() - began
    _print(found)
    options.out.mkdir(parents=True, exist_ok=True)
    content = json.dumps(found.as_json(), indent=1) + "\n"
    replace_text(options.out / "doctor.json", content)
    page = write_checkup(options.out, found)
    log(f"{count / max(seconds, 1e-9):.0f} pairs/s; the page with pictures is {page}")
    return int(found.count("error") > 0)


def _config(options: argparse.Namespace) -> Config:
    """Return the config of the data set that the options name."""
    folders = (options.images, options.masks)
    given = [options.config, options.root, any(folders) or None]
    if sum(each is not None for each in given) != 1 or bool(folders[0]) != bool(
        folders[1]
    ):
        raise UserError(
            "name one data set: --config FILE, --root DIR, or --images DIR with"
            " --masks DIR"
        )
    if options.config:
        return read_config(options.config, options.overrides)
    config = Config()
    data = dataclasses.replace(config.data, name="folder", root=options.root or "")
    return changed(dataclasses.replace(config, data=data), options.overrides)


def _check_out(out: Path, folders: list[Path]) -> None:
    """Refuse to write into the data set, or where nothing can be written."""
    for folder in folders:
        if out.resolve().is_relative_to(folder.resolve()):
            raise UserError(
                f"{out}: lies in the data set, into which nothing is written; pass"
                " --out DIR, a folder elsewhere"
            )
    if reason := unwritable_folder(out):
        raise UserError(f"{out}: cannot be written ({reason}); pass --out DIR")


def _print(found: Examination) -> None:
    """Print the findings by kind, then what the data set is like."""
    for note in found.notes:
        log(note)
    kinds = Counter((each.severity, each.check) for each in found.findings)
    for (severity, check), count in kinds.items():
        print_line(f"{severity}: {check}" + f" ({count})" * (count > 1))
        alike = [
            f for f in found.findings if (f.severity, f.check) == (severity, check)
        ]
        for finding in alike[:_SHOWN]:
            print_line("  " + ": ".join(filter(None, shown(finding, found.root))))
        if count > _SHOWN:
            print_line(f"  and {count - _SHOWN} more, in doctor.json")
        remedies = dict.fromkeys(each.remedy for each in alike if each.remedy)
        for remedy in list(remedies)[:2]:
            print_line(f"  remedy: {remedy}")
    if found.findings:
        print_line("")
    _print_summary(found.summary)
    counts = ", ".join(
        f"{found.count(each)} {each}{'s' * (found.count(each) != 1)}"
        for each in ("error", "warning", "note")
    )
    print_line(f"{found.root}: {counts}")


def _weight(each: ClassSummary) -> str | None:
    return None if each.weight is None else f"{each.weight:.4g}"


def _print_summary(summary: Summary) -> None:
    if summary.classes:
        rows = [
            (each.name, f"{100 * each.share:.3g}%", each.images, _weight(each))
            for each in summary.classes
        ]
        table(rows, ("class (training split)", "pixels", "images", "weight"))
        if summary.ignored:
            print_line(f"ignored: {100 * summary.ignored:.3g} % of the pixels")
        if summary.classes[0].weight is not None:
            print_line("weights: median frequency, by --train.class_balance median")
    images = ", ".join(f"{split} {count}" for split, count in summary.images.items())
    print_line(f"images: {images or 'none'}")
    if summary.crop and summary.mean and summary.deviation:
        sizes = ", ".join(f"{h}x{w} ({n})" for h, w, n in summary.sizes[:4])
        more = len(summary.sizes) - 4
        rest = f" and {more} more" if more > 0 else ""
        print_line(f"sizes, height x width: {sizes}{rest}")
        print_line("crop: --augment.crop {} {}".format(*summary.crop))
        mean, deviation = (
            " ".join(f"{value:.3f}" for value in values)
            for values in (summary.mean, summary.deviation)
        )
        print_line(
            f"colours, for training without weights: --model.mean {mean} --model.std"
            f" {deviation}"
        )
