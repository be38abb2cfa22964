"""Write fixtures/ops/dtypes.json and limits.npz: the dtypes of real Keras' results, and its values at the limits of ops.

Runs where Keras 3 and JAX are installed; tests/ops/test_keras_sweep.py reads the files and needs neither.

    python tests/interop/sweep_ops.py [dtypes] [limits]
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
FIXTURES = ROOT / "fixtures" / "ops"


def load(name: str) -> Any:
    """Load a module of tests/ops by its path, since importing the tests' package would import graphkit."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / "ops" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def keras_world() -> Any:
    """Keras' ops including `random`, its tensors and symbolic tensors, and the dtypes of a result."""
    import jax
    import keras

    ops = types.SimpleNamespace(**vars(keras.ops), random=keras.random)

    def run(call: Any, *args: Any) -> Any:
        """Trace a call, which compiles nothing; call it directly if it cannot be traced."""
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


def write_dtypes() -> None:
    """Record the dtypes of Keras' results for all calls."""
    load("keras_dtypes")
    table = load("sweep").answers(keras_world())
    target = FIXTURES / "dtypes.json"
    lines = (f"{json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table))
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{target}: {len(table)} rows")


def write_limits() -> None:
    """Record Keras' results for all calls; an error is recorded as the name of its builtin exception class."""
    import keras
    import numpy as np

    answers: dict[str, Any] = {}
    for name, call in load("keras_limits").CALLS.items():
        try:
            made = keras.tree.flatten(call(keras.ops))
        except Exception as error:
            kind = next((k.__name__ for k in (ValueError, TypeError) if isinstance(error, k)), "other")
            answers[f"{name}/refused"] = np.array(kind)
            continue
        answers.update({f"{name}/{number}": np.asarray(part) for number, part in enumerate(made)})
    target = FIXTURES / "limits.npz"
    np.savez_compressed(target, **answers)
    print(f"{target}: {len(answers)} arrays")


def main() -> None:
    """Write the files that the arguments name, by default both."""
    chosen = sys.argv[1:] or ["dtypes", "limits"]
    for name in chosen:
        {"dtypes": write_dtypes, "limits": write_limits}[name]()


if __name__ == "__main__":
    main()
