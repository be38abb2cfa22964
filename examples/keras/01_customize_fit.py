"""Customizing what happens in fit.

`fit` calls `train_step` for each batch. A subclass of `keras.Model` that overrides it keeps everything else that `fit` offers:
callbacks, validation, data of every form. This script overrides `train_step` on two levels, supports sample weights, and overrides
`test_step`, which `evaluate` and validation call.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rng = np.random.default_rng(1)
x = rng.normal(size=(64, 8)).astype("float32")
y = x[:, :1] * 2.0 - x[:, 1:2] + 0.5
sample_weight = rng.random(64).astype("float32")


def with_weights(model):
    """Give every model the same weights, so that runs can be compared."""
    numbers = np.random.default_rng(0)
    model.set_weights([numbers.normal(size=w.shape) * 0.3 for w in model.weights])
    return model


def network():
    inputs = keras.Input((8,))
    hidden = layers.Dense(16, activation="tanh")(inputs)
    return inputs, layers.Dense(1)(hidden)


class CustomModel(keras.Model):
    """Uses the loss and the metrics passed to compile."""

    def train_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.update(y, y_pred, weights, loss)

    def test_step(self, data):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights)
        return self.update(y, y_pred, weights, loss)

    def update(self, y, y_pred, weights, loss):
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred, sample_weight=weights)
        return {metric.name: metric.result() for metric in self.metrics}


class FromScratch(keras.Model):
    """Has its own loss and metrics; compile only gets the optimizer."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.mae_metric = keras.metrics.MeanAbsoluteError(name="mae")
        self.loss_fn = keras.losses.MeanSquaredError()

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.loss_fn(y, y_pred)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.loss_tracker.update_state(loss)
        self.mae_metric.update_state(y, y_pred)
        return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

    @property
    def metrics(self):
        # Listed here, they are reset at the start of each epoch.
        return [self.loss_tracker, self.mae_metric]


def show(title, history):
    print(title)
    for name in sorted(history):
        print(f"  {name}: " + " ".join(f"{value:.4f}" for value in history[name]))


model = with_weights(CustomModel(*network()))
model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse", metrics=["mae"], weighted_metrics=["mse"])
history = model.fit(x, y, epochs=3, batch_size=16, shuffle=False, verbose=0, validation_data=(x, y))
show("own step, losses and metrics of compile", history.history)

history = model.fit(x, y, sample_weight=sample_weight, epochs=2, batch_size=16, shuffle=False, verbose=0)
show("with sample weights", history.history)
print("evaluate:", " ".join(f"{value:.4f}" for value in model.evaluate(x, y, verbose=0)))

model = with_weights(FromScratch(*network()))
model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9))
show("own loss and metrics", model.fit(x, y, epochs=4, batch_size=16, shuffle=False, verbose=0).history)
