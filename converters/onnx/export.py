"""Write programs and models as ONNX.

Operators: https://onnx.ai/onnx/operators/. Names, order and free axes are those of the program; see `export_model`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from graphkit.core import dtypes, nest
from graphkit.core.collection import collection_paused
from graphkit.core.dims import Dim
from graphkit.core.errors import ExportError, GraphKitError, InvalidArgumentError, InvalidTypeError, OpsetError
from graphkit.core.files import check_target
from graphkit.core.registry import did_you_mean
from graphkit.ir.program import Program, State, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.variable import Variable
from graphkit.layers.stamp import is_own
from graphkit.models.feeding import numbered, to_listed
from graphkit.ops.random import SeedGenerator
from graphkit.saving.formats import ConverterWarning

from .builder import GraphBuilder, Operand, to_tensor, value_info
from .checking import TOLERANCES, check_numbers, inputs_and_answers
from .document import Document, Weight
from .driver import lower_equations, operand_of, prepared
from .element_types import NAMES_OF_TYPES
from .files import read_message, write_model
from .optimize import chosen, optimized
from .quantize import (
    REPORT_KEY,
    QuantizationReport,
    as_json,
    check_dtype,
    check_quantize,
    quantized,
    remember,
    report_of,
    with_stored_weights,
)
from .registry import OTHER_DOMAINS, Target
from .relayout import Step

OPSET = 21
OLDEST_OPSET = 13
NEWEST_OPSET = min(28, onnx.defs.onnx_opset_version())  # onnxruntime 1.32 runs 28; every lowering is tested up to it
CONFIG_KEY = "graphkit.config"
NO_CONFIG_KEY = "graphkit.no_config"
WEIGHTS_KEY = "graphkit.weights"
EXTRA_KEY = "graphkit.more_weights"  # weights that inference does not read, and current states
STATE_KEY = "graphkit.state"
STRUCTURE_KEY = "graphkit.structure"  # how inputs and outputs are nested; absent if unknown


def export_model(
    model: Any,
    path: str | Path,
    opset: int | None = None,
    *,
    training: bool = False,
    external_data: bool | None = None,
    check: bool | None = None,
    overwrite: bool = True,
    keep_bfloat16: bool = False,
    standard_operators: bool = False,
    optimize: bool | str | Iterable[str] = False,
    dtype: str | None = None,
    quantize: Any = None,
    **unknown: Any,
) -> Path:
    """Write a model as an ONNX file.

    Args:
        model: a built graphkit model.
        path: the target file; it is written to a temporary file and renamed.
        opset: 13 to 28, where the operators allow it; by default 21, or a later one that nodes of an imported graph have.
        training: write the training-time forward pass instead of inference.
        external_data: store the weights in a separate data file; None does so above protobuf's limit of 2 GB.
        check: None runs `onnx.checker` with full_check (strict shape inference); True also runs the file in onnxruntime and
            compares its outputs with the engine's, on generated inputs; False skips both.
        overwrite: whether to replace an existing file.
        keep_bfloat16: keep bfloat16 inputs and outputs; by default they are float32, since onnxruntime cannot exchange
            bfloat16 with NumPy.
        standard_operators: write Swish and GroupNormalization where the opset has them. By default other operators compute
            them, since onnxruntime has no kernel for these two and runs their definitions, which takes longer.
        optimize: True, or names of optimizations that change weights: "batch_normalization" folds BatchNormalization into
            the convolution, transposed convolution or dense layer before it; "constants" computes what depends on weights
            alone. A file that they changed does not hold the layers' config.
        dtype: "float16" or "bfloat16" stores the weights of two or more axes in this dtype; the file computes in float32.
        quantize: "dynamic" for 8-bit products whose inputs are quantized at run time; or an iterable of batches (as for
            `predict`), or a .npz file of arrays, to calibrate 8-bit integers for the whole graph (QDQ). Implies
            `optimize=True`. The file does not hold the layers' config; `quantization_report` tells how the outputs changed.
        **unknown: other options are rejected.

    Returns:
        The path of the file.

    Raises:
        ExportError: the model has no graph, or a layer that ONNX cannot express; or `check` found a difference.
        OpsetError: an operator of the model does not exist at this opset.
        InvalidArgumentError: an option has an invalid value, or the file exists and `overwrite` is False.
        InvalidTypeError: an unknown option.
    """
    if unknown:
        options = [n for n, p in signature(export_model).parameters.items() if p.kind is not p.VAR_KEYWORD][2:]
        name = next(iter(unknown))
        raise InvalidTypeError(
            f"The ONNX export has no option {name!r}; its options are {', '.join(options)}.{did_you_mean(name, options)}"
        )
    check_target(path, overwrite)
    check_dtype(dtype)
    check_quantize(quantize)
    if quantize is not None and dtype is not None:
        raise InvalidArgumentError("quantize and dtype both change how weights are stored; give one of them.")
    optimizations = chosen(True if quantize is not None else optimize)
    given = model
    with collection_paused():
        model = with_graph(model)
        program = model.program(training=training)
        document = model_to_document(
            model, opset, training=training, keep_bfloat16=keep_bfloat16, standard_operators=standard_operators,
            optimizations=optimizations, dtype=dtype, program=program,
        )  # fmt: skip
        if check:
            _check_by_running(document, program, dtype)
        if quantize is not None:
            document, report = _quantized(document, model, program, quantize)
            remember(given, report)
        return write_model(
            document, Path(path), external_data=external_data, check=check is not False, overwrite=overwrite
        )


def _check_by_running(document: Document, program: Program, dtype: str | None) -> None:
    left_out = check_numbers(document, program, None if dtype is None else TOLERANCES[dtype])
    if left_out:
        warnings.warn(f"check: not compared: {left_out}.", ConverterWarning, stacklevel=3)


def _quantized(document: Document, model: Any, program: Program, quantize: Any) -> tuple[Document, QuantizationReport]:
    """Return the document in 8 bits, without the layers, and the report."""
    names = model.input_names

    def feeds(batch: Any) -> dict[str, Any]:
        return dict(zip(names, model.signature.conformed(batch), strict=True))

    def from_nothing() -> dict[str, Any]:
        return dict(zip(names, inputs_and_answers(program, rows=32)[0], strict=True))

    document, report = quantized(document, quantize, feeds, from_nothing)
    _without_layers(document, f"quantize changed its weights ({report.method}).")
    _add_metadata(document, {REPORT_KEY: as_json(report)})
    return document, report


def _without_layers(document: Document, reason: str) -> None:
    """Replace the layers' config and the table of weights by the reason why the file has none."""
    entries = document.message.metadata_props
    kept = [e for e in entries if e.key not in (CONFIG_KEY, NO_CONFIG_KEY, WEIGHTS_KEY, EXTRA_KEY)]
    del entries[:]
    entries.extend(kept)
    _add_metadata(document, {NO_CONFIG_KEY: reason})


