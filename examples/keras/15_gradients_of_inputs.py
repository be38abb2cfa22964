"""Gradients with respect to the input: adversarial examples and integrated gradients.

A classifier of small images is trained with fit(). The gradient of its loss with respect to an image then shows which small change fools it
(the fast gradient sign method), and the mean gradient between a black image and the image shows which pixels the prediction rests on
(integrated gradients). Both need a tape that watches the input.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

rng = np.random.default_rng(15)
labels = rng.integers(0, 2, 200)
images = 0.25 * rng.uniform(size=(200, 8, 8, 1)).astype("float32")
for image, label in zip(images, labels, strict=True):  # a bright bar: upright for class 1, lying for class 0
    place = rng.integers(1, 7)
    if label:
        image[1:7, place] += 0.7
    else:
        image[place, 1:7] += 0.7

model = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(6, 3, activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(2),
    ]
)
weights = np.random.default_rng(4)
model.set_weights([0.3 * weights.normal(size=w.shape) for w in model.weights])
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.03), loss_fn, metrics=["accuracy"])
history = model.fit(images, labels, epochs=6, batch_size=40, shuffle=False, verbose=0)
print(f"training loss {history.history['loss'][-1]:.4f}, accuracy {history.history['accuracy'][-1]:.3f}")

# The fast gradient sign method
batch, truth = tf.constant(images[:40]), labels[:40]
with tf.GradientTape() as tape:
    tape.watch(batch)
    loss = loss_fn(truth, model(batch))
signs = ops.sign(tape.gradient(loss, batch))
for strength in (0.0, 0.05, 0.1, 0.2):
    changed = ops.clip(batch + strength * signs, 0.0, 1.0)
    scores = model(changed)
    print(f"strength {strength}: loss {float(loss_fn(truth, scores)):.4f}")

# Integrated gradients of one image
image, target = images[0], int(labels[0])
baseline = np.zeros_like(image)
steps = np.linspace(0.0, 1.0, 33, dtype="float32").reshape(-1, 1, 1, 1)
path = tf.constant(baseline + steps * (image - baseline))
with tf.GradientTape() as tape:
    tape.watch(path)
    score = model(path)[:, target]
gradients = np.asarray(tape.gradient(score, path))
mean = ((gradients[:-1] + gradients[1:]) / 2).mean(axis=0)
attribution = (image - baseline) * mean
difference = float(score[-1]) - float(score[0])
print(f"sum of the attributions {attribution.sum():.3f}, difference of the scores {difference:.3f}")
rows = np.abs(attribution[..., 0]).sum(axis=1)
print("attribution by row:", " ".join(f"{r:.3f}" for r in rows))
