"""The table of ONNX's operators, on the backend tests of the onnx package."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test import loader
from onnx.backend.test.runner import Runner

from graphkit.converters.onnx.operators import OPERATORS, Evaluator
from graphkit.converters.onnx.operators.table import attribute_defaults
from graphkit.errors import GraphKitError
from tests.converters.onnx.one_node import model_of

RTOL, ATOL = 1e-3, 1e-5
KINDS = ("node", "simple", "pytorch-operator", "pytorch-converted")
LIGHT = Path(loader.__file__).parents[1] / "data" / "light"
RANDOM = ("test_bernoulli", "test_training_dropout")  # random numbers: only shapes and dtypes are compared


def values(proto: Any) -> Any:
    """Return what a test's file holds."""
    if isinstance(proto, onnx.TensorProto):
        return numpy_helper.to_array(proto)
    if isinstance(proto, onnx.SequenceProto):
        return [numpy_helper.to_array(t) for t in proto.tensor_values]
    return numpy_helper.to_optional(proto) if isinstance(proto, onnx.OptionalProto) else proto


def read(path: Path, kind: onnx.TypeProto) -> Any:
    proto = onnx.SequenceProto() if kind.HasField("sequence_type") else onnx.TensorProto()
    if kind.HasField("optional_type"):
        proto = onnx.OptionalProto()
    proto.ParseFromString(path.read_bytes())
    return values(proto)


def data_sets(case: Any, model: onnx.ModelProto) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield the inputs and outputs of a test."""
    for inputs, outputs in case.data_sets or []:
        yield [values(v) for v in inputs], [values(v) for v in outputs]
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")) if case.model_dir else []:
        yield tuple(  # type: ignore[misc]
            [
                read(folder / f"{what}_{i}.pb", info.type)
                for i, info in enumerate(infos)
                if (folder / f"{what}_{i}.pb").exists()
            ]
            for what, infos in (("input", model.graph.input), ("output", model.graph.output))
        )


def same(got: Any, expected: Any) -> bool:
    if expected is None or isinstance(expected, list):
        many = isinstance(expected, list) and isinstance(got, (list, tuple)) and len(got) == len(expected)
        return got is None if expected is None else many and all(map(same, got, expected))
    got = np.asarray(got)
    if got.shape != expected.shape:
        return False
    if expected.dtype.kind in "OSU":
        return [_text(v) for v in got.flat] == [_text(v) for v in expected.flat]
    if got.dtype != expected.dtype:
        return False
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    return bool(np.allclose(got.astype(wide), expected.astype(wide), rtol=RTOL, atol=ATOL, equal_nan=True))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def alike(got: Any, expected: Any) -> bool:
    return np.asarray(got).shape == expected.shape and np.asarray(got).dtype == expected.dtype


def passes(case: Any) -> bool:
    model = case.model if case.model is not None else onnx.load(str(Path(case.model_dir) / "model.onnx"))
    names = [i.name for i in model.graph.input]
    agree = alike if case.name.startswith(RANDOM) else same
    try:
        evaluate = Evaluator(model)
        return all(
            agree(got, expected)
            for inputs, outputs in data_sets(case, model)
            for got, expected in zip(evaluate(dict(zip(names, inputs, strict=False))), outputs, strict=True)
        )
    except Exception:
        return False


@pytest.mark.slow
def test_the_backend_tests_of_onnx_give_the_expected_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [c for kind in KINDS for c in loader.load_model_tests(kind=kind)]
        failed = {case.name for case in cases if not passes(case)}

    assert failed == set()
    assert len(cases) >= 2024


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_the_light_models_of_onnx_give_the_expected_values(path: Path) -> None:
    model = onnx.load(str(path))
    weights = {i.name for i in model.graph.initializer}
    feeds = {i.name: Runner.generate_dummy_data(i) for i in model.graph.input if i.name not in weights}

    got = Evaluator(model)(feeds)

    for i, info in enumerate(model.graph.output):
        assert same(got[i], read(path.parent / f"{path.stem}_output_{i}.pb", info.type))


def test_every_version_of_every_operator_of_the_standard_is_known() -> None:
    lacking = []
    for schema in onnx.defs.get_all_schemas_with_history():
        key = (schema.domain, schema.name)
        expanded = key not in OPERATORS and (schema.has_function or schema.has_context_dependent_function)
        known = any(version.since <= schema.since_version for version in OPERATORS.get(key, ()))
        if not (schema.deprecated or expanded or known):
            lacking.append((*key, schema.since_version))

    assert lacking == []


@pytest.mark.parametrize("key", sorted(OPERATORS), ids=lambda key: ":".join(filter(None, key)))
def test_an_operator_takes_the_attributes_of_its_schema(key: tuple[str, str]) -> None:
    domain, name = key
    for number, version in enumerate(OPERATORS[key]):
        following = OPERATORS[key][number + 1 :]
        parameters = inspect.signature(version.function).parameters.values()
        if any(p.kind is p.VAR_KEYWORD for p in parameters):
            continue
        taken = {p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        for opset in range(version.since, following[0].since if following else 40):
            assert set(attribute_defaults(domain, name, opset)) <= taken, opset


@pytest.mark.parametrize(
    ("operator", "domain", "inputs", "attributes", "message"),
    [
        ("QuickGelu", "com.microsoft", [], {}, "expects 1 inputs, got 0"),
        (
            "QuickGelu",
            "com.microsoft",
            [np.ones(2, np.float32)],
            {"alpa": 1.0},
            "'alpa' is unknown. Did you mean 'alpha'",
        ),
        ("UnfoldTensor", "com.microsoft", [np.ones(2, np.float32)], {}, "the attribute 'size' is missing"),
        ("Gemm", "", [np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)], {}, "Gemm"),
        ("Tile", "", [np.ones(2, np.float32), np.array([2**40])], {}, "too large"),
        ("Pad", "", [np.ones(2, np.float32), np.array([0, 2**40])], {}, "too large"),
    ],
)
def test_a_node_that_cannot_be_computed_raises_a_typed_error(
    operator: str, domain: str, inputs: list[Any], attributes: dict[str, Any], message: str
) -> None:
    model = model_of(operator, inputs, attributes, domain)

    with pytest.raises(GraphKitError, match=message):
        Evaluator(model)({f"x{i}": x for i, x in enumerate(inputs)})
