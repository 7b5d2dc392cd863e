"""A folder's layout: its splits, and which mask belongs to which image.

Only names are used; no image is opened.  `folders` interprets the names of folders,
`pairing` compares the names of files, and `hints` writes the error messages of a folder
whose layout is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from jaxseg.data import class_files, hints, patterns, splits
from jaxseg.data.candidates import Candidate, find_candidates, from_tables
from jaxseg.data.folders import MOST, ORDER, Listing, inside, list_files
from jaxseg.data.roi import with_roi
from jaxseg.errors import UserError

LAYOUTS = (
    "SPLIT/images + SPLIT/masks, images/SPLIT + masks/SPLIT, SPLIT_images +"
    " SPLIT_masks, SPLIT with both side by side (1.jpg, 1_mask.png), or the same"
    " without SPLIT (train, val, test), with train.txt and val.txt or without; nor are"
    " there annotations of COCO, LabelMe, CVAT or YOLO"
)


class Layout(NamedTuple):
    """The splits of a folder.

    Attributes:
      splits: the pairs of train, val and test, as far as they exist.
      notes: lines for the user on the choices that were made.
      options: the options that read train only and divide it by a hash, or "".
      groups: for masks with one file per class, the files of each class.
    """

    splits: splits.Splits
    notes: tuple[str, ...] = ()
    options: str = ""
    groups: class_files.Groups = MappingProxyType({})


def find(
    root: Path,
    images: str = "",
    masks: str = "",
    layouts: str = LAYOUTS,
    classes: Sequence[str] | None = None,
    absent: bool = False,
    roi: str = "",
) -> Layout:
    """Find the splits of a folder by patterns, or in whichever layout it has.

    Args:
      root: a folder of a layout in `LAYOUTS`.  If it has no folders or lists of splits,
        a hash of each name puts a fifth of the images into val.
      images: pattern of the images, see `patterns`; empty goes by the layout.
      masks: pattern of the masks, which is given if `images` is.
      layouts: the layouts that the caller accepts, for the message.
      classes: names of the classes of masks with one file per class; empty if they are
        not known.  None means one mask per image.
      absent: whether an image without any mask is taken, paired with itself.
      roi: pattern of the regions of interest, whose files are neither images nor masks;
        empty means there are none.

    Raises:
      UserError: there is no such folder, its layout is unknown, several folders could
        hold the masks, files do not pair, a split is empty, or a link or a line of a
        list leads out of the folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder (data.root)")
    if bool(images) != bool(masks):
        raise UserError(
            "data.images and data.masks go together; pass both patterns, such as"
            " --data.images 'img/*.tif' --data.masks 'truth/*.png'"
        )
    listing = list_files(root)
    regions = patterns.find_files(listing, roi, "data.roi") if roi else {}
    listing = _without(listing, regions)
    try:
        found = _found(listing, images, masks, layouts, classes, absent)
    except UserError as error:
        but = f" (the files of data.roi {roi!r} do not count)" * bool(roi)
        raise UserError(f"{error}{but}") from error
    _check_paths(found, root)
    if roi:
        chosen, notes = with_roi(found.splits, regions, roi)
        found = found._replace(splits=chosen, notes=(*found.notes, *notes))
        _check_paths(found, root)
    return found


def has_masks(root: Path) -> bool:
    """Whether a folder holds images and masks in a known layout, paired or not."""
    found = find_candidates(list_files(root))
    return any(candidate.count or candidate.is_filled for candidate in found)


def _found(
    listing: Listing,
    images: str,
    masks: str,
    layouts: str,
    classes: Sequence[str] | None,
    absent: bool,
) -> Layout:
    """Return the layout of the listed files."""
    groups: class_files.Groups = MappingProxyType({})
    if images:
        found, groups = _by_patterns(listing, images, masks, classes, absent)
    elif classes is None:
        found = _by_folders(listing, layouts)
    else:
        listing, groups = class_files.joined(listing, classes)
        found = _by_folders(listing, layouts, absent)
    return found._replace(groups=groups)


def _without(listing: Listing, regions: patterns.Table) -> Listing:
    """Return the listing without the files of regions of interest."""
    taken = {path for files in regions.values() for path in files.values()}
    return replace(
        listing,
        paths=[path for path in listing.paths if path not in taken],
        files=[file for file in listing.files if file.path not in taken],
    )


def _check_paths(found: Layout, root: Path) -> None:
    """Refuse an empty split, and names and links that cannot be taken.

    Raises:
      UserError: there is one; the first is named.
    """
    for split, pairs in found.splits.items():
        if not pairs:
            raise UserError(f"{root}: split {split!r} holds no images")
        for pair in pairs:
            if not _is_text(pair.name):
                raise UserError(
                    f"{pair.image}: a name that is not UTF-8; rename it and its mask"
                )
            masks_of = found.groups.get(pair.mask, {"": pair.mask}).values()
            regions = (pair.roi,) if pair.roi else ()
            for path in (pair.image, *masks_of, *regions):
                if path.is_symlink():
                    inside(path, root)


