"""The colours of all that people see: pages, pictures, figures.

How a page uses them is said by its style sheet, `templates/style.css.j2`.
"""

PAPER, INK, SOFT, RULE, ACCENT = "#ffffff", "#22252a", "#656b73", "#e5e2dc", "#2a6f97"
"""The background of pages, pictures and figures; text, remarks, lines, and data."""

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
"""A page by day; `heat` is a cell's full colour, on which the ink can be read, `error`
and `warning` are those of the words that say so."""

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
"""A page by night."""

CURVES = ("#0072b2", "#d55e00", "#00946a", "#be69a0")
"""Curves that are compared; four more have the same colours and are dashed."""
