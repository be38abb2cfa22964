"""The layers, by Keras' public names."""

from graphkit.layers.core import (
    Activation,
    ActivityRegularization,
    Dense,
    Dropout,
    Embedding,
    Identity,
    Masking,
)
from graphkit.layers.input_layer import Input, InputLayer
from graphkit.layers.input_spec import InputSpec
from graphkit.layers.lambda_ import Lambda, Merge, merge
from graphkit.layers.layer import Layer
from graphkit.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from graphkit.layers.normalization import BatchNormalization, LayerNormalization
