"""plot_model, model_to_dot: what is drawn, which files are written, errors."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import layers, models, ops
from graphkit.errors import ExportError, InvalidArgumentError, NotBuiltError, SerializationError
from graphkit.utils import model_to_dot, plot_model
from graphkit.visualization.picture import Options, all_boxes, picture_of
from graphkit.visualization.scene import scene_of

SVG = "{http://www.w3.org/2000/svg}"


def siamese() -> Any:
    a, b = layers.Input((6,), name="a"), layers.Input((6,), name="b")
    shared = layers.Dense(4, activation="relu", name="shared")
    return models.Model([a, b], layers.Dense(1, name="out")(layers.concatenate([shared(a), shared(b)])), name="siamese")


def twins() -> Any:
    image = layers.Input((6,), name="image")
    encoder = models.Model(image, layers.Dense(4, name="inner")(image), name="encoder")
    head = models.Sequential([layers.Input((4,)), layers.Dense(3, name="h1"), layers.Dense(2, name="h2")], name="head")
    left, right = layers.Input((6,), name="left"), layers.Input((6,), name="right")
    a, b = encoder(left), encoder(right)
    return models.Model([left, right], [ops.abs(a - b), head(a)], name="twins")


def titles(drawing: Any) -> list[str]:
    """Return the first line of every box's text."""
    root = ElementTree.fromstring(str(drawing))
    groups = [g for g in root.iter(f"{SVG}g") if g.get("class") == "gk-box"]
    return [(g.findtext(f"{SVG}title") or "").split("\n")[0] for g in groups]


def texts(drawing: Any) -> str:
    return " ".join("".join(t.itertext()) for t in ElementTree.fromstring(str(drawing)).iter(f"{SVG}text"))


def test_a_shared_layer_is_one_box_with_an_arrow_for_each_call() -> None:
    picture = picture_of(siamese(), Options())
    box = next(b for b in picture.boxes.values() if b.name == "shared")

    assert box.calls == 2
    assert [a.target_call for a in picture.arrows if a.target == box.key] == [0, 1]
    assert [a.source_call for a in picture.arrows if a.source == box.key] == [0, 1]
    assert "×2" in texts(plot_model(siamese()))


def test_show_nodes_draws_one_box_a_call() -> None:
    drawing = plot_model(siamese(), show_nodes=True)

    assert titles(drawing).count("shared: Dense") == 2
    assert "call 0" in texts(drawing)
    assert "call 1" in texts(drawing)
    assert "stroke-dasharray" in str(drawing)  # the line between the calls, which share their weights


@pytest.mark.parametrize("rankdir", ["TB", "LR", "BT", "RL"])
def test_every_direction_keeps_boxes_apart_and_inside(rankdir: str) -> None:
    scene = scene_of(picture_of(twins(), Options(expand_nested=True, rankdir=rankdir, show_shapes=True)))

    for number, a in enumerate(scene.boxes):
        assert a.width / 2 - 0.1 <= a.x <= scene.width - a.width / 2 + 0.1
        assert a.height / 2 - 0.1 <= a.y <= scene.height - a.height / 2 + 0.1
        for b in scene.boxes[number + 1 :]:
            assert abs(a.x - b.x) >= (a.width + b.width) / 2 or abs(a.y - b.y) >= (a.height + b.height) / 2


def test_data_flows_the_way_that_was_asked_for() -> None:
    def place(rankdir: str, name: str) -> Any:
        return next(b for b in scene_of(picture_of(siamese(), Options(rankdir=rankdir))).boxes if b.box.name == name)

    assert place("TB", "a").y < place("TB", "out").y
    assert place("BT", "a").y > place("BT", "out").y
    assert place("LR", "a").x < place("LR", "out").x
    assert place("RL", "a").x > place("RL", "out").x


def test_nested_models_are_frames_when_expanded() -> None:
    closed, opened = titles(plot_model(twins())), titles(plot_model(twins(), expand_nested=True))

    assert "inner: Dense" not in closed
    assert {"inner: Dense", "h1: Dense", "h2: Dense", "image: InputLayer"} <= set(opened)


def test_frames_hold_their_boxes() -> None:
    scene = scene_of(picture_of(twins(), Options(expand_nested=True)))
    frame = next(f for f in scene.frames if f.box.name == "encoder")
    inner = next(b for b in scene.boxes if b.box.name == "inner")

    assert abs(frame.x - inner.x) + inner.width / 2 <= frame.width / 2
    assert abs(frame.y - inner.y) + inner.height / 2 <= frame.height / 2


def test_boxes_say_what_was_asked_for() -> None:
    plain = texts(plot_model(siamese()))
    full = texts(plot_model(siamese(), None, True, True, True, show_layer_activations=True, show_trainable=True))

    assert "shared" not in plain
    for part in ("shared", "(?, 6) → (?, 4)", "float32", "relu", "trainable"):
        assert part in full
        assert part not in plain


def test_a_layer_called_on_its_own_output_gets_a_loop() -> None:
    inputs = layers.Input((4,))
    again = layers.Dense(4, name="again")
    model = models.Model(inputs, again(again(inputs)))

    assert "0→1" in texts(plot_model(model))


