# ruff: noqa: E501 (one call per line)
"""Expressions over `keras` (or graphkit) besides ops: trees, dtype policies, initializers, symbolic tensors, control flow.

Each is evaluated under both by tests/interop/keras_ops_sweep.py. Nothing of Keras or graphkit is imported here.
"""

from __future__ import annotations

SETUP = """
import collections
Point = collections.namedtuple("Point", "x y")
OD = collections.OrderedDict
def refused(make):
    try:
        return make()
    except Exception as error:
        kinds = [k.__name__ for k in (ValueError, TypeError, AttributeError, KeyError) if isinstance(error, k)]
        return "!" + "+".join(kinds or [type(error).__name__])
def KT(*a, **o):
    return k.KerasTensor(*a, **o)
def config(x):
    return x.get_config()
def spec(x):
    return (tuple(x.shape), x.dtype, x.sparse)
D = collections.defaultdict(list, {"b": [1, 2], "a": [3]})
T1 = {"b": [1, (2, 3)], "a": None, "c": {"z": 4, "y": Point(5, OD([("q", 6), ("p", 7)]))}}
ones = lambda *s, dtype="float32": np.ones(s, dtype)
rng = np.random.default_rng(0)
X = rng.normal(size=(3, 4)).astype("float32")
"""

TREE = """
k.tree.flatten(T1)
k.tree.flatten(None)
k.tree.flatten([None, 1, (None,)])
k.tree.flatten({"b": 1, "a": 2})
k.tree.flatten(OD([("b", 1), ("a", 2)]))
k.tree.flatten(Point(1, [2]))
k.tree.flatten(5)
k.tree.flatten("abc")
k.tree.flatten([])
k.tree.flatten({})
k.tree.flatten(D)
k.tree.flatten([np.arange(3), {1, 2}])
k.tree.flatten([[], {}, ()])
k.tree.flatten({2: "a", 1: "b"})
k.tree.flatten([1, range(3)])
k.tree.flatten_with_path(T1)
k.tree.flatten_with_path([1, {"a": 2}])
k.tree.flatten_with_path(3)
k.tree.flatten_with_path(Point(1, 2))
k.tree.flatten_with_path(OD([("b", 1), ("a", (2, 3))]))
k.tree.flatten_with_path([])
k.tree.is_nested(1)
k.tree.is_nested([1])
k.tree.is_nested({})
k.tree.is_nested("a")
k.tree.is_nested(None)
k.tree.is_nested(Point(1, 2))
k.tree.is_nested({1})
k.tree.is_nested(np.ones(2))
k.tree.is_nested(OD())
k.tree.map_structure(lambda x: x + 1, [1, (2, {"a": 3})])
k.tree.map_structure(lambda x, y: x + y, [1, (2,)], [3, (4,)])
k.tree.map_structure(lambda x: x, T1)
k.tree.map_structure(lambda x: x, T1, none_is_leaf=False)
k.tree.map_structure(lambda x: x is None, [None, 1])
k.tree.map_structure(lambda x: x, None)
k.tree.map_structure(lambda x: 2 * x, OD([("b", 1), ("a", 2)]))
k.tree.map_structure(lambda x: 2 * x, Point(1, 2))
k.tree.map_structure(lambda x: 2 * x, D)
type(k.tree.map_structure(lambda x: 2 * x, D)).__name__
refused(lambda: k.tree.map_structure(lambda x, y: x, [1, 2], [1]))
refused(lambda: k.tree.map_structure(lambda x, y: x, [1, 2], (1, 2)))
refused(lambda: k.tree.map_structure(lambda x, y: x, {"a": 1}, {"b": 1}))
refused(lambda: k.tree.map_structure(lambda x, y: x, [1], [[1]]))
refused(lambda: k.tree.map_structure(lambda x, y: (x, y), {"b": 1, "a": 2}, OD([("a", 1), ("b", 2)])))
refused(lambda: k.tree.map_structure(1, [1]))
refused(lambda: k.tree.map_structure(lambda: 1))
refused(lambda: k.tree.map_structure(lambda x, y: (x, y), [1, None], [2, 3]))
refused(lambda: k.tree.map_structure(lambda x, y: (x, y), [1, None], [2, None], none_is_leaf=False))
refused(lambda: k.tree.map_structure(lambda x, y: (x, y), [1, None], [2, 3], none_is_leaf=False))
k.tree.map_structure_up_to([1, 2], lambda x: len(x), [[1, 2], (3,)])
k.tree.map_structure_up_to({"a": 0}, lambda x, y: (x, y), {"a": [1]}, {"a": 5})
k.tree.map_structure_up_to(1, lambda x: x, [1, 2])
refused(lambda: k.tree.map_structure_up_to([1, 2], lambda x: x, [1]))
refused(lambda: k.tree.map_structure_up_to([[1]], lambda x: x, [1]))
refused(lambda: k.tree.map_structure_up_to([1, 2], lambda x: x, (1, 2)))
refused(lambda: k.tree.map_structure_up_to([1], lambda x: x))
refused(lambda: k.tree.map_structure_up_to({"a": 1}, lambda x: x, {"a": 1, "b": 2}))
k.tree.traverse(lambda x: None, [1, (2, {"a": 3})])
k.tree.traverse(lambda x: 2 * x if isinstance(x, int) else None, [1, (2, {"a": 3})])
k.tree.traverse(lambda x: len(x) if isinstance(x, tuple) else None, [1, (2, 3), {"a": ()}])
k.tree.traverse(lambda x: k.tree.MAP_TO_NONE if x == 1 else None, [1, 2])
k.tree.traverse(lambda x: tuple(x) if isinstance(x, list) else None, [1, [2, [3]]], top_down=False)
k.tree.traverse(lambda x: "n" if x is None else None, [None, 1])
refused(lambda: k.tree.traverse(1, [1]))
k.tree.traverse(lambda x: None, Point(1, OD([("b", 1), ("a", 2)])))
k.tree.lists_to_tuples([1, [2, (3, [4])], {"a": [5]}])
k.tree.lists_to_tuples(1)
k.tree.lists_to_tuples({"b": [1], "a": [[2]]})
k.tree.map_shape_structure(lambda s: tuple(s), {"a": (None, 2), "b": [(1, 2), (3,)]})
k.tree.map_shape_structure(lambda s: tuple(s), (1, 2))
k.tree.map_shape_structure(lambda s: tuple(s), [1, None])
refused(lambda: k.tree.map_shape_structure(1, [1]))
k.tree.pack_sequence_as([1, (2, {"a": 3})], [4, 5, 6])
k.tree.pack_sequence_as(1, [4])
k.tree.pack_sequence_as([], [])
k.tree.pack_sequence_as({"b": 0, "a": 0}, [1, 2])
k.tree.pack_sequence_as(OD([("b", 0), ("a", 0)]), [1, 2])
k.tree.pack_sequence_as(Point(0, [0, 0]), [1, 2, 3])
k.tree.pack_sequence_as(T1, list(range(10, 17)))
refused(lambda: k.tree.pack_sequence_as([1, 2], [1]))
refused(lambda: k.tree.pack_sequence_as([1, 2], [1, 2, 3]))
refused(lambda: k.tree.pack_sequence_as(1, [1, 2]))
refused(lambda: k.tree.pack_sequence_as([1], 1))
refused(lambda: k.tree.pack_sequence_as([1, [2, 3]], [1, [2, 3]]))
refused(lambda: k.tree.assert_same_structure([1, (2,)], [3, (4,)]))
refused(lambda: k.tree.assert_same_structure([1, 2], [1]))
refused(lambda: k.tree.assert_same_structure([1, 2], (1, 2)))
refused(lambda: k.tree.assert_same_structure([1], 1))
refused(lambda: k.tree.assert_same_structure(1, [1]))
refused(lambda: k.tree.assert_same_structure([None], [1]))
refused(lambda: k.tree.assert_same_structure([None], [[1]]))
refused(lambda: k.tree.assert_same_structure({"a": 1}, {"b": 1}))
refused(lambda: k.tree.assert_same_structure({"a": 1}, OD([("a", 1)])))
refused(lambda: k.tree.assert_same_structure(D, {"b": [1, 2], "a": [3]}))
refused(lambda: k.tree.assert_same_structure(Point(1, 2), (1, 2)))
refused(lambda: k.tree.assert_same_structure([], {}))
refused(lambda: k.tree.assert_same_structure("ab", "c"))
refused(lambda: k.tree.assert_same_structure({"a": [1]}, {"a": 1}))
refused(lambda: k.tree.assert_same_paths({"a": 1, "b": (2, 3)}, {"a": 4, "b": (5, 6)}))
refused(lambda: k.tree.assert_same_paths([1, 2], (1, 2)))
refused(lambda: k.tree.assert_same_paths([1, 2], [1]))
refused(lambda: k.tree.assert_same_paths({"a": 1}, {"b": 1}))
refused(lambda: k.tree.assert_same_paths({"a": 1}, OD([("a", 1)])))
refused(lambda: k.tree.assert_same_paths([None], [1]))
"""

