"""`graphkit summary --expand` and `graphkit plot --expand` on an imported graph."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from graphkit.cli import main


def imported(folder: Path, blocks: int = 2) -> Path:
    nodes, last = [], "x"
    for number in range(blocks):
        for operator in ("Relu", "Exp", "Tanh"):
            made = f"b{number}_{operator}"
            nodes.append(helper.make_node(operator, [last], [made], name=f"/body/block.{number}/{operator}"))
            last = made
    nodes.append(helper.make_node("Neg", [last], ["y"], name="/Neg"))
    sizes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "net", sizes[:1], sizes[1:])
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


@pytest.mark.parametrize(
    ("arguments", "shown", "hidden"),
    [
        ([], "body.block.0.Relu (", "layers)"),
        (["--expand", "0"], "body.block (6 layers)", "block.0"),
        (["--expand", "1"], "block.1 (3", "Tanh"),
        (["--expand", "body.block.1"], "block.1.Relu", "block.0.Relu"),
    ],
)
def test_summary_lists_groups(
    arguments: list[str], shown: str, hidden: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", str(imported(tmp_path)), "--line-length", "150", *arguments]) == 0
    text = capsys.readouterr().out

    assert shown in text
    assert hidden not in text


def test_plot_draws_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = imported(tmp_path), tmp_path / "m.svg"

    assert main(["plot", str(path), "--expand", "0"]) == 0
    assert ">body.block<" in target.read_text()
    assert "block.0.Relu" not in target.read_text()
    assert main(["plot", str(path), "--expand", "2"]) == 0
    assert "block.0.Relu" in target.read_text()


def test_plot_writes_a_page_of_groups(tmp_path: Path) -> None:
    assert main(["plot", str(imported(tmp_path, 30)), "-o", str(tmp_path / "m.html")]) == 0
    assert '"scope:body.block.7"' in (tmp_path / "m.html").read_text()
