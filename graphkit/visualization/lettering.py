"""How wide text will be, without a font at hand: widths of a wide sans serif, so that no box is too narrow for its text."""

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
_OTHER = 0.635  # digits, most small letters
_WIDE = 1.02  # letters of scripts that are written in squares


def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line at this font size, rather too wide than too narrow."""
    units = sum(_OF.get(letter, _OTHER if ord(letter) < 0x2E80 else _WIDE) for letter in text)
    return units * size * (1.07 if bold else 1.0)


def shortened(text: str, limit: int) -> str:
    """At most `limit` letters, the middle left out."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head - limit + 1 :]}"