TENSORS = """
spec(KT((2, 3)))
spec(KT((None, 3), "int32"))
spec(KT((None, 3), sparse=True))
spec(KT(shape=(2,), dtype="bool", name="a"))
KT((2,), name="a").name
KT((2, 3)).ndim
len(KT((2, 3)))
refused(lambda: len(KT(())))
refused(lambda: len(KT((None, 3))))
refused(lambda: KT((2,), "foo"))
refused(lambda: KT("a"))
refused(lambda: KT((2.5,)))
refused(lambda: KT((-1,)))
refused(lambda: KT((2, 3), sparse=True, ragged=True))
KT((2, 3)).ragged
refused(lambda: bool(KT((2, 3))))
refused(lambda: int(KT(())))
refused(lambda: float(KT(())))
refused(lambda: list(KT((2,))))
refused(lambda: np.array(KT((2, 3))))
spec(KT((2, 3)).reshape((3, 2)))
spec(KT((None, 3)).reshape((-1, 1)))
spec(KT((1, 3)).squeeze())
spec(KT((1, 3)).squeeze(0))
spec(KT((1, 3)).squeeze(axis=0))
spec(KT((2, 3)) + 1)
spec(1 + KT((2, 3)))
spec(KT((2, 3), "int32") + 1.5)
spec(KT((2, 3)) - KT((3,)))
spec(2 - KT((3,)))
spec(KT((2, 3)) * [1, 2, 3])
spec(KT((2, 3), "int32") / 2)
spec(2 / KT((2, 3), "int32"))
spec(KT((2, 3), "int32") // 2)
spec(2 // KT((2, 3), "int32"))
spec(KT((2, 3), "int32") % 2)
spec(2 % KT((2, 3), "int32"))
spec(KT((2, 3)) ** 2)
spec(2 ** KT((2, 3)))
spec(-KT((2, 3)))
spec(abs(KT((2, 3))))
spec(KT((2, 3)) @ KT((3, 4)))
spec(ones(2, 3) @ KT((3, 4)))
spec(KT((2, 3), "bool") & KT((2, 3), "bool"))
spec(True & KT((2, 3), "bool"))
spec(KT((2, 3), "bool") | True)
spec(KT((2, 3), "bool") ^ True)
spec(True ^ KT((2, 3), "bool"))
spec(~KT((2, 3), "bool"))
spec(KT((2, 3)) < 1)
spec(KT((2, 3)) >= KT((2, 3)))
spec(KT((2, 3)) == KT((2, 3)))
spec(KT((2, 3)) != 1)
spec(KT((2, 3))[0])
spec(KT((2, 3))[:, 1:])
spec(KT((2, 3))[..., None])
spec(KT((None, 3))[1:2])
spec(KT((None, 3))[::2])
spec(KT((None, 3))[0])
refused(lambda: KT((2, 3))[5])
refused(lambda: KT((2, 3))[0, 0, 0])
refused(lambda: spec(KT((2, 3)) + KT((2, 4))))
refused(lambda: spec(KT((2, 3)) @ KT((2, 4))))
refused(lambda: spec(round(KT((2, 3)))))
refused(lambda: spec(divmod(KT((2, 3)), 2)))
refused(lambda: spec(KT((2, 3), "int32") << 1))
refused(lambda: spec(KT((2, 3), "int32") >> 1))
k.backend.is_keras_tensor(KT((2,)))
k.backend.is_keras_tensor(ones(2))
k.utils.is_keras_tensor(KT((2,)))
k.ops.is_tensor(KT((2,)))
k.ops.is_tensor(k.ops.ones(2))
k.ops.is_tensor(k.Variable([1.0]))
k.ops.shape(KT((None, 3)))
k.ops.shape(KT((2, 3)))
k.ops.dtype(KT((2, 3), "int8"))
k.ops.ndim(KT((2, 3)))
refused(lambda: k.ops.convert_to_numpy(KT((2,))))
refused(lambda: k.ops.convert_to_tensor(KT((2,))))
spec(k.ops.convert_to_tensor(KT((2,)), dtype="int32"))
spec(k.ops.cast(KT((2,)), "int32"))
spec(k.ops.add(KT((2, 3), sparse=True), KT((2, 3), sparse=True)))
spec(k.ops.add(KT((2, 3), sparse=True), KT((2, 3))))
spec(k.ops.multiply(KT((2, 3), sparse=True), KT((2, 3))))
spec(k.ops.multiply(KT((2, 3), sparse=True), KT((2, 3), sparse=True)))
spec(k.ops.matmul(KT((2, 3), sparse=True), KT((3, 3))))
spec(k.ops.matmul(KT((2, 3), sparse=True), KT((3, 3), sparse=True)))
spec(k.ops.abs(KT((2, 3), sparse=True)))
spec(k.ops.exp(KT((2, 3), sparse=True)))
spec(k.ops.sin(KT((2, 3), sparse=True)))
spec(k.ops.cast(KT((2, 3), sparse=True), "int32"))
spec(k.ops.transpose(KT((2, 3), sparse=True)))
spec(k.ops.reshape(KT((2, 3), sparse=True), (3, 2)))
spec(k.ops.sum(KT((2, 3), sparse=True)))
spec(k.ops.mean(KT((2, 3), sparse=True), axis=0))
spec(k.ops.squeeze(KT((1, 3), sparse=True)))
spec(k.ops.expand_dims(KT((1, 3), sparse=True), 0))
spec(k.ops.concatenate([KT((1, 3), sparse=True), KT((1, 3), sparse=True)]))
spec(k.ops.concatenate([KT((1, 3), sparse=True), KT((1, 3))]))
spec(k.ops.convert_to_tensor(KT((1, 3), sparse=True), sparse=False))
spec(k.ops.relu(KT((1, 3), sparse=True)))
spec(k.ops.zeros_like(KT((1, 3), sparse=True)))
spec(k.ops.ones_like(KT((1, 3), sparse=True)))
spec(k.ops.maximum(KT((1, 3), sparse=True), 0))
spec(k.ops.subtract(KT((1, 3), sparse=True), KT((1, 3), sparse=True)))
spec(k.ops.divide(KT((1, 3), sparse=True), 2.0))
spec(k.ops.divide(KT((1, 3), sparse=True), KT((1, 3))))
spec(k.ops.floor_divide(KT((1, 3), sparse=True), KT((1, 3))))
spec(k.ops.true_divide(KT((1, 3), sparse=True), KT((1, 3))))
spec(k.ops.mod(KT((1, 3), sparse=True), KT((1, 3))))
spec(k.ops.take(KT((4, 3)), KT((2, 1), "int32", sparse=True), axis=0))
spec(k.ops.one_hot(KT((2,), "int32"), 3, sparse=True))
spec(k.ops.bincount(KT((2, 3), "int32"), minlength=4, sparse=True))
spec(k.ops.ones_like(KT((1, 3), sparse=True), dtype="int32"))
spec(k.Input((3,), sparse=True))
k.Input((3,)).dtype
k.Input((3,), dtype="int32").shape
"""

