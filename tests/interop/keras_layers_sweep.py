"""Put every layer through one protocol, in graphkit or in real Keras, and print what came out as JSON.

    python tests/interop/keras_layers_sweep.py keras|graphkit [TARGET.json] [PATTERN of the class] [fit]

`test_keras_layers_sweep.py` runs it in both and compares. A case is a layer with arguments, the shapes of its inputs, and what is
special about it. For each case the aspects are recorded one by one; an aspect that raises records the builtin class of its exception.
"""

from __future__ import annotations

import fnmatch
import importlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

Kwargs = dict[str, Any] | Callable[[Any], dict[str, Any]]


class Case(NamedTuple):
    """One layer with arguments.

    Attributes:
        name: of the class in `keras.layers`.
        kwargs: its arguments, or a function of the package that returns them.
        shape: of the input: a tuple, a list of tuples, or a dict of them by argument name. None: only constructed.
        kind: of the inputs: "float", "ids" (0..3), "image" (0..255), "positive", "string".
        call: further arguments of the call.
        random: whether outputs in training are random.
        free: axes whose size may be unknown, for the symbolic call.
        trains: whether one step of `fit` is compared.
    """

    name: str
    kwargs: Kwargs
    shape: Any
    kind: str = "float"
    call: Mapping[str, Any] = MappingProxyType({})
    random: bool = False
    free: tuple[int, ...] = ()
    trains: bool = True


# ----- the cases -----


def cases() -> list[Case]:
    """Return all cases."""
    return [*_core(), *_spatial(), *_recurrent(), *_attention(), *_images(), *_data()]


_L2 = "l2"
_WEIGHTED = {"kernel_initializer": "he_normal", "bias_initializer": "ones", "kernel_regularizer": "l2", "bias_regularizer": "l1",
             "activity_regularizer": "l2", "kernel_constraint": "non_neg", "bias_constraint": "max_norm"}  # fmt: skip


