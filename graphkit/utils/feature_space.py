"""Columns of a table made into numbers for a net, each by a layer of its own: keras.utils.FeatureSpace."""

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

_HOME = "keras.src.layers.preprocessing.feature_space"  # what Keras writes into files: the classes have no public name
_ADAPT_BATCH = 32  # how Keras hands arrays to `adapt`: the bins of a Discretization depend on it


@keras_class(_HOME)
class Cross(Configurable):
    """Features whose combined values are hashed into `crossing_dim` bins; made by `FeatureSpace.cross`."""

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
    """One column: its dtype, the layer that makes numbers of it, and what becomes of them; made by `FeatureSpace.feature`."""

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
    """The values as they are, in the layer's dtype."""

    keras_registered_name = "TFDIdentity"

    def call(self, x: Any) -> Any:
        """The same."""
        return ops.cast(x, self.compute_dtype)


@keras_class(_HOME)
class TFDConcat(Layer):
    """Tensors side by side along `axis`."""

    keras_registered_name = "TFDConcat"

    def __init__(self, axis: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs: Any) -> Any:
        """The tensors side by side."""
        return ops.concatenate([ops.cast(x, self.compute_dtype) for x in xs], axis=self.axis)


@keras_class("keras.utils")
class FeatureSpace(Layer):
    """Columns of a table, each made into numbers by a layer of its own, together one vector or a dict of tensors.

    Args:
        features: name of a column -> its kind ("float", "float_normalized", "float_rescaled", "float_discretized",
            "integer_categorical", "string_categorical", "integer_hashed", "string_hashed"), or what the class method of that name
            gives: `FeatureSpace.float_discretized(num_bins=5)`.
        output_mode: "concat" for one vector a row (features by name in alphabetical order, then the crosses), "dict" for one
            tensor each.
        crosses: groups of columns whose combinations are hashed: `[("city", "day")]`, or what `FeatureSpace.cross` gives.
        crossing_dim, hashing_dim, num_discretization_bins: bins of crosses, hashed and discretized features by default.

    Call `adapt` on a dict of arrays or on batches of dicts, then the space itself on a dict of arrays, or build a model on
    `get_inputs()` and `get_encoded_features()`: it trains, is saved and is exported with the preprocessing inside.

    Raises InvalidArgumentError for what does not go together, NotBuiltError before `adapt`. Source: keras.utils.FeatureSpace.
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
        """Features whose combinations are hashed into `crossing_dim` bins."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """A feature by a layer of your own."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Numbers as they are."""
        layer = TFDIdentity(dtype="float32", name=_layer_name(name, "float"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_rescaled(cls, scale: Any = 1.0, offset: Any = 0.0, name: str | None = None) -> Feature:
        """Numbers times `scale` plus `offset`."""
        layer = Rescaling(scale, offset, name=_layer_name(name, "float_rescaled"))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Numbers with mean 0 and variance 1."""
        return Feature("float32", Normalization(axis=-1, name=_layer_name(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(
        cls, num_bins: int, bin_boundaries: Any = None, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Numbers by the bin that they fall into; the boundaries are quantiles, unless given."""
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
        """Integers by their place among those that `adapt` saw."""
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
        """Texts by their place among those that `adapt` saw."""
        layer = StringLookup(max_tokens, num_oov_indices, name=_layer_name(name, "string_categorical"))
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Texts by a hash."""
        return Feature("string", Hashing(num_bins, name=_layer_name(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Integers by a hash."""
        return Feature("int32", Hashing(num_bins, name=_layer_name(name, "integer_hashed")), output_mode)

    _BY_NAME: ClassVar[dict[str, tuple[str, ...]]] = {  # kind -> the arguments of its class method that the space has
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
        """Let the layers that learn (vocabularies, means, bins) see the data: a dict of arrays, or batches of dicts.

        Raises InvalidTypeError for another kind of data.
        """
        learning = self._learning()
        for column, batches in _columns(dataset, learning):
            self.preprocessors[column].adapt(batches)
        self._is_adapted = True
        self.get_encoded_features()

    def _learning(self) -> list[str]:
        """The columns whose layers learn, and are not given what they would learn."""
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
        """The symbolic inputs by column, each of shape (batch, 1)."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """The symbolic output: one tensor, or a dict of tensors. Raises NotBuiltError before `adapt`."""
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
        """The symbolic output, None before there is one."""
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
                f"Feature '{name}' has `output_mode='one_hot'`, but its layer {type(layer).__name__} gives {x.dtype} of an unknown "
                "number of values, so it cannot be one-hot encoded. Try another `output_mode`: 'int' or 'float'."
            )
        encoder = self.one_hot_encoders[name] = CategoryEncoding(size, output_mode="multi_hot")
        return encoder(x)

    def __call__(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """The features of a dict of arrays, (batch,) or (batch, 1) each; of single values, those of one row."""
        self.get_encoded_features()
        if not isinstance(data, Mapping):
            raise InvalidTypeError(
                f"A FeatureSpace can only be called with a dict. Received: data of type {type(data)}"
            )
        missing = [n for n in self.inputs if n not in data]
        if missing:
            raise InvalidArgumentError(
                f"FeatureSpace {self.name!r} misses the features {missing}; it got {sorted(data)}."
            )
        chosen = {n: data[n] if hasattr(data[n], "shape") else _array(data[n]) for n in self.inputs}
        single = any(len(x.shape) == 0 for x in chosen.values())
        shaped = {n: ops.reshape(x, (1, 1)) if len(x.shape) == 0 else x for n, x in chosen.items()}
        shaped = {n: ops.expand_dims(x, -1) if len(x.shape) == 1 else x for n, x in shaped.items()}
        made = self._functional(shaped)
        return nest.map_structure(lambda a: ops.squeeze(a, 0), made) if single else made

    def call(self, data: Any) -> Any:
        """What `__call__` gives."""
        return self(data)

    # ----- config and files -----

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as JSON data."""
        plain = ("crossing_dim", "hashing_dim", "num_discretization_bins")
        return {
            "features": serialize(self.features),
            "output_mode": self.output_mode,
            "crosses": serialize(self.crosses),
            **{n: getattr(self, n) for n in plain},
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FeatureSpace:
        """The space with this config."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any]:
        """What each column's layer was built for."""
        return {column: layer.get_build_config() or {} for column, layer in self.preprocessors.items()}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Make the state of the columns' layers, for a file to fill."""
        for column, built_for in config.items():
            layer = self.preprocessors[column]
            if built_for and not layer.built:
                layer.build_from_config(built_for)
        self._is_adapted = True

    def save(self, filepath: Any) -> None:
        """Write the space to a `.keras` file; `graphkit.models.load_model` opens it, and so does Keras."""
        from graphkit.saving import save_model

        save_model(self, filepath)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Nothing: the layers have their own."""

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Nothing: the layers have their own."""


def _layer_name(name: str | None, kind: str) -> str:
    return f"{name or auto_name(kind)}_preprocessor"


def _categories(layer: Any) -> int | None:
    """How many values a layer gives, where that is known."""
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
    """(column, its batches of shape (batch, 1)) of a dict of arrays, or of an iterable of dicts."""
    if isinstance(dataset, Mapping):
        for name in names:
            column = _array(dataset[name])
            yield name, (_upright(column[i : i + _ADAPT_BATCH]) for i in range(0, len(column), _ADAPT_BATCH))
        return
    if not isinstance(dataset, Iterable) or isinstance(dataset, (str, bytes)):
        raise InvalidTypeError(
            "`adapt()` takes a dict of arrays or lists, or an iterable of dicts (batches or single rows). "
            f"Received instead an object of type {type(dataset)}."
        )
    batches = list(dataset) if iter(dataset) is dataset else dataset
    for name in names:
        yield name, _batches_of(batches, name)


def _batches_of(batches: Iterable[Any], name: str) -> Iterator[Any]:
    """One column of batches of dicts; single values are put together to batches."""
    values: list[Any] = []
    for batch in batches:
        row = batch[0] if isinstance(batch, tuple) else batch
        if not isinstance(row, Mapping):
            raise InvalidTypeError(f"`adapt()` wants batches that are dicts of features, got {type(row).__name__}.")
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
