"""A loss from the text that a configuration would hold, without a configuration."""

import jax

from jaxseg.losses import LOSSES
from jaxseg.losses.weighted_sum import add, parse_sum
from jaxseg.registry import check_class_options, fields_of

QUICK = {"xla_backend_optimization_level": 0}


def make_loss(text, task="multiclass", **more):
    terms = parse_sum(text)
    losses = []
    for term in terms:
        kind = LOSSES[term.loss.name]
        fields = fields_of(kind)
        given = {name: value for name, value in more.items() if name in fields}
        given |= {"task": task, **term.loss.options}
        losses.append(kind(**check_class_options(text, kind, given)))
    if len(terms) == 1 and terms[0].weight == 1:
        return losses[0]
    return add(losses, [term.weight for term in terms])


def value_and_gradient(loss):
    """Return the jitted value and gradient of a loss by its logits."""
    return jax.jit(jax.value_and_grad(loss), compiler_options=QUICK)
