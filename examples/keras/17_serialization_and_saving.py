"""Serialization and saving.

A whole model in one file: its layers, weights, compile settings and the state of its optimizer. The script saves functional, sequential
and subclassed models, registers classes and functions of its own, writes configs, copies models without weights, and transfers weights
between models.
"""

# backend: jax

import json
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


def same(first, second, x):
    """Whether two models compute the same."""
    return bool(np.allclose(first.predict(x, verbose=0), second.predict(x, verbose=0), atol=1e-5))


# A model is saved, and training goes on where it stopped.
def get_model():
    inputs = keras.Input(shape=(32,))
    outputs = keras.layers.Dense(1)(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(), loss="mean_squared_error")
    return model


test_input, test_target = random.random((128, 32)), random.random((128, 1))
model = get_model()
fill(model)
model.fit(test_input, test_target, shuffle=False, verbose=0)
model.save(folder / "my_model.keras")
reconstructed = keras.models.load_model(folder / "my_model.keras")
print("predictions are those of the original:", same(model, reconstructed, test_input))
losses = [m.fit(test_input, test_target, shuffle=False, verbose=0).history["loss"][0] for m in (model, reconstructed)]
print("losses of the next epoch:", np.round(losses, 5).tolist())
print("steps of the optimizer:", int(reconstructed.optimizer.iterations.numpy()))


# Custom objects: classes with a get_config, and functions.
class CustomLayer(layers.Layer):
    """A layer of its own, passed when the model is loaded."""

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="random_normal", trainable=True)

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


def custom_activation(x):
    return ops.tanh(x) ** 2


inputs = keras.Input((32,))
x = CustomLayer(8)(inputs)
outputs = layers.Activation(custom_activation)(x)
custom = keras.Model(inputs, outputs)
fill(custom)
custom.save(folder / "custom_model.keras")
custom_objects = {"CustomLayer": CustomLayer, "custom_activation": custom_activation}
loaded = keras.models.load_model(folder / "custom_model.keras", custom_objects=custom_objects)
print("loaded with custom_objects:", same(custom, loaded, test_input))
with keras.saving.custom_object_scope(custom_objects):
    again = keras.Model.from_config(custom.get_config())
print("from its config in a scope:", [type(layer).__name__ for layer in again.layers])
try:
    keras.models.load_model(folder / "custom_model.keras")
except (TypeError, ValueError):
    print("unknown classes are refused")