def quantization_report(path: str | Path) -> QuantizationReport | None:
    """Return how `quantize=` changed the outputs of an exported file; None for a file that was not quantized.

    Args:
        path: the ONNX file.
    """
    message = read_message(Path(path))
    return report_of({entry.key: entry.value for entry in message.metadata_props})


def model_to_onnx(
    model: Any, opset: int | None = None, *, training: bool = False, config: bool = True, program: Program | None = None
) -> onnx.ModelProto:
    """Return a model as an ONNX message.

    Args:
        model: a built graphkit model.
        opset: 13 to 28, where the operators allow it; by default 21, or a later one that nodes of an imported graph have.
        training: write the training-time forward pass instead of inference.
        config: store the layer config in the metadata, so that the file can be loaded as the same layers.
        program: the model's program, if it has been traced already.

    Raises:
        ExportError: the model has no graph, or a layer that ONNX cannot express.
        InvalidArgumentError: the opset is not supported.
    """
    return model_to_document(model, opset, training=training, config=config, program=program).whole()


def model_to_document(
    model: Any,
    opset: int | None = None,
    *,
    training: bool = False,
    config: bool = True,
    keep_bfloat16: bool = False,
    standard_operators: bool = False,
    optimizations: Sequence[str] = (),
    dtype: str | None = None,
    program: Program | None = None,
) -> Document:
    """Return what `model_to_onnx` does, with the weights separate. See `export_model` for the other options."""
    model = with_graph(model)
    program = model.program(training=training) if program is None else program
    check_free_sizes(model, program)
    target = Target(_opset(opset, program), standard_operators)
    program, has_own_weights = optimized(program, optimizations) if optimizations else (program, True)
    document, b = _written(program, model.input_names, output_names(model), target, model.name, keep_bfloat16)
    _add_first_states(document, model, _changed(program))
    structure = {
        "inputs": to_listed(numbered(model.input)),
        "outputs": to_listed(numbered(model.output)),
        "output_dtypes": [atom.spec.dtype for atom in program.outputs],
    }
    _add_metadata(document, {STRUCTURE_KEY: json.dumps(structure)})
    if dtype is not None:
        document = _stored_as(document, b, dtype)
    if not has_own_weights:
        _without_layers(document, f"optimize ({', '.join(optimizations)}) changed its weights.")
    elif config:
        _add_metadata(document, {**_config(model), EXTRA_KEY: json.dumps(_unwritten(model, b))})
    return document


