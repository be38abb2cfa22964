"""The notes on ONNX in docs/keras-coverage.md are true."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from graphkit.errors import ExportError
from tests.docs.onnx_limits import FOREIGN, FREE, NOTES, OPSET, Note


@pytest.mark.parametrize("note", [n for n in NOTES if n.kind == OPSET], ids=lambda n: n.names)
def test_older_opsets_are_refused_with_the_reason(note: Note, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="opset"):
        note.model().export(tmp_path / "m.onnx", opset=17)
    note.model().export(tmp_path / "m.onnx")


@pytest.mark.parametrize("note", [n for n in NOTES if n.kind == FOREIGN], ids=lambda n: n.names)
def test_operators_of_onnxruntime_are_used(note: Note, tmp_path: Path) -> None:
    note.model().export(tmp_path / "m.onnx")
    assert "com.microsoft" in {node.domain for node in onnx.load(tmp_path / "m.onnx").graph.node}


@pytest.mark.parametrize("note", [n for n in NOTES if n.kind == FREE], ids=lambda n: n.names)
def test_free_sizes_are_not_exported(note: Note, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="known sizes") as caught:
        note.model().export(tmp_path / "m.onnx")
    assert note.names[:5].lower() in str(caught.value).lower()  # the layer CenterCrop, the op of Resizing
    assert list(tmp_path.iterdir()) == []
