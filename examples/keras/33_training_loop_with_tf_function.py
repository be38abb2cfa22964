"""A training loop of one's own, compiled with tf.function.

The step computes the loss under a gradient tape, adds a penalty on the weights, cuts long gradients, and updates the weights with
an optimizer. A `tf.Variable` holds the temperature of the outputs, which is trained together with the network; another one
counts the steps.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

generator = np.random.default_rng(0)
centers = generator.normal(0, 2.0, (4, 6)).astype("float32")


def sample(count):
    """Draw points around four centers."""
    labels = generator.integers(0, 4, count).astype("int64")
    return centers[labels] + generator.normal(0, 1.0, (count, 6)).astype("float32"), labels


x_train, y_train = sample(512)
x_test, y_test = sample(256)
train = tf.data.Dataset.from_tensor_slices((x_train, y_train)).batch(64)
test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).batch(64)

model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, activation="tanh"), keras.layers.Dense(4)])
weights = np.random.default_rng(1)
model.set_weights([weights.normal(0, 0.4, w.shape).astype("float32") for w in model.get_weights()])

temperature = tf.Variable(1.0, name="temperature")
steps = tf.Variable(0, trainable=False, dtype=tf.int64, name="steps")
optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
loss_metric = keras.metrics.Mean()
accuracy_metric = keras.metrics.SparseCategoricalAccuracy()


def loss_of(x, y, training):
    """The cross-entropy of the outputs divided by the temperature, and a penalty on the kernels."""
    logits = model(x, training=training) / tf.nn.softplus(temperature)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    penalty = tf.add_n([tf.nn.l2_loss(v) for v in model.trainable_variables if len(v.shape) > 1])
    return loss + 1e-3 * penalty, logits


@tf.function
def train_step(x, y):
    """Update the weights once; return the loss and the length of the gradient."""
    with tf.GradientTape() as tape:
        loss, logits = loss_of(x, y, training=True)
    gradients = tape.gradient(loss, [*model.trainable_weights, temperature])
    length = tf.linalg.global_norm(gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, 1.0)
    optimizer.apply_gradients(zip(gradients[:-1], model.trainable_weights, strict=True))
    temperature.assign_sub(0.05 * gradients[-1])
    steps.assign_add(1)
    return loss, length, logits


@tf.function
def test_step(x):
    """Return the classes."""
    return tf.argmax(model(x, training=False), axis=-1)


optimizer.build(model.trainable_variables)
for epoch in range(3):
    loss_metric.reset_state()
    accuracy_metric.reset_state()
    longest = 0.0
    for x, y in train:
        loss, length, logits = train_step(x, y)
        loss_metric.update_state(loss)
        accuracy_metric.update_state(y, logits)
        longest = max(longest, float(length))
    print(
        f"epoch {epoch + 1}: loss {float(loss_metric.result()):.3f}, accuracy {float(accuracy_metric.result()):.3f}, "
        f"longest gradient {longest:.3f}"
    )

right = sum(int(tf.reduce_sum(tf.cast(test_step(x) == y, tf.int32))) for x, y in test)
print(f"test: {right} of {len(x_test)} right")
print(f"steps: {int(steps.numpy())}, temperature: {float(temperature.numpy()):.3f}")
confusion = tf.math.confusion_matrix(y_test, test_step(tf.constant(x_test)), num_classes=4)
print("confusion matrix:")
print(confusion.numpy())
