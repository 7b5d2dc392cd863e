"""The files that `doctor` looks at: those of training, and those without a partner.

Where training refuses a folder at the first file that does not pair, what pairs is
looked at all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import camvid_files, layout, sources
from jaxseg.data.candidates import Candidate
from jaxseg.data.folders import SUFFIXES, Listing, inside
from jaxseg.data.layout import Layout
from jaxseg.data.pairing import match
from jaxseg.data.sources import Source
from jaxseg.data.splits import Splits, find_lists, split_by_hash, split_by_lists
from jaxseg.doctor.findings import Finding, of_error
from jaxseg.errors import UserError
from jaxseg.paths import no_folder, user_path

_COPY = re.compile(r"(?i)(?:copy of )?(.+?)(?: ?\(\d+\)| - copy|[ _-]copy)*")

_MOST_COPIES = 4


class Files(NamedTuple):
    """What was found on the disk.

    Attributes:
      root: the folder.
      source: the pairs, and how their masks are read; None if that is unclear.
      findings: files without a partner, names that look alike, refusals of the layout.
    """

    root: Path
    source: Source | None
    findings: tuple[Finding, ...]


def find_files(config: DataConfig) -> Files:
    """Find the files of a data set that is read from a folder.

    Args:
      config: of the data set `folder` or `camvid`.

    Raises:
      UserError: another data set, or no such folder.
    """
    if config.name == "camvid":
        root, kind = camvid_files.camvid_root(config), camvid_files
    elif config.name == "folder":
        root, kind = _folder_root(config), sources
    else:
        raise UserError(
            f"data set {config.name!r} is read from records, whose image files cannot"
            " be seen; doctor checks files: pass --root FOLDER, or a --config whose"
            " data.name is folder or camvid"
        )
    refused = found = None
    try:
        found = kind.find_layout(config, root)
    except UserError as error:
        refused = error
    try:
        near = layout.nearest(
            root,
            config.images,
            config.masks,
            config.class_names if sources.has_class_files(config) else None,
            config.roi,
        )
    except UserError as error:
        if found is None:
            return Files(root, None, (of_error("layout", refused or error),))
        near = layout.Nearest(Listing(root), None)
    candidate = near.candidate
    findings = look_alikes(near.listing.paths)
    orphans = _orphans(candidate, found) if candidate else []
    names = [each.file.name for each in orphans if each.file]
    if refused and not any(name in str(refused) for name in names):
        findings.append(of_error("layout", refused))
    findings += orphans
    if found is None and candidate and candidate.count and not config.roi:
        found = Layout(_paired(candidate, root), groups=near.groups)
    if not found:
        return Files(root, None, tuple(findings))
    try:
        source = kind.interpreted(config, root, found)
    except UserError as error:
        findings.append(of_error("layout", error))
        absent = replace(config, absent_masks=True)
        try:
            source = kind.interpreted(absent, root, found)
        except UserError:
            source = None
    return Files(root, source, tuple(findings))


def match_folders(config: DataConfig, images: Path, masks: Path) -> Files:
    """Pair the files of a folder of images with those of a folder of masks.

    They are one split, "train".

    Args:
      config: the options of the masks.
      images: a folder, with folders below it or without.
      masks: another one, with the same folders below it.

    Raises:
      UserError: no such folder, the same twice, or masks of a file a class.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(no_folder(folder))
    if images.resolve() == masks.resolve():
        raise UserError(f"{images}: one folder for both; pass --root {images}")
    if sources.has_class_files(config) or config.roi:
        raise UserError(
            "masks of a file a class and data.roi are found by patterns: pass --root"
            " FOLDER --data.images PATTERN --data.masks PATTERN"
        )
    findings: list[Finding] = []
    tables = _table(images, findings), _table(masks, findings)
    paired = match(*tables)
    candidate = Candidate("", "", {"": tables}, {}, {}, {"": paired})
    for table in tables:
        findings += look_alikes(list(table.values()))
    findings += _orphans(candidate, None)
    if not paired.pairs:
        return Files(images, None, tuple(findings))
    found = Layout({"train": paired.pairs})
    return Files(images, sources.interpreted(config, masks, found), tuple(findings))


