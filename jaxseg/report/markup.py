"""Fills in the templates of pages, `templates/`.

Every value is escaped, and none may be missing.  A template decides which elements a
page has, and the caller gives their content.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jaxseg.report import style

DASH = "\N{EN DASH}"
"""Shown in place of a metric that is not known."""


def render(template: str, **values: Any) -> Markup:
    """Fill in a template.

    Args:
      template: its file name in `templates/`.
      values: of the template's variables. Text is escaped; `Markup` is not.

    Raises:
      jinja2.UndefinedError: a value that the template needs is not given.
    """
    return Markup(_ENVIRONMENT.get_template(template).render(values))


def _percent(share: float | None, digits: int = 1) -> str:
    return DASH if share is None else f"{100 * share:.{digits}f}"


def _channels(colour: str) -> str:
    """Write `#rrggbb` as CSS takes it beside an opacity: `r g b`, 0..255."""
    return " ".join(str(channel) for channel in bytes.fromhex(colour.removeprefix("#")))


_ENVIRONMENT = Environment(
    loader=PackageLoader("jaxseg.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters |= {"percent": _percent, "channels": _channels}
_ENVIRONMENT.globals["style"] = style
