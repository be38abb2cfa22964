"""Every argument of older layers is supported, known to have no effect, or warned about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.converters.keras_legacy.config import _RENAMED_KEYS, RENAMED, WITHOUT_EFFECT, taken_by
from graphkit.converters.keras_legacy.keras1 import in_keras2_words
from graphkit.converters.keras_legacy.keras2_writer.arguments import ARGUMENTS
from graphkit.core.serialization import classes_of
from graphkit.errors import SerializationError

NOT_HERE = {"DenseFeatures"}  # rejected as an unknown class
WARNED_OF = {"Softmax": {"robust_masking"}, "MultiHeadAttention": {"softmax_robust_masking"}}  # where they are True


@pytest.mark.parametrize("name", sorted(set(ARGUMENTS) - NOT_HERE))
def test_no_argument_of_a_keras2_layer_is_overlooked(name: str) -> None:
    target = RENAMED.get(name, (name, {}))[0]
    taken = taken_by(classes_of("keras.layers")[target]) | set(_RENAMED_KEYS.get(target, {}))
    without_effect = {*WITHOUT_EFFECT[""], *WITHOUT_EFFECT.get(target, ())}

    assert set(ARGUMENTS[name]) - taken - without_effect == WARNED_OF.get(name, set())


@pytest.mark.parametrize("name", sorted(set(WITHOUT_EFFECT) - {""}))
def test_what_is_listed_as_without_effect_belongs_to_a_class(name: str) -> None:
    assert name in classes_of("keras.layers")


KERAS1 = """
Activation: activation
ActivityRegularization: l1 l2
AtrousConvolution1D: nb_filter filter_length init activation border_mode subsample_length atrous_rate W_regularizer
  bias
AtrousConvolution2D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias nb_row nb_col atrous_rate
AveragePooling1D: stride pool_length border_mode
AveragePooling3D: pool_size border_mode strides dim_ordering
BatchNormalization: epsilon mode axis gamma_regularizer beta_regularizer momentum
Bidirectional: layer merge_mode
ConvLSTM2D: nb_filter nb_row nb_col init inner_init forget_bias_init activation inner_activation border_mode
  dim_ordering subsample W_regularizer U_regularizer b_regularizer dropout_W dropout_U return_sequences go_backwards
  stateful
Convolution1D: nb_filter filter_length init activation border_mode subsample_length W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias input_dim input_length
Convolution2D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias nb_row nb_col
Convolution3D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias kernel_dim1 kernel_dim2 kernel_dim3
Cropping1D: cropping
Cropping2D: cropping dim_ordering
Cropping3D: cropping dim_ordering
Deconvolution2D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias nb_row nb_col output_shape
Deconvolution3D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias kernel_dim1 kernel_dim2 kernel_dim3 output_shape
Dense: output_dim init activation W_regularizer b_regularizer activity_regularizer W_constraint b_constraint bias
  input_dim
Dropout: p
ELU: alpha
Embedding: input_dim output_dim init input_length mask_zero activity_regularizer W_regularizer W_constraint dropout
Flatten:
GRU: output_dim init inner_init activation W_regularizer U_regularizer b_regularizer dropout_W dropout_U
  return_sequences go_backwards stateful unroll consume_less input_dim input_length inner_activation
GaussianDropout: p
GaussianNoise: sigma
GlobalAveragePooling1D:
GlobalMaxPooling2D: dim_ordering
Highway: init transform_bias activation W_regularizer b_regularizer activity_regularizer W_constraint b_constraint
  bias input_dim
LSTM: output_dim init inner_init activation W_regularizer U_regularizer b_regularizer dropout_W dropout_U
  return_sequences go_backwards stateful unroll consume_less input_dim input_length inner_activation forget_bias_init
LeakyReLU: alpha
LocallyConnected1D: nb_filter filter_length init activation border_mode subsample_length W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias input_dim input_length
LocallyConnected2D: nb_filter init activation border_mode subsample dim_ordering W_regularizer b_regularizer
  activity_regularizer W_constraint b_constraint bias nb_row nb_col
Masking: mask_value
MaxPooling1D: stride pool_length border_mode
MaxPooling2D: pool_size border_mode strides dim_ordering
MaxoutDense: output_dim init nb_feature W_regularizer b_regularizer activity_regularizer W_constraint b_constraint
  bias input_dim
PReLU: init shared_axes
ParametricSoftplus: alpha_init beta_init shared_axes
Permute: dims
RepeatVector: n
Reshape: target_shape
SReLU: t_left_init a_left_init t_right_init a_right_init shared_axes
SeparableConvolution2D: nb_filter nb_row nb_col init activation border_mode subsample depth_multiplier dim_ordering
  depthwise_regularizer pointwise_regularizer b_regularizer activity_regularizer depthwise_constraint
  pointwise_constraint b_constraint bias
