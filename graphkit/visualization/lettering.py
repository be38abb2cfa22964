"""Estimate text widths without a font: character widths of a wide sans serif, so that no box is too narrow for its text."""

from __future__ import annotations

FONTS = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

_WIDTHS = (
    ("ijl|'I.,:;! ", 0.32),
    ('ftr()[]{}-/"\\', 0.41),
    ("JcsvxyzkLT?*^_", 0.57),
    ("mwMW@%", 0.93),
    ("ABCDEFGHKNOPQRSUVXYZ&", 0.72),
    ("→×+<>=~#", 0.84),
)
_OF = {letter: width for letters, width in _WIDTHS for letter in letters}
_OTHER = 0.635  # digits, most lower-case letters
_WIDE = 1.02  # full-width characters


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Return an upper estimate of the width of one line at a font size."""
    units = sum(_OF.get(letter, _OTHER if ord(letter) < 0x2E80 else _WIDE) for letter in text)
    return units * size * (1.07 if bold else 1.0)


def shortened(text: str, limit: int) -> str:
    """Shorten a text to `limit` characters by replacing its middle with an ellipsis."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head - limit + 1 :]}"
