"""NodeDefs, which TensorFlow's graph mode and tf.keras 2.0 to 2.3 wrote, as calls of TensorFlow's functions.

Such a layer has the op's name and attributes in JSON, its constant inputs by their position, and the others as tensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphkit import ops
from graphkit.core.errors import SerializationError

from .neural import resized
from .table import FUNCTIONS, evaluated, tensorflow


class NodeForm(NamedTuple):
    """An op of a TensorFlow graph, and the function that computes it.

    Attributes:
        function: the name of the function in the table.
        inputs: the function's arguments that the op's inputs are, in order.
        attributes: the function's arguments by the op's attributes.
        gathers: "first" if all inputs but the last form the first argument, "all" if all inputs do.
    """

    function: str
    inputs: str
    attributes: Mapping[str, str] = {}
    gathers: str = ""


_XY = "x y"
_REDUCED = {"keep_dims": "keepdims"}
_WINDOW = {"ksize": "ksize", "strides": "strides", "padding": "padding", "data_format": "data_format"}
_CONVOLVED = {"strides": "strides", "padding": "padding", "data_format": "data_format", "dilations": "dilations"}
_MASKS = {f"{k}_mask": f"{k}_mask" for k in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
_ALIGNED = {"align_corners": "align_corners", "half_pixel_centers": "half_pixel_centers"}
NODES: dict[str, NodeForm] = {
    **{
        op: NodeForm(f"math.{name}", "x")
        for op, name in {
            "Abs": "abs", "Neg": "negative", "Exp": "exp", "Expm1": "expm1", "Log": "log", "Log1p": "log1p", "Sqrt": "sqrt",
            "Rsqrt": "rsqrt", "Square": "square", "Sin": "sin", "Cos": "cos", "Tan": "tan", "Tanh": "tanh", "Sigmoid": "sigmoid",
            "Sinh": "sinh", "Cosh": "cosh", "Asin": "asin", "Acos": "acos", "Atan": "atan", "Asinh": "asinh", "Acosh": "acosh",
            "Atanh": "atanh", "Floor": "floor", "Ceil": "ceil", "Round": "round", "Rint": "rint", "Sign": "sign", "Erf": "erf",
            "Erfc": "erfc", "Reciprocal": "reciprocal", "Inv": "reciprocal", "LogicalNot": "logical_not", "IsNan": "is_nan",
            "IsFinite": "is_finite", "IsInf": "is_inf", "Erfinv": "erfinv",
        }.items()
    },
    **{
        op: NodeForm(name, _XY)
        for op, name in {
            "Add": "math.add", "AddV2": "math.add", "Sub": "math.subtract", "Mul": "math.multiply", "RealDiv": "math.truediv",
            "Div": "math.truediv", "FloorDiv": "math.floordiv", "FloorMod": "math.floormod", "Mod": "math.floormod", "Pow": "math.pow",
            "Maximum": "math.maximum", "Minimum": "math.minimum", "Equal": "math.equal", "NotEqual": "math.not_equal",
            "Less": "math.less", "LessEqual": "math.less_equal", "Greater": "math.greater", "GreaterEqual": "math.greater_equal",
            "LogicalAnd": "math.logical_and", "LogicalOr": "math.logical_or", "SquaredDifference": "math.squared_difference",
            "DivNoNan": "math.divide_no_nan", "MulNoNan": "math.multiply_no_nan", "Xdivy": "math.xdivy", "Xlogy": "math.xlogy",
            "BitwiseAnd": "bitwise.bitwise_and", "BitwiseOr": "bitwise.bitwise_or", "BitwiseXor": "bitwise.bitwise_xor",
        }.items()
    },
    **{op: NodeForm(f"nn.{op.lower()}", "features") for op in ("Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign")},
    **{
        op: NodeForm(f"math.reduce_{op.lower()}", "input_tensor axis", _REDUCED)
        for op in ("Sum", "Mean", "Max", "Min", "Prod", "Any", "All")
    },
    "EuclideanNorm": NodeForm("math.reduce_euclidean_norm", "input_tensor axis", _REDUCED),
    "Atan2": NodeForm("math.atan2", "y x"),
    "BiasAdd": NodeForm("nn.bias_add", "value bias", {"data_format": "data_format"}),
    "AddN": NodeForm("math.add_n", "inputs", gathers="all"),
    "LeakyRelu": NodeForm("nn.leaky_relu", "features", {"alpha": "alpha"}),
    "Softmax": NodeForm("nn.softmax", "logits"),
    "LogSoftmax": NodeForm("nn.log_softmax", "logits"),
    "MatMul": NodeForm("linalg.matmul", "a b", {"transpose_a": "transpose_a", "transpose_b": "transpose_b"}),
    **{
        op: NodeForm("linalg.matmul", "a b", {"adj_x": "transpose_a", "adj_y": "transpose_b"})
        for op in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")
    },
    "Einsum": NodeForm("einsum", "inputs", {"equation": "equation"}, gathers="all"),
    "ArgMax": NodeForm("math.argmax", "input axis", {"output_type": "output_type"}),
    "ArgMin": NodeForm("math.argmin", "input axis", {"output_type": "output_type"}),
    "Cumsum": NodeForm("math.cumsum", "x axis", {"exclusive": "exclusive", "reverse": "reverse"}),
    "Cumprod": NodeForm("math.cumprod", "x axis", {"exclusive": "exclusive", "reverse": "reverse"}),
    "TopKV2": NodeForm("math.top_k", "input k"),
    "ConcatV2": NodeForm("concat", "values axis", gathers="first"),
    "Pack": NodeForm("stack", "values", {"axis": "axis"}, gathers="all"),
    "Unpack": NodeForm("unstack", "value", {"num": "num", "axis": "axis"}),
    "Split": NodeForm("split", "axis value", {"num_split": "num_or_size_splits"}),
    "SplitV": NodeForm("split", "value num_or_size_splits axis"),
    "Reshape": NodeForm("reshape", "tensor shape"),
    "Transpose": NodeForm("transpose", "a perm"),
    "ExpandDims": NodeForm("expand_dims", "input axis"),
    "Squeeze": NodeForm("squeeze", "input", {"squeeze_dims": "axis"}),
    "Tile": NodeForm("tile", "input multiples"),
    "ReverseV2": NodeForm("reverse", "tensor axis"),
    "Roll": NodeForm("roll", "input shift axis"),
    "BroadcastTo": NodeForm("broadcast_to", "input shape"),
    "Pad": NodeForm("pad", "tensor paddings"),
    "PadV2": NodeForm("pad", "tensor paddings constant_values"),
    "MirrorPad": NodeForm("pad", "tensor paddings", {"mode": "mode"}),
    "GatherV2": NodeForm("gather", "params indices axis", {"batch_dims": "batch_dims"}),
    "ResourceGather": NodeForm("gather", "params indices"),
    "GatherNd": NodeForm("gather_nd", "params indices"),
    "Slice": NodeForm("slice", "input_ begin size"),
    "StridedSlice": NodeForm("strided_slice", "input_ begin end strides", _MASKS),
    "Select": NodeForm("where", "condition x y"),
    "SelectV2": NodeForm("where", "condition x y"),
    "ClipByValue": NodeForm("clip_by_value", "t clip_value_min clip_value_max"),
    "Cast": NodeForm("cast", "x", {"DstT": "dtype"}),
    "OneHot": NodeForm("one_hot", "indices depth on_value off_value", {"axis": "axis", "T": "dtype"}),
    "Shape": NodeForm("shape", "input"),
    "Size": NodeForm("size", "input"),
    "Rank": NodeForm("rank", "input"),
    "Fill": NodeForm("fill", "dims value"),
    "Range": NodeForm("range", "start limit delta"),
    "Identity": NodeForm("identity", "input"),
    "StopGradient": NodeForm("stop_gradient", "input"),
    "PreventGradient": NodeForm("identity", "input"),
    "EnsureShape": NodeForm("ensure_shape", "tensor", {"shape": "shape"}),
    "ZerosLike": NodeForm("zeros_like", "input"),
    "OnesLike": NodeForm("ones_like", "input"),
    "Diag": NodeForm("linalg.diag", "diagonal"),
    **{op: NodeForm("linalg.diag", "diagonal") for op in ("MatrixDiag", "MatrixDiagV2", "MatrixDiagV3")},
    **{op: NodeForm("linalg.diag_part", "input k") for op in ("MatrixDiagPart", "MatrixDiagPartV2", "MatrixDiagPartV3")},
    "Complex": NodeForm("dtypes.complex", "real imag"),
    "Real": NodeForm("math.real", "x"),
    "Imag": NodeForm("math.imag", "x"),
    "ComplexAbs": NodeForm("math.abs", "x"),
    "SoftmaxCrossEntropyWithLogits": NodeForm("raw_ops.SoftmaxCrossEntropyWithLogits", "features labels"),
    "ResizeArea": NodeForm("raw_ops.ResizeArea", "images size"),
    "MatrixBandPart": NodeForm("linalg.band_part", "input num_lower num_upper"),
    "MatrixInverse": NodeForm("linalg.inv", "input", {"adjoint": "adjoint"}),
    "MaxPool": NodeForm("nn.max_pool", "input", _WINDOW),
    "AvgPool": NodeForm("nn.avg_pool", "input", _WINDOW),
    "MaxPool3D": NodeForm("nn.max_pool", "input", _WINDOW),
    "AvgPool3D": NodeForm("nn.avg_pool", "input", _WINDOW),
    "Conv2D": NodeForm("nn.conv2d", "input filters", _CONVOLVED),
    "Conv3D": NodeForm("nn.conv3d", "input filters", _CONVOLVED),
    "DepthwiseConv2dNative": NodeForm("nn.depthwise_conv2d", "input filter", _CONVOLVED),
    "DepthToSpace": NodeForm("nn.depth_to_space", "input", {"block_size": "block_size", "data_format": "data_format"}),
    "SpaceToDepth": NodeForm("nn.space_to_depth", "input", {"block_size": "block_size", "data_format": "data_format"}),
    "ResizeBilinear": NodeForm("raw_ops.ResizeBilinear", "images size", _ALIGNED),
    "ResizeNearestNeighbor": NodeForm("raw_ops.ResizeNearestNeighbor", "images size", _ALIGNED),
    "ResizeBicubic": NodeForm("raw_ops.ResizeBicubic", "images size", _ALIGNED),
    "ExtractImagePatches": NodeForm(
        "image.extract_patches", "images", {"ksizes": "sizes", "strides": "strides", "rates": "rates", "padding": "padding"}
    ),
    "LRN": NodeForm("nn.lrn", "input", {k: k for k in ("depth_radius", "bias", "alpha", "beta")}),
    "L2Loss": NodeForm("raw_ops.L2Loss", "t"),
}  # fmt: skip


def _raw_resize(method: str) -> Callable[..., Any]:
    def call(images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
        return resized(images, size, method, align_corners, half_pixel_centers)

    return call


for _op, _method in (("Bilinear", "bilinear"), ("NearestNeighbor", "nearest"), ("Bicubic", "bicubic")):
    tensorflow(f"raw_ops.Resize{_op}")(_raw_resize(_method))


@tensorflow("raw_ops.ResizeArea")
def _resize_area(images: Any, size: Any) -> Any:
    return FUNCTIONS["image.resize"].call(images, size, "area")


@tensorflow("raw_ops.SoftmaxCrossEntropyWithLogits")
def _softmax_cross_entropy(features: Any, labels: Any) -> Any:
    """Return the loss and its gradient."""
    return [-ops.sum(labels * ops.log_softmax(features), axis=-1), ops.softmax(features) - labels]


@tensorflow("raw_ops.L2Loss")
def _l2_loss(t: Any) -> Any:
    return ops.sum(ops.square(t)) / 2.0


def node_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the NodeDef of a layer's config. Raises SerializationError if there is none, or its op is not in the table."""
    node = config.get("node_def")
    if isinstance(node, str):
        try:
            node = json.loads(node)
        except ValueError:
            raise SerializationError(f"its node_def is not JSON: {node:.80}") from None
    if not isinstance(node, Mapping) or node.get("op") not in NODES:
        op = node.get("op") if isinstance(node, Mapping) else node
        raise SerializationError(f"is TensorFlow's op {op!r}, which graphkit cannot express in Keras' ops")
    return node


