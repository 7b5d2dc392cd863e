"""The patterns of `data.images` and `data.masks`, and the files that they match.

A pattern is a path below the root: `*` and `?` stand for any letters of a name or for
one, `[abc]` for one of these, `**` for any folders, `{split}` for the name of a split.
What the wildcards stand for is the name of the file: an image and its mask share it.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from jaxseg.data.folders import SPLIT_WORDS, SUFFIXES, Listing
from jaxseg.errors import UserError

_WORDS = "|".join(sorted(SPLIT_WORDS, key=len, reverse=True))
_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?.[^]]*\]|\{split\}|.", re.DOTALL)
_WILDCARDS = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}

Table = dict[str, dict[str, Path]]
"""Files by split (empty without one) and name."""


def find_files(
    listing: Listing, pattern: str, option: str, but: Table | None = None
) -> Table:
    """Find the files of a pattern.

    Args:
      listing: what lies below the root.
      pattern: as this module says.
      option: the name of the pattern's option, for messages.
      but: files to leave out, which are taken already.

    Raises:
      UserError: the pattern leads out of the root, no image file matches it, or two
        files of a split have one name.
    """
    where = f"{option} {pattern!r}"
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise UserError(f"{where}: it leads out of data.root; write it relative to it")
    rule = _compile(pattern)
    taken = {path for files in (but or {}).values() for path in files.values()}
    table: Table = {}
    for path in listing.paths:
        place = path.relative_to(listing.root).as_posix()
        found = rule.fullmatch(place)
        if not found or path in taken:
            continue
        split = (
            SPLIT_WORDS[found["split"].lower()] if "split" in rule.groupindex else ""
        )
        name = _name(found, path)
        files = table.setdefault(split, {})
        if name in files:
            raise UserError(
                f"{where}: {files[name]} and {path} share the name {name!r}; only what"
                " wildcards stand for counts, so use another one where the files differ"
            )
        files[name] = path
    if not table:
        other = "no other" if but else "no"
        raise UserError(
            f"{where}: {other} image file below {listing.root} matches it (such end in"
            f" {' '.join(sorted(SUFFIXES))}; {{split}} stands for train, val, test and"
            " the like, ** for any folders)"
        )
    return table


def _compile(pattern: str) -> re.Pattern[str]:
    parts, split = [], False
    for token in _TOKENS.findall(pattern):
        if token in _WILDCARDS:
            parts.append(_WILDCARDS[token])
        elif token == "{split}":
            parts.append("(?P=split)" if split else rf"(?P<split>(?i:{_WORDS}))\d*")
            split = True
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
        raise UserError(f"{pattern!r}: no pattern of file names ({error})") from error


def _name(found: re.Match[str], path: Path) -> str:
    """Join what the wildcards stand for, without the file's ending."""
    named = found.re.groupindex.get("split")
    pieces = []
    for index in range(1, found.re.groups + 1):
        if index != named:
            piece = found[index]
            if found.end(index) == len(found.string):
                piece = piece.removesuffix(path.suffix)
            pieces.append(piece.strip("/"))
    return "/".join(piece for piece in pieces if piece) or path.stem
