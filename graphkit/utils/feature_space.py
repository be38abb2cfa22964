"""Preprocess the columns of a table, each with its own layer: keras.utils.FeatureSpace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError
from graphkit.core.names import auto_name
from graphkit.core.serialization import Configurable, deserialize, is_envelope, keras_class, serialize
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers import (
    CategoryEncoding,
    Discretization,
    HashedCrossing,
    Hashing,
    Input,
    IntegerLookup,
    Normalization,
    Rescaling,
    StringLookup,
)
from graphkit.layers.layer import Layer
from graphkit.models import Model

_HOME = "keras.src.layers.preprocessing.feature_space"  # as in Keras' files: the classes have no public name
_ADAPT_BATCH = 32  # Keras' batch size in `adapt`, on which the bins of a Discretization depend


@keras_class(_HOME)
class Cross(Configurable):
    """Features whose combined values are hashed into `crossing_dim` bins; created by `FeatureSpace.cross`.

    Args:
        feature_names: the columns.
        crossing_dim: the number of bins.
        output_mode: "int" or "one_hot".

    Raises:
        InvalidArgumentError: `output_mode` is not supported.
    """

    keras_registered_name = "Cross"

    def __init__(self, feature_names: Iterable[str], crossing_dim: int, output_mode: str = "one_hot") -> None:
        if output_mode not in ("int", "one_hot"):
            raise InvalidArgumentError(
                f"Invalid value for argument `output_mode`. Expected one of {{'int', 'one_hot'}}. Received: output_mode={output_mode}"
            )
        self.feature_names, self.crossing_dim, self.output_mode = tuple(feature_names), crossing_dim, output_mode

    @property
    def name(self) -> str:
        """The names of the features, joined."""
        return "_X_".join(self.feature_names)


@keras_class(_HOME)
class Feature(Configurable):
    """How a column is preprocessed; created by `FeatureSpace.feature`.

    Args:
        dtype: of the column's input.
        preprocessor: the layer that encodes the column, or its config.
        output_mode: "int", "one_hot" or "float".

    Raises:
        InvalidArgumentError: `output_mode` is not supported.
    """

    keras_registered_name = "Feature"

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        if output_mode not in ("int", "one_hot", "float"):
            raise InvalidArgumentError(
                "Invalid value for argument `output_mode`. Expected one of {'int', 'one_hot', 'float'}. "
                f"Received: output_mode={output_mode}"
            )
        self.dtype, self.output_mode = dtype, output_mode
        self.preprocessor = deserialize(preprocessor) if isinstance(preprocessor, Mapping) else preprocessor


@keras_class(_HOME)
class TFDIdentity(Layer):
    """Passes values through, cast to the layer's dtype."""

    keras_registered_name = "TFDIdentity"

    def call(self, x: Any) -> Any:
        """Return `x` in the layer's dtype."""
        return ops.cast(x, self.compute_dtype)


@keras_class(_HOME)
class TFDConcat(Layer):
    """Concatenates tensors along `axis`."""

    keras_registered_name = "TFDConcat"

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs: Any) -> Any:
        """Return the tensors concatenated."""
        return ops.concatenate([ops.cast(x, self.compute_dtype) for x in xs], axis=self.axis)