def _core() -> Iterator[Case]:
    flat, sequence, image = (2, 5), (2, 4, 6), (2, 5, 6, 4)
    for kwargs in (
        {},
        {"activation": "relu"},
        {"use_bias": False},
        _WEIGHTED,
        {"lora_rank": 2},
        {"lora_rank": 2, "lora_alpha": 3},
        {"trainable": False},
    ):
        yield Case("Dense", {"units": 3, **kwargs}, flat)
    yield Case("Dense", {"units": 3}, sequence, free=(1,))
    for equation, output, bias, shape in (
        ("ab,bc->ac", 7, None, (2, 5)),
        ("abc,cd->abd", (None, 7), "d", sequence),
        ("abc,cde->abde", (None, 3, 2), "de", sequence),
        ("...x,xy->...y", 4, "y", sequence),
        ("abc,cd->abd", (4, 7), "bd", sequence),
        ("ab,ab->a", (), None, (2, 5)),
        ("abcd,cde->abe", (None, 3), "e", (2, 4, 3, 2)),
    ):
        yield Case("EinsumDense", {"equation": equation, "output_shape": output, "bias_axes": bias}, shape)
    yield Case(
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (None, 7), "bias_axes": "d", "lora_rank": 2, "activation": "tanh"},
        sequence,
    )
    for kwargs in (
        {},
        {"mask_zero": True},
        {"embeddings_regularizer": "l2", "embeddings_constraint": "unit_norm"},
        {"lora_rank": 2},
    ):
        yield Case("Embedding", {"input_dim": 5, "output_dim": 3, **kwargs}, (2, 4), "ids", free=(1,))
    for kwargs in (
        {},
        {"tie_weights": False},
        {"mask_zero": True},
        {"logit_soft_cap": 5.0},
        {"reverse_dtype": "float32"},
    ):
        yield Case("ReversibleEmbedding", {"input_dim": 5, "output_dim": 3, **kwargs}, (2, 4), "ids")
        yield Case(
            "ReversibleEmbedding", {"input_dim": 5, "output_dim": 3, **kwargs}, (2, 4, 3), call={"reverse": True}
        )
    for name in ("Identity", "Masking"):
        yield Case(name, {}, sequence, free=(1,))
    yield Case("Masking", {"mask_value": 1.0}, sequence)
    yield Case("Activation", {"activation": "relu"}, sequence, free=(1,))
    yield Case("Activation", {"activation": "softmax", "activity_regularizer": "l1"}, sequence)
    yield Case("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, sequence)
    for kwargs in ({}, {"alpha": 0.5}):
        yield Case("ELU", kwargs, sequence)
    for kwargs in ({}, {"negative_slope": 0.1}):
        yield Case("LeakyReLU", kwargs, sequence)
    for kwargs in ({}, {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.2}):
        yield Case("ReLU", kwargs, sequence)
    for kwargs in (
        {},
        {"shared_axes": [1]},
        {"alpha_initializer": "ones", "alpha_regularizer": "l2", "alpha_constraint": "non_neg"},
    ):
        yield Case("PReLU", kwargs, sequence)
    for kwargs in ({}, {"axis": 1}, {"axis": [1, 2]}):
        yield Case("Softmax", kwargs, sequence)
    for name in ("Dropout", "GaussianDropout", "AlphaDropout"):
        yield Case(name, {"rate": 0.4}, sequence, random=True, free=(1,))
        yield Case(name, {"rate": 0.0, "seed": 3}, sequence)
    yield Case("Dropout", {"rate": 0.4, "noise_shape": (None, 1, 6), "seed": 3}, sequence, random=True)
    yield Case("AlphaDropout", {"rate": 0.4, "noise_shape": (2, 1, 6), "seed": 3}, sequence, random=True)
    yield Case("GaussianNoise", {"stddev": 0.4, "seed": 1}, sequence, random=True)
    yield Case("GaussianNoise", {"stddev": 0.0}, sequence)
    for rank, shape in ((1, sequence), (2, image), (3, (2, 3, 3, 3, 4))):
        yield Case(f"SpatialDropout{rank}D", {"rate": 0.5, "seed": 1}, shape, random=True)
        if rank > 1:
            yield Case(f"SpatialDropout{rank}D", {"rate": 0.5, "data_format": "channels_first"}, shape, random=True)
    yield from _normalization(flat, sequence, image)
    yield from _merging()
    yield from _reshaping(sequence, image)
    yield Case("Rescaling", {"scale": 0.5, "offset": 1.0}, sequence)
    yield Case("Rescaling", {"scale": [0.5, 1, 2, 3, 4, 5]}, sequence)
    yield Case("TimeDistributed", lambda k: {"layer": k.layers.Dense(3)}, sequence)
    yield Case("TimeDistributed", lambda k: {"layer": k.layers.Conv2D(2, 2)}, (2, 3, 5, 5, 2))
    yield Case("TimeDistributed", lambda k: {"layer": k.layers.BatchNormalization()}, sequence)
    yield Case("TimeDistributed", lambda k: {"layer": k.layers.Dropout(0.3)}, sequence, random=True)
    yield Case("SpectralNormalization", lambda k: {"layer": k.layers.Dense(3)}, flat, random=True, trains=False)
    yield Case(
        "SpectralNormalization",
        lambda k: {"layer": k.layers.Conv2D(3, 2), "power_iterations": 2},
        image,
        random=True,
        trains=False,
    )
    yield Case(
        "SpectralNormalization", lambda k: {"layer": k.layers.Embedding(5, 3)}, (2, 4), "ids", random=True, trains=False
    )
    yield Case(
        "Pipeline", lambda k: {"layers": [k.layers.Rescaling(0.5), k.layers.Activation("relu")]}, sequence, trains=False
    )


def _normalization(flat: Any, sequence: Any, image: Any) -> Iterator[Case]:
    gammas = {"beta_initializer": "ones", "gamma_initializer": "ones", "beta_regularizer": "l2",
              "gamma_regularizer": "l2", "beta_constraint": "non_neg", "gamma_constraint": "non_neg"}  # fmt: skip
    for kwargs in (
        {},
        {"axis": 1},
        {"center": False},
        {"scale": False},
        {"momentum": 0.5, "epsilon": 0.1},
        gammas,
        {"synchronized": False},
        {"moving_mean_initializer": "ones", "moving_variance_initializer": "ones"},
        {"trainable": False},
        {"renorm": True},
        {"renorm": True, "renorm_clipping": {"rmax": 1.5, "rmin": 0.5, "dmax": 2.0}, "renorm_momentum": 0.5},
    ):
        yield Case("BatchNormalization", kwargs, sequence, free=(1,) if kwargs != {"axis": 1} else ())
    yield Case("BatchNormalization", {}, image)
    for kwargs in (
        {},
        {"axis": 1},
        {"axis": [1, 2]},
        {"axis": (-2, -1)},
        {"center": False, "scale": False},
        {"epsilon": 0.1},
        gammas,
    ):
        yield Case("LayerNormalization", kwargs, sequence)
    for kwargs in ({}, {"axis": 1}, {"axis": [1, 2]}, {"epsilon": 0.1}):
        yield Case("RMSNormalization", kwargs, sequence)
    for kwargs in (
        {"groups": 2},
        {"groups": -1},
        {"groups": 1},
        {"groups": 2, "axis": 1},
        {"groups": 2, "center": False},
        {"groups": 2, "scale": False},
        {"groups": 2, **gammas},
    ):
        yield Case("GroupNormalization", kwargs, image)
    for kwargs in ({}, {"axis": 1}, {"axis": [1, 2]}):
        yield Case("UnitNormalization", kwargs, sequence)
    yield Case("Normalization", {"mean": 1.5, "variance": 4.0}, flat, trains=False)
    yield Case("Normalization", {"mean": [1.0, 2, 3, 4, 5], "variance": [4.0] * 5, "invert": True}, flat, trains=False)
    yield Case("Normalization", {"axis": None, "mean": 1.0, "variance": 2.0}, flat, trains=False)


def _merging() -> Iterator[Case]:
    shape = (2, 3, 4)
    for name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Concatenate"):
        for shapes in ([shape, shape], [shape, shape, shape]):
            yield Case(name, {}, shapes, free=(1,), trains=False)
    for name in ("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"):
        yield Case(name, {}, [(2, 3, 4), (2, 1, 4)], trains=False)
        yield Case(name, {}, [(2, 4), (2, 3, 4)], trains=False)
    yield Case("Subtract", {}, [shape, shape], trains=False)
    yield Case("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 2, 4)], trains=False)
    for kwargs, shapes in (
        ({"axes": 1}, [(2, 3, 4), (2, 3, 4)]),
        ({"axes": (2, 1)}, [(2, 3, 4), (2, 4, 5)]),
        ({"axes": -1, "normalize": True}, [(2, 4), (2, 4)]),
        ({"axes": [1, 2]}, [(2, 3, 4), (2, 5, 3)]),
    ):
        yield Case("Dot", kwargs, shapes, trains=False)


def _reshaping(sequence: Any, image: Any) -> Iterator[Case]:
    cube = (2, 4, 5, 6, 3)
    for kwargs in ({}, {"data_format": "channels_first"}):
        yield Case("Flatten", kwargs, image)
    yield Case("Flatten", {}, (2, 5))
    yield Case("Permute", {"dims": (2, 1)}, sequence)
    yield Case("Permute", {"dims": (3, 1, 2)}, image)
    yield Case("RepeatVector", {"n": 3}, (2, 5))
    for target in ((6, 4), (-1,), (2, -1, 2), (8, 3)):
        yield Case("Reshape", {"target_shape": target}, sequence)
    yield Case("Reshape", {"target_shape": (-1, 3)}, sequence, free=(1,))
    for cropping in (1, (0, 2)):
        yield Case("Cropping1D", {"cropping": cropping}, (2, 5, 3))
    for cropping in (1, (1, 2), ((0, 1), (2, 0))):
        yield Case("Cropping2D", {"cropping": cropping}, image)
        yield Case("Cropping2D", {"cropping": cropping, "data_format": "channels_first"}, (2, 3, 6, 7))
        yield Case("ZeroPadding2D", {"padding": cropping}, image, free=(1, 2))
        yield Case("ZeroPadding2D", {"padding": cropping, "data_format": "channels_first"}, image)
    for cropping in (1, (1, 0, 1), ((0, 1), (1, 0), (1, 1))):
        yield Case("Cropping3D", {"cropping": cropping}, cube)
        yield Case("ZeroPadding3D", {"padding": cropping}, cube)
    for padding in (1, (0, 2)):
        yield Case("ZeroPadding1D", {"padding": padding}, sequence, free=(1,))
    yield Case("ZeroPadding1D", {"padding": 2, "data_format": "channels_first"}, sequence)
    yield Case("UpSampling1D", {"size": 3}, sequence, free=(1,))
    for kwargs in (
        {},
        {"size": 3},
        {"size": (2, 3)},
        {"interpolation": "bilinear"},
        {"interpolation": "bicubic"},
        {"data_format": "channels_first"},
    ):
        yield Case(
            "UpSampling2D",
            kwargs,
            image,
            free=(1, 2) if "interpolation" not in kwargs and "data_format" not in kwargs else (),
        )
    yield Case("UpSampling3D", {}, cube)
    yield Case("UpSampling3D", {"size": (1, 2, 3), "data_format": "channels_first"}, cube)


def _spatial() -> Iterator[Case]:
    shapes: dict[int, tuple[int, ...]] = {1: (2, 8, 4), 2: (2, 8, 7, 4), 3: (2, 6, 5, 6, 4)}
    for rank, shape in shapes.items():
        free = (1,) if rank == 1 else (1, 2)
        first = (shape[0], shape[-1], *shape[1:-1])
        convs: list[dict[str, Any]] = [
            {},
            {"strides": 2},
            {"padding": "same"},
            {"padding": "same", "strides": 2},
            {"dilation_rate": 2},
            {"groups": 2},
            {"use_bias": False},
            {"activation": "relu"},
            _WEIGHTED,
        ]
        if rank == 1:
            convs += [{"padding": "causal"}, {"padding": "causal", "dilation_rate": 2}]
        for kwargs in convs if rank < 3 else convs[:7]:
            yield Case(f"Conv{rank}D", {"filters": 4, "kernel_size": 3 if rank < 3 else 2, **kwargs}, shape, free=free)
        yield Case(
            f"Conv{rank}D", {"filters": 4, "kernel_size": 2, "data_format": "channels_first"}, first, trains=False
        )
        for kwargs in (
            {},
            {"strides": 2},
            {"padding": "same"},
            {"padding": "same", "strides": 2},
            {"strides": 2, "output_padding": 1},
            {"dilation_rate": 2},
            {"use_bias": False, "activation": "tanh"},
            _WEIGHTED,
        ):
            yield Case(
                f"Conv{rank}DTranspose", {"filters": 3, "kernel_size": 3 if rank < 3 else 2, **kwargs}, shape, free=free
            )
        for name in ("MaxPooling", "AveragePooling"):
            for kwargs in (
                {"pool_size": 2},
                {"pool_size": 2, "strides": 1},
                {"pool_size": 3, "padding": "same"},
                {"pool_size": 3, "strides": 2, "padding": "same"},
            ):
                yield Case(f"{name}{rank}D", kwargs, shape, free=free)
            yield Case(f"{name}{rank}D", {"pool_size": 2, "data_format": "channels_first"}, first, trains=False)
        for name in ("GlobalMaxPooling", "GlobalAveragePooling"):
            for kwargs in ({}, {"keepdims": True}, {"data_format": "channels_first"}):
                yield Case(f"{name}{rank}D", kwargs, shape, free=(1,))
        for name in ("AdaptiveMaxPooling", "AdaptiveAveragePooling"):
            yield Case(f"{name}{rank}D", {"output_size": 3}, shape)
            yield Case(f"{name}{rank}D", {"output_size": 2, "data_format": "channels_first"}, first, trains=False)
            if rank > 1:
                yield Case(f"{name}{rank}D", {"output_size": (2, 3, 4)[:rank]}, shape)
        if rank < 3:
            for kwargs in (
                {},
                {"strides": 2},
                {"padding": "same"},
                {"depth_multiplier": 2},
                {"dilation_rate": 2},
                {"use_bias": False, "activation": "relu"},
            ):
                yield Case(f"DepthwiseConv{rank}D", {"kernel_size": 3, **kwargs}, shape, free=free)
                yield Case(f"SeparableConv{rank}D", {"filters": 5, "kernel_size": 3, **kwargs}, shape, free=free)
        yield from _conv_lstm(rank)
    for name in ("Conv1D", "Conv2D", "Conv3D"):
        yield Case(name, {"filters": 4, "kernel_size": 2, "name": "lora"}, shapes[int(name[4])], call={"_lora": 2})


def _conv_lstm(rank: int) -> Iterator[Case]:
    shape = (2, 3, *(4, 5, 4)[:rank], 2)
    for kwargs in (
        {},
        {"return_sequences": True},
        {"return_state": True},
        {"go_backwards": True, "padding": "same"},
        {"use_bias": False},
        {"unit_forget_bias": False, "strides": 2},
        {"return_sequences": True, "return_state": True},
        {"dropout": 0.2, "recurrent_dropout": 0.2},
    ):
        if rank < 3 or len(kwargs) < 2:
            yield Case(
                f"ConvLSTM{rank}D",
                {"filters": 2, "kernel_size": 2, **kwargs},
                shape,
                random="dropout" in kwargs,
                trains=rank < 3,
            )


def _recurrent() -> Iterator[Case]:
    shape = (2, 4, 3)
    common: list[dict[str, Any]] = [
        {},
        {"return_sequences": True},
        {"return_state": True},
        {"return_sequences": True, "return_state": True},
        {"go_backwards": True},
        {"go_backwards": True, "return_sequences": True},
        {"unroll": True},
        {"stateful": True},
        {"use_bias": False},
        {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 1},
        {"activation": "relu"},
        {**_WEIGHTED, "recurrent_regularizer": "l2"},
    ]
    for name, more in (
        ("SimpleRNN", []),
        ("LSTM", [{"unit_forget_bias": False}, {"recurrent_activation": "tanh"}]),
        ("GRU", [{"reset_after": False}]),
    ):
        for kwargs in (*common, *more):
            yield Case(
                name,
                {"units": 3, **kwargs},
                shape,
                random="dropout" in kwargs,
                free=(1,) if not kwargs.get("unroll") else (),
            )
        yield Case(name, {"units": 3}, shape, "ids")
        for kwargs in ({}, {"use_bias": False}, {"dropout": 0.2, "recurrent_dropout": 0.1, "seed": 2}):
            yield Case(f"{name}Cell", {"units": 3, **kwargs}, None)
    for kwargs in (
        {},
        {"return_sequences": True, "return_state": True},
        {"zero_output_for_mask": True, "return_sequences": True},
        {"unroll": True},
        {"go_backwards": True},
    ):
        yield Case("RNN", lambda k, kw=kwargs: {"cell": k.layers.LSTMCell(3), **kw}, shape)
        yield Case("RNN", lambda k, kw=kwargs: {"cell": [k.layers.GRUCell(3), k.layers.SimpleRNNCell(2)], **kw}, shape)
    yield Case("RNN", lambda k: {"cell": k.layers.StackedRNNCells([k.layers.LSTMCell(3), k.layers.LSTMCell(2)])}, shape)
    yield Case("StackedRNNCells", lambda k: {"cells": [k.layers.LSTMCell(3), k.layers.GRUCell(2)]}, None)
    for mode in ("concat", "sum", "mul", "ave", None):
        yield Case(
            "Bidirectional",
            lambda k, m=mode: {"layer": k.layers.LSTM(3, return_sequences=True), "merge_mode": m},
            shape,
            free=(1,),
            trains=mode is not None,
        )
    yield Case("Bidirectional", lambda k: {"layer": k.layers.GRU(3)}, shape)
    yield Case("Bidirectional", lambda k: {"layer": k.layers.SimpleRNN(3, return_state=True)}, shape, trains=False)
    yield Case(
        "Bidirectional",
        lambda k: {"layer": k.layers.LSTM(3), "backward_layer": k.layers.LSTM(2, go_backwards=True)},
        shape,
    )
    yield Case("Bidirectional", lambda k: {"layer": k.layers.RNN(k.layers.GRUCell(2))}, shape)


def _attention() -> Iterator[Case]:
    pair, triple = [(2, 3, 4), (2, 5, 4)], [(2, 3, 4), (2, 5, 4), (2, 5, 4)]
    for name in ("Attention", "AdditiveAttention"):
        for kwargs in ({}, {"use_scale": True}, {"use_scale": False}, {"dropout": 0.3}):
            yield Case(name, kwargs, pair, random="dropout" in kwargs, trains=False)
        yield Case(name, {}, triple, trains=False)
        yield Case(name, {}, pair, call={"return_attention_scores": True}, trains=False)
    yield Case("Attention", {"score_mode": "concat"}, pair, trains=False)
    yield Case("Attention", {}, [(2, 3, 4), (2, 3, 4)], call={"use_causal_mask": True}, trains=False)
    query = {"query": (2, 3, 4), "value": (2, 5, 4)}
    for kwargs in (
        {},
        {"value_dim": 3},
        {"use_bias": False},
        {"output_shape": 5},
        {"output_shape": (2, 3)},
        {"dropout": 0.2, "seed": 1},
        {"kernel_regularizer": "l2", "bias_regularizer": "l2", "kernel_initializer": "he_normal"},
        {"use_gate": True},
        {"flash_attention": False},
    ):
        yield Case(
            "MultiHeadAttention",
            {"num_heads": 2, "key_dim": 3, **kwargs},
            query,
            random="dropout" in kwargs,
            trains=False,
        )
    yield Case("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, {**query, "key": (2, 5, 6)}, trains=False)
    yield Case(
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "attention_axes": (1, 2)},
        {"query": (2, 3, 2, 4), "value": (2, 3, 2, 4)},
        trains=False,
    )
    yield Case(
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        query,
        call={"return_attention_scores": True},
        trains=False,
    )
    yield Case(
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3},
        {"query": (2, 3, 4), "value": (2, 3, 4)},
        call={"use_causal_mask": True},
        trains=False,
    )
    yield Case(
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "sliding_window": 2},
        {"query": (2, 5, 4), "value": (2, 5, 4)},
        trains=False,
    )
    for kwargs in ({}, {"use_bias": False}, {"dropout": 0.2}, {"use_gate": True}, {"sliding_window": 2}):
        yield Case(
            "GroupQueryAttention",
            {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2, **kwargs},
            {"query": (2, 5, 4), "value": (2, 5, 4)},
            random="dropout" in kwargs,
            trains=False,
        )
    yield Case(
        "GroupQueryAttention",
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
        query,
        call={"return_attention_scores": True},
        trains=False,
    )