def _stored_as(document: Document, b: GraphBuilder, dtype: str) -> Document:
    """Store weights in another dtype, and update the table of weights."""
    names = {name: variable.path for name, (variable, _) in b.weights.items()}
    document, renamed = with_stored_weights(document, names, dtype)
    b.weights = {renamed.get(name, name): entry for name, entry in b.weights.items()}
    entry = next(e for e in document.message.metadata_props if e.key == WEIGHTS_KEY)
    entry.value = json.dumps(weight_table(b))
    return document


def _add_first_states(document: Document, model: Any, states: Sequence[State]) -> None:
    """Add the default value of each state input as an initializer: zeros for recurrent states, the current value for seeds."""
    recurrent = {id(v) for layer in model._walk_layers() for v in nest.flatten(getattr(layer, "states", None) or [])}
    graph = document.message.graph
    inputs = list(graph.input)[len(graph.input) - len(states) :]
    for info, state in zip(inputs, states, strict=True):
        variable = state.variable
        array = np.zeros_like(variable.array) if id(variable) in recurrent else variable.array
        dtype = NAMES_OF_TYPES[info.type.tensor_type.elem_type]
        graph.initializer.append(to_tensor(array.astype(dtypes.to_numpy(dtype)), dtype, info.name))


def output_names(model: Any) -> list[str]:
    """Return the names of a model's outputs: the keys of a dict of outputs, otherwise the names of the output layers.

    A model that was opened from a file keeps the names of the file, and a layer may name its outputs itself (`tensor_name`), as the
    nodes of imported graphs do.
    """
    in_file: list[str] | None = getattr(model, "file_output_names", None)
    if in_file is not None:
        return in_file
    keys = nest.flatten(_keys(model.output))
    own = [_own_name(tensor) for tensor in nest.flatten(model.output)]
    names = zip(keys, own, model.output_names, strict=True)
    return [next(name for name in found if name is not None) for found in names]


def _own_name(tensor: Any) -> str | None:
    history = getattr(tensor, "history", None)
    if history is None or not hasattr(history.operation, "tensor_name"):
        return None
    name: str | None = history.operation.tensor_name(history.tensor_index)
    return name


def _keys(structure: Any, key: str | None = None) -> Any:
    """Return the structure with each leaf replaced by its key in a dict, or None inside a list."""
    if isinstance(structure, Mapping):
        return {own: _keys(part, str(own)) for own, part in structure.items()}
    return [_keys(part) for part in structure] if isinstance(structure, (list, tuple)) else key


def with_graph(model: Any) -> Any:
    """Return the model, or a functional one that calls it if it has its own `call`."""
    if not hasattr(model, "functional_form"):
        check_has_graph(model)
        return model
    if hasattr(model, "program") and is_own(type(model).call):
        return model
    if hasattr(model, "program") and model.built:  # its inputs are known
        return model.functional_form(model.input)
    return model.functional_form()