CONTROL = """
k.ops.cond(True, lambda: 1, lambda: 2)
k.ops.cond(np.bool_(False), lambda: ones(2), lambda: 2 * ones(2))
k.ops.cond(k.ops.convert_to_tensor(True), lambda: {"a": ones(2)}, lambda: {"a": 2 * ones(2)})
spec(k.ops.cond(KT((), "bool"), lambda: KT((2, 3)), lambda: KT((2, 3))))
refused(lambda: spec(k.ops.cond(KT((), "bool"), lambda: KT((2, 3)), lambda: KT((2, 4)))))
refused(lambda: spec(k.ops.cond(KT((), "bool"), lambda: KT((2, 3)), lambda: KT((2, 3), "int32"))))
refused(lambda: k.ops.cond(KT((), "bool"), lambda: [KT((2, 3))], lambda: KT((2, 3))))
refused(lambda: k.ops.cond(KT((), "bool"), lambda: None, lambda: KT((2, 3))))
k.ops.cond(True, lambda: None, lambda: None)
refused(lambda: k.ops.cond(KT((), "bool"), lambda: None, lambda: None))
k.ops.scan(lambda c, x: (c + x, c * x), 0, np.arange(4))
k.ops.scan(lambda c, x: (c + x, c), np.float32(1), np.arange(3, dtype="float32"), reverse=True)
k.ops.scan(lambda c, x: (c + 1, c), 0, length=4)
k.ops.scan(lambda c, x: (c + 1, None), 0, length=4)
k.ops.scan(lambda c, x: (c + x["a"], (x["a"], x["b"])), 0.0, {"a": ones(3), "b": ones(3, 2)})
k.ops.scan(lambda c, x: (c + x, c), 0, np.arange(4), unroll=2)
k.ops.scan(lambda c, x: (c + x, c), 0, np.arange(4), unroll=True)
refused(lambda: k.ops.scan(1, 0, np.arange(4)))
refused(lambda: k.ops.scan(lambda c, x: (c, x), 0, (np.arange(4), np.arange(3))))
refused(lambda: k.ops.scan(lambda c, x: (c, x), 0, np.arange(4), length=5))
refused(lambda: k.ops.scan(lambda c, x: (c, x), 0))
refused(lambda: k.ops.scan(lambda c, x: (c, x), 0, np.arange(4), unroll="a"))
[spec(t) for t in k.ops.scan(lambda c, x: (c + x, x), KT((2,)), KT((5, 2)))]
[spec(t) for t in k.ops.scan(lambda c, x: (c + x, x), KT((2,)), KT((None, 2)))]
[spec(t) for t in k.ops.scan(lambda c, x: (c + x, x), KT((2,)), KT((None, 2)), length=3)]
k.ops.associative_scan(lambda a, b: a + b, np.arange(5))
k.ops.associative_scan(lambda a, b: a + b, np.arange(5), reverse=True)
k.ops.associative_scan(lambda a, b: a * b, np.arange(1, 7).reshape(2, 3), axis=1)
k.ops.associative_scan(lambda a, b: [a[0] + b[0], a[1] * b[1]], [ones(4), 2 * ones(4)])
refused(lambda: k.ops.associative_scan(1, np.arange(4)))
refused(lambda: k.ops.associative_scan(lambda a, b: a, [ones(4), ones(3)]))
spec(k.ops.associative_scan(lambda a, b: a + b, KT((5, 2))))
spec(k.ops.associative_scan(lambda a, b: a + b, KT((5, 2)), axis=-1))
refused(lambda: spec(k.ops.associative_scan(lambda a, b: a + b, KT((None, 2)))))
k.ops.while_loop(lambda i: i < 5, lambda i: i + 1, 0)
k.ops.while_loop(lambda i: i < 5, lambda i: (i + 1,), (0,))
k.ops.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2), (0, 1.0))
k.ops.while_loop(lambda i, x: i < 5, lambda i, x: [i + 1, x * 2], [0, 1.0])
k.ops.while_loop(lambda i: i < 50, lambda i: (i + 1,), (0,), maximum_iterations=3)
k.ops.while_loop(lambda i: i < 50, lambda i: i + 1, 0, maximum_iterations=3)
[spec(t) for t in k.ops.while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x * 2), (KT((), "int32"), KT((None, 3))))]
spec(k.ops.while_loop(lambda x: True, lambda x: x, KT((None, 3))))
k.ops.fori_loop(0, 5, lambda i, x: x + i, 0)
k.ops.fori_loop(0, 0, lambda i, x: x + i, 3)
k.ops.fori_loop(1, 4, lambda i, x: (x[0] + i, x[1] * 2), (0, ones(2)))
spec(k.ops.fori_loop(0, 5, lambda i, x: x + 1, KT((None, 3))))
k.ops.map(lambda x: x + 1, np.arange(4))
k.ops.map(lambda x: {"a": x[0] + x[1], "b": x[0]}, (np.arange(3), ones(3)))
spec(k.ops.map(lambda x: x + 1, KT((4, 3))))
spec(k.ops.map(lambda x: x + 1, KT((None, 3))))
[spec(t) for t in k.ops.map(lambda x: (x, x[:1]), KT((4, 3)))]
k.ops.vectorized_map(lambda x: x * 2, X)
k.ops.vectorized_map(lambda xs: k.ops.dot(xs[0], xs[1]), (X, X))
spec(k.ops.vectorized_map(lambda x: x + 1, KT((None, 3))))
k.ops.switch(1, [lambda x: x, lambda x: x + 1], 5)
k.ops.switch(-3, [lambda x: x, lambda x: x + 1], 5)
k.ops.switch(9, [lambda x: x, lambda x: x + 1], 5)
k.ops.switch(np.int32(0), [lambda: 1, lambda: 2])
spec(k.ops.switch(KT((), "int32"), [lambda x: x, lambda x: x + 1], KT((2, 3))))
refused(lambda: k.ops.switch(0, []))
k.ops.stop_gradient(X)
spec(k.ops.stop_gradient(KT((2, 3))))
refused(lambda: k.ops.stop_gradient(k.Variable([1.0, 2.0])))
k.ops.vectorize(lambda x, y: x + y)(ones(3), ones(3))
k.ops.vectorize(lambda x: k.ops.sum(x), signature="(n)->()")(X)
k.ops.vectorize(lambda x, y: x + y, excluded=[1])(ones(3), 2)
k.ops.vectorize(lambda x, y: k.ops.dot(x, y), signature="(n),(n)->()")(X, X)
k.ops.vectorize(lambda x, y: k.ops.dot(x, y), signature="(m,n),(n)->(m)")(ones(2, 3, 4), ones(4))
refused(lambda: k.ops.vectorize(lambda x: x, signature="n")(X))
refused(lambda: k.ops.vectorize(1))
[np.asarray(t) for t in k.ops.jvp(lambda x: k.ops.square(x), (X,), (ones(3, 4),))]
[np.asarray(t) for t in k.ops.jvp(lambda x: (x * 2, k.ops.sin(x)), (X,), (X,), has_aux=True)]
[spec(t) for t in k.ops.jvp(lambda x: k.ops.square(x), (KT((2, 3)),), (KT((2, 3)),))]
k.ops.unstack(X, axis=1)
refused(lambda: k.ops.unstack(KT((None, 3))))
[spec(t) for t in k.ops.unstack(KT((None, 3)), axis=1)]
[spec(t) for t in k.ops.unstack(KT((None, 3)), num=2)]
spec(k.ops.arange(KT((), "int32")))
spec(k.ops.slice(KT((4, 5)), KT((2,), "int32"), (2, 2)))
spec(k.ops.slice(KT((4, 5)), (0, 0), (2, 2)))
spec(k.ops.slice_update(KT((None, 5)), (0, 0), KT((2, 2))))
spec(k.ops.scatter(KT((2, 1), "int32"), KT((2, 3)), (4, 3)))
spec(k.ops.saturate_cast(KT((2,)), "uint8"))
k.name_scope("a").name
refused(lambda: k.name_scope("a/b"))
refused(lambda: k.name_scope(""))
refused(lambda: k.name_scope(5))
refused(lambda: [k.device("cpu").__enter__() is None or 1][0] and 1)
refused(lambda: k.ops.convert_to_tensor(k.Variable([1.0, 2.0])))
k.ops.shape(X)
k.ops.cast(X, "float16")
refused(lambda: k.ops.convert_to_tensor([1, 2], dtype="int32", ragged=True))
k.ops.custom_gradient(lambda x: (x * 2, lambda *a, upstream=None: upstream))(X)
"""

