"""TensorFlow's tensors, variables, dtypes and shapes, and its functions inside traced code, under `graphkit run`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops
from graphkit.cli.impersonate import impersonating
from graphkit.core.errors import UnknownValueError
from graphkit.errors import InvalidArgumentError, ShapeError, UnsupportedError


@pytest.fixture
def tf() -> Iterator[Any]:
    with impersonating():
        import tensorflow  # type: ignore[import-not-found, import-untyped, unused-ignore]

        yield tensorflow


X = np.arange(6, dtype="float32").reshape(2, 3)


# ----- tensors and dtypes -----


def test_results_are_tensors_with_their_methods(tf: Any) -> None:
    made = tf.constant(X)

    assert isinstance(made, tf.Tensor)
    assert not isinstance(X, tf.Tensor)
    assert type(made.numpy()) is np.ndarray
    assert made[0, 1].numpy() == 1.0
    assert [float(v.numpy()) for v in made[1]] == [3.0, 4.0, 5.0]
    assert made.shape.as_list() == made.get_shape().as_list() == [2, 3]
    assert made.shape == (2, 3)
    assert made.shape.rank == 2


def test_strings_are_bytes(tf: Any) -> None:
    words = tf.constant(["a", "bc"])

    assert words.numpy().tolist() == [b"a", b"bc"]
    assert words[1].numpy().decode() == "bc"
    assert (words == "bc").numpy().tolist() == [False, True]
    assert (words != tf.constant(["a", "b"])).numpy().tolist() == [False, True]
    assert tf.where(words == "a", 1, 0).numpy().tolist() == [1, 0]


@pytest.mark.parametrize("name", ["float32", "int64", "bool", "string", "bfloat16", "complex64"])
def test_dtypes_equal_their_names_and_those_of_numpy(tf: Any, name: str) -> None:
    dtype = getattr(tf, name)

    assert dtype == name
    assert tf.as_dtype(name) is not None
    assert dtype.name == name
    assert repr(dtype) == f"tf.{name}"
    assert str(dtype) == f"<dtype: '{name}'>"
    assert dtype != "int8"
    assert len({dtype, tf.as_dtype(name)}) == 1
    if name not in ("string", "bfloat16"):
        assert dtype == np.dtype(name)
        assert dtype.as_numpy_dtype is np.dtype(name).type


def test_dtypes_tell_what_they_are(tf: Any) -> None:
    assert tf.float16.is_floating
    assert tf.uint8.is_integer
    assert tf.uint8.is_unsigned
    assert not tf.int8.is_unsigned
    assert tf.int8.max == 127
    assert tf.float32.size == 4
    assert tf.double == tf.float64
    assert tf.half == "float16"


def test_dtypes_reach_layers_as_plain_names(tf: Any) -> None:
    layer = layers.Dense(2, dtype=tf.float64)
    layer.build((None, 3))

    assert layer.kernel.dtype == "float64"
    assert type(layer.kernel.dtype) is str
    assert str(ops.cast(X, tf.int32).dtype) == "int32"


def test_a_shape_is_a_tuple_with_methods(tf: Any) -> None:
    shape = tf.TensorShape([None, 3])

    assert shape == (None, 3)
    assert shape.as_list() == [None, 3]
    assert shape.rank == shape.ndims == 2
    assert not shape.is_fully_defined()
    assert shape.is_compatible_with([5, 3])
    assert not shape.is_compatible_with([5, 4])
    assert shape.concatenate([1]).as_list() == [None, 3, 1]
    assert tf.TensorShape(4).num_elements() == 4
    with pytest.raises(ShapeError, match=r"Shapes \(None, 3\) and \(2, 2\) are incompatible"):
        shape.assert_is_compatible_with([2, 2])


def test_a_variable_takes_the_arguments_of_tensorflow(tf: Any) -> None:
    variable = tf.Variable([1.0, 2.0], trainable=False, name="v", dtype=tf.float64)

    assert isinstance(variable, tf.Variable)
    assert isinstance(graphkit.Variable(1.0), tf.Variable)
    assert (variable.name, variable.dtype, variable.trainable) == ("v", "float64", False)
    assert variable.assign_add([1.0, 1.0]).numpy().tolist() == [2.0, 3.0]
    assert (variable * 2).numpy().tolist() == [4.0, 6.0]
    assert int(tf.Variable(3)) == 3
    with pytest.raises(ShapeError):
        tf.Variable([1.0], shape=[2])
    with pytest.raises(InvalidArgumentError, match="initial_value"):
        tf.Variable()


def test_a_module_finds_its_variables(tf: Any) -> None:
    class Net(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="net")
            self.w = tf.Variable([[1.0]])
            self.parts = [layers.Dense(2), tf.Variable(0, trainable=False)]
            self.parts[0].build((None, 3))

    net = Net()

    assert net.name == "net"
    assert len(net.trainable_variables) == 3
    assert len(net.variables) == 4


# ----- traced and symbolic tensors -----


def test_functions_work_inside_a_traced_layer_with_unknown_sizes(tf: Any) -> None:
    class Pairs(layers.Layer):
        def call(self, x: Any) -> Any:
            batch = tf.shape(x)[0]
            rows = tf.reshape(x, [batch, 3, 1])
            padded = tf.concat([rows, tf.zeros((batch, 1, 1))], axis=1)
            weights = tf.tile(tf.constant([[1.0, 2.0, 3.0, 4.0]]), [batch, 1])
            places = tf.cast(tf.range(tf.shape(x)[0]), tf.float32)
            return tf.einsum("bic,bi->b", padded, weights) + places / tf.cast(tf.shape(x)[0], tf.float32)

    inputs = graphkit.Input((3,))
    model = graphkit.Model(inputs, Pairs()(inputs))

    assert model.output_shape == (None,)
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ [1, 2, 3] + [0.0, 0.5])
    np.testing.assert_allclose(np.asarray(model(X)), X @ [1, 2, 3] + [0.0, 0.5])


def test_functions_build_a_graph_of_ops_from_symbolic_tensors(tf: Any) -> None:
    inputs = graphkit.Input((3,))
    model = graphkit.Model(
        inputs, tf.reduce_mean(tf.nn.softmax(tf.transpose(inputs, perm=[0, 1])), axis=-1, keepdims=True)
    )

    np.testing.assert_allclose(model.predict(X, verbose=0), [[1 / 3], [1 / 3]], rtol=1e-6)
    again = graphkit.models.model_from_json(model.to_json())
    np.testing.assert_allclose(again.predict(X, verbose=0), [[1 / 3], [1 / 3]], rtol=1e-6)


def test_a_loss_of_tensorflow_functions_trains(tf: Any) -> None:
    def loss(y: Any, p: Any) -> Any:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(y, tf.float32), logits=p))

    model = graphkit.Sequential([layers.Dense(1)])
    model.compile("sgd", loss)
    history = model.fit(X, np.array([[0.0], [1.0]]), epochs=3, verbose=0, shuffle=False).history["loss"]

    assert history[-1] < history[0]


def test_gradients_flow_through_the_functions(tf: Any) -> None:
    x = tf.Variable(X)
    with tf.GradientTape() as tape:
        picked = tf.gather(x, [2, 0], axis=1)
        loss = tf.reduce_sum(tf.boolean_mask(picked, [True, False]) ** 2) + tf.linalg.norm(x[1])
    gradient = tape.gradient(loss, x).numpy()

    np.testing.assert_allclose(gradient[0], [0.0, 0.0, 4.0])
    np.testing.assert_allclose(gradient[1], X[1] / np.linalg.norm(X[1]), rtol=1e-6)


def test_what_depends_on_numbers_says_so_while_a_graph_is_built(tf: Any) -> None:
    inputs = graphkit.Input((3,))

    with pytest.raises(
        UnknownValueError, match=r"tf\.where\(condition\) returns a number of rows that depends on the data"
    ):
        tf.where(inputs > 0)
    with pytest.raises(
        UnknownValueError, match=r"tf\.boolean_mask returns a number of elements that depends on the data"
    ):
        tf.boolean_mask(inputs, inputs > 0)
    with pytest.raises(UnknownValueError, match=r"tf\.numpy_function needs the values"):
        tf.numpy_function(np.sin, [inputs], tf.float32)


# ----- random numbers -----


@pytest.mark.parametrize(
    "draw",
    [
        lambda tf: tf.random.normal((3,)),
        lambda tf: tf.random.uniform([3], 1, 5, seed=3),
        lambda tf: tf.random.uniform((3,), maxval=9, dtype=tf.int32),
        lambda tf: tf.random.truncated_normal([3], stddev=0.1),
        lambda tf: tf.random.shuffle([1, 2, 3, 4, 5, 6, 7, 8]),
        lambda tf: tf.image.random_brightness(np.zeros((2, 2, 1), "float32"), 0.5, seed=1),
    ],
)
def test_a_seed_makes_draws_repeatable(tf: Any, draw: Any) -> None:
    tf.random.set_seed(1)
    first, second = draw(tf).numpy(), draw(tf).numpy()
    tf.random.set_seed(1)

    np.testing.assert_array_equal(draw(tf).numpy(), first)
    assert not np.array_equal(first, second), "the same operation draws on"


def test_stateless_draws_depend_on_their_seed_alone(tf: Any) -> None:
    first = tf.random.stateless_uniform((4,), seed=(1, 2)).numpy()

    np.testing.assert_array_equal(tf.random.stateless_uniform((4,), seed=[1, 2]).numpy(), first)
    assert not np.array_equal(tf.random.stateless_uniform((4,), seed=[2, 2]).numpy(), first)


def test_draws_have_their_distribution(tf: Any) -> None:
    tf.random.set_seed(0)
    normal = tf.random.normal((4000,), 3.0, 2.0).numpy()
    whole = tf.random.uniform((4000,), 2, 5, tf.int64).numpy()
    poisson = tf.random.poisson((4000,), [1.0, 8.0]).numpy()

    assert abs(normal.mean() - 3) < 0.15
    assert abs(normal.std() - 2) < 0.15
    assert sorted(set(whole.tolist())) == [2, 3, 4]
    np.testing.assert_allclose(poisson.mean(axis=0), [1.0, 8.0], rtol=0.08)
    np.testing.assert_allclose(poisson.var(axis=0), [1.0, 8.0], rtol=0.15)


def test_random_flips_flip_each_image_by_itself(tf: Any) -> None:
    tf.random.set_seed(0)
    images = np.tile(np.array([0.0, 1.0], "float32").reshape(1, 1, 2, 1), (64, 1, 1, 1))
    flipped = tf.image.random_flip_left_right(images).numpy()[:, 0, 0, 0]

    assert 16 < flipped.sum() < 48


# ----- around the computation -----


def test_checks_raise_with_the_values(tf: Any) -> None:
    tf.debugging.assert_equal([1, 2], [1, 2])
    tf.debugging.assert_near(1.0, 1.0 + 1e-7)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"own words Condition x < y did not hold\. x = \[1 5\], y = 3"
    ):
        tf.debugging.assert_less([1, 5], 3, message="own words")
    with pytest.raises(InvalidArgumentError, match="Tensor had NaN values"):
        tf.debugging.check_numerics([1.0, np.nan], "here")


def test_print_writes_as_tensorflow_does(tf: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tf.print("loss:", tf.constant([1.0, 2.5]), {"a": 1}, sep=" ")
    tf.print(tf.range(10))

    assert capsys.readouterr().err == "loss: [1 2.5] {'a': 1}\n[0 1 2 ... 7 8 9]\n"


def test_there_is_one_device(tf: Any) -> None:
    assert tf.config.list_physical_devices("GPU") == []
    assert [d.device_type for d in tf.config.list_physical_devices()] == ["CPU"]
    with tf.device("/GPU:0"), tf.name_scope("scope"), tf.distribute.MirroredStrategy().scope():
        assert tf.distribute.get_strategy().num_replicas_in_sync == 1
    with pytest.raises(UnsupportedError, match="several devices"):
        tf.distribute.MirroredStrategy(["/gpu:0", "/gpu:1"])


def test_files_are_read_and_written(tf: Any, tmp_path: Any) -> None:
    pytest.importorskip("PIL")
    pixels = np.arange(24, dtype="uint8").reshape(2, 4, 3)
    path = str(tmp_path / "folder" / "picture.png")
    tf.io.write_file(path, tf.io.encode_png(pixels))

    assert tf.io.gfile.exists(path)
    np.testing.assert_array_equal(tf.io.decode_png(tf.io.read_file(path), channels=3).numpy(), pixels)
    assert tf.io.decode_image(tf.io.read_file(path), channels=1, dtype=tf.float32).shape == (2, 4, 1)


def test_a_function_is_decorated_in_every_form(tf: Any) -> None:
    @tf.function
    def one(x: Any) -> Any:
        return tf.reduce_sum(x)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], jit_compile=True)
    def two(x: Any) -> Any:
        return tf.reduce_sum(x) * 2

    assert float(one(tf.constant([1.0, 2.0]))) == 3.0
    assert float(two(tf.constant([1.0, 2.0]))) == 6.0


@pytest.mark.filterwarnings("ignore:.*runs eagerly")
def test_a_function_that_needs_numbers_runs_with_them(tf: Any) -> None:
    @tf.function
    def total(count: Any) -> Any:
        made = tf.constant(0)
        for i in tf.range(count):
            made += i
        return tf.boolean_mask(tf.stack([made, -made]), tf.stack([made > 0, made < 0]))

    assert total(tf.constant(4)).numpy().tolist() == [6]


def test_a_custom_gradient_is_used(tf: Any) -> None:
    @tf.custom_gradient
    def clipped(x: Any) -> Any:
        return x, lambda upstream: tf.clip_by_value(upstream, -0.5, 0.5)

    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(clipped(x) * [0.1, 9.0])

    np.testing.assert_allclose(tape.gradient(loss, x).numpy(), [0.1, 0.5])
