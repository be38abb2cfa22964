"""The Sequential model, and transfer learning.

Stacks of layers, with and without a known input; then what is done with a trained network: layers are frozen, features are extracted, a
new head is trained on top, and all of it is tuned at a low rate.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.3, w.shape) for w in layer.get_weights()])


def show(title, values):
    """Print numbers with four digits."""
    print(f"{title}:", np.round(np.asarray(values, "float64"), 4).tolist())


# A stack, and the same calls by hand.
model = keras.Sequential(
    [
        layers.Dense(2, activation="relu", name="layer1"),
        layers.Dense(3, activation="relu", name="layer2"),
        layers.Dense(4, name="layer3"),
    ],
    name="my_sequential",
)
x = ops.ones((3, 3))
print("weights before the first call:", len(model.weights), "built:", model.built)
model(x)
print("after it:", len(model.weights), "built:", model.built, [layer.name for layer in model.layers])
fill(model)
by_hand = model.layers[2](model.layers[1](model.layers[0](x)))
print("the same by hand:", np.allclose(np.asarray(model(x)), np.asarray(by_hand), atol=1e-6))

# Layers are added and removed.
model = keras.Sequential(name="grows")
model.add(layers.Dense(2, activation="relu"))
model.add(layers.Dense(3, activation="relu"))
model.add(layers.Dense(4))
model.pop()
print("layers left:", len(model.layers))

# With an Input, the model has weights and shapes from the start.
model = keras.Sequential()
model.add(keras.Input(shape=(30, 30, 3)))
model.add(layers.Conv2D(4, 5, strides=2, activation="relu"))
model.add(layers.Conv2D(4, 3, activation="relu"))
model.add(layers.MaxPooling2D(3))
print("output so far:", model.output_shape)
model.add(layers.Conv2D(4, 3, activation="relu"))
model.add(layers.GlobalMaxPooling2D())
model.add(layers.Dense(10))
model.summary(line_length=70)

# Features of all layers, and of one.
fill(model)
feature_extractor = keras.Model(inputs=model.inputs, outputs=[layer.output for layer in model.layers])
image = random.random((1, 30, 30, 3)).astype("float32")
features = feature_extractor(image)
print("features:", [tuple(feature.shape) for feature in features])
show("mean of each", [float(ops.mean(feature)) for feature in features])
one = keras.Model(inputs=model.inputs, outputs=model.get_layer(index=2).output)
print("one layer's features:", tuple(one(image).shape))

# Trainable and frozen weights.
layer = layers.Dense(3)
layer.build((None, 4))
print("dense:", len(layer.weights), len(layer.trainable_weights), len(layer.non_trainable_weights))
layer = layers.BatchNormalization()
layer.build((None, 4))
print("batch normalization:", len(layer.weights), len(layer.trainable_weights), len(layer.non_trainable_weights))
layer.trainable = False
print("frozen:", len(layer.weights), len(layer.trainable_weights), len(layer.non_trainable_weights))

layer1 = layers.Dense(3, activation="relu")
layer2 = layers.Dense(3, activation="sigmoid")
model = keras.Sequential([keras.Input(shape=(3,)), layer1, layer2])
fill(model)
layer1.trainable = False
before = [w.copy() for w in model.get_weights()]
model.compile(optimizer="adam", loss="mse")
model.fit(random.random((2, 3)), random.random((2, 3)), verbose=0)
print("changed by training:", [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)])

# Freezing a model freezes all that is in it.
inner_model = keras.Sequential([keras.Input(shape=(3,)), layers.Dense(3, activation="relu"), layers.Dense(3, activation="relu")])
model = keras.Sequential([keras.Input(shape=(3,)), inner_model, layers.Dense(3, activation="sigmoid")])
model.trainable = False
print("inner layers:", inner_model.trainable, inner_model.layers[0].trainable, len(model.trainable_weights))

# A network that was trained before: a small convolutional base.
base_model = keras.Sequential(
    [
        keras.Input((16, 16, 3)),
        layers.Conv2D(6, 3, activation="relu", name="conv_1"),
        layers.BatchNormalization(name="norm"),
        layers.MaxPooling2D(2),
        layers.Conv2D(8, 3, activation="relu", name="conv_2"),
        layers.GlobalAveragePooling2D(),
    ],
    name="base",
)
fill(base_model)
base_model.get_layer("norm").set_weights([np.ones(6), np.zeros(6), np.full(6, 0.1), np.full(6, 0.5)])
base_model.trainable = False

inputs = keras.Input(shape=(16, 16, 3))
x = layers.Rescaling(scale=1 / 127.5, offset=-1)(inputs)
x = base_model(x, training=False)  # the normalization keeps its statistics, also when it is trained later
outputs = layers.Dense(1, name="head")(x)
model = keras.Model(inputs, outputs)
fill(model.get_layer("head"))
print("weights:", len(model.weights), "trainable:", [w.path for w in model.trainable_weights])

images = random.integers(0, 256, (48, 16, 16, 3)).astype("float32")
targets = (images.mean(axis=(1, 2, 3)) > 127).astype("float32")[:, None]
model.compile(
    optimizer=keras.optimizers.Adam(1e-2),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
history = model.fit(images, targets, epochs=2, batch_size=16, shuffle=False, verbose=0)
show("losses of the head", history.history["loss"])

# Fine-tuning: everything is trained, at a low rate; the model is compiled again for that.
base_model.trainable = True
print("trainable now:", len(model.trainable_weights), "of", len(model.weights))
model.compile(
    optimizer=keras.optimizers.Adam(1e-4),
    loss=keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0)],
)
history = model.fit(images, targets, epochs=2, batch_size=16, shuffle=False, verbose=0)
show("losses of fine-tuning", history.history["loss"])
show("moving mean, unchanged", base_model.get_layer("norm").moving_mean)

# The cheaper way: the features are computed once, and a small model is trained on them.
features = base_model.predict(images / 127.5 - 1, verbose=0)
head = keras.Sequential([keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(1)])
fill(head)
head.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
show("losses on features", head.fit(features, targets, epochs=2, batch_size=16, shuffle=False, verbose=0).history["loss"])

# Weights of some layers by name, and layers up to a certain one frozen.
for layer in base_model.layers[:2]:
    layer.trainable = False
print("layers:", [(layer.name, layer.trainable) for layer in base_model.layers if layer.weights])
