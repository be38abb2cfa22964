"""The commands and their arguments. Each command imports what it needs when it runs, so that --help is fast."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphkit.cli import files
from graphkit.cli.diff import DIFF, add_diff, diff
from graphkit.cli.terminal import say

_ABOUT = """\
Open, draw, train, edit and export neural networks as graphs. Reads Keras files, writes Keras and ONNX, and computes on NumPy.

examples:
  graphkit summary model.h5                    print the table of layers (old files included)
  graphkit plot model.keras -o model.html      draw the graph on a page to pan, zoom and inspect
  graphkit convert model.h5 model.onnx         convert for onnxruntime
  graphkit convert model.onnx model.keras      convert for Keras
  graphkit inspect model.onnx                  show what a file holds, and whether it can be run and trained
  graphkit diff a.onnx b.keras                 compare two models, layer by layer
  graphkit extract model.onnx --to NAME -o b.onnx   write a part of a model
  graphkit run train.py --epochs 3             run a script that imports keras, without Keras
  graphkit demo                                train, save, reload and export a small model, and compare its outputs
  graphkit doctor                              check the installation
"""

_INSPECT = """\
Show what a model file contains and what loading it requires: format, Keras version, layers, parameters, custom classes, functions
stored as code; of an ONNX file opsets, inputs and outputs, operators, floating-point operations, and what cannot be run or trained. No
weights are loaded, and nothing in the file is executed.

examples:
  graphkit inspect model.h5
  graphkit inspect model.onnx
  graphkit inspect model.keras --json
"""

_SUMMARY = """\
Print Keras' table of a model: layers, output shapes, parameters, connections.

FILE is a model in any format that graphkit reads; `graphkit doctor` lists them. Nothing in it is executed.

examples:
  graphkit summary model.keras
  graphkit summary model.h5 --expand-nested --trainable
  graphkit summary model.onnx --expand 1
"""

_PLOT = """\
Draw the graph of a model.

.svg and .html need no other program; .png and .pdf are rendered by Graphviz, which must be installed; .dot is Graphviz' source. A
layer that is called several times is one box, marked with the number of calls, with arrows in a different colour for each call;
with --nodes every call is a box. In an .html file of many layers, groups of them open and close on a click: layers of a common name
scope, such as "layer1" of "/layer1/conv1/Conv" in an ONNX file.

examples:
  graphkit plot model.keras                           writes model.svg
  graphkit plot model.h5 -o net.html --expand-nested
  graphkit plot model.onnx -o net.png --rankdir LR