PARTS = """
k.activations.get("relu").__name__
k.activations.get(None).__name__
k.activations.get("HardSigmoid").__name__
k.activations.get("leaky_relu")(X)
k.activations.get({"class_name": "relu", "config": "relu"}).__name__
refused(lambda: k.activations.get("foo"))
refused(lambda: k.activations.get(5))
k.activations.get(k.ops.tanh) is k.ops.tanh
k.activations.serialize(k.activations.relu)
k.activations.serialize(k.activations.get("tanh"))
refused(lambda: k.activations.serialize(lambda x: x))
k.activations.deserialize("relu").__name__
refused(lambda: k.activations.deserialize("foo"))
k.activations.deserialize({"module": "builtins", "class_name": "function", "config": "softmax", "registered_name": "function"}).__name__
k.activations.relu(X, negative_slope=0.1)
k.activations.relu(X, max_value=0.5)
k.activations.relu(X, threshold=0.3)
k.activations.relu(X, negative_slope=0.1, max_value=0.5, threshold=0.2)
k.activations.leaky_relu(X, 0.3)
k.activations.elu(X, 0.5)
k.activations.celu(X, alpha=0.5)
k.activations.gelu(X, approximate=True)
k.activations.glu(X, axis=-1)
k.activations.threshold(X, 0.1, 2.0)
k.activations.softmax(X, axis=0)
refused(lambda: k.activations.softmax(ones(3)))
k.activations.log_softmax(X)
k.activations.softmax(ones(2, 3, 4), axis=(1, 2))
k.activations.squareplus(X, b=2)
k.activations.soft_shrink(X, threshold=0.2)
k.activations.hard_shrink(X, threshold=0.2)
k.activations.sparsemax(X)
k.activations.mish(X)
k.activations.exponential(X)
k.activations.linear(X)
k.activations.hard_sigmoid(X)
k.activations.tanh_shrink(X)
spec(k.activations.relu(KT((None, 3))))
spec(k.activations.softmax(KT((None, 3))))
spec(k.activations.mish(KT((None, 3))))
[config(getattr(k.initializers, n)()) for n in ("Zeros", "Ones", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "Identity", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Constant", "STFT")]
[type(k.initializers.get(n)).__name__ for n in ("zeros", "ones", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform", "identity", "orthogonal", "random_normal", "random_uniform", "truncated_normal", "variance_scaling", "constant", "stft", "Zeros", "IdentityInitializer", "normal", "uniform", "zero", "one", "eye", "glorotUniform") if refused(lambda: k.initializers.get(n)) not in ("ValueError",)]
refused(lambda: k.initializers.get("normal") and 1)
refused(lambda: k.initializers.get("uniform") and 1)
refused(lambda: k.initializers.get("zero") and 1)
refused(lambda: k.initializers.get("foo"))
refused(lambda: k.initializers.get(5))
k.initializers.get(None)
type(k.initializers.get(k.initializers.Zeros)).__name__
type(k.initializers.get({"class_name": "Zeros", "config": {}})).__name__
refused(lambda: np.asarray(k.initializers.get(lambda shape, dtype=None: np.ones(shape))((2, 2))))
np.asarray(k.initializers.get(ones(2, 3))((2, 3)))
refused(lambda: k.initializers.get(ones(2, 3))((3, 2)))
k.initializers.serialize(k.initializers.HeNormal(seed=3))
config(k.initializers.deserialize(k.initializers.serialize(k.initializers.Orthogonal(2.0, seed=4))))
[refused(lambda: [np.asarray(getattr(k.initializers, n)()((4, 4), dtype=d)).dtype.name for d in (None, "float32", "float16", "bfloat16", "float64", "int32")]) for n in ("Zeros", "Ones", "GlorotNormal", "HeUniform", "Identity", "RandomNormal", "RandomUniform", "TruncatedNormal", "Constant")]
[refused(lambda: np.asarray(getattr(k.initializers, n)()(s)).shape) for n in ("Zeros", "Ones", "GlorotNormal", "GlorotUniform", "HeNormal", "LecunUniform", "Identity", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Constant") for s in ((), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), [2, 3], 3)]
np.asarray(k.initializers.Identity()((3, 4)))
np.asarray(k.initializers.Identity(gain=2.0)((3, 3)))
np.asarray(k.initializers.Constant(2.5)((2, 2)))
np.asarray(k.initializers.Constant([1, 2])((2, 2)))
config(k.initializers.Constant(2.5))
config(k.initializers.Constant(np.float32(2.5)))
config(k.initializers.RandomNormal(0.1, 0.2, 3))
config(k.initializers.RandomUniform(minval=0.1, maxval=0.2, seed=3))
refused(lambda: k.initializers.VarianceScaling(scale=-1.0))
refused(lambda: k.initializers.VarianceScaling(mode="foo"))
refused(lambda: k.initializers.VarianceScaling(distribution="foo"))
config(k.initializers.VarianceScaling(2.0, "fan_avg", "uniform", 5))
config(k.initializers.VarianceScaling(distribution="normal"))
refused(lambda: np.asarray(k.initializers.Orthogonal()((3,))))
refused(lambda: (lambda w: np.round(w.T @ w, 3))(np.asarray(k.initializers.Orthogonal()((5, 3)))))
refused(lambda: k.initializers.RandomNormal(seed="a"))
refused(lambda: k.initializers.RandomNormal(seed=1.5))
refused(lambda: k.initializers.GlorotUniform(seed=k.random.SeedGenerator(3)).get_config()["seed"]["class_name"])
(lambda i: bool(np.all(np.asarray(i((2, 2))) == np.asarray(i((2, 2))))))(k.initializers.GlorotUniform(seed=3))
(lambda i: bool(np.all(np.asarray(i((2, 2))) == np.asarray(i((2, 2))))))(k.initializers.GlorotUniform())
(lambda i: bool(np.all(np.asarray(i((2, 2))) == np.asarray(i((2, 2))))))(k.initializers.GlorotUniform(seed=k.random.SeedGenerator(3)))
(lambda i: type(i.clone()) is type(i) and i.clone() is not i)(k.initializers.GlorotUniform(seed=3))
[np.asarray(k.initializers.STFT(side, window)((9, 1, 5))) for side in ("real", "imag") for window in ("hann", "hamming", None)]
[np.asarray(k.initializers.STFT("real", w)((9, 1, 5))) for w in ("blackman", "bartlett", "bohman", "blackmanharris", "nuttall", "flattop", "parzen", "cosine", "triang", "boxcar", "tukey", "barthann", ("kaiser", 4.0), ("gaussian", 2.0), ("tukey", 0.25), ("exponential", None, 2.0), ("general_hamming", 0.6), ("dpss", 2.0), ("chebwin", 100), "lanczos", "taylor")]
np.asarray(k.initializers.STFT("real", "hann", scaling="density")((9, 1, 5)))
np.asarray(k.initializers.STFT("imag", "hann", scaling="spectrum", periodic=True)((9, 1, 5)))
refused(lambda: k.initializers.STFT("foo"))
refused(lambda: k.initializers.STFT("real", "foo"))
refused(lambda: k.initializers.STFT("real", "hann", scaling="foo"))
refused(lambda: k.initializers.STFT("real", 5))
config(k.initializers.STFT("imag", "hamming", "density", True))
[config(getattr(k.constraints, n)()) for n in ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm")]
[np.asarray(getattr(k.constraints, n)()(X)) for n in ("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm")]
np.asarray(k.constraints.MaxNorm(0.5, axis=1)(X))
np.asarray(k.constraints.MinMaxNorm(0.3, 0.5, 0.7, axis=[0, 1])(X))
np.asarray(k.constraints.UnitNorm(axis=(0, 1))(X))
[type(k.constraints.get(n)).__name__ for n in ("max_norm", "min_max_norm", "non_neg", "unit_norm", "MaxNorm", "NonNeg")]
refused(lambda: k.constraints.get("foo"))
refused(lambda: k.constraints.get(5))
k.constraints.get(None)
type(k.constraints.get(k.constraints.NonNeg)).__name__
k.constraints.serialize(k.constraints.MaxNorm(3))
np.asarray(k.constraints.Constraint()(X))
k.constraints.Constraint().get_config()
config(k.constraints.deserialize({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}}))
[config(getattr(k.regularizers, n)()) for n in ("L1", "L2", "L1L2", "OrthogonalRegularizer")]
[np.asarray(getattr(k.regularizers, n)(0.3)(X)) for n in ("L1", "L2", "L1L2")]
np.asarray(k.regularizers.L1L2(l1=0.1, l2=0.2)(X))
np.asarray(k.regularizers.OrthogonalRegularizer(0.3, mode="rows")(X))
np.asarray(k.regularizers.OrthogonalRegularizer(0.3, mode="columns")(X))
refused(lambda: k.regularizers.OrthogonalRegularizer(mode="foo"))
refused(lambda: k.regularizers.OrthogonalRegularizer()(ones(3)))
refused(lambda: k.regularizers.OrthogonalRegularizer()(ones(3, 3, 3)))
refused(lambda: k.regularizers.L1("a"))
refused(lambda: k.regularizers.L1(None))
refused(lambda: k.regularizers.L1(float("nan")))
refused(lambda: k.regularizers.L2(-0.1))
refused(lambda: k.regularizers.L1(float("inf")))
[type(k.regularizers.get(n)).__name__ for n in ("l1", "l2", "l1_l2", "L1", "L1L2", "orthogonal_regularizer")]
config(k.regularizers.get("l1_l2"))
refused(lambda: k.regularizers.get("foo"))
refused(lambda: k.regularizers.get(5))
k.regularizers.get(None)
type(k.regularizers.get(k.regularizers.L1)).__name__
k.regularizers.get(k.ops.sum) is k.ops.sum
k.regularizers.serialize(k.regularizers.L1L2(0.1, 0.2))
refused(lambda: k.regularizers.Regularizer()(X))
refused(lambda: k.regularizers.Regularizer().get_config())
"""