def _is_text(name: str) -> bool:
    """Whether a name can be written as UTF-8, as it must be in the records."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Nearest(NamedTuple):
    """The places of a folder that hold images and masks, though some may not pair.

    Attributes:
      listing: all files of the folder but those of regions of interest.
      candidate: the places, with the files that have no partner; None if there are no
        such places, or if it is unclear which ones are meant.
      groups: of masks of a file a class, the files of each.
    """

    listing: Listing
    candidate: Candidate | None
    groups: class_files.Groups = MappingProxyType({})


def nearest(
    root: Path,
    images: str = "",
    masks: str = "",
    classes: Sequence[str] | None = None,
    roi: str = "",
) -> Nearest:
    """Find the files that `find` looks at, without asking that every file has a mate.

    Args:
      root: as `find` takes it, and all others too.
      images: pattern.
      masks: pattern.
      classes: of masks of a file a class.
      roi: pattern.

    Raises:
      UserError: links that lead out, or patterns that match nothing or ambiguously.
    """
    listing = list_files(root)
    if roi:
        listing = _without(listing, patterns.find_files(listing, roi, "data.roi"))
    if images:
        chosen, groups = _pattern_candidate(listing, images, masks, classes)
        return Nearest(listing, chosen, groups)
    groups: class_files.Groups = MappingProxyType({})
    kept = listing
    if classes is not None:
        kept, groups = class_files.joined(listing, classes)
    candidates = find_candidates(kept)
    paired = [found for found in candidates if found.count]
    chosen = paired or [found for found in candidates if found.is_filled]
    clear = chosen[0] if chosen and len(paired) < 2 else None
    return Nearest(listing, clear, groups)


def _by_patterns(
    listing: Listing,
    images: str,
    masks: str,
    classes: Sequence[str] | None,
    absent: bool,
) -> tuple[Layout, class_files.Groups]:
    chosen, groups = _pattern_candidate(listing, images, masks, classes)
    return _split(listing, chosen, absent), groups


def _pattern_candidate(
    listing: Listing, images: str, masks: str, classes: Sequence[str] | None
) -> tuple[Candidate, class_files.Groups]:
    if listing.truncated:
        raise UserError(
            f"{listing.root}: more than {MOST:,} files and folders; pass a --data.root"
            " that holds only the data"
        )
    groups: class_files.Groups = MappingProxyType({})
    if classes is None:
        of_masks = patterns.find_files(listing, masks, "data.masks")
    else:
        of_masks, groups = patterns.find_class_files(listing, masks, classes)
    of_images = patterns.find_files(listing, images, "data.images", of_masks)
    if ("" in of_images) != ("" in of_masks):
        raise UserError(
            f"data.images {images!r} and data.masks {masks!r}: write {{split}} in both"
            " or in neither"
        )
    tables = {
        split: (of_images.get(split, {}), of_masks.get(split, {}))
        for split in ("", *ORDER)
        if split in of_images or split in of_masks
    }
    folders = dict.fromkeys(tables, (repr(images), repr(masks)))
    return from_tables((images, masks), tables, folders), groups


def _by_folders(listing: Listing, layouts: str, absent: bool = False) -> Layout:
    root = listing.root
    candidates = find_candidates(listing)
    paired = [found for found in candidates if found.count]
    lists = splits.find_lists(root)
    if lists and not any("" not in found.tables for found in paired):
        columns = splits.split_by_columns(lists, root)
        if columns:
            return Layout(columns)
    if len(paired) > 1:
        raise hints.ambiguous(root, [(c.images, c.masks, c.options) for c in paired])
    chosen = paired or [found for found in candidates if found.is_filled]
    if not chosen:
        raise hints.not_understood(listing, layouts, find)
    found = _split(listing, chosen[0], absent)
    notes = hints.rivals(listing, chosen[0].images, chosen[0].masks, found.splits)
    return found._replace(notes=(*found.notes, *notes))


def _split(listing: Listing, chosen: Candidate, absent: bool) -> Layout:
    """Return the pairs of each split of the chosen places."""
    chosen = chosen.with_all_images() if absent else chosen
    matches = chosen.matches.values()
    notes = dict.fromkeys(note for found in matches for note in found.notes)
    if "" in chosen.tables:
        return Layout(_split_whole(listing, chosen), tuple(notes))
    found: splits.Splits = {}
    for split, (images, masks) in chosen.tables.items():
        if split == "test" and images and not masks:
            notes["split 'test' has images but no masks; it is left out"] = None
        else:
            found[split] = chosen.all_pairs(split, listing)
    return Layout(found, tuple(notes), hints.without_split(listing.root, found))


def _split_whole(listing: Listing, chosen: Candidate) -> splits.Splits:
    root = listing.root
    lists = splits.find_lists(root)
    if lists:
        chosen.check_unique("")
        return splits.split_by_lists(lists, chosen.matches[""].pairs, root)
    listed = splits.listed_whole(chosen.matches[""].pairs, root)
    if listed is None:
        return splits.split_by_hash(chosen.all_pairs("", listing), root)
    chosen.check_unique("")
    return splits.split_by_hash(listed, root)