def _table(folder: Path, findings: list[Finding]) -> dict[str, Path]:
    """Return the image files of a folder under their paths without the ending."""
    table: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part[:1] == "." for part in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in SUFFIXES or path.is_dir():
            continue
        if path.is_symlink():
            try:
                inside(path, folder)
            except UserError as error:
                findings.append(of_error("layout", error, path))
                continue
        key = path.relative_to(folder).with_suffix("").as_posix()
        if other := table.get(key):
            findings.append(_clash(path, other))
        table.setdefault(key, path)
    return table


def _folder_root(config: DataConfig) -> Path:
    if not config.root:
        raise UserError("nothing to look at: pass --root FOLDER or --data.root FOLDER")
    root = user_path(config.root)
    if not root.is_dir():
        raise UserError(no_folder(root))
    return root


def _paired(candidate: Candidate, root: Path) -> Splits:
    """Return what pairs in each split, where other files do not."""
    whole = "" in candidate.tables
    found = {split: match.pairs for split, match in candidate.matches.items()}
    if not whole:
        return {split: pairs for split, pairs in found.items() if pairs}
    try:
        if lists := find_lists(root):
            return split_by_lists(lists, found[""], root)
        return split_by_hash(found[""], root)
    except UserError:
        return {"train": found[""]}


def _orphans(candidate: Candidate, found: Layout | None) -> list[Finding]:
    """List the files without a partner; where training does not refuse them, as notes.

    Args:
      candidate: the places.
      found: what training takes; None if it refuses the folder.
    """
    severity, unused = "error", ""
    used: set[Path] = set()
    if found:
        severity, unused = "note", ", and is not used"
        for pairs in found.splits.values():
            used.update(path for pair in pairs for path in (pair.image, *pair.masks))
    findings = []
    for split, matched in candidate.matches.items():
        for what, mate, paths in (
            ("image", "mask", matched.images_without_mask),
            ("mask", "image", matched.masks_without_image),
        ):
            findings += [
                Finding(
                    f"{what} without {mate}",
                    severity,
                    f"has no {mate}{unused}",
                    f"add its {mate}, of the same name, or take the {what} out",
                    path,
                    split=split,
                )
                for path in paths
                if path not in used
            ]
        for path, other in matched.seconds:
            text = f"is a second mask of one image, beside {other.name}"
            findings.append(
                Finding("second mask", severity, text, "remove one", path, other, split)
            )
        for path, other in candidate.clashes.get(split, ()):
            findings.append(
                replace(_clash(path, other), severity=severity, split=split)
            )
    return findings


def _clash(path: Path, other: Path) -> Finding:
    text = f"has the same name as {other.name}, apart from the ending"
    return Finding("same name", "error", text, "remove one of them", path, other)


def look_alikes(paths: Sequence[Path]) -> list[Finding]:
    """Find names in a folder that differ in case alone, or look like copies.

    `a (1).png` is one only where `a.png` lies beside it, and few such files.
    """
    known: dict[tuple[Path, str, str], list[Path]] = {}
    for path in paths:
        bare = _COPY.fullmatch(path.stem)
        stem = (bare[1] if bare else path.stem).lower()
        key = (path.parent, stem, path.suffix.lower())
        known.setdefault(key, []).append(path)
    findings = []
    for (_, stem, _), group in known.items():
        if not 2 <= len(group) <= _MOST_COPIES:  # more are numbered, not copied
            continue
        first, *others = sorted(group, key=lambda path: (len(path.name), path.name))
        lower = [path for path in group if path.stem == stem]
        if lower:
            first = lower[0]
            others = [path for path in group if path != first]
        if first.stem.lower() != stem:
            continue  # a (1).png, a (2).png, ...: that is how they were numbered
        for path in others:
            case = path.name.lower() == first.name.lower()
            how = "in case alone" if case else "as a copy does"
            findings.append(
                Finding(
                    "look-alike name",
                    "warning",
                    f"its name differs from {first.name} {how}",
                    "remove it if it is a copy, else give it a name of its own",
                    path,
                    first,
                )
            )
    return findings
