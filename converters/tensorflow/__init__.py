"""TensorFlow ops, which tf.keras wrote into its graphs as layers, as ops of Keras 3.

Such a layer is a TFOpLambda or SlicingOpLambda (tf.keras 2.4 to 2.15: the name of a TensorFlow function and its arguments), a
ClassMethod, or a TensorFlowOpLayer (2.0 to 2.3: a NodeDef and constants). `graphkit.tensorflow` defines TensorFlow's functions in
terms of graphkit.ops, with TensorFlow's names and arguments; the tables here add those of TensorFlow 1, and those that compute with
sizes. When a graph is read, they are called on its symbolic tensors, so the graph then consists of ops. The result of `tf.shape` is
known while the graph is built (`sizes`). Source: files of tf.keras, and TensorFlow's signatures.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.core.registry import did_you_mean
from graphkit.graph.operation import OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.layer import Layer
from graphkit.models.config import Expansion
from graphkit.tensorflow import pure_functions

from . import arrays, mathematics, neural, nodes
from .table import FUNCTIONS, Function, evaluated

# What the tables here do not define differently for graphs of files, `graphkit.tensorflow` defines.
for _name, _function in pure_functions().items():
    FUNCTIONS.setdefault(_name, Function(_function, inspect.signature(_function)))


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Functions of Keras, looked up in graphkit's modules by name. They are listed, since the name comes from a file, and these modules
# also have functions that read, write and download files or change settings.
_LOSSES = _names(
    "binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy "
    "categorical_hinge cosine_similarity hinge huber kl_divergence kld kullback_leibler_divergence log_cosh logcosh "
    "mae mape mean_absolute_error mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error "
    "mse msle poisson sparse_categorical_crossentropy squared_hinge"
)
_KERAS = {
    "keras.backend.": (
        "graphkit.backend",
        _names(
            "abs all any arange argmax argmin batch_dot batch_flatten batch_normalization bias_add binary_crossentropy cast "
            "cast_to_floatx categorical_crossentropy clip concatenate constant conv1d conv2d conv3d cos cumprod cumsum "
            "depthwise_conv2d dot dropout elu equal exp expand_dims eye flatten gather greater greater_equal hard_sigmoid "
            "in_test_phase in_top_k in_train_phase int_shape l2_normalize less less_equal log logsumexp max maximum mean "
            "min minimum ndim not_equal one_hot ones ones_like permute_dimensions pool2d pool3d pow prod random_bernoulli "
            "random_binomial random_normal random_uniform relu repeat repeat_elements reshape reverse round selu shape "
            "sigmoid sign sin softmax softplus softsign sparse_categorical_crossentropy spatial_2d_padding "
            "spatial_3d_padding sqrt square squeeze stack std stop_gradient sum switch tanh temporal_padding tile transpose "
            "truncated_normal var zeros zeros_like"
        ),
    ),
    "keras.activations.": (
        "graphkit.activations",
        _names(
            "elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax "
            "softplus softsign swish tanh"
        ),
    ),
    "keras.losses.": ("graphkit.losses", _LOSSES),
    "keras.metrics.": ("graphkit.losses", _LOSSES),
    "keras.utils.": ("graphkit.utils", frozenset({"normalize", "to_categorical"})),
}


class TensorFlowOp(Expansion):
    """A TensorFlow function in a graph; a call on symbolic tensors records the ops that it consists of.

    Args:
        entry: the layer's entry in a config.

    Raises:
        SerializationError: the function is unknown; names the layer and the function.
    """

    def __init__(self, entry: Mapping[str, Any]) -> None:
        super().__init__(str(entry["config"].get("name") or entry.get("name")), entry)
        self.where = f"Layer {self.name!r} ({entry['class_name']})"
        config = entry["config"]
        try:
            self.node = nodes.node_of(config) if entry["class_name"] == "TensorFlowOpLayer" else None
        except SerializationError as error:
            raise SerializationError(f"{self.where}{': ' if str(error).startswith('its') else ' '}{error}.") from None
        self.function = self._named(config) if self.node is None else None

    def _named(self, config: Mapping[str, Any]) -> str:
        name = str(config.get("function") or config.get("method_name") or config.get("attr_name"))
        short = name.removeprefix("tf.")
        known = short if short in FUNCTIONS else short.removeprefix("compat.v1.")
        if known in FUNCTIONS or _keras_function(known) is not None:
            return known
        raise SerializationError(
            f"{self.where} is TensorFlow's function tf.{short}, which graphkit cannot express in Keras' ops."
            f"{did_you_mean(short, FUNCTIONS)}"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's result, tensors or sizes; a list if there are several.

        Raises SerializationError, naming the layer, for arguments that are not supported.
        """
        try:
            made = self._evaluated(args, kwargs)
        except (GraphKitError, TypeError, ValueError, IndexError) as error:
            raise SerializationError(f"{self.where}: {error}.") from error
        self._name_result(made, args, kwargs)
        return made

    def _evaluated(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if self.node is not None:
            inputs = args[0] if len(args) == 1 and isinstance(args[0], list) else list(args)
            return nodes.evaluated_node(self.node, self.entry["config"].get("constants") or {}, inputs)
        assert self.function is not None
        if self.function in FUNCTIONS:
            return evaluated(FUNCTIONS[self.function], self.function, args, kwargs)
        return _keras_function(self.function)(*args, **{k: v for k, v in kwargs.items() if k != "name"})

    def _name_result(self, made: Any, args: Any, kwargs: Any) -> None:
        """Give the op that computes the (first) result the layer's name."""
        given = {id(t) for t in nest.flatten([list(args), dict(kwargs)])}
        for tensor in nest.flatten(made):
            if isinstance(tensor, SymbolicTensor) and id(tensor) not in given and tensor.history is not None:
                operation = tensor.history.operation
                if isinstance(operation, (OpNode, Layer)) and not self.named:
                    operation.name, self.named = self.name, True
                return


def _keras_function(name: str) -> Any:
    for start, (module, functions) in _KERAS.items():
        if name.startswith(start) and name.removeprefix(start) in functions:
            return getattr(import_module(module), name.removeprefix(start))
    return None
