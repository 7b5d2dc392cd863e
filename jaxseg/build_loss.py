"""From a Config to its loss: one by its name, or a weighted sum of several."""

from __future__ import annotations

from typing import Any

from jaxseg.config import Config
from jaxseg.data.frequencies import ClassFrequencies, parse_balance
from jaxseg.errors import UserError
from jaxseg.losses import LOSSES
from jaxseg.losses.base import Loss, require_length
from jaxseg.losses.weighted_sum import Term, add, parse_sum
from jaxseg.output_checks import check_loss
from jaxseg.registry import check_options, create, fields_of, required_of

SHARED = ("class_weights", "label_smoothing")
"""Fields of losses that `train` fills."""


def build_loss(
    config: Config,
    num_classes: int | None,
    frequencies: ClassFrequencies | None = None,
) -> Loss:
    """Build the loss of a config.

    Args:
      config: of the run.
      num_classes: of the data set; None where that is not known yet.
      frequencies: of its training split, for `train.class_balance`; None where they are
        not known yet.

    Raises:
      UserError: an unknown name, an option that it does not have, weights that are not
        one a class, or micro-batches for a loss that cannot be split.
    """
    terms = parse_sum(config.train.loss)
    shared = _shared_options(config, frequencies)
    kinds = [LOSSES.find(term.loss.name) for term in terms]
    for name in shared:
        if not any(name in fields_of(kind) for kind in kinds):
            _refuse_option(config, terms[0], name)
    losses = [_build_term(config, term, shared, num_classes) for term in terms]
    if len(terms) == 1 and terms[0].weight == 1:
        return losses[0]
    return add(losses, [term.weight for term in terms])


def _shared_options(
    config: Config, frequencies: ClassFrequencies | None
) -> dict[str, Any]:
    """Return the options that are given for all terms which have them."""
    train = config.train
    given = {name: value for name in SHARED if (value := getattr(train, name))}
    if not train.class_balance:
        return given
    balance = parse_balance(train.class_balance)
    if train.class_weights:
        raise UserError(
            f"train.class_weights and train.class_balance {train.class_balance!r}: give"
            " one of them"
        )
    weights = balance.weights(frequencies) if frequencies else ()
    return {**given, "class_weights": weights}


def _refuse_option(config: Config, term: Term, name: str) -> None:
    raise UserError(
        f"loss {term.loss.name!r} has no option {name}, which"
        f" {_source(config, name)} fills; it has"
        f" {', '.join(sorted(_own_fields(term))) or 'none'}"
    )


def _source(config: Config, name: str) -> str:
    """Return the name of the option of the config that fills a field."""
    if name == "class_weights" and config.train.class_balance:
        return "train.class_balance"
    return f"train.{name}"


def _own_fields(term: Term) -> dict[str, Any]:
    """Return the types of the fields that may be given in brackets."""
    fields = fields_of(LOSSES[term.loss.name])
    return {name: kind for name, kind in fields.items() if name != "task"}


def _build_term(
    config: Config, term: Term, shared: dict[str, Any], num_classes: int | None
) -> Loss:
    name, given = term.loss.name, term.loss.options
    kind, owner, task = LOSSES[name], f"loss {name!r}", config.data.task
    for option in shared:
        if option in given:
            source = _source(config, option)
            raise UserError(f"{owner}: {option} is given there and as {source}")
    if "task" in given:
        raise UserError(f"{owner}: its task is that of the data, data.task {task!r}")
    fields = fields_of(kind)
    filled = {option: shared[option] for option in shared if option in fields}
    options = check_options(
        owner, _own_fields(term), {**filled, **given}, required_of(kind)
    )
    if "task" in fields:
        options["task"] = task
    elif task != "multiclass":
        raise UserError(
            f"{owner} is a loss of multiclass labels: it has no field 'task', and"
            f" data.task is {task!r}; --train.loss cross_entropy has one"
        )
    if config.mesh.spatial > 1 and "bands" in fields:
        options["bands"] = 1
    if config.train.accumulate > 1 and not (kind.additive or kind.summed):
        raise UserError(
            f"train.accumulate {config.train.accumulate}: {owner} of a batch does not"
            " follow from sums over its parts; give --train.accumulate 1"
        )
    loss = create(owner, kind, options)
    weights = options.get("class_weights", ())
    source = _source(config, "class_weights")
    source = f"{owner}: class_weights" if "class_weights" in given else source
    _check_weights(owner, loss, (source, weights), num_classes)
    if LOSSES.own(name):
        check_loss(owner, loss, num_classes or len(weights) or 2, task)
    return loss


def _check_weights(
    owner: str,
    loss: Loss,
    class_weights: tuple[str, tuple[float, ...]],
    num_classes: int | None,
) -> None:
    """Refuse weights that do not fit the classes of the data.

    Args:
      owner: names the loss, for the message.
      loss: the loss.
      class_weights: the option that gives them, and the values.
      num_classes: of the data set, if it is known.
    """
    try:
        require_length(*class_weights, num_classes)
    except ValueError as error:
        raise UserError(str(error)) from error
    try:
        loss.check_classes(num_classes)
    except ValueError as error:
        raise UserError(f"{owner}: {error}") from error
