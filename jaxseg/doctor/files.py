"""The files that `doctor` looks at: those of training, and those without a partner.

Where training refuses a folder at the first file that does not pair, what pairs is
looked at all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import camvid_files, layout, published_files, sources
from jaxseg.data.annotations.layout import MissingImages
from jaxseg.data.candidates import Candidate
from jaxseg.data.folders import SUFFIXES, Listing, inside, list_files
from jaxseg.data.layout import Layout
from jaxseg.data.masks import MaskSource
from jaxseg.data.pairing import match
from jaxseg.data.published import PUBLISHED
from jaxseg.data.sources import Source
from jaxseg.data.splits import Splits, find_lists, split_by_hash, split_by_lists
from jaxseg.doctor.findings import Finding, named_file, of_error
from jaxseg.errors import UserError
from jaxseg.paths import no_folder

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
      config: of the data set `folder`, `camvid` or a published one.

    Raises:
      UserError: another data set, or no such folder.
    """
    if config.name in PUBLISHED:
        return _published(config)
    if config.name not in ("folder", "camvid"):
        raise UserError(
            f"data set {config.name!r} is read from records, whose image files cannot"
            " be seen; doctor checks files: pass --root FOLDER, or a --config whose"
            " data.name is folder, camvid or a published data set"
        )
    kind = sources if config.name == "folder" else camvid_files
    root = kind.find_root(config)
    errors: list[UserError] = []
    try:
        if config.name == "folder":
            source = sources.find_source(config, root, errors.append)
        else:
            source = camvid_files.find_source(config, root)
    except UserError as error:
        if not errors:
            return _unpaired(config, root, kind, error)
        source = None
        if error not in errors:  # else the files that are refused were all there are
            errors.append(error)
    findings = [found for error in errors for found in _of_annotations(error)]
    if source is None or source.drawn:
        findings = look_alikes(list_files(root).paths) + findings
        return Files(root, source, tuple(findings))
    near = _nearest(config, root)
    findings += look_alikes(near.listing.paths)
    if near.candidate:
        findings += _orphans(near.candidate, source.splits)
    return Files(root, source, tuple(findings))


def _published(config: DataConfig) -> Files:
    root = published_files.find_root(config)
    try:
        return Files(root, published_files.find_source(config, root), ())
    except UserError as error:
        return Files(root, None, (of_error("layout", error),))


def _of_annotations(error: UserError) -> list[Finding]:
    """Return the findings of what is wrong with annotations."""
    if not isinstance(error, MissingImages):
        return [of_error("annotation", error, named_file(error))]
    return [
        Finding(
            "missing image",
            "error",
            f"image {name!r} is annotated, and is not there",
            "put it there; or to go on with those that are there pass --data.images, a"
            " pattern such as 'images/*'",
            file,
        )
        for file, name in error.images
    ]


def _nearest(config: DataConfig, root: Path) -> layout.Nearest:
    classes = config.class_names if sources.has_class_files(config) else None
    try:
        return layout.nearest(root, config.images, config.masks, classes, config.roi)
    except UserError:
        return layout.Nearest(Listing(root), None)


def _unpaired(
    config: DataConfig, root: Path, kind: ModuleType, refused: UserError
) -> Files:
    """Return what pairs in a folder that training refuses, and why it does."""
    near = _nearest(config, root)
    candidate = near.candidate
    try:
        found = kind.find_layout(config, root)
    except UserError:
        found = None
    findings = look_alikes(near.listing.paths)
    orphans = _orphans(candidate, found and found.splits) if candidate else []
    names = [each.file.name for each in orphans if isinstance(each.file, Path)]
    if not any(name in str(refused) for name in names):
        findings.append(of_error("layout", refused))
    findings += orphans
    if found is None and candidate and candidate.count and not config.roi:
        found = Layout(_paired(candidate, root), groups=near.groups)
    for options in (config, replace(config, absent_masks=True)) if found else ():
        try:
            source = kind.interpreted(options, root, found)
            return Files(root, source, tuple(findings))
        except UserError as error:
            if options is config and str(error) != str(refused):
                findings.append(of_error("layout", error))
    return Files(root, None, tuple(findings))


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
    if config.annotations:
        raise UserError(
            f"data.annotations {config.annotations!r}, and --masks: masks are drawn or"
            " read; for annotations pass --root FOLDER"
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


def _orphans(candidate: Candidate, splits: Splits | None) -> list[Finding]:
    """List the files without a partner; where training does not refuse them, as notes.

    Args:
      candidate: the places.
      splits: what training takes; None if it refuses the folder.
    """
    severity, unused = "error", ""
    used: set[MaskSource] = set()
    if splits is not None:
        severity, unused = "note", ", and is not used"
        for pairs in splits.values():
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
