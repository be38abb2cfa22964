"""Groups of layers by name scope: in drawings, on pages, in summaries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graphkit import Input, Model, layers, ops
from graphkit.visualization.groups import MANY, grouped, open_at_first, opened
from graphkit.visualization.picture import Options, Picture, all_boxes, picture_of
from graphkit.visualization.scopes import name_within, scope_of, short_name


def named(name: str) -> Any:
    return SimpleNamespace(name=name)


def node(name: str, scopes: str | None = None) -> Any:
    props = [] if scopes is None else [SimpleNamespace(key="pkg.torch.onnx.name_scopes", value=scopes)]
    return SimpleNamespace(
        name=name.strip("/").replace("/", "."), node=SimpleNamespace(name=name, metadata_props=props)
    )


@pytest.mark.parametrize(
    ("operation", "scopes"),
    [
        (named("dense"), ()),
        (named("encoder.layers.0.attn"), ("encoder", "encoder.layers", "encoder.layers.0")),
        (named("layers.layers.0.conv1.Conv"), ("layers", "layers.0", "layers.0.conv1")),
        (named("block.block.0.block.0.1.Conv"), ("block", "block.0", "block.0.1")),
        (node("/layer1/layer1.0/conv1/Conv"), ("layer1", "layer1.0", "layer1.0.conv1")),
        (node("/a/a.1/b/b.0/b.0.2/Conv"), ("a", "a.1", "a.1.b", "a.1.b.0", "a.1.b.0.2")),
        (node("functional_3/embedding/Gather__48"), ("functional_3", "functional_3.embedding")),
        (node("node_conv2d", "['', 'layer1', 'layer1.0', 'conv2d']"), ("layer1", "layer1.0")),
        (node("/a/Conv", "[[[["), ("a",)),
        (node("/a/Conv", "__import__('os')"), ("a",)),
        (node("/a/Conv", "[1, 2]"), ("a",)),
        (SimpleNamespace(name="x", name_scopes=("kept",)), ("kept",)),
    ],
)
def test_the_scopes_of_a_layer(operation: Any, scopes: tuple[str, ...]) -> None:
    assert scope_of(operation) == scopes


@pytest.mark.parametrize(
    ("scope", "short"),
    [("a", "a"), ("encoder.layers.0", "layers.0"), ("a.b.0.1", "b.0.1"), ("0", "0"), ("a.conv", "conv")],
)
def test_the_short_name_of_a_scope(scope: str, short: str) -> None:
    assert short_name(scope) == short


@pytest.mark.parametrize(
    ("scope", "outer", "name"), [("a.b", "", "a.b"), ("a.b", "a", "b"), ("a.layers.0", "a.layers", "layers.0")]
)
def test_the_name_of_a_scope_within_another(scope: str, outer: str, name: str) -> None:
    assert name_within(scope, outer) == name


def block(x: Any, name: str) -> Any:
    h = layers.Dense(4, name=f"{name}.mlp.up")(x)
    h = layers.Activation("relu", name=f"{name}.mlp.act")(h)
    return layers.Add(name=f"{name}.add")([x, layers.Dense(4, name=f"{name}.mlp.down")(h)])


def scoped(blocks: int = 2) -> Any:
    x = Input((4,), name="x")
    h = layers.Dense(4, name="stem")(x)
    for number in range(blocks):
        h = block(h, f"body.{number}")
    return Model(x, layers.Dense(2, name="head")(h), name="net")


def picture(model: Any) -> Picture:
    return picture_of(model, Options(show_layer_names=True))


def paths(found: Picture) -> list[str]:
    return [box.facts.get("scope", box.name) for box in found.boxes.values()]


def test_layers_are_grouped_by_scope() -> None:
    tree = grouped(picture(scoped()))

    assert paths(tree) == ["x", "stem", "body", "head"]
    body = tree.boxes["scope:body"]
    assert body.inside is not None
    assert [(b.title, b.name, b.rows) for b in body.inside.boxes.values()] == [
        ("body.0", "4 layers", ["2 Dense, 1 Activation, 1 Add"]), ("body.1", "4 layers", ["2 Dense, 1 Activation, 1 Add"]),
    ]  # fmt: skip
    assert body.facts == {"scope": "body", "layers": "8", "classes": "4 Dense, 2 Activation, 2 Add", "parameters": "80"}


def test_arrows_cross_the_borders_of_groups_once() -> None:
    tree = grouped(picture(scoped()))
    body = tree.boxes["scope:body"]
    assert body.inside is not None
    first = body.inside.boxes["scope:body.0"]
    assert first.inside is not None

    by_name = {box.name: box.key for box in all_boxes(tree)}
    stem, up, add = by_name["stem"], by_name["body.0.mlp.up"], by_name["body.0.add"]
    assert [(a.source, a.target) for a in tree.arrows] == [
        (by_name["x"], stem),
        (stem, "scope:body"),
        ("scope:body", by_name["head"]),
    ]
    assert body.entries == [[("scope:body.0", (0, 0))]]
    assert body.exits == [("scope:body.1", (0, 0))]
    assert [(a.source, a.target) for a in body.inside.arrows] == [("scope:body.0", "scope:body.1")]
    assert set(first.entries[0]) == {("scope:body.0.mlp", (0, 0)), (add, (0, 0))}
    mlp = first.inside.boxes["scope:body.0.mlp"]
    assert mlp.entries == [[(up, (0, 0))]]
    assert mlp.exits == [(by_name["body.0.mlp.down"], (0, 0))]


def test_a_group_of_one_layer_is_that_layer() -> None:
    x = Input((4,), name="x")
    h = layers.Dense(2, name="a.b.c.only")(x)
    model = Model(x, layers.Dense(2, name="out")(h))

    assert paths(grouped(picture(model))) == ["x", "a.b.c.only", "out"]


def test_a_chain_of_scopes_is_one_group() -> None:
    x = Input((4,), name="x")
    h = layers.Dense(2, name="a.b.c.first")(x)
    model = Model(x, layers.Dense(2, name="a.b.c.second")(h))
    tree = grouped(picture(model))

    assert [(b.title, b.facts["scope"]) for b in tree.boxes.values() if b.inside] == [("a.b.c", "a.b.c")]


def test_a_layer_without_a_scope_joins_its_neighbours() -> None:
    x = Input((4,), name="x")
    h = layers.Dense(2, name="a.first")(x)
    h = layers.Dense(2, name="unnamed")(h)
    h = layers.Dense(2, name="a.second")(h)
    model = Model(x, layers.Dense(2, name="out")(h))
    (group,) = [b for b in grouped(picture(model)).boxes.values() if b.inside]

    assert group.inside is not None
    assert [b.name for b in group.inside.boxes.values()] == ["a.first", "unnamed", "a.second"]


def test_a_constant_joins_what_reads_it() -> None:
    x = Input((4,), name="x")
    table = layers.Embedding(1, 4, name="table")(ops.zeros_like(x, dtype="int32")[:1, 0])
    h = layers.Dense(4, name="a.first")(x)
    h = layers.Add(name="a.add")([h, table])
    model = Model(x, layers.Dense(2, name="out")(h))
    (group,) = [b for b in grouped(picture(model)).boxes.values() if b.inside]

    assert group.inside is not None
    assert {"table", "a.first", "a.add"} <= {b.name for b in group.inside.boxes.values()}


def test_ops_that_serve_one_group_join_it() -> None:
    x = Input((4,), name="x")
    size = ops.sum(ops.zeros_like(x), axis=1, keepdims=True)
    h = layers.Dense(4, name="a.first")(x)
    h = layers.Add(name="a.add")([h, size])
    model = Model(x, layers.Dense(2, name="out")(h))

    assert [b.name for b in grouped(picture(model)).boxes.values()] == ["x", "4 layers", "out"]


def test_groups_between_which_tensors_go_back_are_in_no_run() -> None:
    x = h = Input((4,), name="x")
    for number in range(70):
        h = layers.Dense(4, name=f"a.d{number}")(h)
        h = layers.Dense(4, name=f"plain{number}")(h) if number % 2 else layers.Dense(4, name=f"b.d{number}")(h)
    tree = grouped(picture(Model(x, h)))
    keys = {b.key for b in tree.boxes.values()}

    assert {"scope:a", "scope:b"} <= keys or {"a", "b"} <= {b.title for b in all_boxes(tree) if b.inside is not None}


def long(count: int) -> Any:
    x = h = Input((4,), name="x")
    for number in range(count // 4):
        left = layers.Dense(4, name=f"block{number}_left")(h)
        right = layers.Dense(4, name=f"block{number}_right")(h)
        h = layers.Add(name=f"block{number}_add")([left, right])
        h = layers.Activation("relu", name=f"block{number}_act")(h)
    return Model(x, h, name="long")


def test_many_layers_without_scopes_are_runs_cut_where_one_tensor_passes() -> None:
    model = long(120)
    assert len(model.layers) > MANY
    tree = grouped(picture(model))
    groups = [b for b in tree.boxes.values() if b.inside is not None]

    assert len(tree.boxes) <= MANY
    assert all(len(b.entries) <= 1 and len(b.exits) <= 1 for b in groups)
    assert sum(int(b.facts["layers"]) for b in groups) == len(model.layers)
    assert all(8 <= int(b.facts["layers"]) <= 30 for b in groups[:-1])


def test_all_layers_are_in_the_tree_once() -> None:
    for model in (scoped(20), long(200)):
        flat = picture(model)
        leaves = [b.key for b in all_boxes(grouped(flat)) if b.inside is None]

        assert sorted(leaves) == sorted(flat.boxes)


@pytest.mark.parametrize(
    ("expand", "visible"),
    [
        (False, {"x", "stem", "body", "head"}),
        (0, {"x", "stem", "body", "head"}),
        (1, {"body.0", "body.1"}),
        (2, {"body.0.mlp", "body.0.add", "body.1.mlp"}),
        (["body.1"], {"body.0", "body.1.mlp", "body.1.add"}),
        ("body.0.mlp", {"body.1", "body.0.mlp.up", "body.0.mlp.act"}),
        (True, {"body.0.mlp.up", "body.1.mlp.down"}),
    ],
)
def test_which_groups_are_open(expand: Any, visible: set[str]) -> None:
    shown = [b for b in all_boxes(opened(grouped(picture(scoped())), expand)) if b.inside is None]

    assert visible <= {b.facts.get("scope", b.name) for b in shown}
    assert len({b.key for b in shown}) == len(shown)


def test_a_drawing_with_groups() -> None:
    model = scoped()
    closed, one, everything = (str(model.plot(expand=e, show_layer_names=True)) for e in (False, ["body"], True))

    assert "body.0.add" not in closed
    assert "8 layers" in closed
    assert "4 layers" in one
    assert "body.0.add" in everything
    assert "body.0.add" in str(model.plot(show_layer_names=True))  # without groups


def test_groups_in_dot() -> None:
    from graphkit.visualization.dot import to_dot

    text = to_dot(opened(grouped(picture(scoped())), ["body"]), 100).source
    assert "subgraph" in text
    assert "4 layers" in text


# ----- pages -----


def page_data(path: Path) -> Any:
    text = path.read_text()
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match is not None
    return json.loads(match[1])


def test_a_page_of_many_layers_has_groups(tmp_path: Path) -> None:
    model = scoped(30)
    model.plot(tmp_path / "m.html", show_layer_names=True)
    data = page_data(tmp_path / "m.html")

    tiles, boxes = data["tiles"], data["boxes"]
    assert boxes["scope:body.3"]["parent"] == "scope:body"
    assert {b["key"] for b in tiles["scope:body.3"]["boxes"]} == {
        k for k, b in boxes.items() if b["parent"] == "scope:body.3"
    }
    assert len(tiles["scope:body.3"]["inlets"]) == len(tiles["scope:body.3"]["outlets"]) == 1
    ends = [(line["from"], line["to"]) for line in tiles["scope:body.3"]["lines"]]
    assert [end for end in ends if end[0] == ["", 0]] != []
    assert [end for end in ends if end[1] == ["", 0]] != []
    names = {b["name"] for b in boxes.values()}
    assert {layer.name for layer in model.layers} <= names


def test_a_page_loads_nothing(tmp_path: Path) -> None:
    scoped(30).plot(tmp_path / "m.html")
    text = (tmp_path / "m.html").read_text().replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"https?:|src=|@import|url\(", text)


def test_a_name_cannot_leave_the_page_s_data(tmp_path: Path) -> None:
    x = h = Input((4,), name="x")
    for number in range(70):
        h = layers.Dense(4, name=f"<!--<script>alert({number})")(h)
    Model(x, h).plot(tmp_path / "m.html")
    text = (tmp_path / "m.html").read_text()

    assert "<script>alert" not in text
    assert len(page_data(tmp_path / "m.html")["tiles"]) > 1


def test_a_page_of_few_layers_or_of_another_direction_has_none(tmp_path: Path) -> None:
    scoped().plot(tmp_path / "a.html")
    scoped(30).plot(tmp_path / "b.html", rankdir="LR")

    assert 'id="data"' not in (tmp_path / "a.html").read_text()
    assert 'id="data"' not in (tmp_path / "b.html").read_text()


def test_nested_models_open_on_a_page(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    inner = long(100)
    Model(x, layers.Dense(2)(inner(x)), name="outer").plot(tmp_path / "m.html")
    data = page_data(tmp_path / "m.html")

    (key,) = [k for k, b in data["boxes"].items() if b["name"] == "long"]
    assert [line["to"] for line in data["tiles"][""]["lines"] if line["to"][0] == key] == [[key, 0]]
    assert len(data["tiles"][key]["inlets"]) == 1
    assert all(b["parent"] == key for k, b in data["boxes"].items() if k.startswith("run:"))


@pytest.mark.parametrize(("blocks", "keys"), [(2, 5), (12, 13), (60, 0)])
def test_the_outer_levels_are_open_at_first_if_few_boxes_are_visible(blocks: int, keys: int) -> None:
    tree = grouped(picture(scoped(blocks)))
    found = open_at_first(tree)
    groups = {b.key: b for b in all_boxes(tree) if b.inside is not None}
    visible = len(tree.boxes) + sum(len(groups[k].inside.boxes) - 1 for k in found)  # type: ignore[union-attr]

    assert len(found) == keys
    assert visible <= 40


def test_a_thousand_layers_are_drawn_quickly(tmp_path: Path) -> None:
    from time import perf_counter

    model = scoped(250)
    started = perf_counter()
    model.plot(tmp_path / "m.html", show_layer_names=True)

    assert len(model.layers) > 1000
    assert perf_counter() - started < 30  # it takes about 1 s; quadratic work would not fit


# ----- summaries -----


def summary_of(model: Any, **arguments: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, line_length=120, **arguments)
    return "\n".join(lines)


def test_a_summary_of_groups() -> None:
    model = scoped()
    closed, one = summary_of(model, expand=False), summary_of(model, expand=1)

    assert re.search(r"│ body \(8 layers\) +│ \(None, 4\) +│ +80 │ stem\[0\]\[0\] +│", closed)
    assert "body.0.add" not in closed
    assert re.search(r"│ +└ body.1 \(4 layers\) +│ \(None, 4\) +│ +40 │ body.0.add\[0\]\[0\] +│", one)
    assert "body.0.mlp.up" in summary_of(model, expand=True)
    assert "body.0.mlp.up" in summary_of(model)


def test_a_summary_of_groups_shows_what_is_trainable() -> None:
    model = scoped()
    model.get_layer("body.0.mlp.up").trainable = False

    assert re.search(r"body \(8 layers\).*Y/N", summary_of(model, expand=0, show_trainable=True))