def evaluated_node(node: Mapping[str, Any], constants: Mapping[str, Any], tensors: list[Any]) -> Any:
    """Evaluate a node.

    Args:
        node: the NodeDef, as `node_of` returns it.
        constants: constant inputs by their position.
        tensors: the other inputs, in order.

    Raises:
        SerializationError: an argument is not supported.
    """
    form = NODES[str(node["op"])]
    inputs = _inputs(constants, tensors)
    if form.gathers == "all":
        inputs = [inputs]
    elif form.gathers == "first":
        inputs = [inputs[:-1], inputs[-1]]
    attributes = node.get("attr") or {}
    kwargs = {new: _attribute(attributes[old]) for old, new in form.attributes.items() if old in attributes}
    kwargs.update(zip(form.inputs.split(), inputs, strict=False))
    function = FUNCTIONS[form.function]
    positional = [kwargs.pop("equation"), kwargs.pop("inputs")] if form.function == "einsum" else []
    return evaluated(function, form.function, positional, {k: v for k, v in kwargs.items() if v is not None})


def _inputs(constants: Mapping[str, Any], tensors: list[Any]) -> list[Any]:
    """Return the inputs in order: constants at their positions, tensors at the others."""
    known = {int(k): v for k, v in constants.items()}
    waiting = iter(tensors)
    return [known[i] if i in known else next(waiting) for i in range(len(tensors) + len(known))]


# ----- attributes -----

_TYPES = {
    "DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16", "DT_INT32": "int32", "DT_INT64": "int64",
    "DT_BOOL": "bool", "DT_UINT8": "uint8", "DT_INT8": "int8", "DT_INT16": "int16", "DT_BFLOAT16": "bfloat16",
}  # fmt: skip
_KINDS: dict[str, Callable[[Any], Any]] = {
    "i": int,
    "f": float,
    "b": bool,
    "s": lambda text: _text(text),
    "type": lambda t: _TYPES.get(t, t),
}


def _text(value: str) -> str:
    """Decode a bytes attribute, which is base64 in protobuf's JSON."""
    import base64
    import binascii

    try:
        return base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return value


def _attribute(value: Any) -> Any:
    """Return the value of an attribute in a NodeDef's JSON form: `{"b": true}`, `{"i": "1"}`, `{"list": {"i": ["1"]}}`."""
    if not isinstance(value, Mapping) or not value:
        return None
    kind, inner = next(iter(value.items()))
    if kind == "list":
        return [int(i) for i in (inner or {}).get("i", [])] or None
    return _KINDS.get(kind, lambda v: v)(inner)
