"""Sample sheets as markup of the report page, with inlined pictures.

Titles and legends are text of the page, so that they can be read on any screen, light
or dark; the pictures have no background of their own.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from jaxseg.report.markup import render
from jaxseg.report.sheets import Sheet

_LARGEST_PNG = 100_000  # bytes; a larger picture is inlined as JPEG
_WIDE = 1.9  # width over height from which on a row has fewer pictures


def sample_figures(sheets: Mapping[str, Sheet]) -> Markup:
    """Show sheets with their names.

    Args:
      sheets: sheets by the sample's name.

    Returns:
      A `<div>`, or nothing without sheets.
    """
    if not sheets:
        return Markup("")
    figures = [_figure(name, sheet) for name, sheet in sheets.items()]
    return render("samples.html.j2", figures=figures)


def _figure(name: str, sheet: Sheet) -> Mapping[str, Any]:
    height, width = next(iter(sheet.pictures.values())).shape[:2]
    return {
        "name": name,
        "wide": width > _WIDE * height,
        "width": width,
        "height": height,
        "pictures": {title: inlined(p) for title, p in sheet.pictures.items()},
        "legend": sheet.legend,
    }


def inlined(picture: np.ndarray) -> str:
    """Return RGB uint8 `[H, W, 3]` as a `data:` address, of JPEG if PNG is large."""
    image = Image.fromarray(picture)
    kind, data = "png", _encoded(image, "PNG")
    if len(data) > _LARGEST_PNG:
        kind, data = "jpeg", _encoded(image, "JPEG", quality=88, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
