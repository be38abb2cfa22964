"""The functional API.

Models as graphs of layers: several inputs and outputs, shared layers, residual connections, models inside models, features from the
middle of a network, layers of one's own, and a mix with subclassing.
"""

# backend: jax

import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.2, w.shape) for w in layer.get_weights()])


def show(title, values):
    """Print numbers with four digits."""
    print(f"{title}:", np.round(np.asarray(values, "float64"), 4).tolist())


# A first model.
inputs = keras.Input(shape=(64,), name="pixels")
print("input:", inputs.shape, inputs.dtype)
x = layers.Dense(16, activation="relu", name="hidden_1")(inputs)
x = layers.Dense(16, activation="relu", name="hidden_2")(x)
outputs = layers.Dense(10, name="logits")(x)
model = keras.Model(inputs=inputs, outputs=outputs, name="digits_model")
model.summary(line_length=70)
fill(model)

images, labels = random.random((96, 64)).astype("float32"), random.integers(0, 10, (96,))
model.compile(
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    optimizer=keras.optimizers.RMSprop(),
    metrics=["accuracy"],
)
history = model.fit(images, labels, batch_size=32, epochs=2, validation_split=0.25, shuffle=False, verbose=0)
for key in sorted(history.history):
    show(key, history.history[key])
show("test loss and accuracy", model.evaluate(images, labels, verbose=0))

with tempfile.TemporaryDirectory() as folder:
    model.save(Path(folder) / "my_model.keras")
    before = model.predict(images[:1], verbose=0)
    model = keras.models.load_model(Path(folder) / "my_model.keras")
    print("saved and loaded:", np.allclose(before, model.predict(images[:1], verbose=0), atol=1e-5))

# One graph, two models: the encoder is part of the autoencoder.
encoder_input = keras.Input(shape=(12, 12, 1), name="img")
x = layers.Conv2D(4, 3, activation="relu")(encoder_input)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(4, 3, activation="relu")(x)
encoder_output = layers.GlobalMaxPooling2D()(x)
encoder = keras.Model(encoder_input, encoder_output, name="encoder")
x = layers.Reshape((2, 2, 1))(encoder_output)
x = layers.Conv2DTranspose(4, 3, activation="relu")(x)
x = layers.UpSampling2D(3)(x)
decoder_output = layers.Conv2D(1, 1)(x)
autoencoder = keras.Model(encoder_input, decoder_output, name="autoencoder")
print("encoder:", encoder.output_shape, "autoencoder:", autoencoder.output_shape)
print("the encoder's weights are part of the autoencoder:", all(any(w is v for v in autoencoder.weights) for w in encoder.weights))
fill(autoencoder)
image = random.random((1, 12, 12, 1)).astype("float32")
show("a row of the decoded image", autoencoder.predict(image, verbose=0)[0, 5, :4, 0])


# Models are called like layers, here three times in an ensemble.
def get_member():
    inputs = keras.Input(shape=(8,))
    outputs = layers.Dense(1)(inputs)
    return keras.Model(inputs, outputs)


members = [get_member() for _ in range(3)]
inputs = keras.Input(shape=(8,))
ensemble = keras.Model(inputs=inputs, outputs=layers.average([member(inputs) for member in members]))
fill(ensemble)
row = random.random((1, 8)).astype("float32")
show("ensemble and the mean of its members", [ensemble(row)[0, 0], np.mean([np.asarray(m(row))[0, 0] for m in members])])

# Several inputs and outputs: a title, a body and tags give a priority and a department.
num_tags, num_words, num_departments = 6, 50, 4
title_input = keras.Input(shape=(None,), name="title")
body_input = keras.Input(shape=(None,), name="body")
tags_input = keras.Input(shape=(num_tags,), name="tags")
title_features = layers.LSTM(8)(layers.Embedding(num_words, 8)(title_input))
body_features = layers.LSTM(4)(layers.Embedding(num_words, 8)(body_input))
x = layers.concatenate([title_features, body_features, tags_input])
priority_pred = layers.Dense(1, name="priority")(x)
department_pred = layers.Dense(num_departments, name="department")(x)
tickets = keras.Model(
    inputs=[title_input, body_input, tags_input],
    outputs={"priority": priority_pred, "department": department_pred},
)
fill(tickets)
tickets.compile(
    optimizer=keras.optimizers.RMSprop(1e-3),
    loss={
        "priority": keras.losses.BinaryCrossentropy(from_logits=True),
        "department": keras.losses.CategoricalCrossentropy(from_logits=True),
    },
    loss_weights={"priority": 1.0, "department": 0.2},
)
title_data, body_data = random.integers(num_words, size=(48, 5)), random.integers(num_words, size=(48, 12))
tags_data = random.integers(2, size=(48, num_tags)).astype("float32")
priority_targets = random.integers(2, size=(48, 1)).astype("float32")
department_targets = np.eye(num_departments)[random.integers(num_departments, size=48)]
history = tickets.fit(
    {"title": title_data, "body": body_data, "tags": tags_data},
    {"priority": priority_targets, "department": department_targets},
    epochs=2,
    batch_size=16,
    shuffle=False,
    verbose=0,
)
for key in sorted(history.history):
    show(key, history.history[key])

