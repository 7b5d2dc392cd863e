"""The patterns of `data.images`, `masks`, `annotations`, and the files they match.

A pattern is a path below the root.  `*` matches any part of a name, `?` one letter,
`[abc]` one of these letters, `**` any folders, `{split}` the name of a split, and
`{class}` that of a class if each class has its own mask.  The text that the wildcards
match is the name of the sample, which an image and its mask share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from jaxseg.data.class_files import Groups, add
from jaxseg.data.folders import ANNOTATIONS, SPLIT_WORDS, SUFFIXES, Listing
from jaxseg.errors import UserError

_WORDS = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?.[^]]*\]|\{split\}|\{class\}|.", re.DOTALL)
_WILDCARDS = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}

CLASS = "{class}"

Table = dict[str, dict[str, Path]]
"""Split ("" if there is none) -> name -> file."""


def find_files(
    listing: Listing, pattern: str, option: str, but: Table | None = None
) -> Table:
    """Find the files of a pattern.

    Args:
      listing: the files below the root.
      pattern: as this module says.
      option: the name of the pattern's option, for messages.
      but: files to leave out, since they are taken already.

    Raises:
      UserError: the pattern leads out of the root or has {class}, no image file matches
        it, or two files of a split have the same name.
    """
    where = f"{option} {pattern!r}"
    if CLASS in pattern:
        raise UserError(
            f"{where}: {CLASS} stands for the class in data.masks where each class has"
            " a file of its own: pass --data.task multilabel"
        )
    taken = {path for files in (but or {}).values() for path in files.values()}
    table: Table = {}
    for found, path in _matches(listing, pattern, where, _compile(pattern)):
        if path in taken:
            continue
        name = _name(found, path)
        files = table.setdefault(_split_of(found), {})
        if name in files:
            raise UserError(
                f"{where}: {files[name]} and {path} share the name {name!r}; only what"
                " wildcards stand for counts, so use another one where the files differ"
            )
        files[name] = path
    if not table:
        raise _none(listing, where, "no other" if but else "no")
    return table


def find_class_files(
    listing: Listing, pattern: str, classes: Sequence[str]
) -> tuple[Table, Groups]:
    """Find the masks of a pattern in which {class} stands for the class.

    Args:
      listing: the files below the root.
      pattern: the pattern `data.masks`.
      classes: the names that {class} may stand for; empty means any.

    Returns:
      For each image the file that stands for its masks, and the files of each class.

    Raises:
      UserError: as for `find_files`, or the pattern does not have {class}.
    """
    where = f"data.masks {pattern!r}"
    if pattern.count(CLASS) != 1:
        raise UserError(
            f"{where}: where each class has a mask file of its own {CLASS} stands for"
            " it, once, as in 'masks/{class}/*.png'; or pass --data.mask_bits True if"
            " the bits of one file are the classes"
        )
    table: Table = {}
    groups: dict[Path, dict[str, Path]] = {}
    for found, path in _matches(listing, pattern, where, _compile(pattern, classes)):
        files = table.setdefault(_split_of(found), {})
        kept = files.setdefault(_name(found, path), path)
        add(groups, kept, found["class"], path)
    if not table:
        raise _none(listing, where, "no")
    return table, groups


def find_annotations(listing: Listing, pattern: str) -> dict[Path, str]:
    """Return the annotation files of a pattern with their splits, empty without one.

    Args:
      listing: what lies below the root.
      pattern: of `data.annotations`.

    Raises:
      UserError: the pattern leads out of the root, or no file matches it.
    """
    where = f"data.annotations {pattern!r}"
    rule = _compile(pattern)
    matches = _matches(listing, pattern, where, rule, listing.annotations)
    found = {path: _split_of(match) for match, path in matches}
    if not found:
        raise UserError(
            f"{where}: no file below {listing.root} matches it (such end in"
            f" {' '.join(sorted(ANNOTATIONS))}; {{split}} stands for train, val, test"
            " and the like, ** for any folders)"
        )
    return found


def _matches(
    listing: Listing,
    pattern: str,
    where: str,
    rule: re.Pattern[str],
    paths: Sequence[Path] | None = None,
) -> Iterator[tuple[re.Match[str], Path]]:
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise UserError(f"{where}: it leads out of data.root; write a path below it")
    for path in listing.paths if paths is None else paths:
        found = rule.fullmatch(path.relative_to(listing.root).as_posix())
        if found:
            yield found, path


def _split_of(found: re.Match[str]) -> str:
    if "split" not in found.re.groupindex:
        return ""
    return SPLIT_WORDS[found["split"].lower()]


def _none(listing: Listing, where: str, no: str) -> UserError:
    return UserError(
        f"{where}: {no} image file below {listing.root} matches it (image files end in"
        f" {' '.join(sorted(SUFFIXES))}; {{split}} stands for train, val, test and"
        " the like, ** for any folders)"
    )


def _compile(pattern: str, classes: Sequence[str] = ()) -> re.Pattern[str]:
    parts, split = [], False
    names = "|".join(map(re.escape, sorted(classes, key=len, reverse=True)))
    for token in _TOKENS.findall(pattern):
        if token in _WILDCARDS:
            parts.append(_WILDCARDS[token])
        elif token == "{split}":
            parts.append("(?P=split)" if split else rf"(?P<split>(?i:{_WORDS}))\d*")
            split = True
        elif token == CLASS:
            parts.append(f"(?P<class>{names or '[^/]+'})")
        elif len(token) > 1:  # [abc] or [!abc]
            inverted = token[1] == "!"
            letters = [
                c if c == "-" else re.escape(c) for c in token[1 + inverted : -1]
            ]
            parts.append(f"([{'^/' * inverted}{''.join(letters)}])")
        else:
            parts.append(re.escape(token))
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise UserError(f"{pattern!r}: not a pattern of names ({error})") from error


def _name(found: re.Match[str], path: Path) -> str:
    """Join the text that the wildcards match, without the file's ending."""
    named = [found.re.groupindex.get(word) for word in ("split", "class")]
    pieces = []
    for index in range(1, found.re.groups + 1):
        if index not in named:
            piece = found[index]
            if found.end(index) == len(found.string):
                piece = piece.removesuffix(path.suffix)
            pieces.append(piece.strip("/"))
    return "/".join(piece for piece in pieces if piece) or path.stem