def check_has_graph(model: Any) -> None:
    """Check that there is a graph to write: layers and subclassed models have none.

    Raises:
        ExportError: `model` has no program.
    """
    if not hasattr(model, "program"):
        raise ExportError(
            f"{model.name!r} ({type(model).__name__}) has no graph of layers to write as ONNX. Wrap it in a functional model: "
            "x = Input(...); Model(x, layer(x))."
        )


def check_free_sizes(model: Any, program: Program) -> None:
    """Check that layers whose computation depends on the image size get a known size: an ONNX file holds one computation.

    Raises:
        ExportError: such a layer reads images of unknown height or width.
    """
    known = {layer.name: layer for layer in model._walk_layers() if getattr(layer, "wants_known_sizes", False)}
    for equation in program.equations if known else ():
        name = str(equation.scope or "").split("/")[-1]
        if name not in known:
            continue
        layer = known[name]
        for shape in (v.spec.shape for v in equation.inputs if isinstance(v, Value) and len(v.spec.shape) == 4):
            if any(isinstance(shape[axis], Dim) for axis in layer.spatial):
                raise ExportError(
                    f"Layer {name!r} ({type(layer).__name__}) crops or resizes depending on the height and width, so its ONNX "
                    "export requires known sizes. Give the model's Input a height and width."
                )


def _config(model: Any) -> dict[str, str]:
    """Return the layers as JSON, or the reason why they have none (the file then runs, but cannot be loaded as layers)."""
    try:
        return {CONFIG_KEY: model.to_json()}
    except GraphKitError as error:
        return {NO_CONFIG_KEY: str(error)}


def _unwritten(model: Any, b: GraphBuilder) -> dict[str, Any]:
    """Return the variables that are not initializers: seeds, states, weights that inference does not read.

    Seeds that were chosen at random and never used are left out: they would make the file differ in each process.
    """
    written = {id(variable) for variable, _ in b.weights.values()} | _unused_seeds(model)
    rest = (v for v in model.variables if id(v) not in written)
    return {v.path: {"dtype": v.dtype, "shape": list(v.shape), "values": _numbers(v.array)} for v in rest}


def _unused_seeds(model: Any) -> set[int]:
    """Return the ids of the states of generators without a given seed that have not drawn yet."""
    values = (value for layer in model._walk_layers() for value in vars(layer).values())
    parts = (part for value in values for part in (value if isinstance(value, (list, tuple)) else (value,)))
    generators = [part for part in parts if isinstance(part, SeedGenerator)]
    return {id(g.state) for g in generators if g.get_config()["seed"] is None and not g.state.array[1]}


def _numbers(array: Any) -> list[Any]:
    """Return the values for JSON; as float64, every float reads back exactly."""
    flat: list[Any] = (array.astype("float64") if array.dtype.kind not in "iub" else array).ravel().tolist()
    return flat


def program_to_onnx(
    program: Program,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    *,
    opset: int | None = None,
    name: str = "graphkit",
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """Return a program as an ONNX message.

    Variables that the program only reads become initializers named after their path. A variable that it changes becomes an
    input of that name and an output `<path>:updated`, after the program's own.

    Args:
        program: what to write; it is not changed.
        input_names: one for each input; by default the values' own names, or `input`, `input_1`, ...
        output_names: one for each output, made unique; by default `output`, `output_1`, ...
        opset: 13 to 28, where the operators allow it; by default 21, or a later one that nodes of an imported graph have.
        name: of the graph.
        metadata: further entries of `metadata_props`.

    Raises:
        ExportError: an equation cannot be expressed in ONNX.
        InvalidArgumentError: the opset is not supported, or the number of names is wrong.
    """
    return program_to_document(program, input_names, output_names, opset=opset, name=name, metadata=metadata).whole()


def program_to_document(
    program: Program,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    *,
    opset: int | None = None,
    name: str = "graphkit",
    metadata: Mapping[str, str] | None = None,
) -> Document:
    """Return what `program_to_onnx` does, with the weights separate, as views of their current arrays."""
    document, _ = _written(program, input_names, output_names, Target(_opset(opset, program)), name)
    _add_metadata(document, metadata or {})
    return document


def program_with_weights_fed(
    program: Program,
    input_names: Sequence[str],
    output_names: Sequence[str],
    *,
    opset: int | None = None,
    name: str = "graphkit",
) -> tuple[Document, dict[str, tuple[Variable, tuple[Step, ...]]]]:
    """Return a program as a document whose weights are inputs, and the sources of the arrays to feed.

    The weights come after the program's own inputs and its state. See `program_to_onnx` for the arguments.

    Returns:
        The document, and for each weight input the variable and the steps (see `apply_steps`) that lead from its array to
        the array to feed.
    """
    document, b = _written(program, input_names, output_names, Target(_opset(opset, program)), name)
    graph = document.message.graph
    kept = [t for t in graph.initializer if t.name not in b.weights]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    fed = [w.header for w in document.weights if w.header.name in b.weights]
    fed += [t for n, t in b.initializers.items() if n in b.weights and isinstance(t, onnx.TensorProto)]
    graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in fed)
    return Document(document.message, [w for w in document.weights if w.header.name not in b.weights]), dict(b.weights)