@keras.saving.register_keras_serializable(package="my_package", name="Doubling")
class Doubling(layers.Layer):
    """A registered layer needs no custom_objects."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return inputs * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="my_package", name="squashed")
def squashed(x):
    return x / (1.0 + ops.abs(x))


registered = keras.Sequential([keras.Input((32,)), Doubling(3.0), layers.Dense(2, activation=squashed)])
fill(registered)
registered.save(folder / "registered.keras")
print("registered:", keras.saving.get_registered_name(Doubling), keras.saving.get_registered_name(squashed))
print("loaded without custom_objects:", same(registered, keras.models.load_model(folder / "registered.keras"), test_input))


# A subclassed model: its constructor's arguments are its config.
@keras.saving.register_keras_serializable(package="my_package")
class CustomModel(keras.Model):
    """Layers chosen by an argument."""

    def __init__(self, hidden_units, **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = hidden_units
        self.dense_layers = [layers.Dense(u, activation="relu") for u in hidden_units]
        self.head = layers.Dense(1)

    def call(self, inputs):
        x = inputs
        for layer in self.dense_layers:
            x = layer(x)
        return self.head(x)

    def get_config(self):
        return {**super().get_config(), "hidden_units": self.hidden_units}


subclassed = CustomModel([16, 16, 10])
subclassed(test_input)
fill(subclassed)
subclassed.save(folder / "subclassed.keras")
loaded = keras.models.load_model(folder / "subclassed.keras")
print("subclassed:", loaded.hidden_units, len(loaded.weights), same(subclassed, loaded, test_input))


# A config may hold other objects: they are serialized by hand.
@keras.saving.register_keras_serializable(package="my_package")
class Wrapping(keras.Model):
    """A model around another one."""

    def __init__(self, inner, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.head = layers.Dense(1)

    def call(self, inputs):
        return self.head(self.inner(inputs))

    def get_config(self):
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, **config)


wrapping = Wrapping(keras.Sequential([layers.Dense(4, activation="tanh")]))
wrapping(test_input)
fill(wrapping)
wrapping.save(folder / "wrapping.keras")
print("a model inside a model:", same(wrapping, keras.models.load_model(folder / "wrapping.keras"), test_input))

# Configs: the architecture without weights.
layer = keras.layers.Dense(3, activation="relu", name="dense_of_three")
config = layer.get_config()
print("layer:", config["name"], config["units"], config["activation"], type(keras.layers.Dense.from_config(config)).__name__)
sequential = keras.Sequential([keras.Input((32,), name="pixels"), layers.Dense(1, name="only")], name="small")
config = sequential.get_config()
print("sequential:", config["name"], [entry["class_name"] for entry in config["layers"]])
print("made again:", [layer.name for layer in keras.Sequential.from_config(config).layers])
functional = keras.Model.from_config(get_model().get_config())
print("functional:", [type(layer).__name__ for layer in functional.layers], functional.output_shape)
text = sequential.to_json()
print("JSON names the class", json.loads(text)["class_name"], "and gives", keras.models.model_from_json(text).name)

# Any object: a dict with module, class name, config and registered name.
serialized = keras.saving.serialize_keras_object(keras.optimizers.SGD(0.25, momentum=0.5))
print("serialized:", serialized["class_name"], sorted(k for k in serialized), serialized["config"]["momentum"])
back = keras.saving.deserialize_keras_object(serialized)
print("deserialized:", type(back).__name__, back.momentum)

# A clone has the architecture and new weights.
clone = keras.models.clone_model(sequential)
clone.set_weights(sequential.get_weights())
print("clone:", clone.layers[0] is sequential.layers[0], same(clone, sequential, test_input))


def without_relu(layer):
    config = layer.get_config()
    if config.get("activation") == "relu":
        config["activation"] = "tanh"
    return layer.__class__.from_config(config)


relu_net = keras.Sequential([keras.Input((32,)), layers.Dense(2, activation="relu")])
print("cloned with a function:", keras.models.clone_model(relu_net, clone_function=without_relu).layers[0].activation.__name__)


# Weights alone: between layers, between models, and in files.
def create_layer():
    layer = keras.layers.Dense(64, activation="relu", name="dense_2")
    layer.build((None, 784))
    return layer


layer_1, layer_2 = create_layer(), create_layer()
layer_2.set_weights(layer_1.get_weights())
print("weights of layers:", all(np.array_equal(a, b) for a, b in zip(layer_1.get_weights(), layer_2.get_weights(), strict=True)))

inputs = keras.Input(shape=(32,), name="digits")
x = layers.Dense(16, activation="relu", name="dense_1")(inputs)
x = layers.Dropout(0.5, name="stateless")(x)
outputs = layers.Dense(2, name="predictions")(x)
functional_model = keras.Model(inputs=inputs, outputs=outputs, name="3_layer_mlp")
fill(functional_model)
functional_model.save_weights(folder / "w.weights.h5")
other = keras.models.clone_model(functional_model)
other.load_weights(folder / "w.weights.h5")
print("weights of a file:", same(functional_model, other, test_input))
extractor = keras.Model(functional_model.inputs, functional_model.layers[1].output)
extractor.save_weights(folder / "body.weights.h5")
body = keras.Sequential([keras.Input((32,)), layers.Dense(16, activation="relu")])
body.load_weights(folder / "body.weights.h5")
print("weights of a part:", same(extractor, body, test_input))
