"""Hostile files, generated from good ones: truncated, changed at random, or with one wrong value."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import graphkit
from graphkit import layers, models, ops

Payload = tuple[str, str, bytes]  # family, file name, content

WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**30, 1.5, float("nan"), float("inf"), "", "wrong", "x" * 5000, "/etc/passwd", "\ud800", [], [None], [[[]]],
    [-1, 0], [10**12, 10**12], ["a", 0, 0], {}, {"a": 1}, {"class_name": "Dense", "config": None}, {"class_name": 7, "config": {}},
    {"class_name": "__lambda__", "config": {"code": "x"}}, {"class_name": "__numpy__", "config": {"value": 1, "dtype": "U9999999999"}},
    {"class_name": "function", "config": "os.system"}, {"module": "os", "class_name": "system", "config": {"command": "false"}},
)  # fmt: skip


def functional() -> Any:
    """Return a compiled model with ops, a shared layer, a nested model, a recurrent layer and a Lambda."""
    x = layers.Input((5, 4), name="x")
    dense = layers.Dense(4, activation="relu", kernel_regularizer="l2", name="dense")
    inner = models.Sequential([layers.Input((3,)), layers.Dense(3, name="deep")], name="inner")
    h = layers.Bidirectional(layers.LSTM(2, name="lstm"), name="both")(dense(dense(x)))
    h = layers.BatchNormalization(name="norm")(layers.Dense(3, name="to_inner")(h))
    out = layers.Lambda(lambda t: t * 2.0, name="own")(inner(h)) + ops.exp(h)
    model: Any = models.Model(x, out, name="net")
    model.compile("adam", "mse", metrics=["mae"])
    model.train_on_batch(np.ones((2, 5, 4), "float32"), np.ones((2, 3), "float32"))
    return model


def words() -> Any:
    """Return a Sequential with vocabularies, in the config and as an asset."""
    first = layers.TextVectorization(max_tokens=9, output_sequence_length=3, name="words")
    first.adapt(["a b c"])
    lookup = layers.IntegerLookup(vocabulary=[1, 2, 3], name="numbers")
    return models.Sequential(
        [layers.Input((1,), dtype="string"), first, lookup, layers.Embedding(9, 2, name="table")], name="w"
    )


# ----- places in a structure -----


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all parts of a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a JSON value with a part replaced, or removed by `...`."""
    if not path:
        return new
    made = copy.deepcopy(value)
    parent = made
    for step in path[:-1]:
        parent = parent[step]
    if new is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return made


def changed_configs(config: Any, random: np.random.Generator, count: int) -> Iterator[Any]:
    """Yield configs with a wrong value, a missing part, a duplicated part or two swapped parts."""
    found = [p for p in places(config) if p]
    for _ in range(count):
        path = found[int(random.integers(len(found)))]
        kind = int(random.integers(10))
        if kind < 7:
            yield put(config, path, WRONG[int(random.integers(len(WRONG)))])
        elif kind == 7:
            yield put(config, path, ...)
        else:
            other = config
            for step in found[int(random.integers(len(found)))]:
                other = other[step]
            yield put(config, path, copy.deepcopy(other))


def texts(family: str, name: str, config: Any, random: np.random.Generator, count: int) -> Iterator[Payload]:
    """Yield changed configs as JSON files, and texts that are not JSON."""
    good = json.dumps(config)
    for made in changed_configs(config, random, count):
        yield family, name, json.dumps(made).encode("utf-8", "surrogatepass")
    deep = "[" * 50_000
    nested = good
    for _ in range(40):
        nested = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [json.loads(nested)]}})
    for text in (
        good.encode("utf-16"), good.encode("latin-1").replace(b"net", b"n\xe9t"), good.encode()[:-20], b"", b"{", b"null", b"[]", b"7",
        b'"' * 9, deep.encode(), (deep + "]" * 50_000).encode(), nested.encode(), b'{"a":' * 3000 + b"1" + b"}" * 3000,
        good.encode().replace(b'"name": "dense"', b'"name": "\\ud800"'), b"\xef\xbb\xbf" + good.encode() + b"\0\0", good.encode() * 2,
        b'{"class_name": "Sequential", "config": ' + b"9" * 10_000 + b"}",
        b'{"class_name": "Functional", "class_name": "Sequential", "config": {"name": "a", "name": 3, "layers": []}}',
    ):  # fmt: skip
        yield family, name, text