def test_a_hostile_name_is_only_text(tmp_path: Path) -> None:
    name = '<script>alert("1")<@script>&'
    inputs = layers.Input((2,), name=name)
    model = models.Model(inputs, layers.Dense(1)(inputs))
    plot_model(model, tmp_path / "m.html", show_layer_names=True)
    page = (tmp_path / "m.html").read_text()

    assert "<script>alert" not in page
    ElementTree.fromstring(str(plot_model(model, show_layer_names=True)))


def test_an_svg_file_is_the_drawing(tmp_path: Path) -> None:
    drawing = plot_model(siamese(), tmp_path / "m.svg")

    assert (tmp_path / "m.svg").read_text() == str(drawing) == drawing._repr_svg_()


def test_a_page_stands_alone(tmp_path: Path) -> None:
    plot_model(siamese(), str(tmp_path / "m.html"))
    page = (tmp_path / "m.html").read_text()
    data = re.search(r'<script type="application/json" id="boxes">(.*?)</script>', page, re.S)

    assert data is not None
    facts = {b["name"]: b["facts"] for b in json.loads(data[1]).values()}
    assert facts["shared"]["parameters"] == "28"
    assert facts["shared"]["calls"] == "2"
    assert not re.search(r'(src|href)="', page)
    assert page.count("http") == page.count("http://www.w3.org/2000/svg")


def test_a_drawing_is_the_same_every_time() -> None:
    model = twins()

    assert str(plot_model(model, expand_nested=True)) == str(plot_model(model, expand_nested=True))


def test_dot_holds_boxes_clusters_and_arrows(tmp_path: Path) -> None:
    source = str(model_to_dot(twins(), expand_nested=True, show_shapes=True, rankdir="LR"))
    plot_model(siamese(), tmp_path / "m.dot")

    assert source.count("subgraph") == 2
    assert "rankdir=LR" in source
    assert "inner" in source
    assert 'taillabel=" 0 "' in (tmp_path / "m.dot").read_text()


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_pictures_of_points_need_graphviz(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(ExportError, match=r"needs the Graphviz program 'dot'.*\.svg or \.html"):
        plot_model(siamese(), tmp_path / f"m.{suffix}")
    assert not list(tmp_path.iterdir())


def test_graphviz_gets_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nprintf "%s " "$1"\ncat\n')
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    plot_model(siamese(), tmp_path / "m.png")

    assert (tmp_path / "m.png").read_text() == f"-Tpng {plot_dot()}"


def plot_dot() -> str:
    graphkit.utils.clear_session()
    return str(model_to_dot(siamese(), show_layer_names=False))


def test_what_graphviz_complains_of_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no such font >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))

    with pytest.raises(ExportError, match="'dot' failed on this graph: no such font"):
        model_to_dot(siamese()).create_png()


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"cannot write 'm\.xyz': the suffix must be one of \.svg"):
        plot_model(siamese(), tmp_path / "m.xyz")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SerializationError, match=r"folder .* does not exist"):
        plot_model(siamese(), tmp_path / "no" / "m.svg")


def test_a_direction_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="rankdir must be 'TB', 'LR', 'BT' or 'RL', got 'UP'"):
        plot_model(siamese(), rankdir="UP")


@pytest.mark.parametrize(
    ("given", "message"),
    [({"layer_range": ["a", "b"]}, "no longer supported"), ({"colour": 1}, "Unrecognized keyword")],
)
def test_unknown_arguments_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        plot_model(siamese(), **given)


def test_a_model_without_a_graph_is_not_drawn() -> None:
    model = models.Sequential([layers.Dense(2)])

    with pytest.raises(NotBuiltError, match="has not yet been built"):
        plot_model(model)
    assert model._repr_html_().startswith("<pre>")


def test_a_subclassed_model_is_one_box() -> None:
    class Own(models.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="own")
            self.inner = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.inner(x)

    model = Own()
    model(ops.ones((1, 3)))

    assert titles(plot_model(model)) == ["own: Own"]


def test_notebooks_show_the_drawing() -> None:
    assert "<svg" in siamese()._repr_html_()


def test_all_boxes_lists_those_inside_too() -> None:
    names = {b.name for b in all_boxes(picture_of(twins(), Options(expand_nested=True)))}

    assert {"encoder", "inner", "h2", "left"} <= names


def test_arrows_lead_to_the_layers_inside_a_model_that_read_and_make_each_tensor() -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    left, right = layers.Dense(4, name="left")(a), layers.Dense(5, name="right")(b)
    inner = models.Model([a, b], [left, right], name="inner")
    x, y = layers.Input((2,), name="x"), layers.Input((3,), name="y")
    first, second = inner([x, y])
    model = models.Model([x, y], [layers.ReLU(name="after_left")(first), layers.ReLU(name="after_right")(second)])

    source = str(model_to_dot(model, expand_nested=True))

    arrows = set(re.findall(r'"([0-9.]+)" -> "([0-9.]+)"', source))  # 2 is `inner`, 2.0 to 2.3 are what is in it
    assert arrows == {("0", "2.0"), ("1", "2.1"), ("2.0", "2.2"), ("2.1", "2.3"), ("2.2", "3"), ("2.3", "4")}