DTYPES = """
k.DTypePolicy("mixed_float16").compute_dtype
k.DTypePolicy("mixed_float16").variable_dtype
k.DTypePolicy("mixed_bfloat16").get_config()
k.DTypePolicy("float32").name
k.DTypePolicy().name
k.DTypePolicy("int8").compute_dtype
refused(lambda: k.DTypePolicy("foo"))
refused(lambda: k.DTypePolicy(5))
refused(lambda: k.DTypePolicy("mixed_foo"))
repr(k.DTypePolicy("mixed_float16"))
str(k.DTypePolicy("float32"))
k.DTypePolicy("float32") == k.DTypePolicy("float32")
k.DTypePolicy("float32") == k.DTypePolicy("float16")
k.DTypePolicy("float32") == "float32"
k.DTypePolicy("float32").quantization_mode
k.DTypePolicy.from_config({"name": "mixed_float16"}).name
k.DTypePolicy("mixed_float16").convert_input(ones(2), True, "float16")
k.DTypePolicy("mixed_float16").convert_input(ones(2), False, "float16")
k.DTypePolicy("mixed_float16").convert_input(ones(2, dtype="int32"), True, "float16")
spec(k.DTypePolicy("mixed_float16").convert_input(KT((2,)), True, "float16"))
k.DTypePolicy("float32").convert_input([1.0, 2.0], True, "float32")
k.DTypePolicy("float32").convert_input("a", True, "float32")
hash(k.DTypePolicy("float32")) == hash(k.DTypePolicy("float32"))
k.dtype_policies.get("mixed_float16").name
k.dtype_policies.get(None).name
k.dtype_policies.get("int8_from_float32").name
type(k.dtype_policies.get("int8_from_mixed_bfloat16")).__name__
type(k.dtype_policies.get("float8_from_float32")).__name__
type(k.dtype_policies.get("int4_from_float32")).__name__
type(k.dtype_policies.get("gptq/4/128_from_float32")).__name__
type(k.dtype_policies.get("awq/4/128_from_float32")).__name__
refused(lambda: type(k.dtype_policies.get("int4/64_from_float32")).__name__)
refused(lambda: k.dtype_policies.get("int4/64_from_float32").get_config())
refused(lambda: k.dtype_policies.get("int4/abc_from_float32"))
refused(lambda: k.dtype_policies.get("int8_from_foo"))
refused(lambda: k.dtype_policies.get("int7_from_float32"))
refused(lambda: k.dtype_policies.get("abc"))
refused(lambda: k.dtype_policies.get(5))
k.dtype_policies.get(k.DTypePolicy("float16")).name
k.dtype_policies.get({"class_name": "DTypePolicy", "config": {"name": "float16"}}).name
k.dtype_policies.get(np.dtype("float16")).name if refused(lambda: k.dtype_policies.get(np.dtype("float16"))) != "ValueError" else "ValueError"
k.dtype_policies.serialize(k.DTypePolicy("mixed_float16"))
k.dtype_policies.deserialize(k.dtype_policies.serialize(k.dtype_policies.get("int8_from_float32"))).get_config()
k.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16").name
k.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16").get_config()
k.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16").compute_dtype
k.dtype_policies.QuantizedDTypePolicy("int8").quantization_mode
k.dtype_policies.QuantizedDTypePolicy("int8", None).name
k.dtype_policies.QuantizedDTypePolicy("int8", k.DTypePolicy("float16")).name
refused(lambda: k.dtype_policies.QuantizedDTypePolicy("foo"))
refused(lambda: k.dtype_policies.QuantizedDTypePolicy("int8", "int8_from_float32"))
repr(k.dtype_policies.QuantizedDTypePolicy("int8", "float32"))
k.dtype_policies.QuantizedDTypePolicy("int8", "float32") == k.dtype_policies.QuantizedDTypePolicy("int8", "float32")
k.dtype_policies.QuantizedDTypePolicy("int8", "float32") == k.dtype_policies.QuantizedDTypePolicy("int8", "float16")
k.dtype_policies.QuantizedFloat8DTypePolicy("float8", "mixed_bfloat16").get_config()
k.dtype_policies.QuantizedFloat8DTypePolicy("float8", "mixed_bfloat16", amax_history_length=3).amax_history_length
k.dtype_policies.QuantizedFloat8DTypePolicy("float8").default_amax_history_length
refused(lambda: k.dtype_policies.QuantizedFloat8DTypePolicy("float8", amax_history_length="a"))
refused(lambda: k.dtype_policies.QuantizedFloat8DTypePolicy("float8", amax_history_length=2.5))
refused(lambda: k.dtype_policies.QuantizedFloat8DTypePolicy("int8"))
repr(k.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32"))
k.dtype_policies.GPTQDTypePolicy("gptq/4/128", "float32").get_config()
repr(k.dtype_policies.GPTQDTypePolicy("gptq/4/128", "float32"))
refused(lambda: k.dtype_policies.GPTQDTypePolicy("gptq", "float32"))
refused(lambda: k.dtype_policies.GPTQDTypePolicy("gptq/4", "float32"))
refused(lambda: k.dtype_policies.GPTQDTypePolicy("gptq/5/128", "float32"))
refused(lambda: k.dtype_policies.GPTQDTypePolicy("gptq/4/0", "float32"))
k.dtype_policies.AWQDTypePolicy("awq/4/128", "float32").get_config()
refused(lambda: k.dtype_policies.AWQDTypePolicy("awq/3/128", "float32"))
refused(lambda: k.dtype_policies.Int4DTypePolicy("int4/64", "float32").get_config())
refused(lambda: k.dtype_policies.Int4DTypePolicy("int4/0", "float32").get_config())
refused(lambda: repr(k.dtype_policies.Int4DTypePolicy("int4/64", "float32")))
"""