"""

_CONVERT = """\
Read a model in one format and write it in another. The source format is detected from the content, the target format from the
suffix. What the new file cannot hold (such as the optimizer's state) is reported on standard error; with --strict it is an error,
and no file is written.

examples:
  graphkit convert old.h5 new.keras
  graphkit convert config.json new.keras --weights weights.h5
  graphkit convert model.keras model.onnx --opset 18
  graphkit convert model.keras old.h5 --keras-version 2 --strict
  graphkit convert model.onnx model.keras
"""

_RUN = """\
Run a Python script that imports keras, tensorflow.keras or tf_keras, with graphkit in their place.

This affects only this process, even if the real packages are installed; nothing is changed on disk. Names that graphkit does not
have raise an ImportError or AttributeError that names them and the closest match.

examples:
  graphkit run train.py --epochs 3
  graphkit run old_keras1_script.py
"""

_DEMO = """\
Train a small model on handwritten digits, and check every step: a shared convolutional encoder reads two images; one output
predicts whether they show the same digit, the other which digit the left one is. The model is saved as JSON and weights, loaded
into a new model, exported as ONNX and run by onnxruntime; the report compares the three on held-out images.

examples:
  graphkit demo
  graphkit demo --out /tmp/digits --epochs 4 --seed 7
"""

_DOCTOR = """\
Show relevant versions and settings, report known problems, and train, export and run a tiny model.

The exit code is 1 if something does not work.
"""

_EXPAND = (
    "show groups of layers with a common name scope (of an imported graph): those of N levels are open, 0 for none, or those of a NAME, "
    "which may be repeated"
)
_OPTION, _LOAD_OPTION = "option_", "load_option_"  # start the names of arguments that are options of a format


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    from graphkit import __version__

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
    )
    top = argparse.ArgumentParser("graphkit", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=f"graphkit {__version__}")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, about: str, short: str, function: Any) -> argparse.ArgumentParser:
        made = commands.add_parser(
            name, help=short, description=about, parents=[common], formatter_class=argparse.RawDescriptionHelpFormatter
        )
        made.set_defaults(command=function)
        return made

    _add_inspect(command("inspect", _INSPECT, "show what a file contains, without loading it", inspect))
    _add_summary(command("summary", _SUMMARY, "print the table of layers", summary))
    _add_plot(command("plot", _PLOT, "draw the graph", plot))
    _add_convert(command("convert", _CONVERT, "write a model in another format", convert))
    for name, about, short, add, function in _FILE_COMMANDS:
        add(command(name, about, short, function))
    _add_run(command("run", _RUN, "run a Keras script on graphkit", run))
    _add_demo(command("demo", _DEMO, "train and export a small model, and compare its outputs", demo))
    command("doctor", _DOCTOR, "check the installation", doctor)
    return top


_FILE_COMMANDS: tuple[tuple[str, str, str, Any, Any], ...] = (
    ("diff", DIFF, "compare two models", add_diff, diff),
    ("extract", files.EXTRACT, "write a part of a model", files.add_extract, files.extract),
    ("rename", files.RENAME, "rename tensors and nodes of an ONNX file", files.add_rename, files.rename),
    ("set-batch", files.SET_BATCH, "set the batch size of an ONNX file", files.add_set_batch, files.set_batch),
    ("set-shape", files.SET_SHAPE, "set the sizes of inputs of an ONNX file", files.add_set_shape, files.set_shape),
    ("view", files.VIEW, "show a model in Netron", files.add_view, files.view),
)


def _add_inspect(to: argparse.ArgumentParser) -> None:
    to.add_argument("file", type=Path, metavar="FILE", help="the file")
    to.add_argument("--json", action="store_true", help="print the report as JSON")


def _add_summary(to: argparse.ArgumentParser) -> None:
    to.add_argument("file", type=Path, metavar="FILE", help="the model")
    to.add_argument("--expand-nested", action="store_true", help="also list the layers of nested models")
    to.add_argument("--expand", action="append", type=_levels, metavar="N|NAME", help=_EXPAND)
    to.add_argument("--trainable", action="store_true", help="show which layers are trainable")
    to.add_argument("--line-length", type=int, metavar="N", help="width of the table in characters")


def _add_plot(to: argparse.ArgumentParser) -> None:
    to.add_argument("file", type=Path, metavar="FILE", help="the model")
    to.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="the picture: .svg, .html, .dot, .png, .pdf (default: FILE with .svg)",
    )
    to.add_argument(
        "--rankdir", choices=("TB", "LR", "BT", "RL"), default="TB", help="direction of the data flow (default: TB)"
    )
    to.add_argument("--expand-nested", action="store_true", help="show the layers of nested models")
    to.add_argument("--expand", action="append", type=_levels, metavar="N|NAME", help=_EXPAND)
    to.add_argument("--nodes", action="store_true", help="draw one box for each call of a shared layer")
    to.add_argument("--no-shapes", action="store_true", help="omit shapes")
    to.add_argument("--no-names", action="store_true", help="omit the names of layers")
    to.add_argument("--dtype", action="store_true", help="show dtypes")
    to.add_argument("--activations", action="store_true", help="show activations")
    to.add_argument("--trainable", action="store_true", help="show which layers are trainable")
    to.add_argument("--dpi", type=int, default=200, metavar="N", help="resolution of a .png (default: 200)")


def _add_convert(to: argparse.ArgumentParser) -> None:
    to.add_argument("source", type=Path, metavar="SOURCE", help="the model to read")
    to.add_argument("target", type=Path, metavar="TARGET", help=f"the file to write: {_written()}")
    to.add_argument("--weights", type=Path, metavar="FILE", help="weights for a SOURCE that has none (.json)")
    to.add_argument("--strict", action="store_true", help="write nothing if TARGET cannot hold all that SOURCE has")
    to.add_argument("--no-overwrite", action="store_true", help="fail if TARGET exists")
    _add_options(to.add_argument_group("options of TARGET's format"), "--", _OPTION, _options("options"))
    known = _options("load_options")
    if known:
        _add_options(to.add_argument_group("options of SOURCE's format"), "--load-", _LOAD_OPTION, known)


def _add_options(to: Any, start: str, destination: str, known: dict[str, str]) -> None:
    for name, about in known.items():
        flag = f"{start}{name.replace('_', '-')}"
        with suppress(argparse.ArgumentError):  # two options that differ in "-" and "_" alone
            to.add_argument(flag, dest=f"{destination}{name}", type=_value, metavar="VALUE", help=about)


def _written() -> str:
    """Return the suffixes of the formats that can be written."""
    from graphkit.saving import formats

    suffixes = (suffix for format in formats.all_formats() if format.is_written for suffix in format.suffixes)
    return ", ".join(dict.fromkeys(suffixes))


def _options(attribute: str) -> dict[str, str]:
    """Return the options of all formats, each with its help text.

    Args:
        attribute: "options" for those of formats that can be written, "load_options" for those of formats that can be read.
    """
    from graphkit.saving import formats

    found: dict[str, list[str]] = {}
    for format in formats.all_formats():
        for name, about in getattr(format, attribute).items():
            found.setdefault(name, []).append(f"{format.name}: {about}".replace("%", "%%"))
    return {name: "; ".join(texts) for name, texts in found.items()}


def _value(text: str) -> Any:
    """Return the value of an option: a number, true or false, or text."""
    import json

    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text


def _add_run(to: argparse.ArgumentParser) -> None:
    to.add_argument("script", type=Path, metavar="SCRIPT", help="the Python script")
    to.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the script's own arguments")


def _add_demo(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--out",
        type=Path,
        default=Path("graphkit-demo"),
        metavar="FOLDER",
        help="where to write (default: graphkit-demo)",
    )
    to.add_argument("--epochs", type=int, default=None, metavar="N", help="passes over the training pairs (default: 5)")
    to.add_argument("--seed", type=int, default=0, metavar="N", help="seed for split, weights and batches (default: 0)")


# ----- the commands -----


def _load(path: Path) -> Any:
    import graphkit

    if not path.exists():
        raise FileNotFoundError(2, "no such file", str(path))
    return graphkit.load(path, placeholders=True)


def inspect(arguments: argparse.Namespace) -> int:
    """Run `graphkit inspect`."""
    import json

    from graphkit.saving.inspection import inspect_file, report_as_text

    report = inspect_file(arguments.file)
    say(json.dumps(report, indent=1) if arguments.json else report_as_text(report))
    return 0


def _levels(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _expand(arguments: argparse.Namespace) -> Any:
    """Return what `--expand` says: None, a number of levels, or names of groups."""
    given = arguments.expand
    if given is None:
        return None
    levels = [value for value in given if isinstance(value, int)]
    return max(levels) if len(levels) == len(given) else [str(value) for value in given]


def summary(arguments: argparse.Namespace) -> int:
    """Run `graphkit summary`."""
    model = _load(arguments.file)
    model.summary(
        line_length=arguments.line_length,
        expand_nested=arguments.expand_nested,
        show_trainable=arguments.trainable,
        expand=_expand(arguments),
    )
    return 0


def plot(arguments: argparse.Namespace) -> int:
    """Run `graphkit plot`."""
    from graphkit.visualization.plot import plot_model

    target = arguments.output or arguments.file.with_suffix(".svg")
    plot_model(
        _load(arguments.file),
        target,
        show_shapes=not arguments.no_shapes,
        show_dtype=arguments.dtype,
        show_layer_names=not arguments.no_names,
        rankdir=arguments.rankdir,
        expand_nested=arguments.expand_nested,
        dpi=arguments.dpi,
        show_layer_activations=arguments.activations,
        show_trainable=arguments.trainable,
        show_nodes=arguments.nodes,
        expand=_expand(arguments),
    )
    say(str(target))
    return 0


def convert(arguments: argparse.Namespace) -> int:
    """Run `graphkit convert`.

    Raises:
        FileNotFoundError: a file to read does not exist.
    """
    import graphkit
    from graphkit.cli.terminal import complain
    from graphkit.saving.conversion import target_format

    for path in (arguments.source, arguments.weights):
        if path is not None and not path.exists():
            raise FileNotFoundError(2, "no such file", str(path))
    lost: list[str] = []
    options = _given(arguments, _OPTION)
    model = graphkit.convert(
        arguments.source,
        arguments.target,
        weights=arguments.weights,
        strict=arguments.strict,
        lost=lost,
        overwrite=not arguments.no_overwrite,
        load_options=_given(arguments, _LOAD_OPTION),
        **options,
    )
    for part in lost:
        complain(f"not in {arguments.target}: {part}")
    for note in target_format(arguments.target, options).notes(model, options):
        complain(f"in {arguments.target}: {note}")
    say(str(arguments.target))
    return 0


def _given(arguments: argparse.Namespace, start: str) -> dict[str, Any]:
    """Return the options of a format that were given, by name."""
    found = {name: value for name, value in vars(arguments).items() if name.startswith(start) and value is not None}
    return {name.removeprefix(start): value for name, value in found.items()}


def run(arguments: argparse.Namespace) -> int:
    """Run `graphkit run`."""
    from graphkit.cli.impersonate import run_script

    return run_script(arguments.script, arguments.arguments)


def demo(arguments: argparse.Namespace) -> int:
    """Run `graphkit demo`."""
    from graphkit.cli.demo import run_demo

    return run_demo(arguments.out, arguments.epochs, arguments.seed)


def doctor(arguments: argparse.Namespace) -> int:
    """Run `graphkit doctor`."""
    from graphkit.cli.doctor import examine

    return examine()