def _written(
    program: Program,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    target: Target,
    name: str,
    keep_bfloat16: bool = True,
) -> tuple[Document, GraphBuilder]:
    """Return the program as a document, and the builder, which knows where each weight went.

    Raises:
        OpsetError: the program requires a later opset; the error names the lowest that works.
    """
    try:
        return _written_for(target, program, input_names, output_names, name, keep_bfloat16)
    except OpsetError as error:
        wanted = error
    later = wanted
    while later.lowest <= NEWEST_OPSET:
        try:
            _written_for(target._replace(opset=later.lowest), program, input_names, output_names, name, keep_bfloat16)
            break
        except OpsetError as error:
            later = error
    if later is wanted:
        raise wanted
    more = f"Other operators of the model require opset {later.lowest}, the lowest that works for it."
    raise OpsetError(f"{wanted} {more}", later.lowest) from wanted


def _written_for(
    target: Target,
    program: Program,
    input_names: Sequence[str] | None,
    output_names: Sequence[str] | None,
    name: str,
    keep_bfloat16: bool,
) -> tuple[Document, GraphBuilder]:
    program = prepared(program, target)
    b = GraphBuilder(target)
    names = _input_names(b, program, input_names)
    border = _unchanged if keep_bfloat16 else _in_float32
    env, inputs = _declare(b, program, names, border)
    wanted = _output_names(b, program, output_names)
    lower_equations(b, program.equations, env)
    outputs = _name_outputs(b, [operand_of(b, r, env) for r in program.results()], wanted, border)
    b.prune([o.name for o in outputs])
    return _document(b, name, inputs, outputs, program), b


def _opset(given: int | None, program: Program) -> int:
    """Return the opset to write, and check it."""
    if given is None:
        nodes = (e.params["computation"] for e in program.equations if e.primitive.name == "onnx_node")
        newest: int = max([OPSET, *(node.opsets.get("", OPSET) for node in nodes)])
        return min(newest, NEWEST_OPSET)
    if not isinstance(given, int) or not OLDEST_OPSET <= given <= NEWEST_OPSET:
        raise InvalidArgumentError(f"opset must be an integer from {OLDEST_OPSET} to {NEWEST_OPSET}, got {given!r}.")
    return given


def _changed(program: Program) -> list[State]:
    return [s for s in program.state if s.after is not None]


def _input_names(b: GraphBuilder, program: Program, given: Sequence[str] | None) -> list[str]:
    if given is not None and len(given) != len(program.inputs):
        raise InvalidArgumentError(
            f"input_names has {len(given)} names for {len(program.inputs)} inputs: {list(given)}."
        )
    wanted = given if given is not None else [v.name or "input" for v in program.inputs]
    return [b.names.unique(n) for n in wanted]


def _output_names(b: GraphBuilder, program: Program, given: Sequence[str] | None) -> list[str]:
    if given is not None and len(given) != len(program.outputs):
        raise InvalidArgumentError(
            f"output_names has {len(given)} names for {len(program.outputs)} outputs: {list(given)}."
        )
    own = list(given) if given is not None else ["output"] * len(program.outputs)
    return [b.names.unique(n) for n in (*own, *(f"{s.variable.path}:updated" for s in _changed(program)))]


