"""Resizing as TensorFlow 1 does, without half-pixel centers: results worked out by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit.converters.tensorflow import FUNCTIONS
from graphkit.errors import SerializationError

ROW = np.array([0.0, 2.0, 4.0], "float32").reshape(1, 1, 3, 1)


def test_bilinear_starts_at_the_first_pixel() -> None:
    made = FUNCTIONS["raw_ops.ResizeBilinear"].call(ROW, np.array([1, 6]))

    np.testing.assert_allclose(np.ravel(made), [0, 1, 2, 3, 4, 4])


def test_bilinear_with_aligned_corners_ends_at_the_last_pixel() -> None:
    made = FUNCTIONS["raw_ops.ResizeBilinear"].call(ROW, np.array([1, 5]), align_corners=True)

    np.testing.assert_allclose(np.ravel(made), [0, 1, 2, 3, 4])


def test_bicubic_is_refused_without_half_pixel_centers() -> None:
    with pytest.raises(SerializationError, match="bicubic resizing without half-pixel centers"):
        FUNCTIONS["raw_ops.ResizeBicubic"].call(ROW, np.array([1, 6]))
