"""Sample sheets as markup of the report page, pictures inlined.

Titles and legends are the page's text, so that they are read on any screen, light or
dark; the pictures have no background of their own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from html import escape

import numpy as np
from PIL import Image

from jaxseg.data.labels import Colour
from jaxseg.report.sheets import Sheet

_LARGEST_PNG = 100_000  # bytes; a larger picture is inlined as JPEG
_WIDE = 1.9  # width over height from which fewer pictures stand in a row


def sample_figures(sheets: Mapping[str, Sheet]) -> str:
    """Show sheets under their names.

    Args:
      sheets: by the sample's name.

    Returns:
      A `<div>`, or nothing without sheets.
    """
    figures = "".join(_figure(name, sheet) for name, sheet in sheets.items())
    return f'<div class="samples">{figures}</div>' if figures else ""


def chip(colour: Colour) -> str:
    """Return a square of a colour."""
    return f'<i style="background:rgb{colour}"></i>'


def _figure(name: str, sheet: Sheet) -> str:
    height, width = next(iter(sheet.pictures.values())).shape[:2]
    wide = " wide" if width > _WIDE * height else ""
    pictures = "".join(
        f'<div><p>{escape(title)}</p><img alt="{escape(f"{title}, {name}")}"'
        f' width="{width}" height="{height}" src="{_inlined(picture)}"></div>'
        for title, picture in sheet.pictures.items()
    )
    legend = "".join(
        f'<span class="name">{chip(colour)}<span>{escape(text)}</span></span>'
        for text, colour in sheet.legend
    )
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<div class="sheet{wide}">{pictures}</div><div class="legend">{legend}</div>'
        "</figure>"
    )


def _inlined(picture: np.ndarray) -> str:
    """Return a picture as a `data:` address: PNG, or JPEG if that is large."""
    image = Image.fromarray(picture)
    kind, data = "png", _encoded(image, "PNG")
    if len(data) > _LARGEST_PNG:
        kind, data = "jpeg", _encoded(image, "JPEG", quality=88, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
