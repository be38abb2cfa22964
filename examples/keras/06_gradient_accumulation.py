"""Accumulating gradients by hand.

Large batches may not fit into memory. This model adds the gradients of several small batches in variables of its own and updates its
weights every fourth step, with a condition on a variable. The optimizers of Keras have an argument for it,
`gradient_accumulation_steps`; the script compares both.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rng = np.random.default_rng(6)
x = rng.normal(size=(96, 5)).astype("float32")
y = np.sin(x.sum(axis=1, keepdims=True)).astype("float32")
start = [rng.normal(size=shape) * 0.4 for shape in ((5, 8), (8,), (8, 1), (1,))]


class Regression(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(8, activation="tanh"), layers.Dense(1)

    def build(self, input_shape):
        self.hidden.build(input_shape)
        self.out.build((None, 8))
        self.built = True

    def call(self, inputs):
        return self.out(self.hidden(inputs))


class Accumulating(Regression):
    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def build(self, input_shape):
        super().build(input_shape)
        self.step_count = tf.Variable(0, dtype="int32", trainable=False)
        self.gradient_sums = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.trainable_variables]

    def train_step(self, data):
        x, y = data
        self.step_count.assign_add(1)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        for total, gradient in zip(self.gradient_sums, gradients, strict=True):
            total.assign_add(gradient / self.steps)
        tf.cond(tf.equal(self.step_count, self.steps), self.update, lambda: None)
        for metric in self.metrics:
            metric.update_state(loss) if metric.name == "loss" else metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}

    def update(self):
        self.optimizer.apply_gradients(zip(self.gradient_sums, self.trainable_variables, strict=True))
        self.step_count.assign(0)
        for total in self.gradient_sums:
            total.assign(tf.zeros_like(total))


def trained(model, **arguments):
    model.build((None, 5))
    for weight, numbers in zip(model.trainable_variables, start, strict=True):
        weight.assign(numbers)
    model.compile(optimizer=keras.optimizers.SGD(0.1, **arguments), loss="mse")
    model.optimizer.build(model.trainable_variables)  # outside of the condition
    history = model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
    return " ".join(f"{value:.4f}" for value in history.history["loss"])


by_hand, by_optimizer = Accumulating(4), Regression()
print("by hand:         ", trained(by_hand))
print("by the optimizer:", trained(by_optimizer, gradient_accumulation_steps=4))
difference = max(
    np.abs(a.numpy() - b.numpy()).max()
    for a, b in zip(by_hand.trainable_variables, by_optimizer.trainable_variables, strict=True)
)
print("equal weights:", bool(difference < 1e-5))
print("updates:", int(by_hand.optimizer.iterations))
