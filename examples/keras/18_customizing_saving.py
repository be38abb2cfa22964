"""Customizing saving.

What a layer or model writes into a file beyond its arguments and weights is decided by pairs of methods: arrays of its own
(`save_own_variables`), files (`save_assets`), the state that `build` needs (`get_build_config`), and the arguments of `compile`
(`get_compile_config`). Each has a counterpart that reads.
"""

# backend: jax

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.3, w.shape) for w in layer.get_weights()])


def small_add_one(x):
    return x + 1


# The state: arrays under names of one's own.
@keras.saving.register_keras_serializable(package="my_custom_package")
class LayerWithCustomVariables(layers.Dense):
    """A Dense layer with a vector that is no weight."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.my_custom_variable = keras.Variable(np.zeros((units,)), name="my_custom_variable", dtype="float32")

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["variables"] = np.asarray(self.my_custom_variable)

    def load_own_variables(self, store):
        self.my_custom_variable.assign(store["variables"])
        self.kernel.assign(store["0"])
        self.bias.assign(store["1"])

    def call(self, inputs):
        return super().call(inputs) * self.my_custom_variable


model = keras.Sequential([keras.Input((4,)), LayerWithCustomVariables(1)])
fill(model)
model.compile(optimizer="adam", loss="mse")
x = random.random((10, 4))
model.save(folder / "state.keras")
restored = keras.models.load_model(folder / "state.keras")
print("vector:", np.round(np.asarray(restored.layers[0].my_custom_variable), 4).tolist())
print("same outputs:", np.allclose(model.predict(x, verbose=0), restored.predict(x, verbose=0)))


# Assets: files inside the file.
@keras.saving.register_keras_serializable(package="my_custom_package")
class LayerWithCustomAssets(layers.Layer):
    """A layer that keeps a table of words in a text file."""

    def __init__(self, vocab=None, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.vocab = vocab

    def save_assets(self, inner_path):
        with open(Path(inner_path) / "vocabulary.txt", "w") as file:
            file.write("\n".join(self.vocab))

    def load_assets(self, inner_path):
        with open(Path(inner_path) / "vocabulary.txt") as file:
            self.vocab = file.read().split("\n")

    def get_config(self):
        return super().get_config()

    def call(self, inputs):
        return inputs


model = keras.Sequential([keras.Input((3,)), LayerWithCustomAssets(vocab=["the", "quick", "fox"])])
model.save(folder / "assets.keras")
print("vocabulary:", keras.models.load_model(folder / "assets.keras").layers[0].vocab)


# Build: how the weights were made.
@keras.saving.register_keras_serializable(package="my_custom_package")
class LayerWithCustomBuild(layers.Layer):
    """`build` takes an initializer besides the shape."""

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        return dict(units=self.units, **super().get_config())

    def build(self, input_shape, layer_init):
        self.layer_init = layer_init
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer=self._custom_init(), trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer=self._custom_init(), trainable=True)
        self.shape_of_inputs = tuple(input_shape)

    def _custom_init(self):
        return {"ones": "ones", "zeros": "zeros"}[self.layer_init]

    def get_build_config(self):
        return {"layer_init": self.layer_init, "input_shape": self.shape_of_inputs}

    def build_from_config(self, config):
        self.build(config["input_shape"], config["layer_init"])


custom_layer = LayerWithCustomBuild(units=2)
custom_layer.build(input_shape=(8,), layer_init="ones")
model = keras.Sequential([keras.Input((8,)), custom_layer, layers.Dense(1, activation="sigmoid")])
fill(model.layers[1])
model.save(folder / "build.keras")
restored = keras.models.load_model(folder / "build.keras")
print("initializer:", restored.layers[0].layer_init, np.asarray(restored.layers[0].w).sum())


# Compile: arguments of one's own.
@keras.saving.register_keras_serializable(package="my_custom_package")
class ModelWithCustomCompile(keras.Model):
    """`compile` takes the optimizer, the loss and metrics under other names."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense1 = layers.Dense(8, activation="relu")
        self.dense2 = layers.Dense(4, activation="softmax")

    def call(self, inputs):
        return self.dense2(self.dense1(inputs))

    def compile(self, optimizer, loss_fn, metrics):
        super().compile(optimizer=optimizer, loss=loss_fn, metrics=metrics)
        self.model_optimizer = optimizer
        self.loss_fn = loss_fn
        self.loss_metrics = metrics

    def get_compile_config(self):
        return {
            "model_optimizer": self.model_optimizer,
            "loss_fn": self.loss_fn,
            "metric": self.loss_metrics,
        }

    def compile_from_config(self, config):
        optimizer = keras.utils.deserialize_keras_object(config["model_optimizer"])
        loss_fn = keras.utils.deserialize_keras_object(config["loss_fn"])
        metrics = keras.utils.deserialize_keras_object(config["metric"])
        self.compile(optimizer=optimizer, loss_fn=loss_fn, metrics=metrics)


