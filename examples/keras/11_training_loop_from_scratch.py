"""Writing a training loop from scratch with tf.GradientTape.

The loop calls the model inside a tape, asks the tape for the gradients of the loss and applies them with an optimizer. It keeps track of a
metric for training and one for validation, adds the losses that layers create, and is then compiled with tf.function.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rng = np.random.default_rng(11)
centres = rng.normal(size=(3, 8)) * 2
labels = rng.integers(0, 3, 320)
points = (centres[labels] + rng.normal(size=(320, 8))).astype("float32")
x_train, y_train, x_val, y_val = points[:256], labels[:256], points[256:], labels[256:]


class ActivityPenalty(layers.Layer):
    """Adds a small penalty on the size of its inputs to the losses of the model."""

    def call(self, inputs):
        self.add_loss(1e-3 * keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def build_model():
    inputs = keras.Input(shape=(8,), name="points")
    x = layers.Dense(16, activation="relu", name="hidden")(inputs)
    x = ActivityPenalty()(x)
    outputs = layers.Dense(3, name="scores")(x)
    model = keras.Model(inputs, outputs)
    weights = np.random.default_rng(1)
    model.set_weights([0.3 * weights.normal(size=w.shape) for w in model.weights])
    return model


def data(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(64)


# A loop in plain Python: every line runs with numbers, so the loss can be printed, compared and stored.
model = build_model()
optimizer = keras.optimizers.Adam(learning_rate=0.02)
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
train_accuracy = keras.metrics.SparseCategoricalAccuracy()
val_accuracy = keras.metrics.SparseCategoricalAccuracy()

print("Plain loop")
for epoch in range(2):
    for step, (x, y) in enumerate(data(x_train, y_train)):
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = loss_fn(y, logits) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        train_accuracy.update_state(y, logits)
        if step % 2 == 0:
            print(f"epoch {epoch} step {step}: loss {float(loss):.4f}")
    for x, y in data(x_val, y_val):
        val_accuracy.update_state(y, model(x, training=False))
    print(f"epoch {epoch}: accuracy {float(train_accuracy.result()):.4f}, validation {float(val_accuracy.result()):.4f}")
    train_accuracy.reset_state()
    val_accuracy.reset_state()

# The same steps, compiled. Python code inside runs once for each new shape of the batch; tensors flow through the compiled program.
model = build_model()
optimizer = keras.optimizers.Adam(learning_rate=0.02)


@tf.function
def train_step(x, y):
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = loss_fn(y, logits) + sum(model.losses)
    gradients = tape.gradient(loss, model.trainable_weights)
    optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    train_accuracy.update_state(y, logits)
    return loss


@tf.function
def test_step(x, y):
    val_accuracy.update_state(y, model(x, training=False))


print("Compiled loop")
for epoch in range(2):
    losses = [train_step(x, y) for x, y in data(x_train, y_train)]
    for x, y in data(x_val, y_val):
        test_step(x, y)
    print(f"epoch {epoch}: mean loss {np.mean([float(loss) for loss in losses]):.4f}")
    print(f"epoch {epoch}: accuracy {float(train_accuracy.result()):.4f}, validation {float(val_accuracy.result()):.4f}")
    train_accuracy.reset_state()
    val_accuracy.reset_state()
print("updates:", int(optimizer.iterations))