# ----- bytes -----


def damaged(family: str, name: str, data: bytes, random: np.random.Generator, count: int) -> Iterator[Payload]:
    """Yield truncated bytes, and bytes of which some are changed, zeroed, removed or added."""
    for part in (0, 1, 7, 8, 9, 100, len(data) // 4, len(data) // 2, len(data) - 100, len(data) - 1):
        yield family, name, data[: max(part, 0)]
    for _ in range(count):
        made = bytearray(data)
        for _ in range(int(random.integers(1, 6))):
            at = int(random.integers(len(made)))
            kind = int(random.integers(4))
            if kind == 0:
                made[at] = int(random.integers(256))
            elif kind == 1:
                made[at : at + 8] = b"\xff" * len(made[at : at + 8])
            elif kind == 2:
                made[at : at + 8] = bytes(len(made[at : at + 8]))
            else:
                del made[at : at + int(random.integers(1, 50))]
        yield family, name, bytes(made)
    yield family, name, data + b"more" * 100


def archive_with(data: bytes, replaced: dict[str, bytes | None], packed: bool = False) -> bytes:
    """Return a `.keras` archive with some members replaced, added or, if None, removed."""
    buffer = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", kind) as made:
        names = {**{name: source.read(name) for name in source.namelist()}, **replaced}
        for name, content in names.items():
            if content is not None:
                made.writestr(name, content)
    return buffer.getvalue()


def archives(data: bytes, random: np.random.Generator, count: int) -> Iterator[Payload]:
    """Yield archives with a changed config, changed weights, additional members, and zip bombs."""
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        config = json.loads(source.read("config.json"))
        weights = source.read("model.weights.h5")
    for made in changed_configs(config, random, count):
        text = json.dumps(made).encode("utf-8", "surrogatepass")
        yield "archive config", "m.keras", archive_with(data, {"config.json": text})
    for _, _, made in damaged("", "", weights, random, count):
        yield "archive weights", "m.keras", archive_with(data, {"model.weights.h5": made})
    for made in changed_hdf5(weights):
        yield "archive hdf5", "m.keras", archive_with(data, {"model.weights.h5": made})
    for replaced in (
        {"config.json": None}, {"metadata.json": None}, {"metadata.json": b"\xff"}, {"metadata.json": b'{"keras_version": [1]}'},
        {"metadata.json": b'{"keras_version": "' + b"9" * 5000 + b'"}'}, {"../evil": b"x"}, {"/etc/evil": b"x"}, {"C:\\evil": b"x"},
        {"model.weights.h5": None}, {"model.weights.h5": b""}, {"model.weights.h5": b"PK\3\4"},
        {"model.weights.h5": None, "model.weights.npz": b"x"},
        {"assets/../../evil": b"x"}, {"assets/layers/dense/evil.txt": b"x" * 100}, {"config.json": b"\xff\xfe\0"},
    ):  # fmt: skip
        yield "archive members", "m.keras", archive_with(data, replaced)


def bomb(data: bytes) -> bytes:
    """Return an archive that decompresses to three hundred times its size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            made.writestr("config.json", source.read("config.json"))
        made.writestr("model.weights.h5", bytes(300 << 20))
    return buffer.getvalue()


def changed_hdf5(data: bytes) -> Iterator[bytes]:
    """Yield HDF5 files with a dataset or attribute of another kind."""
    import h5py

    def edits() -> Iterator[Callable[[Any, str], Any]]:
        def dataset(**kwargs: Any) -> Callable[[Any, str], Any]:
            return lambda file, name: file.create_dataset(name, **kwargs)

        yield dataset(data=np.zeros((2, 2), "S5"))
        yield dataset(data=["a", "b"], dtype=h5py.string_dtype())
        yield dataset(data=np.array(["a"], object), dtype=h5py.string_dtype())
        yield dataset(shape=(2,), dtype=h5py.ref_dtype)
        yield dataset(shape=(2,), dtype=h5py.regionref_dtype)
        yield dataset(shape=(2,), dtype=h5py.vlen_dtype(np.float32))
        yield dataset(data=np.zeros(2, [("a", "f4"), ("b", "i4")]))
        yield dataset(data=np.zeros((2, 2), "complex64"))
        yield dataset(data=np.zeros((2, 2), "V3"))
        yield dataset(data=np.zeros((0, 7), "float32"))
        yield dataset(shape=(10**9, 10**9), dtype="f4", chunks=(10, 10))
        yield dataset(shape=None, dtype="f4")
        yield dataset(data=np.float64(3))
        yield dataset(data=np.zeros((1,) * 30, "f2"))
        yield lambda file, name: file.create_group(name)
        yield lambda file, name: file.__setitem__(name, h5py.SoftLink("/nowhere"))
        yield lambda file, name: file.__setitem__(name, h5py.ExternalLink("/etc/passwd", "/x"))
        yield lambda file, name: file.__setitem__(name, file["/"])
        yield lambda file, name: file.__setitem__(name, np.dtype("f4"))
        yield lambda file, name: file.create_dataset(name, (4,), "f4", external=[("/etc/hostname", 0, 16)])

    for edit in edits():
        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            found: list[str] = []
            file.visititems(
                lambda name, item, into=found: into.append(name) if isinstance(item, h5py.Dataset) else None
            )
            name = found[0]
            del file[name]
            edit(file, name)
        yield buffer.getvalue()


ATTRIBUTES: tuple[Any, ...] = (
    b"", b"{", b"\xff\xfe", "", "null", "[]", "7", 7, 1.5, np.zeros(3), np.zeros(0), np.array([b"a", b"a"]), [b"dense"] * 3, "{}",
    '{"class_name": "Sequential"}', '{"class_name": "Model", "config": []}', b"n\xe9", "x" * 10_000,
)  # fmt: skip


def changed_attributes(data: bytes) -> Iterator[bytes]:
    """Yield HDF5 files of models with other attributes."""
    import h5py

    for group, name in (("/", "model_config"), ("/", "training_config"), ("/", "keras_version"), ("model_weights", "layer_names"),
                        ("model_weights/dense", "weight_names"), ("optimizer_weights", "weight_names")):  # fmt: skip
        for value in ATTRIBUTES:
            buffer = io.BytesIO(data)
            with h5py.File(buffer, "r+") as file:
                if group in file:
                    file[group].attrs[name] = value
            yield buffer.getvalue()


def npz_files(data: bytes, random: np.random.Generator, count: int) -> Iterator[Payload]:
    """Yield npz files with damaged headers, pickled objects, and shapes that exceed the file."""
    yield from damaged("npz", "w.npz", data, random, count)
    for header in (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        b"__import__('os').system('false')", b"{'descr': '<f4'}", b"{'descr': '<U999999999', 'fortran_order': False, 'shape': (1,), }",
        b"(" * 3000,
        b"{'descr': [('a', '<f4', (1000000,))], 'fortran_order': False, 'shape': (1,), }",
        b"{'descr': '<f4', 'fortran_order': 1, 'shape': (-1,), }",
    ):  # fmt: skip
        text = header.ljust(64) + b"\n"
        array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(16)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as made:
            made.writestr("vars/0.npy", array)
        yield "npz", "w.npz", buffer.getvalue()
    buffer = io.BytesIO()
    np.savez(buffer, **{"vars/0": np.array({"a": 1}, object)})
    yield "npz", "w.npz", buffer.getvalue()


def safetensors_files(data: bytes, random: np.random.Generator, count: int) -> Iterator[Payload]:
    """Yield safetensors files with damaged headers."""
    yield from damaged("safetensors", "w.safetensors", data, random, count)
    length = struct.unpack("<Q", data[:8])[0]
    header, rest = json.loads(data[8 : 8 + length]), data[8 + length :]
    for made in changed_configs(header, random, count):
        text = json.dumps(made).encode("utf-8", "surrogatepass")
        yield "safetensors", "w.safetensors", struct.pack("<Q", len(text)) + text + rest
    for size in (0, 1, 2**63, 2**64 - 1, 10**8, len(data)):
        yield "safetensors", "w.safetensors", struct.pack("<Q", size) + data[8:]


YAMLS = (
    "class_name: Sequential\nconfig: !!python/object/apply:os.system ['false']\n",
    "class_name: &a [*a, *a]\nconfig: *a\n",
    "class_name: Sequential\nconfig: " + "[" * 2000,
    "config: {a: &x [1,1,1,1,1,1,1,1,1], b: &y [*x,*x,*x,*x,*x,*x,*x,*x]}\nclass_name: S\n",
    "class_name: Sequential\nconfig:\n" + "- a: " * 500,
    "backend: tensorflow\nclass_name: Sequential\nconfig:\n- class_name: Dense\n  config: {units: -3}\n",
    "class_name: Sequential\nconfig: !!binary |\n  AAAA\n", "class_name: \"\\ud800\"\nconfig: []\n",
    "class_name: Sequential\nconfig: !<tag:x> {}\n",
)  # fmt: skip


def payloads(folder: Path, seed: int = 0, count: int = 60) -> Iterator[Payload]:
    """Yield all hostile files; the good ones are written to `folder`. Weights files are named w.*, models m.*."""
    random = np.random.default_rng(seed)
    model, vocabularies = functional(), words()
    model.save(folder / "good.keras")
    vocabularies.save(folder / "words.keras")
    model.save(folder / "good.h5")
    model.save_weights(folder / "good.npz")
    model.save_weights(folder / "good.safetensors")
    model.save_weights(folder / "good.weights.h5")
    model.save_weights(folder / "shards.weights.json")
    model.export(folder / "good.onnx")
    good = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    for name in ("good.keras", "words.keras"):
        yield from archives(good[name], random, count)
        yield from damaged("archive bytes", "m.keras", good[name], random, count)
    yield "archive bomb", "m.keras", bomb(good["good.keras"])
    yield from texts("json", "m.json", json.loads(model.to_json()), random, 4 * count)
    yield from texts("json", "m.json", json.loads(vocabularies.to_json()), random, 2 * count)
    yield from texts("old json", "m.json", json.loads(OLD), random, 4 * count)
    yield from damaged("hdf5 bytes", "m.h5", good["good.h5"], random, count)
    attributes = list(changed_attributes(good["good.h5"]))
    chosen = random.permutation(len(attributes))[: 2 * count]
    for made in (*changed_hdf5(good["good.h5"]), *(attributes[i] for i in chosen)):
        yield "hdf5", "m.h5", made
    yield from damaged("weights", "w.weights.h5", good["good.weights.h5"], random, count)
    for made in changed_hdf5(good["good.weights.h5"]):
        yield "weights", "w.weights.h5", made
    yield from npz_files(good["good.npz"], random, count)
    yield from safetensors_files(good["good.safetensors"], random, count)
    yield from texts("shards", "w.weights.json", json.loads(good["shards.weights.json"]), random, count // 2)
    yield from texts("tensorflowjs", "model.json", tensorflowjs(), random, 2 * count)
    yield from damaged("onnx", "m.onnx", good["good.onnx"], random, count)
    yield from (("yaml", "m.yaml", text.encode("utf-8", "surrogatepass")) for text in YAMLS)


def tensorflowjs() -> dict[str, Any]:
    """Return a `model.json` whose shard is missing."""
    rows = [
        {"name": "d/kernel", "shape": [4, 2], "dtype": "float32"},
        {"name": "d/bias", "shape": [2], "dtype": "float32"},
    ]
    return {
        "format": "layers-model",
        "modelTopology": {"keras_version": "2.4.0", "model_config": json.loads(OLD)},
        "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": rows}],
    }


OLD = json.dumps({
    "class_name": "Functional", "keras_version": "2.4.0", "backend": "tensorflow",
    "config": {
        "name": "m", "input_layers": [["in", 0, 0]], "output_layers": [["d", 0, 0]],
        "layers": [
            {"class_name": "InputLayer", "name": "in", "inbound_nodes": [],
             "config": {"name": "in", "batch_input_shape": [None, 4], "dtype": "float32"}},
            {"class_name": "TFOpLambda", "name": "tf.math.add", "config": {"name": "tf.math.add", "function": "math.add"},
             "inbound_nodes": [["in", 0, 0, {"y": 1.0}]]},
            {"class_name": "Dense", "name": "d", "inbound_nodes": [[["tf.math.add", 0, 0, {}]]],
             "config": {"name": "d", "units": 2, "activation": "relu",
                        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}}},
        ],
    },
})  # fmt: skip


def opened(path: Path, model: Any) -> Any:
    """Open a model, or load weights into `model`, by the file's name."""
    if path.name.startswith("w."):
        return model.load_weights(path)
    return graphkit.load(path)