SimpleRNN: output_dim init inner_init activation W_regularizer U_regularizer b_regularizer dropout_W dropout_U
  return_sequences go_backwards stateful unroll consume_less input_dim input_length
SpatialDropout1D: p
SpatialDropout2D: p dim_ordering
SpatialDropout3D: p dim_ordering
ThresholdedReLU: theta
TimeDistributed: layer
TimeDistributedDense: output_dim init activation W_regularizer b_regularizer activity_regularizer W_constraint
  b_constraint bias input_dim input_length
UpSampling1D: length
UpSampling2D: size dim_ordering
UpSampling3D: size dim_ordering
ZeroPadding1D: padding
ZeroPadding2D: padding dim_ordering
ZeroPadding3D: padding dim_ordering
"""


def keras1_arguments() -> dict[str, list[str]]:
    """Return, by class, the keys of its config in Keras 1.2."""
    rows = (line.partition(":") for line in KERAS1.replace("\n  ", " ").strip().splitlines())
    return {name: words.split() for name, _, words in rows}


@pytest.mark.parametrize("name", sorted(keras1_arguments()))
def test_no_argument_of_a_keras1_layer_is_overlooked(name: str) -> None:
    config = {key: [1, 1, 1] if key == "subsample" else 0 if key == "mode" else 1 for key in keras1_arguments()[name]}
    class_name, words = in_keras2_words(name, config)
    target = RENAMED.get(class_name, (class_name, {}))[0]
    taken = taken_by(classes_of("keras.layers")[target]) | set(_RENAMED_KEYS.get(target, {}))
    without_effect = {*WITHOUT_EFFECT[""], *WITHOUT_EFFECT.get(target, ())}

    # The dropout of an Embedding causes a warning.
    assert set(words) - taken - without_effect == ({"dropout"} if name == "Embedding" else set())


def model(*layers: dict[str, Any], version: str = "2.4.0") -> Any:
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": list(layers)}, "keras_version": version}
    return graphkit.models.model_from_json(json.dumps(config))


def layer(class_name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": class_name.lower(), **config}}


def test_an_unknown_argument_is_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"Layer 'dense' \(Dense\): sharpness=3 of its file is unknown"):
        model(layer("Dense", units=1, sharpness=3, batch_input_shape=[None, 2]))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"virtual_batch_size": 8}, "has virtual_batch_size=8"),
        ({"axis": [1, 2]}, r"all axes except \[1, 2\]; graphkit"),
    ],
)
def test_a_normalization_that_keras3_lacks_is_refused(argument: dict[str, Any], message: str) -> None:
    with pytest.raises(SerializationError, match=message):
        model(layer("BatchNormalization", **argument, batch_input_shape=[None, 2, 3]))


@pytest.mark.parametrize("name", ["AddLoss", "AddMetric", "RandomHeight", "RandomWidth"])
def test_what_is_lost_in_training_is_told(name: str) -> None:
    with pytest.warns(UserWarning, match=f"{name}. returns its input: "):
        model(layer(name, batch_input_shape=[None, 8, 8, 1]))


def test_renorm_is_kept() -> None:
    found = model(layer("BatchNormalization", renorm=True, renorm_momentum=0.5, batch_input_shape=[None, 2])).layers[0]

    assert (found.renorm, found.renorm_momentum, len(found.weights)) == (True, 0.5, 7)


def test_nulls_of_tensorflowjs_mean_the_usual() -> None:
    initializer = {
        "class_name": "VarianceScaling",
        "config": {"scale": 1, "mode": None, "distribution": None, "seed": None},
    }
    penalty = {"class_name": "L1L2", "config": {"l1": None, "l2": 0.5}}
    conv = layer(
        "Conv2D", filters=1, kernel_size=[2, 2], padding=None, data_format=None, dilation_rate=None, strides=[1, 1],
        kernel_initializer=initializer, kernel_regularizer=penalty, batch_input_shape=[None, 4, 4, 1],
    )  # fmt: skip
    found = model(conv, version="tfjs-layers 1.0.0").layers[0]

    assert (found.padding, found.data_format, found.dilation_rate) == ("valid", "channels_last", (1, 1))
    assert float(found.kernel_regularizer(np.full(2, 2.0, "float32"))) == 4.0


@pytest.mark.parametrize(
    ("version", "row"),
    [
        ("2.2.4", [0, 0.5, 1, 1]),
        ("2.3.1", [0, 0.5, 1, 1]),
        ("2.1.6-tf", [0, 0.5, 1, 1]),
        ("tfjs-layers 1.3.1", [0, 0.5, 1, 1]),
        ("2.3.0-tf", [0, 0.25, 0.75, 1]),
        ("2.4.0", [0, 0.25, 0.75, 1]),
        ("2.9.0", [0, 0.25, 0.75, 1]),
        ("2.10.0", [0, 0.25, 0.75, 1]),
        ("2.13.1", [0, 0.25, 0.75, 1]),
        ("2.21.0", [0, 0.25, 0.75, 1]),
        ("2.30.0", [0, 0.25, 0.75, 1]),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_bilinear_upsampling_is_that_of_its_version(version: str, row: list[float], wrapped: bool) -> None:
    upsampling = layer("UpSampling2D", size=[2, 2], interpolation="bilinear", data_format="channels_last")
    x = np.arange(4, dtype="float32").reshape(1, 2, 2, 1)
    if wrapped:
        net, x = (
            model(layer("TimeDistributed", layer=upsampling, batch_input_shape=[None, 1, 2, 2, 1]), version=version),
            x[None],
        )
    else:
        upsampling["config"]["batch_input_shape"] = [None, 2, 2, 1]
        net = model(upsampling, version=version)

    np.testing.assert_allclose(np.asarray(net(x)).reshape(4, 4)[0], row, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("made", "said"),
    [
        (layer("LSTM", units=2, time_major=True, batch_input_shape=[None, 3, 2]), "layer 'lstm' has time_major=True"),
        (
            layer("Bidirectional", layer=layer("GRU", units=2, time_major=True), batch_input_shape=[None, 3, 2]),
            "has time_major=True",
        ),
        (layer("RandomCrop", height=2, width=2, batch_input_shape=[None, 3, 3, 1]), "is a ResizingRandomCrop"),
    ],
)
def test_saving_tells_what_keras3_lacks(made: dict[str, Any], said: str, suffix: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"{said}.*which Keras 3 does not have"):
        model(made).save(tmp_path / f"m{suffix}")
    x = np.random.default_rng(0).normal(size=(4, *model(made).input_shape[1:])).astype("float32")

    again = graphkit.load(tmp_path / f"m{suffix}")
    assert np.asarray(again(x)).shape == np.asarray(model(made)(x)).shape


def test_constants_of_a_recurrent_layer_are_refused() -> None:
    cell = layer("LSTMCell", units=2)
    with pytest.raises(SerializationError, match=r"Layer 'rnn' \(RNN\) has num_constants=1"):
        model(layer("RNN", cell=cell, num_constants=1, batch_input_shape=[None, 3, 2]))


def test_what_a_version_does_not_tell_is_warned_of_or_refused() -> None:
    upsampling = layer("UpSampling2D", size=[2, 2], interpolation="bilinear", batch_input_shape=[None, 2, 2, 1])
    with pytest.warns(UserWarning, match=r"if TensorFlow 1\.13 wrote the file"):
        net = model(upsampling, version="2.2.4-tf")
    x = np.arange(4, dtype="float32").reshape(1, 2, 2, 1)
    np.testing.assert_allclose(np.asarray(net(x))[0, 0, :, 0], [0, 0.25, 0.75, 1], atol=1e-6)
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [upsampling]}, "keras_version": "2.3.1"}

    with pytest.raises(SerializationError, match="as on Theano"):
        graphkit.models.model_from_json(json.dumps({**config, "backend": "theano"}))


@pytest.mark.parametrize(("old", "new"), [("binary", "multi_hot"), ("tf-idf", "tf_idf"), ("count", "count")])
def test_output_modes_have_their_names_of_today(old: str, new: str) -> None:
    text = layer(
        "TextVectorization",
        max_tokens=9,
        pad_to_max_tokens=True,
        output_mode=old,
        batch_input_shape=[None],
        dtype="string",
    )

    assert model(layer("InputLayer", batch_input_shape=[None], dtype="string"), text).layers[0].output_mode == new


def test_an_integer_lookup_of_an_early_version() -> None:
    lookup = layer(
        "IntegerLookup",
        max_values=9,
        num_oov_indices=1,
        mask_value=0,
        oov_value=-1,
        batch_input_shape=[None, 1],
        dtype="int64",
    )
    found = model(layer("InputLayer", batch_input_shape=[None, 1], dtype="int64"), lookup).layers[0]

    assert (found.max_tokens, found.mask_token, found.oov_token) == (9, 0, -1)


@pytest.mark.parametrize("shape", [(8, 7, 3), (3, 9, 1), (5, 4, 2)])
def test_a_random_crop_resizes_where_nothing_is_trained(shape: tuple[int, ...]) -> None:
    found = model(layer("RandomCrop", height=5, width=4, batch_input_shape=[None, *shape]))
    x = np.random.default_rng(0).random((2, *shape)).astype("float32")
    resizing = graphkit.layers.Resizing(5, 4, crop_to_aspect_ratio=True)

    np.testing.assert_allclose(found.predict(x, verbose=0), np.asarray(resizing(x)), atol=1e-6)
    assert np.asarray(found(x, training=True)).shape == (2, 5, 4, shape[-1])
