"""Print what real Keras reads from a cache, as JSON: `python -m tests.datasets.keras_answers FOLDER`. Used by test_datasets.py."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any

import keras  # type: ignore[import-not-found]

from tests.datasets.sample_cache import CALLS, described

if __name__ == "__main__":

    def from_cache(fname: str, *args: Any, cache_subdir: str = "datasets", **kwargs: Any) -> str:
        """Stand in for get_file, which would check the hash of the original."""
        return os.path.join(sys.argv[1], cache_subdir, fname)

    for name in (
        "mnist",
        "fashion_mnist",
        "cifar10",
        "cifar100",
        "boston_housing",
        "california_housing",
        "imdb",
        "reuters",
    ):
        importlib.import_module(f"keras.src.datasets.{name}").get_file = from_cache  # type: ignore[attr-defined]
    print(json.dumps({name: described(call(keras.datasets)) for name, call in CALLS.items()}))
