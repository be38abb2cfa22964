"""The trainer pattern and the endpoint layer pattern.

A trainer is a model that holds another model and defines how it is trained; afterwards the inner model is used alone. An endpoint is a
layer that computes a loss and metrics from the targets, which are inputs of the training model.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

rng = np.random.default_rng(10)
x = rng.normal(size=(80, 6)).astype("float32")
y = (x[:, :1] - x[:, 1:2] > 0).astype("float32")


def network():
    inputs = keras.Input((6,), name="inputs")
    return inputs, layers.Dense(1, name="logits")(layers.Dense(8, activation="relu")(inputs))


def set_weights(model):
    numbers = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(numbers.normal(size=variable.shape) * 0.4)


class MyTrainer(keras.Model):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.loss_metric = keras.metrics.Mean(name="loss")
        self.accuracy_metric = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")

    @property
    def metrics(self):
        return [self.loss_metric, self.accuracy_metric]

    def compile(self, optimizer, smoothing=0.0):
        super().compile(optimizer=optimizer)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            predictions = self.model(x, training=True)
            loss = self.loss_fn(y, predictions)
        weights = self.model.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return self.updated(y, predictions, loss)

    def test_step(self, data):
        x, y = data
        predictions = self.model(x, training=False)
        return self.updated(y, predictions, self.loss_fn(y, predictions))

    def updated(self, y, predictions, loss):
        self.loss_metric.update_state(loss)
        self.accuracy_metric.update_state(y, predictions)
        return {metric.name: metric.result() for metric in self.metrics}

    def call(self, x):
        return self.model(x)


inner = keras.Model(*network())
set_weights(inner)
trainer = MyTrainer(inner)
trainer.compile(keras.optimizers.Adam(0.02), smoothing=0.1)
history = trainer.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0, validation_data=(x, y)).history
for name in sorted(history):
    print(f"{name}: " + " ".join(f"{value:.4f}" for value in history[name]))
print("the inner model predicts:", inner.predict(x, verbose=0).shape)


class LogisticEndpoint(layers.Layer):
    def __init__(self, name=None):
        super().__init__(name=name)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)
        self.accuracy = keras.metrics.BinaryAccuracy(name="endpoint_accuracy", threshold=0.5)

    def call(self, logits, targets=None, sample_weight=None):
        probabilities = ops.sigmoid(logits)
        if targets is not None:
            self.add_loss(self.loss_fn(targets, logits, sample_weight))
            self.accuracy.update_state(targets, probabilities, sample_weight)
        return probabilities


inputs, logits = network()
targets = keras.Input((1,), name="targets")
model = keras.Model({"inputs": inputs, "targets": targets}, LogisticEndpoint(name="predictions")(logits, targets))
set_weights(model)
model.compile(keras.optimizers.Adam(0.02))
history = model.fit({"inputs": x, "targets": y}, batch_size=16, epochs=3, shuffle=False, verbose=0).history
for name in sorted(history):
    print(f"endpoint {name}: " + " ".join(f"{value:.4f}" for value in history[name]))

inference = keras.Model(inputs, LogisticEndpoint(name="predictions")(logits))
print(f"mean probability: {inference.predict(x, verbose=0).mean():.4f}")
