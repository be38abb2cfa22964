"""The commands that change or show one file: `extract`, `rename`, `set-batch`, `set-shape`, `view`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphkit.cli.terminal import complain, say
from graphkit.core.deferred import deferred

EXTRACT = """\
Write the part of a model between tensors or layers as a model.

NAME is a tensor, which becomes an input (--from) or an output (--to), or a layer or node: --from begins with it, --to ends with its
outputs. Where a tensor and a node of an ONNX file have the same name, write tensor:NAME or node:NAME. ONNX files are cut as they are,
with subgraphs, functions and data files; files of other formats are loaded, cut and written in the format of OUT.

examples:
  graphkit extract model.onnx --to /layer4/Relu_output_0 -o backbone.onnx
  graphkit extract model.onnx --from /layer1/Conv --to /layer2/Add -o part.onnx
  graphkit extract model.keras --to global_average_pooling2d -o backbone.keras
"""

RENAME = """\
Rename tensors (inputs, outputs and weights included) and nodes of an ONNX file.

examples:
  graphkit rename model.onnx input.1=image 495=scores
  graphkit rename model.onnx node:conv=first tensor:conv=features -o new.onnx
"""

SET_BATCH = """\
Set the batch size of an ONNX file: a number, or a name for a free axis. The sizes of all other tensors are inferred again. What the
file fixes otherwise, such as a Reshape to constant sizes, is an error that names the node, and nothing is written.

examples:
  graphkit set-batch model.onnx batch
  graphkit set-batch model.onnx 1 -o single.onnx
"""

SET_SHAPE = """\
Set the sizes of inputs of an ONNX file: numbers, names of free axes, or ? for unknown ones. The sizes of all other tensors are
inferred again. What contradicts them is an error that names the node, and nothing is written.

examples:
  graphkit set-shape model.onnx input=1,3,224,224
  graphkit set-shape model.onnx ids=batch,time mask=batch,time -o free.onnx
"""

VIEW = """\
Show a model in Netron, in the browser, until interrupted. Netron is a separate package: pip install netron. Files of other formats
than ONNX are exported to a temporary ONNX file first.

examples:
  graphkit view model.onnx
  graphkit view model.keras --port 8090
"""


def add_extract(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit extract`."""
    to.add_argument("file", type=Path, metavar="FILE", help="the model")
    to.add_argument(
        "--from",
        dest="start",
        action="append",
        default=[],
        metavar="NAME",
        help="where the part begins; may be repeated",
    )
    to.add_argument(
        "--to", dest="end", action="append", default=[], metavar="NAME", help="where the part ends; may be repeated"
    )
    to.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the file to write")