model = ModelWithCustomCompile()
model.compile(
    optimizer=keras.optimizers.SGD(0.05), loss_fn=keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"]
)
labels = random.integers(0, 4, (10,))
model(x)
fill(model)
print("losses:", np.round(model.fit(x, labels, epochs=3, shuffle=False, verbose=0).history["loss"], 4).tolist())
model.save(folder / "compile.keras")
restored = keras.models.load_model(folder / "compile.keras")
print("optimizer:", type(restored.model_optimizer).__name__, "loss:", type(restored.loss_fn).__name__, restored.loss_metrics)
print("evaluated:", np.round([model.evaluate(x, labels, verbose=0), restored.evaluate(x, labels, verbose=0)], 4).tolist())


# All together, in one layer, beside a function as an argument.
@keras.saving.register_keras_serializable(package="my_custom_package")
class EverythingLayer(layers.Layer):
    """A function, an array and a file."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.scale = np.ones(1, "float32")
        self.notes = []

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="kernel")

    def call(self, inputs):
        return self.function(inputs) * self.kernel * self.scale

    def get_config(self):
        return {**super().get_config(), "function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        function = keras.saving.deserialize_keras_object(config.pop("function"))
        return cls(function, **config)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["scale"] = self.scale

    def load_own_variables(self, store):
        self.scale = np.array(store["scale"])
        self.kernel.assign(store["0"])

    def save_assets(self, inner_path):
        (Path(inner_path) / "notes.txt").write_text("\n".join(self.notes))

    def load_assets(self, inner_path):
        self.notes = (Path(inner_path) / "notes.txt").read_text().split("\n")


inputs = keras.Input((4,))
layer = EverythingLayer(small_add_one)
model = keras.Model(inputs, layer(inputs))
fill(model)
layer.scale, layer.notes = np.full(1, 2.0, "float32"), ["first", "second"]
model.save(folder / "everything.keras")
restored = keras.models.load_model(folder / "everything.keras", custom_objects={"small_add_one": small_add_one})
print("notes:", restored.layers[1].notes, "scale:", restored.layers[1].scale.tolist())
print("outputs:", np.round(np.asarray(restored(np.ones((1, 4)))), 4).tolist())

# The state as a tree of arrays, for other ways of storing it.
model = keras.Sequential([keras.Input((4,)), layers.Dense(2, name="first"), layers.Dense(1, name="second")], name="net")
model.compile("sgd", "mse")
fill(model)
tree = model.get_state_tree(value_format="numpy_array")
print("tree:", sorted(tree), {name: sorted(part) for name, part in tree["trainable_variables"]["net"].items()})
model.set_state_tree({"trainable_variables": {"net": {"second": {"bias": np.array([0.5])}}}})
print("one leaf set:", np.asarray(model.layers[1].bias).tolist())