MAPS = """
(lambda m: [m["a"].name, m["b"].name, m.default_policy.name, len(m), sorted(m), "a" in m, "b" in m])(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")}))
(lambda m: [list(m.keys()), [p.name for p in m.values()], [(n, p.name) for n, p in m.items()]])(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")}))
(lambda m: [m.pop("a").name, len(m), m["a"].name])(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")}))
(lambda m: [m.__setitem__("x/.*", k.DTypePolicy("float16")), m["x/y"].name, m["y"].name, m["z/x/y"].name])(k.dtype_policies.DTypePolicyMap())
(lambda m: [m.__setitem__("x", "int8_from_float32"), m["x"].name, m["x/kernel"].name, m["a/x"].name])(k.dtype_policies.DTypePolicyMap())
(lambda m: [m.__setitem__("x", k.DTypePolicy("float16")), m.__delitem__("x"), len(m)])(k.dtype_policies.DTypePolicyMap())
(lambda m: [m.__setitem__("a.*", k.DTypePolicy("float16")), m.__setitem__("ab", k.DTypePolicy("bfloat16")), m["ab"].name, m["ac"].name])(k.dtype_policies.DTypePolicyMap())
refused(lambda: (lambda m: [m.__setitem__("a.*", k.DTypePolicy("float16")), m.__setitem__(".*b", k.DTypePolicy("bfloat16")), m["ab"].name])(k.dtype_policies.DTypePolicyMap()))
refused(lambda: (lambda m: [m.__setitem__("x", k.DTypePolicy("float16")), m.__setitem__("x", k.DTypePolicy("float16"))])(k.dtype_policies.DTypePolicyMap()))
refused(lambda: k.dtype_policies.DTypePolicyMap().__setitem__("x", 5))
refused(lambda: k.dtype_policies.DTypePolicyMap("float32", {"a": 5}))
refused(lambda: k.dtype_policies.DTypePolicyMap("float32", 123))
refused(lambda: k.dtype_policies.DTypePolicyMap("foo"))
refused(lambda: k.dtype_policies.DTypePolicyMap(k.dtype_policies.DTypePolicyMap()))
refused(lambda: k.dtype_policies.DTypePolicyMap().__delitem__("x"))
refused(lambda: k.dtype_policies.DTypePolicyMap().pop("x"))
k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")}).get_config()
k.dtype_policies.DTypePolicyMap().get_config()
k.dtype_policies.DTypePolicyMap().default_policy.name
k.dtype_policies.DTypePolicyMap().name.startswith("map_")
k.dtype_policies.DTypePolicyMap().compute_dtype
k.dtype_policies.DTypePolicyMap("mixed_float16").variable_dtype
k.dtype_policies.DTypePolicyMap("mixed_float16").quantization_mode
repr(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")})).split("map_")[0]
k.dtype_policies.DTypePolicyMap.from_config(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")}).get_config())["a"].name
k.dtype_policies.deserialize(k.dtype_policies.serialize(k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.DTypePolicy("float32")})))["q"].name
k.dtype_policies.DTypePolicyMap("float32", {"a": k.dtype_policies.get("int8_from_float32")})["a"].quantization_mode
k.dtype_policies.DTypePolicyMap("mixed_float16", {"a": k.dtype_policies.QuantizedDTypePolicy("int8", None)})["a"].name
k.dtype_policies.DTypePolicyMap("mixed_float16").convert_input(ones(2), True, "float16")
isinstance(k.dtype_policies.DTypePolicyMap(), collections.abc.MutableMapping)
isinstance(k.dtype_policies.DTypePolicyMap(), k.DTypePolicy)
(lambda m: [m.get("zz").name if m.get("zz") is not None else None, m.setdefault("q", k.DTypePolicy("float16")).name])(k.dtype_policies.DTypePolicyMap())
(lambda m: [m.update({"a": k.DTypePolicy("float16")}), m["a"].name, m.clear(), len(m)])(k.dtype_policies.DTypePolicyMap())
"""