def add_rename(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit rename`."""
    to.add_argument("file", type=Path, metavar="FILE", help="the ONNX file")
    to.add_argument("names", nargs="+", type=_pair, metavar="OLD=NEW", help="a name and the new one")
    _add_output(to)


def add_set_batch(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit set-batch`."""
    to.add_argument("file", type=Path, metavar="FILE", help="the ONNX file")
    to.add_argument("batch", type=_size, metavar="SIZE", help="a number, or a name")
    _add_output(to)


def add_set_shape(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit set-shape`."""
    to.add_argument("file", type=Path, metavar="FILE", help="the ONNX file")
    to.add_argument(
        "shapes", nargs="+", type=_shape, metavar="INPUT=SIZES", help="an input, and its sizes separated by commas"
    )
    _add_output(to)


def add_view(to: argparse.ArgumentParser) -> None:
    """Add the arguments of `graphkit view`."""
    to.add_argument("file", type=Path, metavar="FILE", help="the model")
    to.add_argument("--port", type=int, default=8080, metavar="N", help="port of the page (default: 8080)")
    to.add_argument("--no-browser", action="store_true", help="print the address without opening a browser")


def _add_output(to: argparse.ArgumentParser) -> None:
    to.add_argument("-o", "--output", type=Path, metavar="OUT", help="the file to write (default: FILE is replaced)")


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise argparse.ArgumentTypeError(f"expects OLD=NEW, got {text!r}")
    return old, new


def _size(text: str) -> int | str | None:
    if text == "?":
        return None
    if not text or (text.lstrip("-").isdecimal() and int(text) < 1):
        raise argparse.ArgumentTypeError(f"expects a positive number or a name, got {text!r}")
    return int(text) if text.isdecimal() else text


def _shape(text: str) -> tuple[str, list[int | str | None]]:
    name, equals, sizes = text.rpartition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expects INPUT=SIZES such as x=1,3,224,224, got {text!r}")
    return name, [_size(size.strip()) for size in sizes.split(",")] if sizes else []


# ----- the commands -----


def extract(arguments: argparse.Namespace) -> int:
    """Run `graphkit extract`."""
    source, target = arguments.file, arguments.output
    if _is_onnx(source) and target.suffix.lower() == ".onnx":
        _onnx_tools().extract(source, target, arguments.start, arguments.end)
    else:
        _extract_layers(source, target, arguments.start, arguments.end)
    say(str(target))
    return 0


def _extract_layers(source: Path, target: Path, start: list[str], end: list[str]) -> None:
    import graphkit

    model = graphkit.load(source)
    inputs = [tensor for name in start for tensor in _flat(model.get_layer(name).input)] or model.inputs
    outputs = [tensor for name in end for tensor in _flat(model.get_layer(name).output)] or model.outputs
    graphkit.Model(_one_or_all(inputs), _one_or_all(outputs)).save(target)


def _flat(tensors: Any) -> list[Any]:
    from graphkit.core import nest

    return nest.flatten(tensors)


def _one_or_all(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def rename(arguments: argparse.Namespace) -> int:
    """Run `graphkit rename`."""
    return _edit(arguments, lambda source, target: _onnx_tools().set_names(source, target, dict(arguments.names)))


def set_batch(arguments: argparse.Namespace) -> int:
    """Run `graphkit set-batch`."""
    return _edit(arguments, lambda source, target: _onnx_tools().set_batch(source, target, arguments.batch))


def set_shape(arguments: argparse.Namespace) -> int:
    """Run `graphkit set-shape`."""
    return _edit(arguments, lambda source, target: _onnx_tools().set_shape(source, target, dict(arguments.shapes)))


def _edit(arguments: argparse.Namespace, change: Callable[[Path, Path], Any]) -> int:
    """Change an ONNX file and print its notes.

    Raises:
        UnsupportedFormatError: the file is of another format.
    """
    from graphkit.saving.formats import UnsupportedFormatError

    target = arguments.output or arguments.file
    if not _is_onnx(arguments.file):
        raise UnsupportedFormatError(
            f"{str(arguments.file)!r} is not an ONNX file, the only kind that this command changes. Convert it first: graphkit convert "
            f"{arguments.file} {arguments.file.with_suffix('.onnx')}"
        )
    notes = change(arguments.file, target)
    for note in notes if isinstance(notes, list) else ():
        complain(f"note: {note}")
    say(str(target))
    return 0


def view(arguments: argparse.Namespace) -> int:
    """Run `graphkit view`.

    Raises:
        MissingPackageError: Netron is not installed.
    """
    from importlib import import_module

    from graphkit.core.errors import MissingPackageError
    from graphkit.core.files import scratch_folder

    _format_of(arguments.file)
    try:
        netron = import_module("netron")
    except ImportError:
        raise MissingPackageError("graphkit view needs Netron, which is not installed: pip install netron") from None
    if _is_onnx(arguments.file):
        return _serve(netron, arguments.file, arguments)
    with scratch_folder() as folder:
        import graphkit

        exported = folder / f"{arguments.file.stem}.onnx"
        graphkit.convert(arguments.file, exported)
        return _serve(netron, exported, arguments)


def _serve(netron: Any, path: Path, arguments: argparse.Namespace) -> int:
    host, port = netron.start(str(path), address=arguments.port, browse=not arguments.no_browser)
    say(f"http://{host}:{port} (Ctrl+C to stop)")
    netron.wait()
    return 0


def _is_onnx(path: Path) -> bool:
    _format_of(path)
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return bool(deferred("onnx").recognizes(file.read(16)))


def _format_of(path: Path) -> Any:
    from graphkit.saving import formats
    from graphkit.saving.source import Source

    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    return formats.format_of(Source(path))


def _onnx_tools() -> Any:
    from graphkit.core.deferred import deferred

    return deferred("onnx_tools")
