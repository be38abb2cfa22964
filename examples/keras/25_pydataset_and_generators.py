"""Batches made by your own code: `PyDataset` and generators.

A `PyDataset` returns batches by number, so that it can be shuffled and counted; a generator yields them one after another. Both feed
`fit`, `evaluate` and `predict`.
"""
# backend: jax

import math

import keras
import numpy as np


class Numbers(keras.utils.PyDataset):
    """Batches of points and whether they lie inside of a circle.

    Args:
        count: the number of points.
        batch_size: points per batch.
        seed: of the points.
        **kwargs: `workers`, `use_multiprocessing` and `max_queue_size`.
    """

    def __init__(self, count, batch_size, seed, **kwargs):
        super().__init__(**kwargs)
        rng = np.random.default_rng(seed)
        self.x = rng.uniform(-1, 1, (count, 2)).astype("float32")
        self.y = (np.linalg.norm(self.x, axis=1) < 0.75).astype("float32")[:, None]
        self.batch_size = batch_size
        self.epochs = 0

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return self.x[rows], self.y[rows]


def endless(data):
    """Yield the batches of a data set again and again."""
    while True:
        for number in range(len(data)):
            yield data[number]


def classifier():
    """Return a small network with fixed weights."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(1, activation="sigmoid")]
    )
    start = np.random.default_rng(1)
    model.set_weights([start.normal(0, 0.7, w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", metrics=["accuracy"])
    return model


train, test = Numbers(200, 32, seed=0), Numbers(80, 32, seed=1, workers=1)
print("batches:", len(train), "last batch:", train[len(train) - 1][0].shape)

model = classifier()
history = model.fit(train, epochs=4, shuffle=False, validation_data=test, verbose=0).history
print("PyDataset: loss", [round(v, 3) for v in history["loss"]])
print("           accuracy on the test set", [round(v, 3) for v in history["val_accuracy"]])

# An endless generator needs the number of steps of an epoch.
model = classifier()
history = model.fit(
    endless(train), steps_per_epoch=len(train), epochs=4, validation_data=endless(test), validation_steps=3, verbose=0
).history
print("generator: loss", [round(v, 3) for v in history["loss"]])
print("           accuracy on the test set", [round(v, 3) for v in history["val_accuracy"]])

# Weights of samples are a third part of a batch.
weighted = ((x, y, np.where(y[:, 0] > 0, 2.0, 1.0)) for x, y in (train[k] for k in range(len(train))))
print(f"weighted: loss {classifier().fit(weighted, steps_per_epoch=len(train), verbose=0).history['loss'][0]:.3f}")

# Where classes are rare, they can count more.
model = classifier()
history = model.fit(train, epochs=2, shuffle=False, class_weight={0: 2.0, 1: 1.0}, verbose=0).history
print("with class weights: loss", [round(v, 3) for v in history["loss"]])

# `evaluate` and `predict` read the same sources; predict leaves out the targets.
print("evaluate:", [round(float(v), 3) for v in model.evaluate(test, verbose=0)])
print("evaluate two steps:", [round(float(v), 3) for v in model.evaluate(endless(test), steps=2, verbose=0)])
predicted = model.predict(test, verbose=0)
print("predict:", predicted.shape, f"mean {predicted.mean():.3f}")