@keras_class("keras.utils")
class FeatureSpace(Layer):
    """Preprocesses the columns of a table, each with its own layer, into one vector or a dict of tensors.

    Call `adapt` on a dict of arrays or on batches of dicts. Then call the space on a dict of arrays, or build a model on
    `get_inputs()` and `get_encoded_features()`, which trains, is saved and is exported with the preprocessing inside.

    Args:
        features: column name -> kind ("float", "float_normalized", "float_rescaled", "float_discretized",
            "integer_categorical", "string_categorical", "integer_hashed", "string_hashed"), or the result of the class method
            of that name: `FeatureSpace.float_discretized(num_bins=5)`.
        output_mode: "concat" for one vector per row (features in alphabetical order, then the crosses), "dict" for one tensor
            per feature.
        crosses: groups of columns whose combinations are hashed: `[("city", "day")]`, or results of `FeatureSpace.cross`.
        crossing_dim: default number of bins of crosses.
        hashing_dim: number of bins of hashed features.
        num_discretization_bins: number of bins of discretized features.
        name: of the layer.

    Raises:
        InvalidArgumentError: there are no features, or an unknown kind, mode or crossed column.

    Source: keras.utils.FeatureSpace.
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        output_mode: str = "concat",
        crosses: Sequence[Any] | None = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if not features:
            raise InvalidArgumentError("The `features` argument cannot be None or empty.")
        if output_mode not in ("dict", "concat"):
            raise InvalidArgumentError(
                f"Invalid value for argument `output_mode`. Expected one of {{'dict', 'concat'}}. Received: output_mode={output_mode}"
            )
        self.crossing_dim, self.hashing_dim, self.num_discretization_bins = (
            crossing_dim,
            hashing_dim,
            num_discretization_bins,
        )
        self.output_mode = output_mode
        self.features = {column: self._feature(column, kind) for column, kind in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        self.inputs = {n: Input((1,), dtype=f.dtype, name=n) for n, f in self.features.items()}
        self.preprocessors = {column: feature.preprocessor for column, feature in self.features.items()}
        self.crossers = {c.name: HashedCrossing(c.crossing_dim, name=c.name) for c in self.crosses}
        self.one_hot_encoders: dict[str, Layer] = {}
        self.concat: Layer | None = None
        self._encoded: Any = None
        self._is_adapted = False
        self._functional: Any = None  # what `__call__` runs

    # ----- kinds of features -----

    @classmethod
    def cross(cls, feature_names: Iterable[str], crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Return a cross: features whose combinations are hashed into `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """Return a feature that is encoded by a custom layer."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Return a feature of unchanged floats."""
        layer = TFDIdentity(dtype="float32", name=_layer_name(name, "float"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Return a feature of floats, times `scale` plus `offset`."""
        layer = Rescaling(scale, offset, name=_layer_name(name, "float_rescaled"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Return a feature of floats, normalized to mean 0 and variance 1."""
        return Feature("float32", Normalization(axis=-1, name=_layer_name(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Return a feature of floats, encoded by their bin.

        Args:
            num_bins: the number of bins, between quantiles of the data.
            bin_boundaries: the limits of the bins, instead of `num_bins`.
            output_mode: "int" or "one_hot".
            name: prefix of the layer's name.
        """
        count = num_bins if bin_boundaries is None else None
        layer = Discretization(bin_boundaries, count, name=_layer_name(name, "float_discretized"))
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of integers, encoded by their index in the vocabulary that `adapt` learns.

        Args:
            max_tokens: the largest size of the vocabulary; None for no limit.
            num_oov_indices: the number of indices for values outside of the vocabulary.
            output_mode: "int" or "one_hot".
            name: prefix of the layer's name.
        """
        layer = IntegerLookup(max_tokens, num_oov_indices, name=_layer_name(name, "integer_categorical"))
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Return a feature of strings, encoded by their index in the vocabulary that `adapt` learns.

        Args:
            max_tokens: the largest size of the vocabulary; None for no limit.
            num_oov_indices: the number of indices for values outside of the vocabulary.
            output_mode: "int" or "one_hot".
            name: prefix of the layer's name.
        """
        layer = StringLookup(max_tokens, num_oov_indices, name=_layer_name(name, "string_categorical"))
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Return a feature of strings, encoded by a hash."""
        return Feature("string", Hashing(num_bins, name=_layer_name(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Return a feature of integers, encoded by a hash."""
        return Feature("int32", Hashing(num_bins, name=_layer_name(name, "integer_hashed")), output_mode)

    _BY_NAME: ClassVar[dict[str, tuple[str, ...]]] = {  # kind -> attributes that are passed to its class method
        "float": (),
        "float_normalized": (),
        "float_rescaled": (),
        "float_discretized": ("num_discretization_bins",),
        "integer_categorical": (),
        "string_categorical": (),
        "integer_hashed": ("hashing_dim",),
        "string_hashed": ("hashing_dim",),
    }

    def _feature(self, column: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        if is_envelope(kind):
            made: Feature = deserialize(kind)
            return made
        if kind not in self._BY_NAME:
            raise InvalidArgumentError(
                f"Invalid feature type: {kind} of {column!r}. Known are {', '.join(self._BY_NAME)}."
            )
        own: Callable[..., Feature] = getattr(self, kind)
        return own(*(getattr(self, n) for n in self._BY_NAME[kind]), name=column)

    def _cross(self, cross: Any) -> Cross:
        made = deserialize(cross) if is_envelope(cross) else cross
        if not isinstance(made, Cross):
            made = Cross(made, self.crossing_dim)
        unknown = [n for n in made.feature_names if n not in self.features]
        if unknown or not made.crossing_dim:
            raise InvalidArgumentError(
                "All features referenced in the `crosses` argument should be present in the `features` dict, and `crossing_dim` must "
                f"be positive. Received: {made.feature_names}, of which {unknown} are unknown, and crossing_dim={made.crossing_dim}."
            )
        return made

    # ----- learning -----

    def adapt(self, dataset: Any) -> None:
        """Learn vocabularies, means and bins from data.

        Args:
            dataset: a dict of arrays, or an iterable of dicts (batches or single rows).

        Raises:
            InvalidTypeError: another kind of data.
        """
        learning = self._learning()
        for column, batches in _columns(dataset, learning):
            self.preprocessors[column].adapt(batches)
        self._is_adapted = True
        self.get_encoded_features()

    def _learning(self) -> list[str]:
        """Return the columns whose layers have something to learn that the user has not given."""
        return [
            column
            for column, layer in self.preprocessors.items()
            if hasattr(layer, "adapt")
            and getattr(layer, "input_mean", None) is None
            and not getattr(layer, "_given", False)
            and not (isinstance(layer, Discretization) and layer.num_bins is None)
        ]

    # ----- the graph -----

    def get_inputs(self) -> dict[str, SymbolicTensor]:
        """Return the symbolic inputs by column, each of shape (batch, 1).

        Raises:
            NotBuiltError: `adapt` has not been called, and a feature needs it.
        """
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """Return the symbolic output: one tensor, or a dict of tensors.

        Raises:
            InvalidArgumentError: a feature cannot be encoded or concatenated in its `output_mode`.
            NotBuiltError: `adapt` has not been called, and a feature needs it.
        """
        if self._encoded is None:
            if not self._is_adapted and self._learning():
                raise NotBuiltError(
                    "You need to call `.adapt(dataset)` on the FeatureSpace before you can start using it."
                )
            self._is_adapted = True
            self._encoded = self._encode()
            self._functional = Model(self.inputs, self._encoded)
            self.built = True
        return self._encoded

    @property
    def encoded_features(self) -> Any:
        """The symbolic output; None before it is built."""
        return self._encoded

    def _encode(self) -> Any:
        found = {n: self.preprocessors[n](x) for n, x in self.inputs.items()}
        crossed = {c.name: self.crossers[c.name]([found[n] for n in c.feature_names]) for c in self.crosses}
        specs: dict[str, Any] = {**self.features, **{c.name: c for c in self.crosses}}
        parts = {}
        for names, tensors in ((sorted(found), found), (sorted(crossed), crossed)):
            for name in names:
                wanted = specs[name].output_mode
                parts[name] = self._one_hot(name, tensors[name]) if wanted == "one_hot" else tensors[name]
        if self.output_mode == "dict":
            return parts
        for name, part in parts.items():
            counts = part.dtype.startswith("int") and specs[name].output_mode == "int"
            if counts or part.dtype == "string":
                raise InvalidArgumentError(
                    f"Cannot concatenate features because feature '{name}' has not been encoded (it has dtype {part.dtype}). "
                    "Consider using `output_mode='dict'`."
                )
        self.concat = TFDConcat(axis=-1)
        return self.concat(list(parts.values()))

    def _one_hot(self, name: str, x: Any) -> Any:
        layer = self.preprocessors.get(name) or self.crossers.get(name)
        size = _categories(layer)
        if not x.dtype.startswith("int") or size is None:
            raise InvalidArgumentError(
                f"Feature '{name}' has `output_mode='one_hot'`, but its layer {type(layer).__name__} returns {x.dtype} with an unknown "
                "number of categories, so it cannot be one-hot encoded. Use another `output_mode`: 'int' or 'float'."
            )
        encoder = self.one_hot_encoders[name] = CategoryEncoding(size, output_mode="multi_hot")
        return encoder(x)

    def __call__(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Encode a dict of arrays of shape (batch,) or (batch, 1); a dict of single values is encoded as one row.

        Raises:
            InvalidArgumentError: features are missing.
            InvalidTypeError: `data` is not a dict.
            NotBuiltError: `adapt` has not been called, and a feature needs it.
        """
        self.get_encoded_features()
        if not isinstance(data, Mapping):
            raise InvalidTypeError(
                f"A FeatureSpace can only be called with a dict. Received: data of type {type(data)}"
            )
        missing = [n for n in self.inputs if n not in data]
        if missing:
            raise InvalidArgumentError(
                f"FeatureSpace {self.name!r} was called without the features {missing}; got {sorted(data)}."
            )
        chosen = {n: data[n] if hasattr(data[n], "shape") else _array(data[n]) for n in self.inputs}
        single = any(len(x.shape) == 0 for x in chosen.values())
        shaped = {n: ops.reshape(x, (1, 1)) if len(x.shape) == 0 else x for n, x in chosen.items()}
        shaped = {n: ops.expand_dims(x, -1) if len(x.shape) == 1 else x for n, x in shaped.items()}
        made = self._functional(shaped)
        return nest.map_structure(lambda a: ops.squeeze(a, 0), made) if single else made

    def call(self, data: Any) -> Any:
        """Return what `__call__` returns."""
        return self(data)

    # ----- config and files -----

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        plain = ("crossing_dim", "hashing_dim", "num_discretization_bins")
        return {
            "features": serialize(self.features),
            "output_mode": self.output_mode,
            "crosses": serialize(self.crosses),
            **{n: getattr(self, n) for n in plain},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureSpace:
        """Return a space with this config."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        """Return the build config of each column's layer."""
        return {column: layer.get_build_config() or {} for column, layer in self.preprocessors.items()}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Create the state of the columns' layers, to be loaded from a file."""
        for column, built_for in config.items():
            layer = self.preprocessors[column]
            if built_for and not layer.built:
                layer.build_from_config(built_for)
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Save as a `.keras` file, which `graphkit.models.load_model` and Keras open."""
        from graphkit.saving import save_model

        save_model(self, filepath)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Do nothing: the columns' layers save their own."""

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Do nothing: the columns' layers load their own."""


def _layer_name(name: str | None, kind: str) -> str:
    return f"{name or auto_name(kind)}_preprocessor"


def _categories(layer: Any) -> int | None:
    """Return the number of categories that a layer outputs, None if unknown."""
    if isinstance(layer, (IntegerLookup, StringLookup)):
        return int(layer.vocabulary_size())
    if isinstance(layer, Discretization):
        return int(layer.num_bins) if layer.num_bins is not None else len(layer.bin_boundaries or ()) + 1
    if isinstance(layer, CategoryEncoding):
        return int(layer.num_tokens or 0)
    return int(layer.num_bins) if isinstance(layer, (Hashing, HashedCrossing)) else None


def _array(values: Any) -> Any:
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "US" else array


def _columns(dataset: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield (column, its batches of shape (batch, 1)) of a dict of arrays or an iterable of dicts."""
    if isinstance(dataset, Mapping):
        for name in names:
            column = _array(dataset[name])
            yield name, (_upright(column[i : i + _ADAPT_BATCH]) for i in range(0, len(column), _ADAPT_BATCH))
        return
    if hasattr(dataset, "num_batches") and hasattr(dataset, "__getitem__"):
        dataset = [dataset[i] for i in range(dataset.num_batches)]
    if not isinstance(dataset, Iterable) or isinstance(dataset, (str, bytes)):
        raise InvalidTypeError(
            "`adapt()` accepts a dict of arrays or lists, or an iterable of dicts (batches or single rows). "
            f"Received instead an object of type {type(dataset)}."
        )
    batches = list(dataset) if iter(dataset) is dataset else dataset
    for name in names:
        yield name, _batches_of(batches, name)


def _batches_of(batches: Iterable[Any], name: str) -> Iterator[Any]:
    """Yield the batches of one column; single values are collected into batches."""
    values: list[Any] = []
    for batch in batches:
        row = batch[0] if isinstance(batch, tuple) else batch
        if not isinstance(row, Mapping):
            raise InvalidTypeError(f"`adapt()` expects batches that are dicts of features, got {type(row).__name__}.")
        found = _array(row[name])
        if found.ndim:
            yield _upright(found)
            continue
        values.append(found[()])
        if len(values) == _ADAPT_BATCH:
            yield _upright(_array(values))
            values = []
    if values:
        yield _upright(_array(values))


def _upright(column: Any) -> Any:
    return column[:, None] if column.ndim == 1 else column
