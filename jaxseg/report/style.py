"""The colours of pages, pictures and figures.

The style sheet of pages, `templates/style.css.j2`, says where they are used.
"""

PAPER, INK, SOFT, RULE, ACCENT = "#ffffff", "#22252a", "#656b73", "#e5e2dc", "#2a6f97"
"""Colours of pages, pictures and figures: background, text, remarks, lines and data."""

LIGHT = {
    "paper": PAPER,
    "ink": INK,
    "soft": SOFT,
    "rule": RULE,
    "edge": "#868d95",
    "accent": ACCENT,
    "heat": "#5fa5d2",
    "error": "#b3261e",
    "warning": "#8a5a00",
}
"""A light page; `heat` is the full colour of a cell, on which `ink` is legible, and
`error` and `warning` are the colours of these words."""

DARK = {
    "paper": "#15171a",
    "ink": "#e4e5e7",
    "soft": "#989fa8",
    "rule": "#33383f",
    "edge": "#747b84",
    "accent": "#68b0d7",
    "heat": "#1e5e84",
    "error": "#f28b82",
    "warning": "#e3b04b",
}
"""A dark page."""

CURVES = ("#0072b2", "#d55e00", "#00946a", "#be69a0")
"""Colours of compared curves; four more curves have the same colours, dashed."""
