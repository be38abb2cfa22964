"""Operators of ai.onnx.ml, beside onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from graphkit.converters.onnx.operators import Evaluator
from graphkit.errors import UnsupportedError
from tests.converters.onnx.one_node import by_onnxruntime, by_trace, differs, model_of, parts

ML = "ai.onnx.ml"
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]
rng = np.random.default_rng(0)
X = rng.normal(size=(6, 3)).astype(np.float32)
NAN = np.where(rng.random((6, 3)) < 0.3, np.nan, X).astype(np.float32)
TEXT = np.array([["a", "b"], ["c", "a"]], object)


def floats(*shape: int) -> list[float]:
    return [float(v) for v in rng.normal(size=int(np.prod(shape)))]


CASES: dict[str, tuple[str, list[Any], dict[str, Any], int]] = {
    "scaler": ("Scaler", [X], {"offset": floats(3), "scale": floats(3)}, 1),
    "scaler of one number": ("Scaler", [X], {"offset": [0.5], "scale": [2.0]}, 1),
    "scaler of integers": ("Scaler", [np.arange(6).reshape(2, 3)], {"offset": [0.5], "scale": [2.0]}, 1),
    "binarizer": ("Binarizer", [X], {"threshold": 0.1}, 1),
    "imputer": ("Imputer", [NAN], {"imputed_value_floats": floats(3), "replaced_value_float": float("nan")}, 1),
    "imputer of one value": ("Imputer", [X], {"imputed_value_floats": [7.0], "replaced_value_float": float(X[0, 0])}, 1),
    "imputer of integers": (
        "Imputer", [np.arange(6).reshape(2, 3)], {"imputed_value_int64s": [9], "replaced_value_int64": 3}, 1,
    ),
    "feature vectorizer": ("FeatureVectorizer", [X, X[:, :2]], {"inputdimensions": [3, 2]}, 1),
    "features": ("ArrayFeatureExtractor", [X, np.array([[2, 0]])], {}, 1),
    "features of a vector": ("ArrayFeatureExtractor", [X[0], np.array([2, 0])], {}, 1),
    "one-hot of integers": ("OneHotEncoder", [np.array([3, 5, 4])], {"cats_int64s": [5, 3]}, 1),
    "one-hot of strings": ("OneHotEncoder", [TEXT], {"cats_strings": ["c", "a"]}, 1),
    "categories of strings": ("CategoryMapper", [TEXT], {"cats_strings": ["c", "a"], "cats_int64s": [4, 2]}, 1),
    "categories of integers": (
        "CategoryMapper", [np.array([2, 4, 8])], {"cats_strings": ["c", "a"], "cats_int64s": [4, 2]}, 1,
    ),
    "labels of strings": ("LabelEncoder", [TEXT], {"keys_strings": ["a", "c"], "values_floats": [1.5, 2.5]}, 1),
    "labels of integers": (
        "LabelEncoder", [np.array([2, 4, 8])],
        {"keys_int64s": [4, 2], "values_strings": ["four", "two"], "default_string": "other"}, 1,
    ),
    "labels of numbers": ("LabelEncoder", [NAN], {"keys_floats": [float("nan"), 2.0], "values_int64s": [7, 8]}, 1),
    "map": ("ZipMap", [X], {"classlabels_int64s": [4, 2, 7]}, 1),
    "map of strings": ("ZipMap", [X], {"classlabels_strings": ["a", "b", "c"]}, 1),
}  # fmt: skip
for _norm in ("MAX", "L1", "L2"):
    CASES[f"normalizer {_norm}"] = ("Normalizer", [X], {"norm": _norm}, 1)
    CASES[f"normalizer of zeros {_norm}"] = ("Normalizer", [X * 0], {"norm": _norm}, 1)
for _name in [*TRANSFORMS, "PROBIT"]:
    _inside = X if _name != "PROBIT" else np.abs(X) * 0.1 + 0.1
    CASES[f"linear regressor {_name}"] = (
        "LinearRegressor", [_inside],
        {"coefficients": [0.1, 0.2, 0.3, 0.2, 0.1, 0.4], "intercepts": [0.1, 0.05], "targets": 2, "post_transform": _name}, 1,
    )  # fmt: skip
for _name in TRANSFORMS:
    CASES[f"linear classifier {_name}"] = (
        "LinearClassifier", [X],
        {"coefficients": floats(3, 3), "intercepts": floats(3), "classlabels_ints": [2, 5, 9], "post_transform": _name}, 2,
    )  # fmt: skip
    CASES[f"linear classifier of one row {_name}"] = (
        "LinearClassifier", [X],
        {"coefficients": floats(1, 3), "intercepts": floats(1), "classlabels_ints": [2, 5], "post_transform": _name}, 2,
    )  # fmt: skip
    CASES[f"linear classifier of strings {_name}"] = (
        "LinearClassifier", [X],
        {"coefficients": floats(2, 3), "intercepts": floats(2), "classlabels_strings": ["a", "b"], "post_transform": _name}, 2,
    )  # fmt: skip


def svm(kernel: str, classes: int) -> dict[str, Any]:
    """Return the attributes of a support vector machine with three vectors for each class."""
    vectors, pairs = 3 * max(classes, 1), max(classes * (classes - 1) // 2, 1)
    return {
        "kernel_type": kernel, "kernel_params": [0.4, 0.3, 2.0], "support_vectors": floats(vectors, 3), "rho": floats(pairs),
        "coefficients": floats(max(classes - 1, 1), vectors),
    }  # fmt: skip


for _kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
    CASES[f"svm regressor {_kernel}"] = ("SVMRegressor", [X], {**svm(_kernel, 1), "n_supports": 3}, 1)
    CASES[f"svm of one class {_kernel}"] = (
        "SVMRegressor",
        [X],
        {**svm(_kernel, 1), "n_supports": 3, "one_class": 1},
        1,
    )
    for _classes in (2, 3, 4):
        _labels = {"classlabels_ints": list(range(5, 5 + _classes)), "vectors_per_class": [3] * _classes}
        _pairs = _classes * (_classes - 1) // 2
        CASES[f"svm {_kernel} {_classes}"] = ("SVMClassifier", [X], {**svm(_kernel, _classes), **_labels}, 2)
        CASES[f"svm with probabilities {_kernel} {_classes}"] = (
            "SVMClassifier", [X],
            {**svm(_kernel, _classes), **_labels, "prob_a": [-1.0 - 0.1 * i for i in range(_pairs)], "prob_b": floats(_pairs)}, 2,
        )  # fmt: skip
CASES["svm regressor without vectors"] = (
    "SVMRegressor",
    [X],
    {"coefficients": floats(3), "rho": [0.3], "kernel_params": [0.0] * 3},
    1,
)
CASES["svm without vectors"] = (
    "SVMClassifier", [X], {"coefficients": floats(3, 3), "rho": [0.3], "classlabels_ints": [1, 2, 3], "kernel_params": [0.0] * 3}, 2,
)  # fmt: skip
for _name in TRANSFORMS:
    CASES[f"svm {_name}"] = (
        "SVMClassifier", [X],
        {**svm("RBF", 3), "classlabels_ints": [1, 2, 3], "vectors_per_class": [3] * 3, "post_transform": _name}, 2,
    )  # fmt: skip
    CASES[f"svm of two classes {_name}"] = (
        "SVMClassifier", [X],
        {**svm("RBF", 2), "classlabels_ints": [1, 2], "vectors_per_class": [3] * 2, "post_transform": _name}, 2,
    )  # fmt: skip


def trees(count: int, depth: int, modes: list[str], missing: bool = False) -> dict[str, Any]:
    """Return complete trees with random comparisons."""
    inner, total = 2**depth - 1, 2 ** (depth + 1) - 1
    nodes = [(t, n) for t in range(count) for n in range(total)]
    return {
        "nodes_treeids": [t for t, _ in nodes],
        "nodes_nodeids": [n for _, n in nodes],
        "nodes_featureids": [int(rng.integers(3)) for _ in nodes],
        "nodes_values": [float(rng.normal()) if n < inner else 0.0 for _, n in nodes],
        "nodes_modes": [str(rng.choice(modes)) if n < inner else "LEAF" for _, n in nodes],
        "nodes_truenodeids": [2 * n + 1 if n < inner else 0 for _, n in nodes],
        "nodes_falsenodeids": [2 * n + 2 if n < inner else 0 for _, n in nodes],
        "nodes_missing_value_tracks_true": [int(rng.integers(2)) if missing else 0 for _ in nodes],
    }


def leaves(kind: str, count: int, depth: int, ids: int, positive: bool = False) -> dict[str, Any]:
    """Return weights of all leaves of the trees, for all targets or classes (only the last if `ids` is negative)."""
    wanted = [-ids - 1] if ids < 0 else range(ids)
    rows = [(t, n, i) for t in range(count) for n in range(2**depth - 1, 2 ** (depth + 1) - 1) for i in wanted]
    weights = [float(abs(v) * 0.3 if positive else v) for v in rng.normal(size=len(rows))]
    names = ("treeids", "nodeids", "ids")
    return {f"{kind}_{n}": [r[i] for r in rows] for i, n in enumerate(names)} | {f"{kind}_weights": weights}


ALL_MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_NEQ"]
for _modes in (["BRANCH_LEQ"], ["BRANCH_LT"], ALL_MODES):
    for _x, _missing in ((X, False), (NAN, True)):
        for _aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
            CASES[f"forest {len(_modes)}{_modes[0]} {_missing} {_aggregate}"] = (
                "TreeEnsembleRegressor", [_x],
                {**trees(3, 3, _modes, _missing), **leaves("target", 3, 3, 2), "n_targets": 2, "aggregate_function": _aggregate,
                 "base_values": [0.2, 0.1]}, 1,
            )  # fmt: skip
for _name in TRANSFORMS:
    CASES[f"forest {_name}"] = (
        "TreeEnsembleRegressor", [X],
        {**trees(3, 2, ["BRANCH_LEQ"]), **leaves("target", 3, 2, 2), "n_targets": 2, "post_transform": _name}, 1,
    )  # fmt: skip
    CASES[f"forest of classes {_name}"] = (
        "TreeEnsembleClassifier", [X],
        {**trees(3, 2, ["BRANCH_LEQ"]), **leaves("class", 3, 2, 3), "classlabels_int64s": [3, 4, 8], "post_transform": _name}, 2,
    )  # fmt: skip
    for _positive in (True, False):
        for _class in (0, 1):
            CASES[f"forest of two classes {_name} {_positive} {_class}"] = (
                "TreeEnsembleClassifier", [X],
                {**trees(3, 2, ["BRANCH_LEQ"]), **leaves("class", 3, 2, -1 - _class, _positive), "classlabels_strings": ["n", "y"],
                 "post_transform": _name}, 2,
            )  # fmt: skip
            if _class == 1:
                continue  # onnxruntime ignores the trees then
            CASES[f"forest of two classes with a base {_name} {_positive}"] = (
                "TreeEnsembleClassifier", [X],
                {**trees(3, 2, ["BRANCH_LEQ"]), **leaves("class", 3, 2, -1 - _class, _positive), "classlabels_strings": ["n", "y"],
                 "post_transform": _name, "base_values": [0.3]}, 2,
            )  # fmt: skip
ON_ARRAYS = ("map",)  # not traced


def check(name: str) -> list[str]:
    operator, inputs, attributes, outputs = CASES[name]
    traced = not any(word in name for word in ON_ARRAYS)
    opset = 4 if name == "labels of numbers" else 3  # before, NaN is no key
    rtol = 1e-3 if "PROBIT" in name else 1e-4  # onnxruntime approximates the inverse of the error function
    return parts(operator, inputs, attributes, ML, outputs, opset, rtol=rtol, traced=traced)


@pytest.mark.parametrize("name", CASES)
def test_an_operator_of_ai_onnx_ml_agrees_with_onnxruntime(name: str) -> None:
    assert check(name) == []


MAPS: dict[
    str, tuple[str, dict[Any, Any], dict[str, Any], int, int]
] = {  # operator, map, attributes, types of keys and values
    "vector of a map": ("DictVectorizer", {"a": 1.5, "c": 2.5}, {"string_vocabulary": ["c", "b", "a"]}, 8, 1),
    "vector of a map from integers": ("DictVectorizer", {4: 2.5, 9: 3.5}, {"int64_vocabulary": [9, 4, 5]}, 7, 1),
    "row of a map": ("CastMap", {3: 1.5, 1: 2.5}, {"cast_to": "TO_FLOAT", "map_form": "DENSE"}, 7, 1),
    "row of a sparse map": (
        "CastMap",
        {3: 1.5, 1: 2.5},
        {"cast_to": "TO_INT64", "map_form": "SPARSE", "max_map": 5},
        7,
        1,
    ),
}


@pytest.mark.parametrize("name", MAPS)
def test_an_operator_on_maps_agrees_with_onnxruntime(name: str) -> None:
    operator, table, attributes, key, value = MAPS[name]
    kind = helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))
    node = helper.make_node(operator, ["x"], ["y"], "node", domain=ML, **attributes)
    graph = helper.make_graph([node], "graph", [helper.make_value_info("x", kind)], [onnx.ValueInfoProto(name="y")])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(ML, 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)

    (want,) = by_onnxruntime(model, {"x": table})
    (got,) = Evaluator(model)({"x": table})

    assert differs(got, want, 1e-6, 1e-6) is None


def test_an_operator_that_changes_strings_is_refused_in_a_trace() -> None:
    model = model_of("StringConcat", [TEXT, TEXT])

    with pytest.raises(UnsupportedError, match="strings are computed on arrays only"):
        by_trace(Evaluator(model), {"x0": TEXT, "x1": TEXT})
