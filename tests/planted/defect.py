"""A planted defect, and the tests that should notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TESTS: dict[str, tuple[str, ...]] = {  # prefix of a source path -> its tests; the longest prefix wins
    "graphkit/core/": ("tests/core", "tests/models"),
    "graphkit/core/serialization.py": ("tests/saving",),
    "graphkit/ir/": ("tests/ir", "tests/engine", "tests/ops"),
    "graphkit/ops/": ("tests/ops/test_ties_and_bounds_values.py", "tests/ops"),
    "graphkit/engine/": ("tests/engine",),
    "graphkit/graph/": ("tests/models",),
    "graphkit/layers/": ("tests/layers", "tests/interop/test_keras_goldens.py"),
    "graphkit/losses/": ("tests/losses",),
    "graphkit/metrics/": ("tests/metrics",),
    "graphkit/optimizers/": ("tests/optimizers",),
    "graphkit/models/": ("tests/models",),
    "graphkit/models/config.py": ("tests/models", "tests/interop/test_keras_goldens.py", "tests/saving"),
    "graphkit/models/feeding.py": ("tests/runtime/test_feeding.py", "tests/models"),
    "graphkit/models/sequential.py": ("tests/models", "tests/saving"),
    "graphkit/training/": ("tests/training/test_keras_fit.py", "tests/training"),
    "graphkit/callbacks/": ("tests/training/test_keras_callbacks.py", "tests/training"),
    "graphkit/saving/": ("tests/saving",),
    "graphkit/runtime/": ("tests/runtime",),
    "graphkit/visualization/": ("tests/visualization",),
    "graphkit/cli/": ("tests/cli",),
    "graphkit/quantizers/": ("tests/quantizers", "tests/layers/test_quantization.py"),
    "graphkit/preprocessing/": ("tests/preprocessing",),
    "graphkit/utils/": ("tests/utils",),
    "graphkit/datasets/": ("tests/datasets",),
    "graphkit/activations.py": ("tests/test_activations.py",),
    "graphkit/initializers.py": ("tests/test_initializers.py", "tests/test_weight_tables.py"),
    "graphkit/regularizers.py": ("tests/test_penalties_and_limits.py", "tests/test_weight_tables.py"),
    "graphkit/constraints.py": ("tests/test_penalties_and_limits.py", "tests/test_weight_tables.py"),
    "graphkit/dtype_policies.py": ("tests/test_dtype_policies.py",),
    "graphkit/backend.py": ("tests/test_backend.py",),
    "graphkit/tree.py": ("tests/core",),
    "converters/": ("tests/converters",),
    "converters/keras_legacy/": ("tests/converters/keras_legacy", "tests/saving"),
    "converters/keras_legacy/compile_settings.py": ("tests/saving/test_optimizer_state.py", "tests/saving"),
    "converters/keras_legacy/yaml_config.py": ("tests/converters/keras_legacy/test_yaml_config.py",),
    "converters/safetensors/": ("tests/saving/test_weights_files.py",),
    "converters/onnx/": ("tests/ops/test_registry.py", "tests/converters/onnx"),
}


class StaleDefectError(ValueError):
    """The text that a defect replaces does not occur exactly once in its file."""


def in_file(file: str, *rows: tuple[str, str, str], tests: tuple[str, ...] = ()) -> list[Defect]:
    """Return the defects of one file, given as (name, old, new)."""
    return [Defect(name, file, old, new, tests) for name, old, new in rows]


@dataclass(frozen=True)
class Defect:
    """A small wrong edit of one source file.

    Args:
        name: What the edit makes wrong.
        file: The file, relative to the project.
        old: A text that stands exactly once in it.
        new: What takes its place.
        tests: Files or folders of tests to run; () for those of the file's package.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = ()

    def targets(self) -> tuple[str, ...]:
        """The tests that should notice the defect."""
        if self.tests:
            return self.tests
        starts = [start for start in TESTS if self.file.startswith(start)]
        if not starts:
            raise StaleDefectError(f"{self.name}: no tests are known for {self.file}. Add a row to TESTS.")
        return TESTS[max(starts, key=len)]

    def planted(self, source: str) -> str:
        """Return the source of `file` with the defect."""
        if (count := source.count(self.old)) != 1:
            raise StaleDefectError(
                f"{self.name}: {self.file} holds the replaced text {count} times, wanted 1: {self.old!r}"
            )
        return source.replace(self.old, self.new)
