"""Estimators of ai.onnx.ml: linear models, support vector machines, trees. Source: onnx.ai/onnx/operators (ai.onnx.ml)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .known import shape_of
from .table import ML, operator

# ----- what they share -----


def _floats(values: Any, dtype: str = "float32") -> Any:
    return np.asarray(values if values is not None else (), dtypes.to_numpy(dtype))


def features(x: Any, dtype: str = "float32") -> Any:
    """Return the inputs as a matrix of floats (samples, features); float64 stays."""
    x = ops.cast(x, "float64" if dtype_name(x) == "float64" else dtype)
    return ops.expand_dims(x, 0) if len(shape_of(x)) == 1 else x


def _softmax_zero(x: Any) -> Any:
    """Softmax over the scores that are not 0; those that are keep a share of 0."""
    counted = ops.greater(ops.abs(x), scalar(1e-7, x))
    powers = ops.exp(ops.subtract(x, ops.max(x, axis=-1, keepdims=True)))
    total = ops.sum(ops.where(counted, powers, ops.zeros_like(x)), axis=-1, keepdims=True)
    rest = ops.multiply(x, ops.exp(ops.negative(ops.max(x, axis=-1, keepdims=True))))
    return ops.true_divide(ops.where(counted, powers, rest), total)


def _probit(x: Any) -> Any:
    return ops.multiply(ops.erfinv(ops.subtract(ops.multiply(x, scalar(2.0, x)), scalar(1.0, x))), scalar(2.0**0.5, x))


_TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda x: x,
    "SOFTMAX": lambda x: ops.softmax(x, axis=-1),
    "LOGISTIC": ops.sigmoid,
    "SOFTMAX_ZERO": _softmax_zero,
    "PROBIT": _probit,
}
_NUMBERED_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


def transformed(scores: Any, post_transform: str) -> Any:
    """Apply the transform of an estimator to its scores.

    Raises:
        UnsupportedError: the transform is unknown.
    """
    if post_transform not in _TRANSFORMS:
        raise UnsupportedError(f"post_transform expects one of {sorted(_TRANSFORMS)}, got {post_transform!r}.")
    return _TRANSFORMS[post_transform](scores)


def class_labels(numbers: Any, strings: Any, count: int) -> Any:
    """Return the labels of classes as an array; their indices if none are given."""
    if strings:
        return np.array(list(strings), object)
    return np.array(numbers, np.int64) if numbers else np.arange(count, dtype=np.int64)


def labels_at(labels: Any, places: Any) -> Any:
    """Return the labels (integers or strings) of classes by index."""
    return ops.take(labels, places, axis=0)


# ----- linear models -----


@operator("LinearRegressor", domain=ML)
def linear_regressor(
    x: Any, *, coefficients: Any = None, intercepts: Any = None, post_transform: str = "NONE", targets: int = 1
) -> Any:
    """Source: ONNX LinearRegressor."""
    return transformed(_linear(features(x), coefficients, intercepts, targets), post_transform)


def _linear(x: Any, coefficients: Any, intercepts: Any, rows: int) -> Any:
    weights = _floats(coefficients, dtype_name(x)).reshape(rows, -1)
    scores = ops.matmul(x, np.ascontiguousarray(weights.T))
    return scores if not intercepts else ops.add(scores, _floats(intercepts, dtype_name(x)))


@operator("LinearClassifier", domain=ML)
def linear_classifier(
    x: Any,
    *,
    classlabels_ints: Any = None,
    classlabels_strings: Any = None,
    coefficients: Any,
    intercepts: Any = None,
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> Any:
    """Return the labels of the largest scores, and the scores, transformed."""
    x = features(x)
    count = len(intercepts) if intercepts else max(len(classlabels_ints or classlabels_strings or ()), 1)
    scores = _linear(x, coefficients, intercepts, count)
    labels = class_labels(classlabels_ints, classlabels_strings, max(count, 2))
    if count == 1:
        places = ops.cast(ops.greater(scores[:, 0], 0), "int64")
        names = labels if len(labels) == 2 else np.array([0, 1], np.int64)
        return labels_at(names, places), _both_classes(scores, post_transform, True)
    return labels_at(labels, ops.cast(ops.argmax(scores, axis=-1), "int64")), transformed(scores, post_transform)


def _both_classes(score: Any, post_transform: str, is_probability: bool) -> Any:
    """Return the scores of both classes from the one (samples, 1) of the second, as onnxruntime does.

    The standard leaves this open, and its reference implementation differs from onnxruntime in places.
    """
    if post_transform == "PROBIT":
        return _probit(score)
    if post_transform == "LOGISTIC":
        return ops.concatenate([ops.sigmoid(ops.negative(score)), ops.sigmoid(score)], axis=-1)
    first = ops.subtract(scalar(1.0, score), score) if is_probability else ops.negative(score)
    return ops.concatenate([first, score], axis=-1)


# ----- support vector machines -----


def _kernel(name: str, parameters: Sequence[float] | None) -> Callable[[Any, Any], Any]:
    """Return the kernel of an SVM: of (samples, features) and support vectors (vectors, features)."""
    gamma, offset, degree = parameters or (0.0, 0.0, 0.0)

    def product(x: Any, vectors: Any) -> Any:
        return ops.matmul(x, np.ascontiguousarray(vectors.T))

    def affine(x: Any, vectors: Any) -> Any:
        made = product(x, vectors)
        return ops.add(ops.multiply(made, scalar(gamma, made)), scalar(offset, made))

    def distance(x: Any, vectors: Any) -> Any:
        return ops.sum(ops.square(ops.subtract(ops.expand_dims(x, 1), vectors)), axis=-1)

    kernels: dict[str, Callable[[Any, Any], Any]] = {
        "LINEAR": product,
        "POLY": lambda x, v: ops.power(affine(x, v), scalar(degree, x)),
        "RBF": lambda x, v: ops.exp(ops.multiply(distance(x, v), scalar(-gamma, x))),
        "SIGMOID": lambda x, v: ops.tanh(affine(x, v)),
    }
    if name not in kernels:
        raise UnsupportedError(f"kernel_type expects one of {sorted(kernels)}, got {name!r}.")
    return kernels[name]


@operator("SVMRegressor", domain=ML)
def svm_regressor(
    x: Any,
    *,
    coefficients: Any,
    kernel_params: Any = None,
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: Any,
    support_vectors: Any = None,
) -> Any:
    """Source: ONNX SVMRegressor."""
    x = features(x)
    weights = _floats(coefficients, dtype_name(x))
    if n_supports:
        vectors = _floats(support_vectors, dtype_name(x)).reshape(n_supports, -1)
        scores = ops.matmul(_kernel(kernel_type, kernel_params)(x, vectors), weights.reshape(-1, 1))
    else:
        scores = _kernel(kernel_type, kernel_params)(x, weights.reshape(1, -1))
    scores = ops.add(scores, scalar(rho[0], scores))
    if one_class:
        return ops.where(ops.greater(scores, 0), ops.ones_like(scores), ops.negative(ops.ones_like(scores)))
    return transformed(scores, post_transform)


@operator("SVMClassifier", domain=ML)
def svm_classifier(
    x: Any,
    *,
    classlabels_ints: Any = None,
    classlabels_strings: Any = None,
    coefficients: Any,
    kernel_params: Any = None,
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: Any = None,
    prob_b: Any = None,
    rho: Any,
    support_vectors: Any = None,
    vectors_per_class: Any = None,
) -> Any:
    """Return the labels that win most comparisons of two classes, and the scores of the comparisons or classes."""
    x = features(x)
    classes = max(len(classlabels_ints or classlabels_strings or ()), 1)
    labels = class_labels(classlabels_ints, classlabels_strings, classes)
    weights, votes = _floats(coefficients, dtype_name(x)), None
    has_probabilities = bool(prob_a) and bool(vectors_per_class)
    if vectors_per_class:
        kernels = _kernel(kernel_type, kernel_params)(
            x, _floats(support_vectors, dtype_name(x)).reshape(sum(vectors_per_class), -1)
        )
        scores = _comparisons(kernels, weights, vectors_per_class, rho)
        votes = _votes(scores, classes)
        if has_probabilities:
            scores = _probabilities(scores, classes, prob_a, prob_b)
    else:
        product = _kernel("LINEAR", None)(x, weights.reshape(classes, -1))
        scores = ops.add(product, scalar(rho[0], product))
    best = ops.cast(ops.argmax(scores if votes is None else votes, axis=-1), "int64")
    if len(rho) == 1 and classes == 1:
        best = ops.cast(ops.greater(scores[:, 0], 0), "int64")
        labels = np.array([0, 1], np.int64)
    if shape_of(scores)[1] == 1:
        return labels_at(labels, best), _both_classes(scores, post_transform, post_transform != "NONE")
    return labels_at(labels, best), transformed(scores, post_transform)


def _comparisons(kernels: Any, weights: Any, counts: Sequence[int], rho: Sequence[float]) -> Any:
    """Return the scores (samples, pairs) of each class against each later one."""
    classes, total = len(counts), sum(counts)
    rows = weights.reshape(classes - 1, total)
    ends = np.cumsum([0, *counts])
    matrix = np.zeros((total, classes * (classes - 1) // 2), weights.dtype)
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        matrix[ends[i] : ends[i + 1], pair] = rows[j - 1, ends[i] : ends[i + 1]]
        matrix[ends[j] : ends[j + 1], pair] = rows[i, ends[j] : ends[j + 1]]
    return ops.add(ops.matmul(kernels, matrix), _floats(rho, dtype_name(kernels)))


def _votes(scores: Any, classes: int) -> Any:
    """Return how many comparisons each class wins."""
    first = np.zeros((classes * (classes - 1) // 2, classes), np.float32)
    second = first.copy()
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        first[pair, i] = second[pair, j] = 1.0
    won = ops.cast(ops.greater(scores, 0), "float32")
    return ops.add(ops.matmul(won, first), ops.matmul(ops.subtract(np.float32(1.0), won), second))


def _probabilities(scores: Any, classes: int, prob_a: Sequence[float], prob_b: Sequence[float]) -> Any:
    """Return the probabilities of classes (samples, classes) from those of pairs.

    The iteration is that of Wu, Lin and Weng (2004), "Probability Estimates for Multi-class Classification by Pairwise
    Coupling", as libsvm stops it: when the largest error is below 0.005 / classes, or after 100 steps.
    """
    dtype = dtype_name(scores)
    values = ops.add(ops.multiply(scores, _floats(prob_a, dtype)), _floats(prob_b, dtype))
    wins = ops.clip(ops.sigmoid(ops.negative(values)), 1e-7, 1 - 1e-7)
    cells: dict[tuple[int, int], Any] = {}
    for pair, (i, j) in enumerate(combinations(range(classes), 2)):
        cells[i, j] = wins[:, pair]
        cells[j, i] = ops.subtract(scalar(1.0, wins), wins[:, pair])
    rows = [
        ops.stack(
            [
                ops.negative(ops.multiply(cells[j, t], cells[t, j]))
                if j != t
                else sum((ops.square(cells[k, t]) for k in range(classes) if k != t), scalar(0.0, wins))
                for j in range(classes)
            ],
            axis=-1,
        )
        for t in range(classes)
    ]
    q = ops.stack(rows, axis=-2)  # (samples, classes, classes)

    def improved(p: Any) -> Any:
        qp = ops.matmul(q, ops.expand_dims(p, -1))[..., 0]
        total = ops.sum(ops.multiply(p, qp), axis=-1, keepdims=True)
        done = ops.less(ops.max(ops.abs(ops.subtract(qp, total)), axis=-1, keepdims=True), scalar(0.005 / classes, p))
        new = p
        for t in range(classes):
            own = q[:, t, t : t + 1]
            step = ops.true_divide(ops.subtract(total, qp[:, t : t + 1]), own)
            grown = ops.add(step, scalar(1.0, p))
            twice = ops.multiply(qp[:, t : t + 1], scalar(2.0, p))
            total = ops.true_divide(
                ops.add(total, ops.multiply(step, ops.add(ops.multiply(step, own), twice))), ops.square(grown)
            )
            qp = ops.true_divide(ops.add(qp, ops.multiply(step, q[:, t])), grown)
            new = ops.true_divide(
                ops.concatenate([new[:, :t], ops.add(new[:, t : t + 1], step), new[:, t + 1 :]], axis=-1), grown
            )
        return ops.where(done, p, new)

    start = ops.full_like(q[:, 0], 1.0 / classes)
    return ops.fori_loop(0, max(100, classes), lambda _, p: improved(p), start)


# ----- trees -----


class Forest:
    """Decision trees as arrays: for each node where it compares, and which node or leaf comes next.

    Leaves are nodes that lead to themselves, so all samples take the same number of steps.

    Args:
        feature: the feature that each node compares.
        split: the value that it is compared with.
        mode: the comparison of each node (`BRANCH_LEQ`, ...; `LEAF`).
        yes: the next node where the comparison holds.
        no: the next node where it does not.
        roots: the first node of each tree.
        nan_is_yes: whether a missing value counts as a comparison that holds.
        members: the set of values of each node of mode `BRANCH_MEMBER`.
    """

    def __init__(
        self,
        feature: Any,
        split: Any,
        mode: Sequence[str],
        yes: Any,
        no: Any,
        roots: Any,
        nan_is_yes: Any,
        members: dict[int, Any] | None = None,
    ) -> None:
        self.feature, self.split, self.mode = np.asarray(feature, np.int64), split, np.array(mode, object)
        self.yes, self.no, self.roots = (np.asarray(v, np.int64) for v in (yes, no, roots))
        self.nan_is_yes = np.asarray(nan_is_yes, bool)
        self.members = members or {}
        unknown = set(self.mode.tolist()) - {*_BRANCHES, "LEAF", "BRANCH_MEMBER"}
        if unknown:
            raise UnsupportedError(
                f"nodes_modes expects {[*_BRANCHES, 'BRANCH_MEMBER', 'LEAF']}, got {sorted(unknown)}."
            )
        self.depth = self._depth()

    def _depth(self) -> int:
        """Return the number of comparisons to the deepest leaf.

        Raises:
            InvalidArgumentError: a path does not end.
        """
        inner = self.mode != "LEAF"
        level, depth = np.unique(self.roots), 0
        while (level := level[inner[level]]).size:
            level, depth = np.unique(np.concatenate([self.yes[level], self.no[level]])), depth + 1
            if depth > len(inner):
                raise InvalidArgumentError("the nodes of a tree form a cycle.")
        return depth

    def leaves(self, x: Any) -> Any:
        """Return the leaf (samples, trees) that each sample reaches."""
        at: Any = ops.add(ops.zeros_like(x[:, :1], dtype="int64"), self.roots)
        for _ in range(self.depth):
            value = ops.take_along_axis(x, ops.take(self.feature, at, axis=0), axis=1)
            holds = self._compared(value, at)
            if self.nan_is_yes.any():
                missing = ops.logical_and(ops.isnan(value), ops.take(self.nan_is_yes, at, axis=0))
                holds = ops.logical_or(holds, missing)
            at = ops.where(holds, ops.take(self.yes, at, axis=0), ops.take(self.no, at, axis=0))
        return at

    def _compared(self, value: Any, at: Any) -> Any:
        split = ops.take(self.split.astype(dtypes.to_numpy(dtype_name(value))), at, axis=0)
        kinds = sorted(set(self.mode.tolist()) - {"LEAF"})
        holds: Any = None
        for kind in kinds:
            one = self._is_member(value, at) if kind == "BRANCH_MEMBER" else _BRANCHES[kind](value, split)
            holds = one if holds is None else ops.where(ops.take(self.mode == kind, at, axis=0), one, holds)
        return ops.zeros_like(at, dtype="bool") if holds is None else holds

    def _is_member(self, value: Any, at: Any) -> Any:
        width = max(map(len, self.members.values()), default=0)
        table = np.full((len(self.mode), width), np.nan, dtypes.to_numpy(dtype_name(value)))
        for node, members in self.members.items():
            table[node, : len(members)] = members
        return ops.any(ops.equal(ops.expand_dims(value, -1), ops.take(table, at, axis=0)), axis=-1)


_BRANCHES: dict[str, Callable[[Any, Any], Any]] = {
    "BRANCH_LEQ": ops.less_equal, "BRANCH_LT": ops.less, "BRANCH_GTE": ops.greater_equal, "BRANCH_GT": ops.greater,
    "BRANCH_EQ": ops.equal, "BRANCH_NEQ": ops.not_equal,
}  # fmt: skip
_NUMBERED_BRANCHES = (*_BRANCHES, "BRANCH_MEMBER")


def _numbered_nodes(
    trees: Any, nodes: Any, feature: Any, split: Any, modes: Any, yes: Any, no: Any, nan_is_yes: Any
) -> tuple[Forest, dict[tuple[int, int], int]]:
    """Return the trees of the operators before TreeEnsemble, and the place of each (tree, node)."""
    place = {pair: i for i, pair in enumerate(zip(trees, nodes, strict=True))}
    if len(place) != len(trees):
        raise InvalidArgumentError("nodes_nodeids names a node of a tree twice.")
    leaf = [mode == "LEAF" for mode in modes]

    def next_nodes(ids: Any) -> list[int]:
        try:
            return [i if leaf[i] else place[tree, n] for i, (tree, n) in enumerate(zip(trees, ids, strict=True))]
        except KeyError as error:
            raise InvalidArgumentError(f"a branch leads to the node {error}, which does not exist.") from None

    ahead, aside = next_nodes(yes), next_nodes(no)
    reached = {target for row in (ahead, aside) for i, target in enumerate(row) if not leaf[i]}
    first: dict[int, int] = {}
    for i, tree in enumerate(trees):
        if i not in reached:
            first.setdefault(tree, i)
    missing = np.asarray(nan_is_yes if nan_is_yes else [0] * len(modes), bool)
    return Forest(feature, split, modes, ahead, aside, list(first.values()), missing), place


def _aggregated(parts: Any, hits: Any, function: str, trees: int) -> Any:
    """Combine the weights (samples, trees, targets) that leaves give; `hits` marks the targets a leaf has a weight for."""
    if function in ("SUM", "AVERAGE"):
        total = ops.sum(parts, axis=1)
        return ops.true_divide(total, scalar(trees, total)) if function == "AVERAGE" else total
    if function not in ("MIN", "MAX"):
        raise UnsupportedError(f"aggregate_function expects AVERAGE, MAX, MIN or SUM, got {function!r}.")
    reduce, start = (ops.min, np.inf) if function == "MIN" else (ops.max, -np.inf)
    best = reduce(ops.where(hits, parts, scalar(start, parts)), axis=1)
    return ops.where(ops.any(hits, axis=1), best, ops.zeros_like(best))


def _scores(
    forest: Forest, x: Any, leaf: Sequence[int], target: Sequence[int], weight: Any, targets: int, function: str
) -> Any:
    """Return the combined weights (samples, targets) of the leaves that samples reach."""
    dtype = dtypes.to_numpy(dtype_name(x))
    table = np.zeros((len(forest.mode), targets), dtype)
    hits = np.zeros((len(forest.mode), targets), bool)
    np.add.at(table, (np.asarray(leaf, int), np.asarray(target, int)), np.asarray(weight, dtype))
    hits[np.asarray(leaf, int), np.asarray(target, int)] = True
    reached = forest.leaves(x)
    return _aggregated(ops.take(table, reached, axis=0), ops.take(hits, reached, axis=0), function, len(forest.roots))


def _given(values: Any, as_tensor: Any) -> Any:
    return np.asarray(as_tensor) if as_tensor is not None else np.asarray(values if values else (), np.float32)


@operator("TreeEnsembleRegressor", domain=ML)
def tree_ensemble_regressor(
    x: Any, *, aggregate_function: str = "SUM", base_values: Any = None, base_values_as_tensor: Any = None, n_targets: int = 1,
    nodes_falsenodeids: Any, nodes_featureids: Any, nodes_hitrates: Any = None, nodes_hitrates_as_tensor: Any = None,
    nodes_missing_value_tracks_true: Any = None, nodes_modes: Any, nodes_nodeids: Any, nodes_treeids: Any, nodes_truenodeids: Any,
    nodes_values: Any = None, nodes_values_as_tensor: Any = None, post_transform: str = "NONE", target_ids: Any, target_nodeids: Any,
    target_treeids: Any, target_weights: Any = None, target_weights_as_tensor: Any = None,
) -> Any:  # fmt: skip
    """Source: ONNX TreeEnsembleRegressor."""
    x = features(x)
    forest, place = _numbered_nodes(
        nodes_treeids, nodes_nodeids, nodes_featureids, _given(nodes_values, nodes_values_as_tensor), nodes_modes,
        nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true,
    )  # fmt: skip
    leaf = [place[pair] for pair in zip(target_treeids, target_nodeids, strict=True)]
    scores = _scores(
        forest, x, leaf, target_ids, _given(target_weights, target_weights_as_tensor), n_targets, aggregate_function
    )
    base = _given(base_values, base_values_as_tensor)
    if base.size:
        scores = ops.add(scores, base.astype(dtypes.to_numpy(dtype_name(scores))))
    return ops.cast(transformed(scores, post_transform), "float32" if dtype_name(scores) != "float64" else "float64")


@operator("TreeEnsembleClassifier", domain=ML)
def tree_ensemble_classifier(
    x: Any, *, base_values: Any = None, base_values_as_tensor: Any = None, class_ids: Any, class_nodeids: Any, class_treeids: Any,
    class_weights: Any = None, class_weights_as_tensor: Any = None, classlabels_int64s: Any = None, classlabels_strings: Any = None,
    nodes_falsenodeids: Any, nodes_featureids: Any, nodes_hitrates: Any = None, nodes_hitrates_as_tensor: Any = None,
    nodes_missing_value_tracks_true: Any = None, nodes_modes: Any, nodes_nodeids: Any, nodes_treeids: Any, nodes_truenodeids: Any,
    nodes_values: Any = None, nodes_values_as_tensor: Any = None, post_transform: str = "NONE",
) -> Any:  # fmt: skip
    """Return the labels of the largest sums of weights, and the sums, transformed."""
    x = features(x)
    labels = class_labels(classlabels_int64s, classlabels_strings, max(class_ids, default=0) + 1)
    forest, place = _numbered_nodes(
        nodes_treeids, nodes_nodeids, nodes_featureids, _given(nodes_values, nodes_values_as_tensor), nodes_modes,
        nodes_truenodeids, nodes_falsenodeids, nodes_missing_value_tracks_true,
    )  # fmt: skip
    leaf = [place[pair] for pair in zip(class_treeids, class_nodeids, strict=True)]
    weights = _given(class_weights, class_weights_as_tensor)
    scores = _scores(forest, x, leaf, class_ids, weights, len(labels), "SUM")
    base = _given(base_values, base_values_as_tensor).astype(dtypes.to_numpy(dtype_name(scores)))
    if len(labels) == 2 and set(class_ids) == {0}:  # one score, of the second class
        score = ops.add(scores[:, :1], base[-1]) if base.size else scores[:, :1]
        both = _both_classes(score, post_transform, bool((weights >= 0).all()))
        return labels_at(labels, _is_second(score[:, 0], weights)), _as_float32(both)
    if base.size:
        if base.size != len(labels):
            raise InvalidArgumentError(
                f"base_values expects {len(labels)} numbers, one for each class, got {base.size}."
            )
        scores = ops.add(scores, base)
    best = ops.cast(ops.argmax(scores, axis=-1), "int64")
    if (
        len(labels) == 2 and set(class_ids) == {1} and not base.size
    ):  # onnxruntime compares the one score with a threshold
        best = _is_second(scores[:, 1], weights)
    return labels_at(labels, best), _as_float32(transformed(scores, post_transform))


def _as_float32(x: Any) -> Any:
    return ops.cast(x, "float32")


def _is_second(score: Any, weights: Any) -> Any:
    """Return 1 for samples of the second of two classes by its score, which is a probability if no weight is negative."""
    return ops.cast(ops.greater(score, scalar(0.5 if bool((weights >= 0).all()) else 0.0, score)), "int64")


@operator("TreeEnsemble", since=5, domain=ML)
def tree_ensemble(
    x: Any, *, aggregate_function: int = 1, leaf_targetids: Any, leaf_weights: Any, membership_values: Any = None, n_targets: int = 1,
    nodes_falseleafs: Any, nodes_falsenodeids: Any, nodes_featureids: Any, nodes_hitrates: Any = None,
    nodes_missing_value_tracks_true: Any = None, nodes_modes: Any, nodes_splits: Any, nodes_trueleafs: Any, nodes_truenodeids: Any,
    post_transform: int = 0, tree_roots: Any,
) -> Any:  # fmt: skip
    """Source: ONNX TreeEnsemble."""
    x = features(x, dtype_name(x))
    inner, leaves = len(nodes_featureids), len(leaf_targetids)
    modes = [_NUMBERED_BRANCHES[int(m)] for m in np.asarray(nodes_modes)] + ["LEAF"] * leaves
    own = list(range(inner, inner + leaves))
    yes = [n + inner if is_leaf else n for n, is_leaf in zip(nodes_truenodeids, nodes_trueleafs, strict=True)] + own
    no = [n + inner if is_leaf else n for n, is_leaf in zip(nodes_falsenodeids, nodes_falseleafs, strict=True)] + own
    if max([*yes, *no, *tree_roots], default=0) >= inner + leaves or min([*yes, *no, *tree_roots], default=0) < 0:
        raise InvalidArgumentError("a branch leads to a node that does not exist.")
    splits = np.concatenate([np.asarray(nodes_splits), np.zeros(leaves, np.asarray(nodes_splits).dtype)])
    missing = [*(nodes_missing_value_tracks_true or [0] * inner), *[0] * leaves]
    places = [i for i, mode in enumerate(modes) if mode == "BRANCH_MEMBER"]
    forest = Forest(
        [*nodes_featureids, *[0] * leaves], splits, modes, yes, no, tree_roots, missing,
        dict(zip(places, _sets(membership_values), strict=False)),
    )  # fmt: skip
    names = ("AVERAGE", "SUM", "MIN", "MAX")
    scores = _scores(forest, x, own, leaf_targetids, np.asarray(leaf_weights), n_targets, names[aggregate_function])
    return transformed(scores, _NUMBERED_TRANSFORMS[post_transform])


def _sets(values: Any) -> list[Any]:
    """Return the sets that NaNs separate."""
    made: list[list[Any]] = [[]]
    for value in np.asarray(values).reshape(-1).tolist() if values is not None else ():
        if np.isnan(value):
            made.append([])
        else:
            made[-1].append(value)
    return made
