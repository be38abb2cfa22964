"""The graph of a functional model in Keras 2's form: `inbound_nodes`, calls of models counted from 1, ops as TFOpLambda."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.core.serialization import is_envelope

from .differences import check_call, masked_layers

Config = dict[str, Any]
Rewrite = Callable[[Mapping[str, Any]], Config]

_SECOND_ARGUMENTS = {"MultiHeadAttention": ("value", "key"), "Softmax": ("mask",)}
# Ops of Keras 3 and the TensorFlow functions that a TFOpLambda names: of one tensor, of two, and reductions.
_UNARY = {
    "Exp": "math.exp", "Log": "math.log", "Sqrt": "math.sqrt", "Square": "math.square", "Absolute": "math.abs", "Abs": "math.abs",
    "Negative": "math.negative", "Tanh": "math.tanh", "Sin": "math.sin", "Cos": "math.cos", "Sigmoid": "math.sigmoid",
    "Relu": "nn.relu", "Softplus": "math.softplus", "Floor": "math.floor", "Ceil": "math.ceil", "Sign": "math.sign",
}  # fmt: skip
_BINARY = {
    "Add": "__operators__.add", "Subtract": "math.subtract", "Multiply": "math.multiply", "TrueDivide": "math.truediv",
    "Divide": "math.truediv", "Maximum": "math.maximum", "Minimum": "math.minimum", "Power": "math.pow", "Matmul": "linalg.matmul",
}  # fmt: skip
_REDUCTIONS = {"Sum": "math.reduce_sum", "Mean": "math.reduce_mean", "Max": "math.reduce_max", "Min": "math.reduce_min"}
_SECOND_NAMES = {"linalg.matmul": "b"}


def op_layer(entry: Mapping[str, Any]) -> Config:
    """Return a Keras op as a TFOpLambda. Raises SerializationError for an op without a counterpart in TensorFlow."""
    name = str(entry["class_name"])
    function = _UNARY.get(name) or _BINARY.get(name) or _REDUCTIONS.get(name)
    if function is None:
        raise SerializationError(
            f"Op {entry['config'].get('name')!r} ({name}) has no counterpart in a Keras 2 file; put it into a layer, or write .keras."
        )
    own = entry["config"].get("name")
    return {
        "class_name": "TFOpLambda",
        "config": {"name": own, "trainable": True, "dtype": "float32", "function": function},
    }


def _without_masks(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the entries by name without ops that compute masks: those read only by `mask` arguments or by other such ops."""
    kept = {entry["name"]: entry for entry in config["layers"]}
    ends = {triple[0] for triple in _triples(config["output_layers"])}
    while True:
        read = {tensor[0] for e in kept.values() for keyword, tensor in _tensors(e) if keyword != "mask"}
        unread = [n for n, e in kept.items() if _is_op(e) and n not in read and n not in ends]
        if not unread:
            return kept
        for name in unread:
            _check_implied(kept[name], kept)
        kept = {n: e for n, e in kept.items() if n not in unread}


