"""A small file and its edits, by Keras' editor in fixtures/make_editor_answers.py and graphkit's in test_file_editor.py."""

from typing import Any

import numpy as np


def edit(editor: Any) -> None:
    """Make one edit of each kind."""
    editor.rename_object("dense_1", "dense_2")
    editor.delete_weight("layers/dense", "1")
    editor.add_weights("dense", {"2": np.array([7, 8, 9], "float32")})
    editor.add_object("layers/einsum_dense", {"0": np.eye(2, dtype="float16")})
    editor.add_object("layers/passing", {"0": np.ones(1, "float32")})
    editor.delete_object("passing")
