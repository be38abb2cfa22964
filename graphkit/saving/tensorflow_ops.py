"""Ops of TensorFlow that tf.keras wrote into its graphs as layers, as the ops of Keras 3.

Such a layer is a TFOpLambda or SlicingOpLambda (tf.keras 2.4 to 2.15: the name of a TensorFlow function and its arguments) or a
TensorFlowOpLayer (2.0 to 2.3: a NodeDef and constants). Source: files of tf.keras, and TensorFlow's signatures of the functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphkit.core.errors import SerializationError
from graphkit.core.registry import did_you_mean

Config = dict[str, Any]
CLASSES = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")


class Form(NamedTuple):
    """How a function of TensorFlow is said in Keras 3: the op, its tensors by their TensorFlow names in order, its config.

    `config` maps TensorFlow's argument to the op's; `fixed` is config that is always there. `ignored` changes no number here.
    """

    op: str
    tensors: tuple[str, ...]
    config: Mapping[str, str] = {}
    fixed: Mapping[str, Any] = {}
    ignored: tuple[str, ...] = ()


def _unary(argument: str, **ops: str) -> dict[str, Form]:
    return {
        f"{family}.{name}" if family else name: Form(op, (argument,))
        for key, op in ops.items()
        for family, name in [_split(key)]
    }


def _split(key: str) -> tuple[str, str]:
    family, _, name = key.partition("__")
    return family, name


def _binary(op: str, *names: str) -> dict[str, Form]:
    return {name: Form(op, ("x", "y")) for name in names}


def _reduction(op: str, *names: str) -> dict[str, Form]:
    return {name: Form(op, ("input_tensor",), {"axis": "axis", "keepdims": "keepdims"}) for name in names}


_AXIS = {"axis": "axis"}
FUNCTIONS: dict[str, Form] = {
    **_binary("numpy.Add", "__operators__.add", "math.add"),
    **_binary("numpy.Subtract", "__operators__.sub", "math.subtract", "subtract"),
    **_binary("numpy.Multiply", "__operators__.mul", "math.multiply", "multiply"),
    **_binary("numpy.TrueDivide", "__operators__.truediv", "math.truediv", "math.divide", "divide", "truediv"),
    **_binary("numpy.FloorDivide", "__operators__.floordiv", "math.floordiv"),
    **_binary("numpy.Mod", "__operators__.mod", "math.floormod", "math.mod"),
    **_binary("numpy.Power", "__operators__.pow", "math.pow", "pow"),
    **_binary("numpy.Maximum", "math.maximum", "maximum"),
    **_binary("numpy.Minimum", "math.minimum", "minimum"),
    **_binary("numpy.Equal", "__operators__.eq", "math.equal", "equal"),
    **_binary("numpy.NotEqual", "__operators__.ne", "math.not_equal", "not_equal"),
    **_binary("numpy.Less", "__operators__.lt", "math.less", "less"),
    **_binary("numpy.LessEqual", "__operators__.le", "math.less_equal", "less_equal"),
    **_binary("numpy.Greater", "__operators__.gt", "math.greater", "greater"),
    **_binary("numpy.GreaterEqual", "__operators__.ge", "math.greater_equal", "greater_equal"),
    **_binary("numpy.LogicalAnd", "__operators__.and", "math.logical_and"),
    **_binary("numpy.LogicalOr", "__operators__.or", "math.logical_or"),
    **_binary("numpy.LogicalXor", "__operators__.xor", "math.logical_xor"),
    **_binary("numpy.DivideNoNan", "math.divide_no_nan"),
    **_binary("numpy.Arctan2", "math.atan2"),
    **_unary(
        "x",
        math__abs="numpy.Absolute", math__negative="numpy.Negative", math__exp="numpy.Exp", math__log="numpy.Log",
        math__log1p="numpy.Log1p", math__expm1="numpy.Expm1", math__sqrt="numpy.Sqrt", math__rsqrt="math.Rsqrt",
        math__square="numpy.Square", math__sin="numpy.Sin", math__cos="numpy.Cos", math__tan="numpy.Tan", math__tanh="numpy.Tanh",
        math__sinh="numpy.Sinh", math__cosh="numpy.Cosh", math__asin="numpy.Arcsin", math__acos="numpy.Arccos", math__atan="numpy.Arctan",
        math__floor="numpy.Floor", math__ceil="numpy.Ceil", math__round="numpy.Round", math__sign="numpy.Sign", math__erf="math.Erf",
        math__reciprocal="numpy.Reciprocal", math__sigmoid="nn.Sigmoid", math__logical_not="numpy.LogicalNot", math__is_nan="numpy.Isnan",
        math__is_finite="numpy.Isfinite", math__log_sigmoid="nn.LogSigmoid", nn__tanh="numpy.Tanh", nn__sigmoid="nn.Sigmoid",
    ),
    **_unary(
        "features",
        nn__relu="nn.Relu", nn__relu6="nn.Relu6", nn__elu="nn.Elu", nn__selu="nn.Selu", nn__softplus="nn.Softplus",
        math__softplus="nn.Softplus", nn__softsign="nn.Softsign", math__softsign="nn.Softsign",
    ),
    **_unary("input", stop_gradient="core.StopGradient", identity="numpy.Copy", zeros_like="numpy.ZerosLike", ones_like="numpy.OnesLike"),
    **_reduction("numpy.Sum", "math.reduce_sum"),
    **_reduction("numpy.Mean", "math.reduce_mean"),
    **_reduction("numpy.Max", "math.reduce_max"),
    **_reduction("numpy.Min", "math.reduce_min"),
    **_reduction("numpy.Prod", "math.reduce_prod"),
    **_reduction("numpy.Any", "math.reduce_any"),
    **_reduction("numpy.All", "math.reduce_all"),
    **_reduction("numpy.Var", "math.reduce_variance"),
    **_reduction("numpy.Std", "math.reduce_std"),
    **_reduction("math.Logsumexp", "math.reduce_logsumexp"),
    "nn.silu": Form("nn.Silu", ("features",), ignored=("beta",)),
    "nn.swish": Form("nn.Silu", ("features",), ignored=("beta",)),
    "nn.gelu": Form("nn.Gelu", ("features",), {"approximate": "approximate"}, {"approximate": False}),
    "nn.leaky_relu": Form("nn.LeakyRelu", ("features",), {"alpha": "negative_slope"}),
    "nn.softmax": Form("nn.Softmax", ("logits",), _AXIS),
    "nn.log_softmax": Form("nn.LogSoftmax", ("logits",), _AXIS),
    "nn.bias_add": Form("numpy.Add", ("value", "bias")),
    "nn.l2_normalize": Form("nn.Normalize", ("x",), {"axis": "axis"}, {"order": 2}, ignored=("epsilon",)),
    "linalg.matmul": Form("numpy.Matmul", ("a", "b")),
    "math.argmax": Form("numpy.Argmax", ("input",), _AXIS, ignored=("output_type",)),
    "math.argmin": Form("numpy.Argmin", ("input",), _AXIS, ignored=("output_type",)),
    "math.cumsum": Form("numpy.Cumsum", ("x",), _AXIS),
    "concat": Form("numpy.Concatenate", ("values",), _AXIS),
    "stack": Form("numpy.Stack", ("values",), _AXIS),
    "unstack": Form("core.Unstack", ("value",), {"num": "num", "axis": "axis"}),
    "split": Form("numpy.Split", ("value",), {"num_or_size_splits": "indices_or_sections", "axis": "axis"}, {"axis": 0}),
    "reshape": Form("numpy.Reshape", ("tensor",), {"shape": "newshape"}),
    "transpose": Form("numpy.Transpose", ("a",), {"perm": "axes"}),
    "expand_dims": Form("numpy.ExpandDims", ("input",), _AXIS),
    "squeeze": Form("numpy.Squeeze", ("input",), _AXIS),
    "tile": Form("numpy.Tile", ("input",), {"multiples": "repeats"}),
    "repeat": Form("numpy.Repeat", ("input",), {"repeats": "repeats", "axis": "axis"}),
    "reverse": Form("numpy.Flip", ("tensor",), _AXIS),
    "roll": Form("numpy.Roll", ("input",), {"shift": "shift", "axis": "axis"}),
    "broadcast_to": Form("numpy.BroadcastTo", ("input",), {"shape": "shape"}),
    "gather": Form("numpy.Take", ("params", "indices"), _AXIS, {"axis": 0}),
    "where": Form("numpy.Where", ("condition", "x", "y")),
    "clip_by_value": Form("numpy.Clip", ("t",), {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "cast": Form("core.Cast", ("x",), {"dtype": "dtype"}),
    "one_hot": Form("nn.OneHot", ("indices",), {"depth": "num_classes", "axis": "axis"}),
    "pad": Form("numpy.Pad", ("tensor",), {"paddings": "pad_width", "mode": "mode"}),
    "image.resize": Form("image.Resize", ("images",), {"size": "size", "method": "interpolation"}),
}  # fmt: skip
FUNCTIONS["math.l2_normalize"] = FUNCTIONS["linalg.l2_normalize"] = FUNCTIONS["nn.l2_normalize"]
_VALUES: dict[str, Callable[[Any], Any]] = {
    "mode": lambda v: str(v).lower(),
    "interpolation": lambda v: str(v).lower(),
    "dtype": lambda v: (v.get("config") or v.get("name")) if isinstance(v, Mapping) else str(v).removeprefix("tf."),
}
_LISTS = ("numpy.Concatenate", "numpy.Stack")


def as_operation(entry: Mapping[str, Any], calls: list[Any]) -> Config:
    """The entry of a functional graph for an op of TensorFlow, with its one call.

    Args:
        entry: the layer's envelope.
        calls: `{"args", "kwargs"}` of each call, tensors already in Keras 3's form.

    Raises SerializationError naming layer and function for one that is not in the tables.
    """
    config = entry["config"]
    where = f"Layer {config.get('name')!r} ({entry['class_name']})"
    if not calls:
        raise SerializationError(f"{where} is never called: an op of TensorFlow has its arguments in its call.")
    made = [_operation(entry, call, where) for call in calls]
    first = made[0]
    if any(m["config"] != first["config"] or m["class_name"] != first["class_name"] for m in made[1:]):
        raise SerializationError(f"{where} is called twice with different arguments, which an op of Keras 3 cannot be.")
    return {**first, "inbound_nodes": [m["inbound_nodes"][0] for m in made]}


def _operation(entry: Mapping[str, Any], call: Mapping[str, Any], where: str) -> Config:
    config, name = entry["config"], str(entry["config"].get("name"))
    if entry["class_name"] == "TensorFlowOpLayer":
        function, args, kwargs = _from_node_def(config, call, where)
    else:
        function, args, kwargs = str(config.get("function")), list(call["args"]), dict(call["kwargs"])
    function = function.removeprefix("compat.v1.").removeprefix("tf.")
    if function == "__operators__.getitem":
        return _entry(
            "numpy.GetItem", name, {}, [args[0], _slices(kwargs.get("slice_spec", args[1] if len(args) > 1 else None))]
        )
    form = FUNCTIONS.get(function)
    if form is None:
        raise SerializationError(
            f"{where} is the function tf.{function} of TensorFlow, which graphkit does not know as an op of Keras."
            f"{did_you_mean(function, FUNCTIONS)}"
        )
    return _by_form(form, function, name, args, kwargs, where)


def _by_form(form: Form, function: str, name: str, args: list[Any], kwargs: dict[str, Any], where: str) -> Config:
    tensors = list(args[: len(form.tensors)])
    tensors += [kwargs.pop(t) for t in form.tensors[len(tensors) :] if t in kwargs]
    if form.op in _LISTS and len(tensors) == 1 and not isinstance(tensors[0], list):
        tensors = [tensors]
    config = dict(form.fixed)
    for key, value in kwargs.items():
        if key in form.config:
            new = form.config[key]
            config[new] = _VALUES.get(new, _same)(value)
        elif key not in ("name", *form.ignored) and value not in (None, False) and (key, value) not in _HARMLESS:
            raise SerializationError(f"{where}: the argument {key}={value!s:.60} of tf.{function} is not known here.")
    if form.op == "numpy.Split" and isinstance(
        config["indices_or_sections"], list
    ):  # TensorFlow gives sizes, NumPy places
        sizes = config["indices_or_sections"]
        config["indices_or_sections"] = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return _entry(form.op, name, config, tensors)


_HARMLESS = {
    ("antialias", False),
    ("batch_dims", 0),
    ("constant_values", 0),
    ("constant_values", 0.0),
    ("on_value", 1),
    ("off_value", 0),
}


def _same(value: Any) -> Any:
    return value


def _entry(op: str, name: str, config: Config, args: list[Any]) -> Config:
    family, class_name = op.split(".")
    return {
        "module": f"keras.src.ops.{family}",
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": class_name,
        "name": name,
        "inbound_nodes": [{"args": args, "kwargs": {}}],
    }


def _slices(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_slices(s) for s in spec]
    if isinstance(spec, Mapping) and set(spec) == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": dict(spec)}
    if isinstance(spec, Mapping) and spec.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    return spec


# ----- NodeDefs -----

_NODES: dict[str, str] = {
    "Add": "math.add", "AddV2": "math.add", "BiasAdd": "nn.bias_add", "Sub": "math.subtract", "Mul": "math.multiply",
    "RealDiv": "math.divide",
    "Div": "math.divide", "FloorDiv": "math.floordiv", "FloorMod": "math.floormod", "Pow": "math.pow", "Maximum": "math.maximum",
    "Minimum": "math.minimum", "Equal": "math.equal", "NotEqual": "math.not_equal", "Less": "math.less", "LessEqual": "math.less_equal",
    "Greater": "math.greater", "GreaterEqual": "math.greater_equal", "Abs": "math.abs", "Neg": "math.negative", "Exp": "math.exp",
    "Log": "math.log", "Log1p": "math.log1p", "Sqrt": "math.sqrt", "Rsqrt": "math.rsqrt", "Square": "math.square", "Sin": "math.sin",
    "Cos": "math.cos", "Tanh": "math.tanh", "Sigmoid": "math.sigmoid", "Relu": "nn.relu", "Relu6": "nn.relu6", "Elu": "nn.elu",
    "Selu": "nn.selu", "Softplus": "nn.softplus", "Softmax": "nn.softmax", "LogSoftmax": "nn.log_softmax", "Floor": "math.floor",
    "Ceil": "math.ceil", "Round": "math.round", "Sign": "math.sign", "Erf": "math.erf", "Reciprocal": "math.reciprocal",
    "Identity": "identity", "StopGradient": "stop_gradient", "ZerosLike": "zeros_like", "OnesLike": "ones_like", "MatMul": "linalg.matmul",
    "BatchMatMul": "linalg.matmul", "BatchMatMulV2": "linalg.matmul", "Sum": "math.reduce_sum", "Mean": "math.reduce_mean",
    "Max": "math.reduce_max", "Min": "math.reduce_min", "Prod": "math.reduce_prod", "Any": "math.reduce_any", "All": "math.reduce_all",
    "ArgMax": "math.argmax", "ArgMin": "math.argmin", "ConcatV2": "concat", "Pack": "stack", "Reshape": "reshape",
    "Transpose": "transpose", "ExpandDims": "expand_dims", "Squeeze": "squeeze", "Tile": "tile", "Cast": "cast", "GatherV2": "gather",
    "ClipByValue": "clip_by_value", "LeakyRelu": "nn.leaky_relu", "Pad": "pad", "PadV2": "pad", "SelectV2": "where", "Select": "where",
    "StridedSlice": "__operators__.getitem",
}  # fmt: skip
# The inputs of a node that are arguments, by position, and the attributes that are.
_NODE_INPUTS: dict[str, dict[int, str]] = {
    **{op: {1: "axis"} for op in ("Sum", "Mean", "Max", "Min", "Prod", "Any", "All", "ArgMax", "ArgMin", "ExpandDims")},
    "Reshape": {1: "shape"},
    "Transpose": {1: "perm"},
    "Tile": {1: "multiples"},
    "GatherV2": {2: "axis"},
    "ClipByValue": {1: "clip_value_min", 2: "clip_value_max"},
    "Pad": {1: "paddings"},
    "PadV2": {1: "paddings", 2: "constant_values"},
}
_NODE_ATTRIBUTES = {"keep_dims": "keepdims", "squeeze_dims": "axis", "alpha": "alpha", "DstT": "dtype"}
_ATTRIBUTES_OF = {"Squeeze": ("squeeze_dims",), "Cast": ("DstT",), "LeakyRelu": ("alpha",), "Pack": ("axis",)}


def _from_node_def(config: Mapping[str, Any], call: Mapping[str, Any], where: str) -> tuple[str, list[Any], Config]:
    """A NodeDef as the function, tensors and arguments that make it."""
    node = config.get("node_def")
    if isinstance(node, str):
        try:
            node = json.loads(node)
        except ValueError:
            raise SerializationError(f"{where}: its node_def is not JSON: {node:.80}") from None
    if not isinstance(node, Mapping) or node.get("op") not in _NODES:
        op = node.get("op") if isinstance(node, Mapping) else node
        raise SerializationError(
            f"{where} is the op {op!r} of TensorFlow, which graphkit does not know as an op of Keras."
        )
    op = str(node["op"])
    inputs = _node_inputs(config.get("constants") or {}, call["args"])
    attributes = node.get("attr") or {}
    kwargs = {new: inputs[i] for i, new in _NODE_INPUTS.get(op, {}).items() if i < len(inputs)}
    tensors = [v for i, v in enumerate(inputs) if i not in _NODE_INPUTS.get(op, {})]
    if op == "ConcatV2":
        tensors, kwargs = [tensors[:-1]], {"axis": tensors[-1]}
    elif op == "Pack":
        tensors = [tensors]
    elif op == "StridedSlice":
        tensors, kwargs = tensors[:1], {"slice_spec": _strided(tensors[1:], attributes, where)}
    wanted = _ATTRIBUTES_OF.get(op, ("keep_dims",))
    kwargs.update({_NODE_ATTRIBUTES.get(k, k): _attribute(v) for k, v in attributes.items() if k in wanted})
    for flag in ("transpose_a", "transpose_b", "adj_x", "adj_y"):
        if _attribute(attributes.get(flag, {})):
            raise SerializationError(f"{where}: {op} with {flag} is not known here.")
    return _NODES[op], tensors, kwargs


def _node_inputs(constants: Mapping[str, Any], tensors: list[Any]) -> list[Any]:
    flat = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list) else tensors
    known = {int(k): v for k, v in constants.items()}
    waiting = iter(flat)
    return [known[i] if i in known else next(waiting) for i in range(len(flat) + len(known))]


_TYPES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_INT32": "int32", "DT_INT64": "int64",
    "DT_BOOL": "bool", "DT_UINT8": "uint8",
}  # fmt: skip
_ATTRIBUTE_KINDS: dict[str, Callable[[Any], Any]] = {
    "i": int,
    "f": float,
    "b": bool,
    "type": lambda t: _TYPES.get(t, t),
}


def _attribute(value: Any) -> Any:
    """The value of an attribute in a NodeDef's JSON form: `{"b": true}`, `{"i": "1"}`, `{"list": {"i": ["1"]}}`."""
    if not isinstance(value, Mapping) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "list":
        return [int(i) for i in (inner or {}).get("i", [])] or None
    return _ATTRIBUTE_KINDS.get(kind, _same)(inner)


def _strided(bounds: list[Any], attributes: Mapping[str, Any], where: str) -> list[Any]:
    """The slices of a StridedSlice with constant bounds. Its masks are bit fields, one bit an axis."""
    if len(bounds) != 3 or not all(isinstance(b, list) for b in bounds):
        raise SerializationError(f"{where}: a StridedSlice whose bounds are computed is not known here.")
    masks = {
        k: int(_attribute(attributes.get(f"{k}_mask", {})) or 0)
        for k in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    made: list[Any] = []
    for axis, (begin, end, step) in enumerate(zip(*bounds, strict=True)):
        bit = 1 << axis
        if masks["ellipsis"] & bit:
            made.append({"class_name": "__ellipsis__"})
        elif masks["new_axis"] & bit:
            made.append(None)
        elif masks["shrink_axis"] & bit:
            made.append(begin)
        else:
            start, stop = (None if masks[k] & bit else v for k, v in (("begin", begin), ("end", end)))
            made.append({"start": start, "stop": stop, "step": step})
    return made
