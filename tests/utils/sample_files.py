"""Folders of small files, for the tests and for fixtures/make_utils_answers.py."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

SIZES = {"cats": [(6, 9), (8, 8), (5, 7)], "dogs": [(10, 6), (7, 7)]}


def image(number: int, size: tuple[int, int]) -> np.ndarray:
    """Return an image with smooth and noisy parts, uint8 of shape (height, width, 3)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    parts = [(rows * 23 + number * 40) % 256, (columns * 31 + number * 7) % 256, (rows * columns * 5 + number) % 256]
    return np.stack(parts, -1).astype("uint8")


def images(folder: Path) -> Path:
    """Write PNG files to two subfolders."""
    from PIL import Image

    number = 0
    for name, sizes in SIZES.items():
        (folder / name).mkdir(parents=True)
        for size in sizes:
            Image.fromarray(image(number, size)).save(folder / name / f"{number}.png")
            number += 1
    (folder / "cats" / "notes.txt").write_text("no image")
    return folder


def texts(folder: Path) -> Path:
    """Write text files to three subfolders, one of them with a subfolder."""
    for name, words in {"neg": ["bad", "very bad"], "pos": ["good", "fine thing"], "pos/more": ["great"]}.items():
        (folder / name).mkdir(parents=True)
        for number, text in enumerate(words):
            (folder / name / f"{number}.txt").write_text(text)
    (folder / ".hidden").mkdir()
    return folder


def sounds(folder: Path) -> Path:
    """Write 16-bit WAV files with one and two channels."""
    for name, steps in {"high": [12, 20], "low": [16]}.items():
        (folder / name).mkdir(parents=True)
        for number, count in enumerate(steps):
            wave_of = (np.sin(np.arange(count) * (0.9 if name == "high" else 0.2) + number) * 30000).astype("<i2")
            with wave.open(str(folder / name / f"{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(wave_of.tobytes())
    return folder