def _images() -> Iterator[Case]:
    shape = (2, 6, 8, 3)
    layers: dict[str, list[dict[str, Any]]] = {
        "AugMix": [{}, {"all_ops": False}],
        "AutoContrast": [{}, {"value_range": (0, 100)}],
        "CenterCrop": [{"height": 4, "width": 5}, {"height": 8, "width": 4}],
        "ContrastLimitedAdaptiveHistogramEqualization": [{"tile_grid_size": (2, 2)}],
        "CutMix": [{}, {"factor": (0.2, 0.5)}],
        "Equalization": [{}, {"bins": 8}],
        "MaxNumBoundingBoxes": [{"max_number": 3}],
        "MixUp": [{}, {"alpha": 0.5}],
        "RandAugment": [{}, {"num_ops": 3, "factor": 0.3}],
        "RandomBrightness": [{"factor": 0.2}, {"factor": (0.1, 0.3), "value_range": [0, 100]}],
        "RandomColorDegeneration": [{"factor": 0.3}],
        "RandomColorJitter": [{}, {"brightness_factor": 0.2, "hue_factor": 0.1}],
        "RandomContrast": [{"factor": 0.3}, {"factor": (0.2, 0.4)}],
        "RandomCrop": [{"height": 4, "width": 5, "seed": 1}],
        "RandomElasticTransform": [{}],
        "RandomErasing": [{}, {"scale": 0.5, "fill_value": 3.0}],
        "RandomFlip": [{}, {"mode": "horizontal", "seed": 1}, {"data_format": "channels_first"}],
        "RandomGaussianBlur": [{}, {"kernel_size": (3, 5), "sigma": 0.5}],
        "RandomGrayscale": [{}, {"factor": 1.0}],
        "RandomHue": [{"factor": 0.2}],
        "RandomInvert": [{}],
        "RandomPerspective": [{}, {"scale": 0.3}],
        "RandomPosterization": [{"factor": 4}, {"factor": (2, 6)}],
        "RandomRotation": [{"factor": 0.2}, {"factor": (-0.1, 0.3), "fill_mode": "constant"}],
        "RandomSaturation": [{"factor": 0.2}],
        "RandomSharpness": [{"factor": 0.2}],
        "RandomShear": [{}, {"x_factor": (0.1, 0.3), "y_factor": (0.1, 0.2)}],
        "RandomTranslation": [{"height_factor": 0.2, "width_factor": (-0.1, 0.1)}],
        "RandomZoom": [{"height_factor": 0.2}, {"height_factor": 0.2, "width_factor": 0.1}],
        "Resizing": [
            {"height": 4, "width": 5},
            {"height": 4, "width": 5, "interpolation": "nearest"},
            {"height": 4, "width": 5, "crop_to_aspect_ratio": True},
            {"height": 4, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 2.0},
            {"height": 4, "width": 5, "antialias": True},
        ],
        "Solarization": [{}, {"addition_factor": 0.2, "threshold_factor": (0.1, 0.3)}],
    }
    plain = (
        "AutoContrast",
        "CenterCrop",
        "Equalization",
        "MaxNumBoundingBoxes",
        "Resizing",
        "ContrastLimitedAdaptiveHistogramEqualization",
    )
    for name, variants in layers.items():
        for kwargs in variants:
            yield Case(name, kwargs, shape, "image", random=name not in plain, trains=False)
        yield Case(
            name,
            {**variants[0], "bounding_box_format": "xyxy"} if name not in plain[:1] else variants[0],
            shape[1:],
            "image",
            random=name not in plain,
            trains=False,
        )
        yield Case(name, variants[0], shape, "bytes", random=name not in plain, trains=False)


