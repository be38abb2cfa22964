"""Write fixtures/ops/dtypes.json: which dtypes real Keras answers with, for every dtype and pair of dtypes that comes in.

Runs where Keras 3 and JAX are installed; tests/ops/test_keras_dtypes.py reads the file and needs neither.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import sys
import types
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def load(name: str) -> Any:
    """A module of tests/ops by its path: the tests' package would import graphkit."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "ops" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def keras_world() -> Any:
    """Keras' ops with `random` among them, its tensors and symbolic tensors, and the dtypes of an answer."""
    import jax
    import keras

    ops = types.SimpleNamespace(**vars(keras.ops), random=keras.random)

    def run(call: Any, *args: Any) -> Any:
        """Traced, which compiles nothing, and what that refuses at once."""
        tensors = [a for a in args if isinstance(a, jax.Array)]

        def traced(*given: Any) -> Any:
            rest = iter(given)
            return call(ops, *(next(rest) if isinstance(a, jax.Array) else a for a in args))

        try:
            return jax.eval_shape(traced, *tensors)
        except Exception:
            return call(ops, *args)

    return types.SimpleNamespace(
        run=run,
        ones=lambda shape, dtype: keras.ops.ones(shape, dtype=dtype),
        symbolic=keras.KerasTensor,
        leaves=keras.tree.flatten,
        dtype=lambda x: keras.backend.standardize_dtype(x.dtype) if hasattr(x, "dtype") else type(x).__name__,
        result_type=keras.backend.result_type,
    )


def main() -> None:
    """Ask Keras and write the table."""
    load("keras_dtypes")
    sweep = load("sweep")
    table = sweep.answers(keras_world())
    target = ROOT / "fixtures" / "ops" / "dtypes.json"
    target.write_text(json.dumps(table, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{target}: {len(table)} rows")


if __name__ == "__main__":
    main()