CONFIG = """
[k.backend.standardize_dtype(d) for d in ("float32", float, int, bool, np.float16, np.dtype("int8"), None, "bfloat16", np.int64, "uint8", str)]
[refused(lambda: k.backend.standardize_dtype(d)) for d in ("foo", 5, "float", "int", "half", "double", object, complex, "string", "complex64", "float8_e4m3fn", "float8_e5m2", "uint64")]
[k.backend.result_type(*a) for a in (("int32", "float16"), ("bool", "int8"), (int,), (float, "int8"), ("float16", "bfloat16"), (None, "int8"), (bool, int), ("uint8", "int8"), ("uint8", "int32", "float16"), (), (complex, "float32"), ("float32", "complex64"))]
[refused(lambda: k.backend.result_type(*a)) for a in (("foo",), ("float8_e4m3fn", "float32"), ("string", "int8"), (5, "int8"))]
[k.backend.is_float_dtype(d) for d in ("float32", "bfloat16", "int32", "bool", "float8_e4m3fn", "complex64", np.float16, float, "mixed_float16")]
[k.backend.is_int_dtype(d) for d in ("float32", "uint8", "int32", "bool", np.int8, int)]
[k.backend.floatx(), k.backend.epsilon(), k.backend.image_data_format(), k.backend.backend() in ("jax", "graphkit", "tensorflow", "numpy")]
[refused(lambda: k.config.set_floatx(v)) for v in ("foo", "int32", 5)]
[refused(lambda: k.config.set_image_data_format(v)) for v in ("foo", 5)]
[refused(lambda: k.backend.set_image_data_format(v)) for v in ("foo", 5)]
refused(lambda: k.config.set_epsilon("a"))
k.config.enable_flash_attention()
k.config.is_flash_attention_enabled()
k.config.disable_flash_attention()
k.config.is_flash_attention_enabled()
k.config.is_nnx_enabled()
k.config.is_traceback_filtering_enabled()
[k.config.disable_traceback_filtering(), k.config.is_traceback_filtering_enabled(), k.config.enable_traceback_filtering(), k.config.is_traceback_filtering_enabled()]
[k.config.disable_interactive_logging(), k.config.is_interactive_logging_enabled(), k.config.enable_interactive_logging(), k.config.is_interactive_logging_enabled()]
[k.config.max_epochs(), k.config.max_steps_per_epoch()]
[k.config.set_max_epochs(3), k.config.max_epochs(), k.config.set_max_epochs(None), k.config.max_epochs()]
[k.config.set_max_steps_per_epoch(3), k.config.max_steps_per_epoch(), k.config.set_max_steps_per_epoch(None)]
[k.config.set_dtype_policy("mixed_float16"), k.config.dtype_policy().name, k.config.set_dtype_policy("float32"), k.config.dtype_policy().name]
[refused(lambda: k.config.set_dtype_policy(p)) for p in ("foo", 5)]
[k.config.set_dtype_policy(k.DTypePolicy("float16")), k.mixed_precision.dtype_policy().name, k.mixed_precision.set_dtype_policy("float32"), k.mixed_precision.global_policy().name]
[refused(lambda: k.config.set_dtype_policy("int8_from_float32")), k.config.dtype_policy().name, k.config.set_dtype_policy("float32")]
k.mixed_precision.Policy is k.DTypePolicy
k.backend.get_uid("zzz")
k.backend.get_uid("zzz")
refused(lambda: k.backend.clear_session())
k.random.SeedGenerator(5).get_config()
refused(lambda: k.random.SeedGenerator(-1))
refused(lambda: k.random.SeedGenerator("a"))
refused(lambda: k.random.SeedGenerator(1.5))
refused(lambda: [k.random.SeedGenerator(seed=3, name="g").name, k.random.SeedGenerator(seed=3, name="g").state.name])
refused(lambda: k.random.SeedGenerator(3, name="a/b"))
k.random.SeedGenerator.from_config({"seed": 7}).initial_seed if hasattr(k.random.SeedGenerator, "initial_seed") else 7
(lambda g: [tuple(g.state.shape), g.state.dtype, [int(v) for v in np.asarray(g.next())], [int(v) for v in np.asarray(g.next())], [int(v) for v in np.asarray(g.state)]])(k.random.SeedGenerator(5))
(lambda g: [[int(v) for v in np.asarray(g.next(ordered=False))], [int(v) for v in np.asarray(g.state)]])(k.random.SeedGenerator(5))
(lambda g: bool(np.all(np.asarray(k.random.normal((4,), seed=g)) == np.asarray(k.random.normal((4,), seed=g)))))(k.random.SeedGenerator(5))
(lambda g, h: bool(np.all(np.asarray(k.random.normal((4,), seed=g)) == np.asarray(k.random.normal((4,), seed=h)))))(k.random.SeedGenerator(5), k.random.SeedGenerator(5))
bool(np.all(np.asarray(k.random.normal((4,), seed=3)) == np.asarray(k.random.normal((4,), seed=3))))
bool(np.all(np.asarray(k.random.normal((4,))) == np.asarray(k.random.normal((4,)))))
[k.utils.set_random_seed(3), np.asarray(k.random.normal((4,))).tolist() == [k.utils.set_random_seed(3), np.asarray(k.random.normal((4,))).tolist()][1]][1]
refused(lambda: k.random.normal((2,), seed=KT((2,), "uint32")).shape)
refused(lambda: np.asarray(k.random.normal((2,), seed=np.array([1, 2], "uint32"))).shape)
refused(lambda: spec(k.random.dropout(KT((2, 3)), 0.5)))
refused(lambda: spec(k.random.normal((2, KT((2, 3)).shape[1]))))
refused(lambda: np.asarray(k.random.uniform((), seed=1)).shape)
refused(lambda: np.asarray(k.random.uniform([], seed=1)).shape)
"""

ALL = {
    "tree": TREE,
    "tensors": TENSORS,
    "control": CONTROL,
    "parts": PARTS,
    "dtypes": DTYPES,
    "maps": MAPS,
    "config": CONFIG,
}


def every() -> list[str]:
    """Return all expressions."""
    return [line for text in ALL.values() for line in text.strip().splitlines()]