def _check_implied(op: Mapping[str, Any], layers: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise SerializationError unless Keras 2 computes the mask itself, for a Masking or an Embedding with mask_zero."""
    sources = {tuple(tensor) for _, tensor in _tensors(op)}
    masking = [
        e
        for e in layers.values()
        if e["class_name"] == "Masking" or (e["class_name"] == "Embedding" and e["config"].get("mask_zero"))
    ]
    masked = {tuple(tensor) for entry in masking for _, tensor in _tensors(entry)}
    chained = {name for name, e in layers.items() if _is_op(e) and e["class_name"] == "NotEqual"}
    implied = op["class_name"] == "NotEqual" and sources <= masked
    if not implied and not (op["class_name"] == "Any" and {s[0] for s in sources} <= chained):
        raise SerializationError(
            f"Op {op['name']!r} ({op['class_name']}) computes a mask; a Keras 2 file holds only those of Masking and Embedding layers."
        )


def functional(config: Mapping[str, Any], rewrite: Rewrite) -> Config:
    """Return the config of a functional model in Keras 2's form.

    Args:
        config: the config of Keras 3.
        rewrite: rewrites a layer's entry.

    Raises:
        SerializationError: a layer or call cannot be expressed in Keras 2.
    """
    kept = _without_masks(config)
    first = {name: 1 if _counts_itself(entry) else 0 for name, entry in kept.items()}
    sources = {name: {tensor[0] for _, tensor in _tensors(entry)} for name, entry in kept.items()}
    masked = masked_layers(kept, sources)
    made = []
    for name, entry in kept.items():
        for call in entry["inbound_nodes"]:
            check_call(entry, call["kwargs"], any(tensor[0] in masked for _, tensor in _call_tensors(call)))
        nodes = [_node(call, entry, first) for call in entry["inbound_nodes"]]
        made.append({**rewrite(entry), "name": name, "inbound_nodes": nodes})
    ends = {key: _ends(config[key], kept, first) for key in ("input_layers", "output_layers")}
    return {"name": config["name"], "trainable": config.get("trainable", True), "layers": made, **ends}


def _is_op(entry: Mapping[str, Any]) -> bool:
    return str(entry.get("module", "")).startswith("keras.src.ops")


def _counts_itself(entry: Mapping[str, Any]) -> bool:
    """Whether the construction of a model is its node 0 in Keras 2."""
    if entry["class_name"] == "Functional":
        return True
    if entry["class_name"] != "Sequential":
        return False
    return [layer["class_name"] for layer in entry["config"]["layers"][:1]] == ["InputLayer"]


def _triples(value: Any) -> Iterator[list[Any]]:
    if _is_triple(value):
        yield value
    elif isinstance(value, (list, Mapping)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _triples(item)


def _ends(value: Any, layers: Mapping[str, Any], first: Mapping[str, int]) -> Any:
    """Return the inputs or outputs of the model: a dict by name stays one, anything else becomes a list."""
    if isinstance(value, Mapping) and all(_is_triple(v) for v in value.values()):
        return {key: _moved(triple, layers, first) for key, triple in value.items()}
    return [_moved(triple, layers, first) for triple in _triples(value)]


def _is_triple(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and isinstance(value[0], str)


def _moved(triple: list[Any], layers: Mapping[str, Any], first: Mapping[str, int]) -> list[Any]:
    """Renumber an input or output of the model. Keras 3 counts calls of a Functional from 1 there too, but not of a Sequential."""
    name, node, tensor = triple
    is_functional = layers[name]["class_name"] == "Functional"
    return [name, node if is_functional else node + first[name], tensor]


def _node(call: Mapping[str, Any], entry: Mapping[str, Any], first: Mapping[str, int]) -> Any:
    """Return one call: `[[name, node, tensor, keywords], ...]`, for an op only its one entry."""
    where = f"Layer {entry['name']!r} ({entry['class_name']})"
    args = list(call["args"])
    mask = call["kwargs"].get("mask")
    implied = _is_tensor(mask) and mask["config"]["keras_history"][0] not in first  # Keras 2 propagates it by itself
    skipped = ("training", "mask") if implied else ("training",)
    keywords = {k: _argument(v, first, where) for k, v in call["kwargs"].items() if k not in skipped and v is not None}
    if _is_op(entry):
        return _op_node(entry, args, keywords, first, where)
    if len(args) > 1 and all(_is_tensor(a) for a in args):
        names = _SECOND_ARGUMENTS.get(str(entry["class_name"]))
        if names is not None:
            keywords = {**dict(zip(names, (_argument(a, first, where) for a in args[1:]), strict=False)), **keywords}
            args = args[:1]
        else:
            args = [args]
    if len(args) != 1:
        raise SerializationError(f"{where} is called with {len(args)} arguments, which Keras 2 cannot express.")
    tensors = args[0] if isinstance(args[0], list) else [args[0]]
    if not all(_is_tensor(t) for t in tensors):
        raise SerializationError(f"{where} is called with a value that is not a tensor, which Keras 2 cannot express.")
    return [[*_triple(t, first), dict(keywords) if i == 0 else {}] for i, t in enumerate(tensors)]


def _op_node(
    entry: Mapping[str, Any], args: list[Any], keywords: Config, first: Mapping[str, int], where: str
) -> list[Any]:
    name = str(entry["class_name"])
    if name in _REDUCTIONS:
        config = entry["config"]
        keywords.update(axis=config.get("axis"), keepdims=bool(config.get("keepdims")), name=None)
    elif name in _BINARY and len(args) == 2:
        keywords.update({_SECOND_NAMES.get(_BINARY[name], "y"): _argument(args[1], first, where), "name": None})
    else:
        keywords.update(name=None)
    if len(args) > 2 or not (_is_tensor(args[0]) or isinstance(args[0], (int, float))):
        raise SerializationError(f"{where} is called with arguments that Keras 2 cannot express.")
    start = _triple(args[0], first) if _is_tensor(args[0]) else ["_CONSTANT_VALUE", -1, float(args[0])]
    return [*start, keywords]


def _is_tensor(value: Any) -> bool:
    return is_envelope(value) and value["class_name"] == "__keras_tensor__"


def _triple(value: Mapping[str, Any], first: Mapping[str, int]) -> list[Any]:
    name, node, tensor = value["config"]["keras_history"]
    return [name, node + first.get(name, 0), tensor]


def _argument(value: Any, first: Mapping[str, int], where: str) -> Any:
    if _is_tensor(value):
        return _triple(value, first)
    if isinstance(value, list):
        return [_argument(item, first, where) for item in value]
    if is_envelope(value):
        raise SerializationError(f"{where} is called with a {value['class_name']}, which Keras 2 cannot express.")
    return value


def _tensors(entry: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the tensors that an entry's calls read: ("" or the keyword, history)."""
    for call in entry["inbound_nodes"]:
        yield from _call_tensors(call)


def _call_tensors(call: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for keyword, value in [*(("", a) for a in call["args"]), *call["kwargs"].items()]:
        stack = [value]
        while stack:
            item = stack.pop()
            if _is_tensor(item):
                yield keyword, item["config"]["keras_history"]
            elif isinstance(item, list):
                stack.extend(item)
            elif isinstance(item, Mapping):
                stack.extend(item.values())