Border = Callable[[TensorSpec], TensorSpec]


def _unchanged(spec: TensorSpec) -> TensorSpec:
    return spec


def _in_float32(spec: TensorSpec) -> TensorSpec:
    """Replace bfloat16 by float32, which represents all its values."""
    return TensorSpec(spec.shape, "float32") if spec.dtype == "bfloat16" else spec


def _declare(
    b: GraphBuilder, program: Program, names: Sequence[str], border: Border
) -> tuple[dict[Value, Operand], list[onnx.ValueInfoProto]]:
    """Declare inputs and state, and record where unknown sizes can be read; return their operands and declarations."""
    env: dict[Value, Operand] = {}
    inputs = []

    def declare(value: Value, name: str) -> None:
        outside = border(value.spec)
        inputs.append(value_info(name, outside))
        b.dtypes[name] = outside.dtype
        env[value] = Operand(b, value.spec, b.cast(name, value.spec.dtype))

    for value, name in zip(program.inputs, names, strict=True):
        declare(value, name)
        for axis, size in enumerate(value.spec.shape):
            if isinstance(size, Dim) and size.is_name():
                b.dim_sources.setdefault(str(size), (name, axis))
    for state in program.state:
        if state.after is None:
            env[state.before] = Operand(b, state.before.spec, array=state.variable.array, variable=state.variable)
        else:
            declare(state.before, b.names.unique(state.variable.path))
    return env, inputs


def _name_outputs(
    b: GraphBuilder, results: Sequence[Operand], wanted: Sequence[str], border: Border
) -> list[onnx.ValueInfoProto]:
    """Name the results: by renaming a node's output, or with an Identity node if that is not possible."""
    specs = [border(result.spec) for result in results]
    sources = [
        b.cast(result, spec.dtype) if spec != result.spec else result.name
        for result, spec in zip(results, specs, strict=True)
    ]
    made_here = {name for node in b.nodes for name in node.output}
    renamed: dict[str, str] = {}
    for source, name in zip(sources, wanted, strict=True):
        if source in made_here and source not in renamed:
            renamed[source] = name
        else:
            b.nodes.append(helper.make_node("Identity", [source], [name], name=b.names.unique(f"{name}/Identity")))
    _rename(b.nodes, renamed)
    return [value_info(name, spec) for name, spec in zip(wanted, specs, strict=True)]


def _rename(nodes: Any, names: Mapping[str, str]) -> None:
    for node in nodes:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                if name in names:
                    field[index] = names[name]
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g.node, names)
                for output in attribute.g.output:
                    output.name = names.get(output.name, output.name)


def _document(
    b: GraphBuilder,
    name: str,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    program: Program,
) -> Document:
    initializers = b.initializers.values()
    constants = [i for i in initializers if isinstance(i, onnx.TensorProto)]
    graph = helper.make_graph(b.nodes, name, inputs, outputs, constants)
    imports = [helper.make_opsetid("", b.opset)]
    domains = {node.domain for node in b.nodes}
    imports += [helper.make_opsetid(name, version) for name, version in OTHER_DOMAINS.items() if name in domains]
    message = helper.make_model(
        graph, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports[:1]), producer_name="graphkit"
    )
    document = Document(message, [i for i in initializers if isinstance(i, Weight)])
    changed = [info.name for info in inputs[len(program.inputs) :]]
    state = {STATE_KEY: json.dumps(changed)} if changed else {}
    _add_metadata(document, {WEIGHTS_KEY: json.dumps(weight_table(b)), **state})
    return document


def _add_metadata(document: Document, entries: Mapping[str, str]) -> None:
    for key, value in entries.items():
        document.message.metadata_props.add(key=key, value=value)


def weight_table(b: GraphBuilder) -> dict[str, dict[str, Any]]:
    """Return, for each initializer, the weight's path and shape and the layout steps that lead from it to the initializer."""
    return {
        name: {"path": variable.path, "shape": list(variable.shape), **({"steps": steps} if steps else {})}
        for name, (variable, steps) in b.weights.items()
    }
