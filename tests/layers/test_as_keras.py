"""Arguments, refusals, names and masks are those of Keras 3.15.1; expected values come from it, or were computed by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, layers, ops

A = np.array([[[1, -2], [3, 4], [5, -6]]], "float32")
B = np.array([[[7, 8], [-9, 1], [2, 3]]], "float32")
C = np.full((1, 3, 2), 0.5, "float32")
MASK_A, MASK_B, MASK_C = (np.array([m]) for m in ([True, False, False], [True, True, False], [False, True, False]))


# ----- merging masked tensors -----


class Marked(layers.Layer):
    """Returns its first input with the second one as its mask."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The second input."""
        return inputs[1] > 0

    def call(self, inputs: Any) -> Any:
        """The first input."""
        return inputs[0] * 1.0


def merged(layer: Any, *pairs: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the output of a model of the layer for arrays with masks (or None), and the mask of the output."""
    made, fed, inputs = [], [], []
    for array, mask in pairs:
        x = Input(array.shape[1:])
        inputs.append(x)
        fed.append(array)
        if mask is None:
            made.append(x)
            continue
        flags = Input(mask.shape[1:])
        inputs.append(flags)
        fed.append(mask.astype("float32"))
        made.append(Marked()([x, flags]))
    output = layer(made)
    outputs = [output] if output.mask is None else [output, ops.cast(output.mask, "float32")]
    found = Model(inputs, outputs).predict(fed, verbose=0)
    found = found if isinstance(found, (list, tuple)) else [found]
    return found[0].tolist(), found[1].astype(bool).tolist() if len(found) > 1 else None


OR_AB = [[True, True, False]]


@pytest.mark.parametrize(
    ("layer", "pairs", "values", "mask"),
    [
        (layers.Add, [(A, MASK_A), (B, MASK_B)], [[[8, 6], [-6, 5], [7, -3]]], OR_AB),
        (layers.Add, [(A, MASK_A), (B, None)], [[[8, 6], [-6, 5], [7, -3]]], None),
        (layers.Subtract, [(A, MASK_A), (B, MASK_B)], [[[-6, -10], [12, 3], [3, -9]]], OR_AB),
        (layers.Average, [(A, MASK_A), (B, MASK_B)], [[[4, 3], [-3, 2.5], [3.5, -1.5]]], OR_AB),
        (layers.Multiply, [(A, MASK_A), (B, MASK_B)], [[[7, -16], [-9, 1], [0, 0]]], OR_AB),
        (layers.Multiply, [(A, MASK_A), (B, None)], [[[7, -16], [-9, 1], [2, 3]]], None),
        (layers.Multiply, [(A, None), (B, MASK_B)], [[[7, -16], [-27, 4], [5, -6]]], None),
        (layers.Multiply, [(A, MASK_A), (B, MASK_B), (C, MASK_C)], [[[7, -16], [-4.5, 0.5], [0, 0]]], OR_AB),
        (layers.Maximum, [(A, MASK_A), (B, MASK_B)], [[[7, 8], [-9, 1], [5, -6]]], OR_AB),
        (layers.Maximum, [(A, MASK_A), (B, None)], [[[7, 8], [-9, 1], [2, 3]]], None),
        (layers.Maximum, [(A, None), (B, MASK_B)], [[[7, 8], [3, 4], [5, -6]]], None),
        (layers.Maximum, [(A, MASK_A), (B, MASK_B), (C, MASK_C)], [[[7, 8], [0.5, 1], [5, -6]]], OR_AB),
        (layers.Maximum, [(A, MASK_A), (B, None), (C, MASK_C)], [[[7, 8], [0.5, 1], [2, 3]]], None),
        (layers.Minimum, [(A, MASK_A), (B, MASK_B)], [[[1, -2], [-9, 1], [5, -6]]], OR_AB),
        (layers.Minimum, [(A, MASK_B), (B, MASK_A)], [[[1, -2], [3, 4], [5, -6]]], OR_AB),
        (layers.Minimum, [(A, MASK_A), (B, MASK_B), (C, MASK_C)], [[[1, -2], [-9, 0.5], [5, -6]]], OR_AB),
    ],
)
def test_merging_leaves_masked_steps_out(layer: Any, pairs: Any, values: Any, mask: Any) -> None:
    assert merged(layer(), *pairs) == (values, mask)


@pytest.mark.parametrize(
    ("axis", "masks", "wanted"),
    [
        (-1, (MASK_A, MASK_B), [[True, True, False]]),
        (2, (MASK_A, None), [[True, True, True]]),
        (1, (MASK_A, MASK_B), [[True, False, False, True, True, False]]),
        (1, (None, MASK_B), [[True, True, True, True, True, False]]),
    ],
)
def test_concatenated_masks(axis: int, masks: Any, wanted: Any) -> None:
    assert merged(layers.Concatenate(axis=axis), (A, masks[0]), (B, masks[1]))[1] == wanted


def test_masks_of_a_merging_layer_are_a_list_as_long_as_the_inputs() -> None:
    x, mask = Input((3, 2)), np.ones((2, 3), bool)
    for layer in (layers.Add(), layers.Concatenate(), layers.Maximum()):
        assert layer.compute_mask([x, x], None) is None
        with pytest.raises(ValueError, match=r"`mask` of layer .* should be a list"):
            layer.compute_mask([x, x], mask)
        with pytest.raises(ValueError, match=r"`inputs` of layer .* should be a list"):
            layer.compute_mask(x, [mask])
        with pytest.raises(ValueError, match=r"same length\. Received: 2 inputs and 1 masks"):
            layer.compute_mask([x, x], [mask])
    assert layers.Dot(1).compute_mask([x, x], mask) is None


# ----- other masks -----


def test_layers_that_mask_say_so() -> None:
    class Own(layers.Layer):
        def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
            return previous_mask

    assert layers.Masking().supports_masking
    assert layers.Embedding(3, 4, mask_zero=True).supports_masking
    assert Own().supports_masking
    assert not layers.Embedding(3, 4).supports_masking
    assert not layers.Layer().supports_masking


@pytest.mark.parametrize("steps", [3, None])
def test_time_distributed_hands_each_step_its_mask(steps: int | None) -> None:
    class Masked(layers.Wrapper):
        def __init__(self) -> None:
            super().__init__(layers.Dense(1, kernel_initializer=graphkit.initializers.Constant(0.01), use_bias=False))
            self.supports_masking = True

        def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
            y = self.layer(inputs)
            return y if mask is None else ops.transpose(ops.transpose(y) * ops.cast(mask, inputs.dtype))

    x = np.arange(24).reshape(3, 2, 4).astype("float32")
    flags = np.array([[0, 1], [1, 0], [1, 1]], "float32")
    inputs, mask = Input((2 if steps else None, 4)), Input((2 if steps else None,))
    output = layers.TimeDistributed(Masked())(Marked()([inputs, mask]))

    got = Model([inputs, mask], output).predict([x, flags], verbose=0)
    np.testing.assert_allclose(got.ravel(), [0, 0.22, 0.38, 0, 0.7, 0.86], atol=1e-5)


def test_a_recurrent_layer_refuses_a_mask_without_time() -> None:
    with pytest.raises(ValueError, match=r"mask of layer .* must have the axes \(batch, time\)"):
        layers.TimeDistributed(layers.LSTM(2))(np.ones((2, 3, 4, 2), "float32"), mask=np.ones((2, 3), bool))


def test_masks_of_attention_are_a_list_of_two_or_three() -> None:
    layer, x, mask = layers.Attention(), [np.ones((2, 3, 4), "float32")] * 2, np.ones((2, 3), bool)

    assert layer.compute_mask(inputs=x, mask=[mask, None]) is mask
    with pytest.raises(ValueError, match="must be a list, namely"):
        layer.compute_mask(x, mask)
    with pytest.raises(ValueError, match="accepts a list of 2 or 3 masks"):
        layer.compute_mask(x, [mask])
    with pytest.raises(ValueError, match="accepts a list of 2 or 3 masks"):
        layer(x, mask=[mask])


# ----- what is taken -----


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LSTM(2),
        lambda: layers.GRU(2, reset_after=False),
        lambda: layers.SimpleRNN(2),
        lambda: layers.Bidirectional(layers.LSTM(2)),
        lambda: layers.RNN([layers.LSTMCell(2), layers.GRUCell(2)]),
        lambda: layers.LSTM(2, unroll=True),
    ],
)
def test_recurrent_layers_take_integers(make: Any) -> None:
    layer, x = make(), np.array([[[1, 2], [3, 4]]])

    np.testing.assert_array_equal(layer(x), layer(x.astype("float32")))


def test_a_convolutional_lstm_takes_integers() -> None:
    layer, x = layers.ConvLSTM1D(2, 2), np.arange(12).reshape(1, 2, 3, 2)

    np.testing.assert_array_equal(layer(x), layer(x.astype("float32")))


@pytest.mark.parametrize(
    ("layer", "value", "wanted"),
    [
        (layers.IntegerLookup(vocabulary=[5, 6]), [5, 6, 7], [1, 2, 0]),
        (layers.IntegerLookup(vocabulary=[5, 6]), (5, 7), [1, 0]),
        (layers.IntegerLookup(vocabulary=[5, 6]), 5, 1),
        (layers.IntegerLookup(vocabulary=[5, 6]), [[5], [7]], [[1], [0]]),
        (layers.IntegerLookup(vocabulary=[5, 6], output_mode="multi_hot"), [5, 6, 7], [1, 1, 1]),
        (layers.StringLookup(vocabulary=["a", "b"]), "b", 2),
        (layers.StringLookup(vocabulary=["a", "b"]), b"b", 2),
        (layers.StringLookup(vocabulary=["a", "b"]), ["b", "c"], [2, 0]),
        (layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot"), "b", [[0, 0, 1]]),
        (layers.StringLookup(vocabulary=["a", "b"], invert=True), [1, 2], ["a", "b"]),
        (layers.Hashing(4), "b", 2),
        (layers.Hashing(4), [1, 2], [1, 3]),
        (layers.HashedCrossing(5), ("a", "b"), 1),
        (layers.HashedCrossing(5), (1, 2), 2),
        (layers.Discretization([0.0, 1.0]), [0.5, 2], [1, 2]),
        (layers.CategoryEncoding(4), [1, 2], [0, 1, 1, 0]),
        (layers.TextVectorization(vocabulary=["a"]), b"a b", [2, 1]),
    ],
)
def test_categories_may_be_lists_or_single_values(layer: Any, value: Any, wanted: Any) -> None:
    assert np.asarray(layer(value)).tolist() == wanted


def test_embedding_takes_weights_at_once() -> None:
    table = np.arange(12, dtype="float32").reshape(3, 4)

    for weights in (table, [table]):
        layer = layers.Embedding(3, 4, weights=weights)
        assert layer.built
        np.testing.assert_array_equal(layer.embeddings, table)
    with pytest.raises(ValueError, match="has shape"):
        layers.Embedding(3, 4, weights=table[:, :2])


def test_einsum_of_a_product_by_element_has_a_kernel_over_the_batch() -> None:
    layer = layers.EinsumDense("ab,ab->a", output_shape=(2,))
    layer.build((2, 4))

    assert layer.kernel.shape == (2, 4)
    x = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_allclose(layer(x), (x * np.asarray(layer.kernel)).sum(1), rtol=1e-6)


def test_input_layers_take_numpy_integers_and_one_batch_size() -> None:
    layer = layers.InputLayer(shape=(np.int64(32), None))

    assert layer.batch_shape == (None, 32, None)
    assert [type(n) for n in layer.batch_shape[1:2]] == [int]
    with pytest.raises(ValueError, match="both `batch_size` and `batch_shape`"):
        layers.InputLayer(batch_size=4, batch_shape=(2, 3))


def test_attention_shapes_without_a_key() -> None:
    for layer in (layers.MultiHeadAttention(2, 2), layers.GroupQueryAttention(2, 2, 1)):
        assert layer.compute_output_shape((2, 4, 8), (2, 7, 8), None) == (2, 4, 8)
    with pytest.raises(ValueError, match="Invalid `output_shape`"):
        layers.MultiHeadAttention(2, 2, output_shape=8.0)


def test_initializers_with_a_seed_generator_draw_anew_each_time() -> None:
    first, second = (graphkit.initializers.RandomNormal(seed=graphkit.random.SeedGenerator(3)) for _ in range(2))
    one, two = first((4,)), first((4,))

    assert not np.allclose(one, two)
    np.testing.assert_array_equal(second((4,)), one)
    copy = graphkit.initializers.RandomNormal.from_config(first.get_config())
    np.testing.assert_array_equal(copy((4,)), one)
    with pytest.raises(ValueError, match="`seed` of RandomNormal should be an integer"):
        graphkit.initializers.RandomNormal(seed="3")


def test_the_base_constraint_changes_nothing() -> None:
    assert np.asarray(graphkit.constraints.Constraint()(np.ones(2))).tolist() == [1, 1]


def test_flash_attention_is_a_flag() -> None:
    graphkit.config.disable_flash_attention()
    assert graphkit.config.is_flash_attention_enabled() is False
    graphkit.config.enable_flash_attention()
    assert graphkit.config.is_flash_attention_enabled() is None


def test_symbolic_tensors_are_dense() -> None:
    assert Input((2,)).sparse is False
    assert Input((2,)).ragged is False


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (layers.Dropout(0.5), 1),
        (layers.Dropout(0.0), 0),
        (layers.GaussianNoise(0.5), 1),
        (layers.LSTM(2), 1),
        (layers.Attention(dropout=0.1), 1),
        (layers.RandomFlip(), 1),
        (layers.Bidirectional(layers.LSTM(2, dropout=0.5)), 2),
        (layers.TimeDistributed(layers.Dropout(0.5)), 1),
    ],
)
def test_variables_hold_the_states_of_seed_generators(layer: Any, count: int) -> None:
    states = [v for v in layer.variables if v.name == "seed_generator_state"]

    assert len(states) == count
    assert [(v.dtype, v.shape) for v in states] == [("uint32", (2,))] * count
    assert layer.weights == []
    assert layer.non_trainable_variables == states


# ----- what is refused, and what is warned of -----


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomTranslation((-0.2, 2.0), 0.1), "`height_factor`"),
        (lambda: layers.RandomTranslation(0.1, (-3.0, 0.1)), "`width_factor`"),
        (lambda: layers.RandomZoom((0.0, 3.0)), "`height_factor`"),
        (lambda: layers.RandomZoom(-1.0), "`height_factor`"),
        (lambda: layers.RandomShear(-0.5), "`x_factor`"),
        (lambda: layers.RandomShear(0.1, (0.0, 2.0)), "`y_factor`"),
        (lambda: layers.Solarization((-1.0, 0.5)), "`addition_factor`"),
        (lambda: layers.AugMix(factor=(-1, 1)), "`factor`"),
        (lambda: layers.RandAugment(factor=(-1, 1)), "`factor`"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, -1)), "`noise_shape`"),
        (lambda: layers.Dropout(0.5, noise_shape=3), "`noise_shape`"),
        (lambda: layers.Dropout(0.5, noise_shape=(1.5, 2)), "`noise_shape`"),
        (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"foo": 1.0}), "`renorm_clipping`"),
        (
            lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"rmax": 1.0, "rmin": 2.0}),
            "`renorm_clipping`",
        ),
        (lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": -1.0}), "`renorm_clipping`"),
        (lambda: layers.BatchNormalization("foo"), "`axis`"),
        (lambda: layers.TextVectorization(ngrams="2"), "`ngrams`"),
        (lambda: layers.TextVectorization(ngrams=(1, "2")), "`ngrams`"),
        (lambda: layers.TextVectorization(ngrams=2.0), "`ngrams`"),
        (lambda: layers.TextVectorization(output_sequence_length="3"), "`output_sequence_length`"),
        (lambda: layers.Dot(axes=(1, 2, 3)), "`axes`"),
        (lambda: layers.Reshape(3), "`target_shape`"),
        (lambda: layers.Activation(3), "Could not interpret activation function identifier: 3"),
        (lambda: layers.Dense(2, kernel_initializer=3), "Could not interpret initializer identifier: 3"),
        (lambda: layers.InputLayer(input_tensor=1), "must be a symbolic tensor"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_several_axes_of_a_batch_normalization_are_a_wrong_type() -> None:
    with pytest.raises(TypeError, match=r"`axis` of layer .* must be an integer"):
        layers.BatchNormalization(axis=(1, 2))


def test_renorm_starts_at_the_root_of_the_variance() -> None:
    layer = layers.BatchNormalization(renorm=True, moving_variance_initializer=graphkit.initializers.Constant(4.0))
    layer.build((None, 5))

    assert [float(np.asarray(w)[0]) for w in (layer.moving_variance, layer.moving_stddev, layer.renorm_stddev)] == [
        4,
        2,
        2,
    ]


@pytest.mark.parametrize(
    "call",
    [
        ops.softmax,
        graphkit.activations.softmax,
        lambda x: layers.Softmax()(x),
        lambda x: layers.Dense(1, activation="softmax")(x),
    ],
)
def test_a_softmax_over_an_axis_of_one_warns(call: Any) -> None:
    with pytest.warns(UserWarning, match=r"softmax over axis -1 of a tensor of shape \(2, 1\)"):
        call(np.ones((2, 1), "float32"))


def test_a_softmax_over_more_does_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ops.softmax(np.ones((2, 3), "float32"))
        ops.softmax(np.ones((2, 1, 1), "float32"), axis=(1, 2))


# ----- convolutions -----


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.Conv1D(4, 3, padding="causal"), (1, 6, 2)),
        (lambda: layers.Conv2D(4, (3, 2), name="c"), (1, 6, 6, 2)),
        (lambda: layers.Conv2D(4, 3, groups=2, data_format="channels_first"), (1, 2, 6, 6)),
        (lambda: layers.Conv3D(4, 2), (1, 3, 3, 3, 2)),
    ],
)
def test_convolutions_take_lora_adapters(make: Any, shape: Any, tmp_path: Any) -> None:
    layer, x = make(), np.random.default_rng(0).normal(size=shape).astype("float32")
    before = np.asarray(layer(x))
    layer.enable_lora(2, lora_alpha=6)

    np.testing.assert_allclose(layer(x), before, atol=1e-6)
    assert [w.name for w in layer.weights] == ["kernel", "bias", "lora_kernel_a", "lora_kernel_b"]
    assert [w.name for w in layer.trainable_weights] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    main = layer.weights[0]
    layer.lora_kernel_b.assign(np.ones(layer.lora_kernel_b.shape))
    wanted = np.asarray(main) + 3 * np.matmul(layer.lora_kernel_a, layer.lora_kernel_b)
    np.testing.assert_allclose(layer.kernel, wanted, rtol=1e-5)
    plain = make()
    plain.build(shape)
    plain.set_weights([wanted, np.zeros(4)])
    np.testing.assert_allclose(layer(x), plain(x), atol=1e-5)

    i = Input(shape[1:])
    model = Model(i, layer(i))
    model.save(tmp_path / "m.keras")
    back = graphkit.models.load_model(tmp_path / "m.keras")
    assert back.layers[1].lora_rank == 2
    assert len(back.trainable_weights) == 3
    np.testing.assert_allclose(back.predict(x, verbose=0), layer(x), atol=1e-5)
    model.export(tmp_path / "m.onnx")
    np.testing.assert_allclose(graphkit.runtime.Predictor(str(tmp_path / "m.onnx"))(x), layer(x), atol=1e-5)


def test_lora_of_a_convolution_is_in_the_config_where_it_is_used() -> None:
    assert "lora_rank" not in layers.Conv2D(4, 3).get_config()
    config = layers.Conv2D(4, 3, lora_rank=2).get_config()
    assert (config["lora_rank"], config["lora_alpha"]) == (2, 2)
    with pytest.raises(ValueError, match="isn't yet built"):
        layers.Conv2D(4, 3).enable_lora(2)
    with pytest.raises(ValueError, match="incompatible with kernel constraints"):
        layers.Conv2D(4, 3, kernel_constraint="max_norm").enable_lora(2)


def test_a_weight_before_build_is_a_missing_attribute() -> None:
    for layer in (layers.Conv2D(4, 3), layers.Dense(2), layers.EinsumDense("ab,bc->ac", 3)):
        assert not hasattr(layer, "kernel")
        with pytest.raises(AttributeError, match="You must build the layer before accessing `kernel`"):
            layer.kernel  # noqa: B018
    assert not hasattr(layers.Embedding(2, 2), "embeddings")


def test_the_convolution_of_a_subclass_is_used() -> None:
    class Halved(layers.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            return super().convolution_op(inputs, kernel * 0.5)

    x = np.random.default_rng(0).normal(size=(1, 5, 5, 2)).astype("float32")
    for options in ({}, {"use_bias": False}, {"data_format": "channels_first", "kernel_size": 2}):
        halved, plain = (cls(**{"filters": 3, "kernel_size": 3, **options}) for cls in (Halved, layers.Conv2D))
        got = np.asarray(halved(x))
        plain.build(x.shape)
        plain.set_weights(halved.get_weights())
        np.testing.assert_allclose(got, np.asarray(plain(x)) * 0.5, atol=1e-5)


# ----- operations of one's own -----


class Shifted(graphkit.Operation):
    """x + by."""

    def __init__(self, by: int = 1, name: str | None = None) -> None:
        super().__init__(name=name)
        self.by = by

    def call(self, x: Any) -> Any:
        """The sum."""
        return x + self.by


class Declared(Shifted):
    """A layer with its own `compute_output_spec`."""

    def compute_output_spec(self, x: Any) -> Any:
        """Return the spec of the inputs."""
        return graphkit.KerasTensor(x.shape, x.dtype)


@pytest.mark.parametrize("cls", [Shifted, Declared])
def test_an_operation_of_ones_own_is_called_and_saved(cls: Any, tmp_path: Any) -> None:
    operation = cls(2)

    assert np.asarray(operation(np.ones(2))).tolist() == [3, 3]
    assert operation.get_config() == {"name": operation.name, "by": 2}
    assert cls.from_config({"name": "o", "by": 3}).by == 3
    i = Input((2,))
    model = Model(i, operation(i))
    assert model.output_shape == (None, 2)
    assert model.predict(np.ones((1, 2)), verbose=0).tolist() == [[3, 3]]
    model.save(tmp_path / "m.keras")
    back = graphkit.models.load_model(tmp_path / "m.keras", custom_objects={cls.__name__: cls})
    assert back.predict(np.ones((1, 2)), verbose=0).tolist() == [[3, 3]]
    assert graphkit.models.clone_model(model).predict(np.ones((1, 2)), verbose=0).tolist() == [[3, 3]]


def test_a_name_with_a_slash_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot contain character `/`"):
        Shifted(name="a/b")


# ----- functions over texts -----


@pytest.mark.parametrize("text", ["b a", b"b a"])
def test_eager_tensors_of_texts_are_read_as_texts(text: Any) -> None:
    given = ops.convert_to_tensor(np.array([[text]], object))
    layer = layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=2)
    model = graphkit.Sequential([graphkit.Input((1,), dtype="string"), layer])

    np.testing.assert_array_equal(layer(given), [[3, 2]])
    np.testing.assert_array_equal(model.predict(given, verbose=0), [[3, 2]])
    np.testing.assert_array_equal(model(given), [[3, 2]])


def test_a_function_that_standardizes_texts_may_return_bytes() -> None:
    layer = layers.TextVectorization(standardize=lambda t: np.array([b"a b", "c"], object), vocabulary=["a", "b", "c"])

    np.testing.assert_array_equal(layer(np.array(["x", "y"])), [[2, 3], [4, 0]])


def test_texts_are_standardized_and_split_by_functions() -> None:
    from graphkit.ops import texts

    layer = layers.TextVectorization(standardize=texts.lower, split=lambda t: texts.split(t, sep=","))
    layer.adapt(["A,b", "a,c", "C a"])

    assert layer.get_vocabulary() == ["", "[UNK]", "a", "c a", "c", "b"]
    assert np.asarray(layer(["a,c", "zz", "a"])).tolist() == [[2, 4], [1, 0], [2, 0]]


def test_plain_functions_over_texts_do_in_a_model() -> None:
    layer = layers.TextVectorization(
        standardize=lambda t: np.char.replace(t.astype(str), "!", ""), split="whitespace", ngrams=(1, 2)
    )
    layer.adapt(["b! a", "b C"])
    i = Input((1,), dtype="string")
    model, fed = Model(i, layer(i)), np.array([["b C!"], ["zz"]], object)

    wanted = [[layer.get_vocabulary().index(t) for t in ("b", "C", "b C")], [1, 0, 0]]
    assert np.asarray(model(fed)).tolist() == wanted
    with pytest.warns(UserWarning, match="predict runs on the NumPy engine"):
        assert model.predict(fed, verbose=0).tolist() == wanted


def test_a_function_over_texts_is_not_exported_and_not_read_out_of_files() -> None:
    def shout(t: Any) -> Any:
        return np.char.upper(t.astype(str))

    layer = layers.TextVectorization(standardize=shout, vocabulary=["A"])
    i = Input((1,), dtype="string")
    with pytest.raises(graphkit.errors.ExportError, match="no operator for the Python function"):
        Model(i, layer(i)).export("unused.onnx")
    config = layer.get_config()
    with pytest.raises(graphkit.errors.UnknownClassError, match="the function 'shout', which is not registered"):
        layers.TextVectorization.from_config(config)
    with graphkit.saving.custom_object_scope({"shout": shout}):
        assert layers.TextVectorization.from_config(config).standardize is shout


def test_a_function_over_texts_gives_as_many_rows() -> None:
    layer = layers.TextVectorization(split=lambda t: ["a"], vocabulary=["a"])
    with pytest.raises(ValueError, match=r"split=.* must return as many rows as it gets texts: 2"):
        layer(["a", "b"])


# ----- weights, building, data -----


def test_weights_are_named_by_keyword() -> None:
    layer = layers.Layer()

    assert layer.add_variable((2,), "zeros", name="v").shape == (2,)
    with pytest.raises(ValueError, match="`name` must be passed as a keyword argument"):
        layer.add_weight("name")
    with pytest.raises(ValueError, match="Cannot convert 2 to a shape"):
        layer.add_weight(shape=2)


def test_arguments_of_build_are_those_of_call() -> None:
    class Two(layers.Layer):
        def build(self, x_shape: Any, other_shape: Any) -> None:
            self.shapes = x_shape, other_shape

        def call(self, x: Any, other: Any) -> Any:
            return x

    class Wrong(Two):
        def build(self, wrong_shape: Any, other_shape: Any) -> None:
            """Do nothing."""

    x, other = np.ones((2, 3)), np.ones((2, 4))
    layer = Two()
    layer(other=other, x=x)
    assert layer.shapes == ((2, 3), (2, 4))
    with pytest.raises(ValueError, match=r"\['wrong_shape'\] are not; call\(\) accepts \['x', 'other'\]"):
        Wrong()(x, other)


def test_policies_of_a_map_are_taken_out() -> None:
    policies = graphkit.dtype_policies.DTypePolicyMap(policy_map={"a": "float16", "b": "float32"})

    assert list(policies.keys()) == ["a", "b"]
    assert [(path, policy.name) for path, policy in policies.items()] == [("a", "float16"), ("b", "float32")]
    assert policies.pop("a").name == "float16"
    assert list(policies) == ["b"]


class Batches(graphkit.utils.PyDataset):
    """Two batches with one number each."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return np.full((2, 3), float(index + 1), "float32")


def test_layers_adapt_to_a_pydataset() -> None:
    normalization, lookup = layers.Normalization(), layers.IntegerLookup()
    normalization.adapt(Batches())
    lookup.adapt(Batches())

    assert np.ravel(normalization.mean).tolist() == [1.5] * 3
    assert sorted(lookup.get_vocabulary(include_special_tokens=False)) == [1, 2]


@pytest.mark.parametrize(
    ("size", "given", "boxes"),
    [
        ((18, 18), (10, 8), [[2.25, 2.25, 11.25, 11.25], [0, 0, 6.75, 4.5]]),
        ((9, 3), (8, 8), [[0, 2.25, 3, 6.75], [0, 0, 0, 3.375]]),
        ((4, 6), (9, 9), [[0, 0, 4, 4], [0, 0, 2, 1]]),
    ],
)
def test_boxes_of_a_center_crop(size: Any, given: Any, boxes: Any) -> None:
    fed = {
        "images": np.zeros((1, *given, 3), "float32"),
        "bounding_boxes": {
            "boxes": np.array([[[1, 2, 5, 6], [0, 0, 3, 3]]], "float32"),
            "labels": np.array([[0, 1]]),
        },
    }
    made = layers.CenterCrop(*size, bounding_box_format="xyxy")(fed)

    assert np.asarray(made["bounding_boxes"]["boxes"])[0].tolist() == boxes


def test_an_unknown_keyword_is_a_value_error_too() -> None:
    for make in (lambda: layers.Dense(2, foo=3), lambda: graphkit.optimizers.SGD(foo=3)):
        with pytest.raises(ValueError, match="foo"):
            make()
        with pytest.raises(TypeError, match="foo"):
            make()


def test_a_built_in_class_under_a_registered_name_is_refused() -> None:
    config = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}}

    assert graphkit.saving.deserialize_keras_object({**config, "registered_name": None}).units == 2
    with pytest.raises(ValueError, match="registered as 'Foo'"):
        graphkit.saving.deserialize_keras_object({**config, "registered_name": "Foo"})