def _data() -> Iterator[Case]:
    for mode in ("multi_hot", "one_hot", "count"):
        yield Case("CategoryEncoding", {"num_tokens": 4, "output_mode": mode}, (2, 3), "ids", trains=False)
        yield Case("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.5], "output_mode": mode}, (2, 3), trains=False)
    yield Case("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.5]}, (2, 3), trains=False)
    yield Case("Hashing", {"num_bins": 5}, (2, 3), "ids", trains=False)
    yield Case("HashedCrossing", {"num_bins": 5}, [(2, 1), (2, 1)], "ids", trains=False)
    for kwargs in ({}, {"num_oov_indices": 2}, {"output_mode": "multi_hot"}, {"output_mode": "count"}):
        yield Case("IntegerLookup", {"vocabulary": [1, 2, 3], **kwargs}, (2, 3), "ids", trains=False)
    yield Case("StringLookup", {"vocabulary": ["a", "b"]}, None)
    yield Case("TextVectorization", {"vocabulary": ["a", "b"]}, None)
    yield Case("MelSpectrogram", {"fft_length": 32, "sequence_stride": 8, "num_mel_bins": 4}, (2, 80), trains=False)
    for mode in ("log", "magnitude", "real", "angle", "stft"):
        yield Case("STFTSpectrogram", {"mode": mode, "frame_length": 16}, (2, 60, 2), trains=False)
    yield Case(
        "STFTSpectrogram", {"frame_length": 16, "expand_dims": True, "padding": "same"}, (2, 60, 2), trains=False
    )
    for kwargs in (
        {"shape": (3,)},
        {"shape": (3,), "batch_size": 2, "dtype": "int32"},
        {"batch_shape": (2, 3)},
        {"shape": (None, 3), "optional": True},
    ):
        yield Case("InputLayer", kwargs, None)
    yield Case("Lambda", lambda k: {"function": k.ops.square}, (2, 3))
    yield Case("Wrapper", lambda k: {"layer": k.layers.Dense(2)}, None)
    yield Case("Layer", {}, None)


_ALWAYS_TRAINED = (
    "BatchNormalization",
    "PReLU",
    "ReversibleEmbedding",
)  # of the others, only the first case is trained

# What must be refused: class, arguments, and, where the call refuses, the shape.
# fmt: off
WRONG: list[tuple[str, dict[str, Any], Any]] = [
    ("Dense", {"units": 0}, None), ("Dense", {"units": -1}, None), ("Dense", {"units": "a"}, None),
    ("Dense", {"units": 2, "activation": "foo"}, None), ("Dense", {"units": 2, "foo": 3}, None),
    ("Dense", {"units": 2, "kernel_initializer": "foo"}, None), ("Dense", {"units": 2, "kernel_regularizer": "foo"}, None),
    ("Dense", {"units": 2, "kernel_constraint": "foo"}, None), ("Dense", {"units": 2, "dtype": "foo"}, None),
    ("Dense", {"units": 2, "lora_rank": 0}, None), ("Dense", {"units": 2}, (2, None)), ("Dense", {"units": 2}, (2,)),
    ("EinsumDense", {"equation": "ab->ac", "output_shape": 3}, (2, 3)),
    ("EinsumDense", {"equation": "ab,bc,cd->ad", "output_shape": 3}, (2, 3)),
    ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 3, "bias_axes": "x"}, (2, 3)),
    ("EinsumDense", {"equation": "abc,bd->ad...", "output_shape": 3}, (2, 3, 4)),
    ("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 3, "lora_rank": 0}, None),
    ("Embedding", {"input_dim": 3, "output_dim": 2, "lora_rank": 0}, None), ("Conv2D", {"filters": 0, "kernel_size": 2}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 0}, None), ("Conv2D", {"filters": 3, "kernel_size": (2, 0)}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "strides": 0}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "groups": 2}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "foo"}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "causal"}, None),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "strides": 2, "dilation_rate": 2}, None),
    ("Conv2D", {"filters": 3, "kernel_size": (2, 2, 2)}, None), ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 0}, None),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "data_format": "foo"}, None),
    ("Conv2D", {"filters": 4, "kernel_size": 2}, (2, 5, 5)), ("Conv2D", {"filters": 4, "kernel_size": 2}, (2, 5, 5, None)),
    ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2}, (2, 5, 5, 3)),
    ("Conv2D", {"filters": 4, "kernel_size": 9}, (2, 5, 5, 3)), ("Conv2DTranspose", {"filters": 0, "kernel_size": 2}, None),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 0}, None),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "padding": "causal"}, None),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2}, None),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "output_padding": 3}, (2, 5, 5, 3)),
    ("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 0}, None), ("DepthwiseConv2D", {"kernel_size": 0}, None),
    ("DepthwiseConv2D", {"kernel_size": 2, "strides": 0}, None),
    ("DepthwiseConv2D", {"kernel_size": 2, "strides": 2, "dilation_rate": 2}, None),
    ("SeparableConv2D", {"filters": 0, "kernel_size": 2}, None),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "depth_multiplier": 0}, None),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2, "strides": 2, "dilation_rate": 2}, None),
    ("MaxPooling2D", {"pool_size": 0}, None), ("MaxPooling2D", {"pool_size": 2, "padding": "causal"}, None),
    ("MaxPooling2D", {"pool_size": 2, "strides": 0}, None), ("AveragePooling1D", {"pool_size": 2, "padding": "foo"}, None),
    ("MaxPooling2D", {"pool_size": 2}, (2, 5, 5)), ("AdaptiveAveragePooling1D", {"output_size": 0}, None),
    ("AdaptiveAveragePooling1D", {"output_size": "a"}, None), ("AdaptiveAveragePooling2D", {"output_size": (2,)}, None),
    ("AdaptiveAveragePooling2D", {"output_size": (2, 0)}, None),
    ("AdaptiveMaxPooling2D", {"output_size": 2, "data_format": "foo"}, None),
    ("AdaptiveMaxPooling1D", {"output_size": (2, 2)}, None), ("GlobalMaxPooling2D", {"data_format": "foo"}, None),
    ("UpSampling2D", {"interpolation": "foo"}, None), ("UpSampling2D", {"size": (1, 2, 3)}, None),
    ("UpSampling2D", {"data_format": "foo"}, None), ("UpSampling3D", {"size": (1, 2)}, None),
    ("ZeroPadding2D", {"padding": (1, 2, 3)}, None), ("ZeroPadding2D", {"padding": -1}, None),
    ("ZeroPadding2D", {"padding": "a"}, None), ("ZeroPadding1D", {"padding": (1, 2, 3)}, None),
    ("ZeroPadding1D", {"padding": "a"}, None), ("ZeroPadding3D", {"padding": (1, 2)}, None),
    ("ZeroPadding3D", {"padding": None}, None), ("ZeroPadding2D", {"padding": None}, None),
    ("Cropping1D", {"cropping": (1, 2, 3)}, None), ("Cropping1D", {"cropping": None}, None),
    ("Cropping1D", {"cropping": 3}, (2, 5, 3)), ("Cropping2D", {"cropping": (1, 2, 3)}, None),
    ("Cropping2D", {"cropping": None}, None), ("Cropping2D", {"cropping": -1}, None),
    ("Cropping2D", {"cropping": 3}, (2, 5, 5, 3)), ("Cropping3D", {"cropping": None}, None),
    ("Cropping3D", {"cropping": 3}, (2, 5, 5, 5, 3)), ("RepeatVector", {"n": "a"}, None), ("RepeatVector", {"n": 2}, (2, 3, 4)),
    ("Reshape", {"target_shape": (5, 5)}, (2, 3, 4)), ("Reshape", {"target_shape": (-1, -1)}, (2, 3, 4)),
    ("Permute", {"dims": (1, 3)}, None), ("Permute", {"dims": (0, 1)}, None), ("Permute", {"dims": (1, 2)}, (2, 3, 4, 5)),
    ("Flatten", {"data_format": "foo"}, None), ("Dropout", {"rate": 2.0}, None), ("Dropout", {"rate": -0.1}, None),
    ("Dropout", {"rate": "a"}, None), ("Dropout", {"rate": 0.1, "noise_shape": (1, -2)}, None),
    ("Dropout", {"rate": 0.1, "noise_shape": "a"}, None), ("Dropout", {"rate": 0.1, "noise_shape": (1.5, 2)}, None),
    ("Dropout", {"rate": 0.1, "noise_shape": 3}, None), ("AlphaDropout", {"rate": 2}, None),
    ("GaussianDropout", {"rate": 1.5}, None), ("GaussianNoise", {"stddev": 1.5}, None), ("GaussianNoise", {"stddev": -1}, None),
    ("SpatialDropout1D", {"rate": 2}, None), ("SpatialDropout2D", {"rate": 0.1, "data_format": "foo"}, None),
    ("ELU", {"alpha": None}, None), ("LeakyReLU", {"negative_slope": None}, None), ("LeakyReLU", {"negative_slope": -1}, None),
    ("LeakyReLU", {"alpha": 1, "foo": 1}, None), ("ReLU", {"max_value": -1}, None), ("ReLU", {"negative_slope": -1}, None),
    ("ReLU", {"negative_slope": None}, None), ("ReLU", {"threshold": None}, None), ("ReLU", {"threshold": -1}, None),
    ("BatchNormalization", {"axis": 1.5}, None), ("BatchNormalization", {"momentum": "a"}, None),
    ("BatchNormalization", {"renorm": True, "renorm_clipping": {"foo": 1}}, None), ("BatchNormalization", {"axis": 5}, (2, 3)),
    ("LayerNormalization", {"axis": "a"}, None), ("LayerNormalization", {"axis": [1, "a"]}, None),
    ("LayerNormalization", {"axis": 7}, (2, 3)), ("GroupNormalization", {"groups": 3}, (2, 5, 4)),
    ("GroupNormalization", {"groups": 8}, (2, 5, 4)), ("UnitNormalization", {"axis": {"a": 1}}, None),
    ("UnitNormalization", {"axis": "a"}, None), ("RMSNormalization", {"axis": "a"}, (2, 3)),
    ("Normalization", {"mean": 1.0}, None), ("Normalization", {"axis": 5}, (2, 3)),
    ("SpectralNormalization", {"layer": 3}, None), ("Wrapper", {"layer": 3}, None), ("TimeDistributed", {"layer": 3}, None),
    ("Bidirectional", {"layer": 3}, None), ("Bidirectional", {"layer": 3, "merge_mode": "foo"}, None),
    ("RNN", {"cell": 3}, None), ("LSTM", {"units": 0}, None), ("GRU", {"units": -1}, None), ("SimpleRNN", {"units": 0}, None),
    ("LSTMCell", {"units": 0}, None), ("GRUCell", {"units": 0}, None), ("SimpleRNNCell", {"units": 0}, None),
    ("LSTM", {"units": 2}, (2, 3)), ("LSTM", {"units": 2, "time_major": True}, None),
    ("LSTM", {"units": 2, "implementation": 5}, None), ("ConvLSTM2D", {"filters": 0, "kernel_size": 2}, None),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 0}, None), ("ConvLSTM2D", {"filters": 2, "kernel_size": 2}, (2, 3, 4, 4)),
    ("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "padding": "foo"}, None),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "output_shape": 8.0}, None),
    ("MultiHeadAttention", {"num_heads": 0, "key_dim": 3}, None), ("MultiHeadAttention", {"num_heads": 2, "key_dim": 0}, None),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "attention_axes": "a"}, None),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "flash_attention": "a"}, None),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "sliding_window": 0}, None),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 3, "num_key_value_heads": 2}, None),
    ("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2, "sliding_window": 0}, None),
    ("Attention", {"score_mode": "foo"}, None), ("Attention", {"score_mode": "scaled_dot"}, None), ("Attention", {}, (2, 3, 4)),
    ("Attention", {"dropout": 2}, None), ("AdditiveAttention", {"dropout": 2}, None), ("Attention", {}, [(2, 3, 4)]),
    ("Attention", {}, [(2, 3, 4), (2, 3, 4), (2, 3, 4), (2, 3, 4)]), ("Add", {}, (2, 3)), ("Add", {}, [(2, 3)]),
    ("Add", {}, [(2, 3), (2, 4)]), ("Subtract", {}, [(2, 3), (2, 3), (2, 3)]),
    ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 3, 5)]), ("Concatenate", {}, [(2, 3)]),
    ("Concatenate", {"axis": 3}, [(2, 3), (2, 3)]), ("Concatenate", {}, (2, 3)), ("Dot", {"axes": "a"}, None),
    ("Dot", {"axes": (1, 2, 3)}, None), ("Dot", {"axes": (1, "a")}, None), ("Dot", {"axes": 1}, [(2, 3), (2, 4)]),
    ("Dot", {"axes": 1}, [(2, 3)]), ("Dot", {"axes": 1}, (2, 3)), ("Masking", {"foo": 1}, None),
    ("Activation", {"activation": "foo"}, None), ("Identity", {"foo": 1}, None), ("Lambda", {"function": 3}, None),
    ("InputLayer", {}, None), ("InputLayer", {"shape": (2,), "batch_shape": (2, 2)}, None),
    ("InputLayer", {"batch_size": 2, "batch_shape": (2, 2)}, None), ("InputLayer", {"shape": "a"}, None),
    ("InputLayer", {"shape": (-1,)}, None), ("InputLayer", {"shape": (2.5,)}, None), ("InputLayer", {"input_tensor": 3}, None),
    ("InputLayer", {"shape": (2,), "sparse": True, "ragged": True}, None), ("InputLayer", {"shape": (2,), "foo": 2}, None),
    ("CategoryEncoding", {"num_tokens": None}, None), ("CategoryEncoding", {"num_tokens": 0}, None),
    ("CategoryEncoding", {"num_tokens": 3, "output_mode": "foo"}, None), ("CategoryEncoding", {"output_mode": "foo"}, None),
    ("Discretization", {}, None), ("Discretization", {"num_bins": 3, "bin_boundaries": [1.0]}, None),
    ("Discretization", {"num_bins": -1}, None), ("Discretization", {"num_bins": 3, "output_mode": "foo"}, None),
    ("Discretization", {"bin_boundaries": [1.0], "sparse": True}, None), ("Hashing", {"num_bins": None}, None),
    ("Hashing", {"num_bins": -1}, None), ("Hashing", {"num_bins": 2, "salt": "a"}, None),
    ("Hashing", {"num_bins": 2, "output_mode": "foo"}, None), ("HashedCrossing", {"num_bins": 0}, None),
    ("HashedCrossing", {"num_bins": 2, "output_mode": "foo"}, None), ("StringLookup", {"max_tokens": 1}, None),
    ("StringLookup", {"num_oov_indices": -1}, None), ("StringLookup", {"output_mode": "foo"}, None),
    ("StringLookup", {"vocabulary": ["a", "a"]}, None),
    ("StringLookup", {"vocabulary": ["a"], "invert": True, "output_mode": "count"}, None),
    ("StringLookup", {"idf_weights": [1.0]}, None), ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf"}, None),
    ("StringLookup", {"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0]}, None),
    ("IntegerLookup", {"vocabulary": ["a"]}, None), ("IntegerLookup", {"vocabulary": [1], "vocabulary_dtype": "float32"}, None),
    ("IntegerLookup", {"vocabulary": [1], "oov_method": "foo"}, None), ("TextVectorization", {"standardize": "foo"}, None),
    ("TextVectorization", {"split": "foo"}, None), ("TextVectorization", {"output_mode": "foo"}, None),
    ("TextVectorization", {"ngrams": "a"}, None), ("TextVectorization", {"output_sequence_length": 0}, None),
    ("TextVectorization", {"output_sequence_length": 2, "output_mode": "count"}, None),
    ("TextVectorization", {"ragged": True, "output_mode": "count"}, None),
    ("MelSpectrogram", {"fft_length": 8, "sequence_length": 9}, None), ("STFTSpectrogram", {"mode": "foo"}, None),
    ("STFTSpectrogram", {"padding": "foo"}, None), ("STFTSpectrogram", {"scaling": "foo"}, None),
    ("STFTSpectrogram", {"frame_length": 0}, None), ("STFTSpectrogram", {"frame_length": 8, "frame_step": 9}, None),
    ("STFTSpectrogram", {"frame_length": 8, "fft_length": 4}, None), ("STFTSpectrogram", {"window": "foo"}, None),
    ("STFTSpectrogram", {"frame_length": 8, "frame_step": 0}, None),
    ("Resizing", {"height": 2, "width": 2, "interpolation": "foo"}, None),
    ("Resizing", {"height": 2, "width": 2, "data_format": "foo"}, None), ("RandomFlip", {"mode": "foo"}, None),
    ("RandomRotation", {"factor": 3}, None), ("RandomRotation", {"factor": "a"}, None),
    ("RandomRotation", {"factor": 0.1, "fill_mode": "foo"}, None),
    ("RandomRotation", {"factor": 0.1, "interpolation": "foo"}, None),
    ("RandomTranslation", {"height_factor": 2, "width_factor": 0.1}, None),
    ("RandomTranslation", {"height_factor": (0.1, 2), "width_factor": 0.1}, None),
    ("RandomTranslation", {"height_factor": (0.1,), "width_factor": 0.1}, None), ("RandomZoom", {"height_factor": -1.0}, None),
    ("RandomZoom", {"height_factor": 0.1, "fill_mode": "foo"}, None), ("RandomShear", {"x_factor": -0.1}, None),
    ("RandomShear", {"x_factor": 2}, None), ("RandomShear", {"x_factor": 0.1, "interpolation": "foo"}, None),
    ("RandomPerspective", {"scale": 2}, None), ("RandomPerspective", {"factor": 2}, None),
    ("RandomPerspective", {"interpolation": "foo"}, None), ("RandomBrightness", {"factor": 2}, None),
    ("RandomBrightness", {"factor": 0.1, "value_range": 3}, None),
    ("RandomBrightness", {"factor": 0.1, "value_range": (1, 2, 3)}, None), ("RandomBrightness", {"factor": "a"}, None),
    ("RandomBrightness", {"factor": (0.1, 0.2, 0.3)}, None), ("RandomContrast", {"factor": 2}, None),
    ("RandomContrast", {"factor": -0.5}, None), ("RandomGaussianBlur", {"kernel_size": 2}, None),
    ("RandomGaussianBlur", {"kernel_size": (3, 3, 3)}, None), ("RandomGaussianBlur", {"sigma": 2}, None),
    ("RandomGrayscale", {"factor": 2}, None), ("RandomPosterization", {"factor": 9}, None),
    ("RandomPosterization", {"factor": 0}, None), ("RandomErasing", {"scale": 2}, None), ("RandomErasing", {"factor": 2}, None),
    ("RandomElasticTransform", {"scale": 2}, None), ("RandomElasticTransform", {"fill_mode": "foo"}, None),
    ("Solarization", {"addition_factor": 2}, None), ("Solarization", {"threshold_factor": "a"}, None),
    ("RandAugment", {"factor": 2}, None), ("AugMix", {"factor": 2}, None), ("CutMix", {"factor": 2}, None),
    ("RandomHue", {"factor": 2}, None), ("RandomSharpness", {"factor": 2}, None), ("RandomSaturation", {"factor": 2}, None),
    ("RandomInvert", {"factor": 2}, None), ("RandomColorDegeneration", {"factor": 2}, None),
    ("AutoContrast", {"value_range": 3}, None), ("Equalization", {"value_range": 3}, None), ("RandomFlip", {}, (3, 4)),
    ("RandomCrop", {"height": 2, "width": 2}, (2, None, None, 3)), ("StackedRNNCells", {"cells": [3]}, None),
    ("PReLU", {"alpha_initializer": "foo"}, None), ("Softmax", {"axis": "a"}, (2, 3)),
    ("Embedding", {"input_dim": 3, "output_dim": 2, "foo": 3}, None), ("Layer", {"foo": 3}, None), ("Layer", {"name": 3}, None),
    ("Layer", {"name": "a/b"}, None), ("Layer", {"dtype": "foo"}, None), ("Pipeline", {"layers": 3}, None),
]
# fmt: on


# ----- running a case -----


class Aspects:
    """Records what came out of each aspect of a case."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def record(self, name: str, compute: Callable[[], Any]) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made = compute()
        except Exception as error:
            self.found[name] = _error(error)
            self.found[f"~{name}"] = f"{type(error).__name__}: {error}"[:300]
            return None
        self.found[name] = made
        return made


def _error(error: BaseException) -> str:
    known = [
        c.__name__
        for c in type(error).__mro__
        if c.__module__ == "builtins" and c not in (object, BaseException, Exception)
    ]
    return "raises " + ("|".join(known) or "Exception")


def _inputs(case: Case, kit: Any) -> Any:
    random = np.random.default_rng(3)

    def one(shape: tuple[int, ...]) -> Any:
        if case.kind == "ids":
            return random.integers(0, 4, shape).astype("int32")
        if case.kind == "bytes":
            return random.integers(0, 256, shape).astype("uint8")
        scale = {"image": (0, 255), "float": (-1, 1), "positive": (0, 1)}[case.kind]
        return random.uniform(*scale, shape).astype("float32")

    return _mapped(one, case.shape)


def _mapped(function: Callable[[Any], Any], shape: Any) -> Any:
    """Map a function over the shapes in a structure."""
    if isinstance(shape, dict):
        return {k: function(v) for k, v in shape.items()}
    return [function(v) for v in shape] if isinstance(shape, list) else function(shape)


def _listed(value: Any) -> Any:
    array = np.asarray(value)
    dtype = str(getattr(value, "dtype", array.dtype)).split(".")[-1].replace("'>", "")
    numbers = array.astype("float64").ravel()
    return [list(array.shape), dtype, [round(float(v), 5) if abs(v) < 1e6 else float(f"{v:.6g}") for v in numbers]]


def _specs(kit: Any, value: Any) -> Any:
    return [[list(t.shape), str(t.dtype).split(".")[-1].replace("'>", "")] for t in kit.tree.flatten(value)]


def _shapes(value: Any) -> Any:
    """Return shapes as JSON: ints and None, whatever holds them."""
    if isinstance(value, dict):
        return {k: _shapes(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_shapes(v) for v in value]
    return value if value is None or isinstance(value, str) else int(value)


def _plain(value: Any) -> Any:
    """Return a config as JSON, with lists for tuples and without the module of the package."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(type(value).__name__)


def _fill(layer: Any) -> None:
    """Give all float weights values that do not depend on the package."""
    random = np.random.default_rng(5)
    for weight in layer.weights:
        if "float" in str(weight.dtype):
            low = 0.5 if any(word in weight.path for word in ("variance", "stddev")) else -0.5
            weight.assign(random.uniform(low, low + 1, tuple(weight.shape)).astype("float32"))


def run_case(case: Case, kit: Any, trains: bool = False) -> dict[str, Any]:
    """Return the aspects of a case by name."""
    np.random.seed(0)
    kit.utils.set_random_seed(0)
    found, cls = Aspects(), getattr(kit.layers, case.name)
    extra = dict(case.call)
    lora = extra.pop("_lora", None)

    def arguments() -> dict[str, Any]:
        return case.kwargs(kit) if callable(case.kwargs) else dict(case.kwargs)

    def fresh(**more: Any) -> Any:
        kit.utils.clear_session(free_memory=False)
        return cls(**{**arguments(), **more})

    layer = found.record("construct", lambda: (fresh(), "made")[1]) and fresh()
    if layer is None:
        return found.found
    found.record("config", lambda: _plain(layer.get_config()))
    found.record(
        "attributes",
        lambda: [
            layer.built,
            layer.supports_masking,
            layer.trainable,
            layer.dtype,
            layer.compute_dtype,
            layer.autocast,
        ],
    )
    found.record(
        "round trip", lambda: _plain(cls.from_config(layer.get_config()).get_config()) == _plain(layer.get_config())
    )
    found.record(
        "same members after a round trip",
        lambda: sorted(set(dir(layer)) ^ set(dir(cls.from_config(layer.get_config())))),
    )
    serialize, deserialize = kit.saving.serialize_keras_object, kit.saving.deserialize_keras_object
    found.record(
        "serialized",
        lambda: (
            _plain(deserialize(json.loads(json.dumps(serialize(layer)))).get_config()) == _plain(layer.get_config())
        ),
    )
    if case.shape is not None:
        _run_calls(case, kit, found, fresh, extra, lora, trains)
    return found.found


def _run_calls(
    case: Case, kit: Any, found: Aspects, fresh: Any, extra: dict[str, Any], lora: Any, trains: bool
) -> None:
    inputs = _inputs(case, kit)
    tensors = kit.tree.map_structure(kit.ops.convert_to_tensor, inputs)
    by_name = isinstance(inputs, dict)

    def symbolic(free: tuple[int, ...]) -> Any:
        def one(array: Any) -> Any:
            return kit.KerasTensor(
                [None if i in free else s for i, s in enumerate(array.shape)], dtype=str(array.dtype)
            )

        return kit.tree.map_structure(one, inputs)

    def called(layer: Any, given: Any = tensors, **more: Any) -> Any:
        return layer(**given, **extra, **more) if by_name else layer(given, **extra, **more)

    def spec(layer: Any) -> Any:
        given = symbolic(())
        return _specs(
            kit, layer.compute_output_spec(**given, **extra) if by_name else layer.compute_output_spec(given, **extra)
        )

    def build() -> Any:
        layer = fresh()
        if by_name:
            layer.build(**{f"{k}_shape": v for k, v in case.shape.items()})
        else:
            layer.build(case.shape)
        if lora:
            layer.enable_lora(lora)
        return layer

    layer = found.record("build", lambda: [build().built]) and build()
    if layer is None:
        return
    found.record("weights", lambda: [[w.path, list(w.shape), str(w.dtype), bool(w.trainable)] for w in layer.weights])
    found.record(
        "counts",
        lambda: [
            len(getattr(layer, n))
            for n in (
                "weights",
                "trainable_weights",
                "non_trainable_weights",
                "variables",
                "trainable_variables",
                "non_trainable_variables",
            )
        ],
    )
    shapes = {f"{k}_shape": v for k, v in case.shape.items()} if by_name else {}
    found.record(
        "output shape",
        lambda: _shapes(layer.compute_output_shape(**shapes) if by_name else layer.compute_output_shape(case.shape)),
    )
    found.record("output spec", lambda: spec(fresh()))
    found.record("symbolic", lambda: _specs(kit, called(fresh(), symbolic((0,)))))
    if case.free:
        found.record("symbolic, unknown sizes", lambda: _specs(kit, called(fresh(), symbolic((0, *case.free)))))

    def listed(made: Any) -> Any:
        return [_listed(v) for v in kit.tree.flatten(made)]

    first = found.record("call", lambda: (called(layer), True)[1])
    if first is None:
        return
    _fill(layer)
    values = {name: found.record(f"~{name}", lambda more=more: called(layer, **more)) for name, more in (
        ("default", {}), ("inference", {"training": False}))}  # fmt: skip
    for name, made in values.items():
        error = found.found.pop(f"~{name}")
        found.found[name] = error if made is None else _specs(kit, made) if case.random else listed(made)
    found.record("losses", lambda: [round(float(v), 4) for v in layer.losses])
    found.record(
        "structure",
        lambda: (
            type(values["inference"]).__name__ if isinstance(values["inference"], (list, tuple, dict)) else "tensor"
        ),
    )
    if case.random:
        found.record("training", lambda: _specs(kit, called(layer, training=True)))
    else:
        found.record("training", lambda: listed(called(layer, training=True)))
        found.record("weights after training", lambda: [_listed(w) for w in layer.non_trainable_weights])
    found.record("of NumPy arrays", lambda: _specs(kit, called(layer, inputs)))
    if not by_name:
        found.record("mask", lambda: _masked(kit, layer, case, tensors))
    for policy in ("mixed_float16", "bfloat16"):

        def of_policy(policy: str = policy) -> Any:
            other = fresh(dtype=policy)
            return [_specs(kit, called(other)), spec(other), sorted({str(w.dtype) for w in other.weights})]

        found.record(policy, of_policy)
    if trains and case.trains and not isinstance(case.shape, (list, dict)):
        found.record("fit", lambda: _fit(case, kit, layer, tensors, inputs))


def _masked(kit: Any, layer: Any, case: Case, tensors: Any) -> Any:
    def of(tensor: Any) -> Any:
        shape = tuple(tensor.shape[:2])
        return kit.ops.convert_to_tensor(np.arange(np.prod(shape)).reshape(shape) % 3 > 0)

    mask = [of(t) for t in tensors] if isinstance(case.shape, list) else of(tensors)
    made = layer.compute_mask(tensors, mask)
    return [
        None if m is None else np.asarray(m).astype(int).tolist()
        for m in (made if isinstance(made, (list, tuple)) else [made])
    ]


def _fit(case: Case, kit: Any, layer: Any, tensors: Any, inputs: Any) -> Any:
    """Return the weights after one step, and whether it ran."""

    class Net(kit.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = layer

        def call(self, x: Any, training: bool = False) -> Any:
            return kit.tree.flatten(
                self.inner(x, training=training, **{k: v for k, v in case.call.items() if k != "_lora"})
            )[0]

    class Mean(kit.losses.Loss):  # type: ignore[misc]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return kit.ops.mean(kit.ops.cast(y_pred, "float32"))

    net = Net()
    net.compile(optimizer=kit.optimizers.SGD(0.1), loss=Mean())
    net.train_on_batch(inputs, np.asarray(kit.tree.flatten(net(tensors))[0]))
    return "ran" if case.random else [_listed(w) for w in layer.weights if "float" in str(w.dtype)]


def run_wrong(kit: Any, name: str, kwargs: dict[str, Any], shape: Any) -> dict[str, Any]:
    """Return which exception wrong arguments raise, or that they are accepted."""
    found, cls = Aspects(), getattr(kit.layers, name)

    def run() -> Any:
        layer = cls(**kwargs)
        if shape is not None:
            layer(_mapped(lambda s: kit.KerasTensor(s), shape))
        return "accepted"

    found.record("refused", run)
    return found.found


def main(package: str, target: str | None = None, pattern: str = "*", trains: str = "") -> None:
    """Run all cases and write what came out. With `trains`, layers are trained for a step, which Keras cannot do on NumPy."""
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    kit = importlib.import_module(package)
    answers: dict[str, Any] = {}
    seen: set[tuple[str, str]] = set()
    for number, case in enumerate(cases()):
        first = (case.name, case.kind) not in seen
        seen.add((case.name, case.kind))
        case = case._replace(trains=case.trains and (first or case.name in _ALWAYS_TRAINED))
        label = (
            f"{number} {case.name} {'' if callable(case.kwargs) else json.dumps(case.kwargs)} {case.shape} {case.kind}"
        )
        if fnmatch.fnmatch(case.name, pattern):
            answers[label] = run_case(case, kit, bool(trains))
    for number, (name, kwargs, shape) in enumerate(WRONG):
        if fnmatch.fnmatch(name, pattern):
            answers[f"wrong {number} {name} {kwargs} {shape}"] = run_wrong(kit, name, kwargs, shape)
    text = json.dumps(answers)
    if target:
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