# Residual connections: a graph that is no stack.
inputs = keras.Input(shape=(12, 12, 3), name="img")
x = layers.Conv2D(4, 3, activation="relu")(inputs)
block_1_output = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(4, 3, activation="relu", padding="same")(block_1_output)
x = layers.Conv2D(4, 3, activation="relu", padding="same")(x)
block_2_output = layers.add([x, block_1_output])
x = layers.GlobalAveragePooling2D()(block_2_output)
outputs = layers.Dense(10)(layers.Dropout(0.5)(x))
toy_resnet = keras.Model(inputs, outputs, name="toy_resnet")
fill(toy_resnet)
print("layers:", [type(layer).__name__ for layer in toy_resnet.layers])
show("residual net", toy_resnet.predict(random.random((1, 12, 12, 3)), verbose=0)[0, :4])

# A shared layer: two texts, one table of vectors.
shared_embedding = layers.Embedding(100, 4)
text_input_a = keras.Input(shape=(None,), dtype="int32")
text_input_b = keras.Input(shape=(None,), dtype="int32")
encoded = [shared_embedding(text_input_a), shared_embedding(text_input_b)]
shared = keras.Model([text_input_a, text_input_b], [layers.GlobalAveragePooling1D()(e) for e in encoded])
fill(shared)
same = np.array([[1, 2, 3]])
first, second = shared.predict([same, same], verbose=0)
print("a shared layer counts once:", len(shared.weights), "and gives the same:", np.array_equal(first, second))

# Nodes in the middle of a graph are outputs of another model.
features_list = [layer.output for layer in toy_resnet.layers if isinstance(layer, layers.Conv2D)]
feat_extraction_model = keras.Model(inputs=toy_resnet.input, outputs=features_list)
extracted = feat_extraction_model(random.random((1, 12, 12, 3)).astype("float32"))
print("features:", [tuple(feature.shape) for feature in extracted])


# A layer of one's own in a graph, and in its config.
class CustomDense(layers.Layer):
    """A dense layer with its own config."""

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="random_normal", trainable=True)

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        return {**super().get_config(), "units": self.units}


inputs = keras.Input((4,))
outputs = CustomDense(10)(inputs)
model = keras.Model(inputs, outputs)
config = model.get_config()
new_model = keras.Model.from_config(config, custom_objects={"CustomDense": CustomDense})
print("from a config:", [type(layer).__name__ for layer in new_model.layers], new_model.layers[1].units)


# Functional models in subclassed ones, and the other way round.
class MLP(keras.Model):
    """The counterpart of a functional model of two layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense_1 = layers.Dense(8, activation="relu")
        self.dense_2 = layers.Dense(3)

    def call(self, inputs):
        return self.dense_2(self.dense_1(inputs))


class CustomRNN(layers.Layer):
    """A recurrence written by hand, with a functional classifier."""

    def __init__(self, units, timesteps, classifier):
        super().__init__()
        self.units, self.timesteps = units, timesteps
        self.projection_1 = layers.Dense(units=units, activation="tanh")
        self.projection_2 = layers.Dense(units=units, activation="tanh")
        self.classifier = classifier

    def call(self, inputs):
        outputs = []
        state = ops.zeros(shape=(inputs.shape[0], self.units))
        for t in range(self.timesteps):
            h = self.projection_1(inputs[:, t, :])
            state = h + self.projection_2(state)
            outputs.append(state)
        return self.classifier(ops.stack(outputs, axis=1))


units, timesteps, input_dim = 6, 4, 3
inputs = keras.Input((None, units))
classifier = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(inputs)))
rnn = CustomRNN(units, timesteps, classifier)
sequence = random.random((2, timesteps, input_dim)).astype("float32")
rnn(sequence)
fill(rnn)
show("recurrence by hand", rnn(sequence))
inputs = keras.Input(batch_shape=(2, timesteps, input_dim))
whole = keras.Model(inputs, rnn(layers.Conv1D(input_dim, 1, kernel_initializer="ones")(inputs)))
show("after a convolution", whole(sequence))
mlp = MLP()
mlp(random.random((1, 32)).astype("float32"))
print("subclassed:", [tuple(w.shape) for w in mlp.weights])


class WithOwnInputs(keras.Model):
    """A class that makes its own graph, and may be saved by its argument."""

    def __init__(self, width, **kwargs):
        inputs = keras.Input((4,))
        features = layers.Dense(width, activation="relu", name="features")(inputs)
        outputs = layers.Dense(2, name="head")(features)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        self.width = width

    def get_config(self):
        return {"width": self.width, "name": self.name}


own = WithOwnInputs(5, name="own")
print("own graph:", [layer.name for layer in own.layers], own.output_shape, WithOwnInputs.from_config(own.get_config()).width)
