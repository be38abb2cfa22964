"""Input pipelines with `tf.data`.

A pipeline is built from a source and from transformations, and is only run when it is iterated. The script shows the common ones on
numbers, reads a table from a generator, and augments images in `map`.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

Dataset = tf.data.Dataset

# ----- transformations -----
numbers = Dataset.range(10)
print("batches:", [batch.tolist() for batch in numbers.batch(4).as_numpy_iterator()])
print("squares of even numbers:", [int(n) for n in numbers.filter(lambda n: n % 2 == 0).map(lambda n: n * n)])
print("shuffled:", [int(n) for n in numbers.shuffle(5, seed=7)])
print("again:", [int(n) for n in numbers.shuffle(5, seed=7, reshuffle_each_iteration=False).repeat(2).take(12)])
print(
    "windows:",
    [
        w.tolist()
        for w in numbers.window(4, shift=3, drop_remainder=True).flat_map(lambda w: w.batch(4)).as_numpy_iterator()
    ],
)
print(
    "by turns:",
    [int(n) for n in Dataset.range(1, 4).interleave(lambda n: Dataset.from_tensors(n).repeat(3), cycle_length=2)],
)
print("sum:", int(numbers.reduce(np.int64(0), lambda total, n: total + n)))
sizes = [numbers.batch(3), numbers.repeat(), numbers.filter(lambda n: n > 3)]
print("sizes:", [int(data.cardinality()) for data in sizes])
pairs = Dataset.zip((numbers, numbers.skip(5))).enumerate().take(2)
print("pairs:", [(int(k), int(a), int(b)) for k, (a, b) in pairs])

# ----- a table from a generator -----
rng = np.random.default_rng(0)
table = rng.normal(size=(96, 3)).astype("float32")
targets = (table @ np.array([1.0, -2.0, 0.5]) + 0.3).astype("float32")


def rows():
    """Yield (features by name, target)."""
    for row, target in zip(table, targets, strict=True):
        yield {"a": row[:2], "b": row[2:]}, target


signature = (
    {"a": tf.TensorSpec(shape=(2,), dtype=tf.float32), "b": tf.TensorSpec(shape=(1,), dtype=tf.float32)},
    tf.TensorSpec(shape=(), dtype=tf.float32),
)
data = Dataset.from_generator(rows, output_signature=signature).cache()
print("element:", sorted(data.element_spec[0]), tuple(data.element_spec[0]["a"].shape))
train = data.take(72).shuffle(72, seed=1).batch(12).prefetch(tf.data.AUTOTUNE)
test = data.skip(72).batch(12)

a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.Concatenate()([a, b])))
model.set_weights([np.zeros((3, 1)), np.zeros(1)])
model.compile(keras.optimizers.SGD(0.1), "mse")
history = model.fit(train, validation_data=test, epochs=6, verbose=0).history
print("loss:", [round(v, 4) for v in history["loss"]])
print("loss on other rows:", [round(v, 4) for v in history["val_loss"]])

# ----- augmentation of images -----
images = rng.uniform(0, 255, (24, 8, 8, 3)).astype("uint8")
classes = rng.integers(0, 3, 24)


def prepared(image, label):
    """Return a scaled image, mirrored and brightened for odd labels, and a one-hot label."""
    image = tf.cast(image, tf.float32) / 255.0
    image = tf.where(label % 2 == 1, tf.image.flip_left_right(image) * 1.2, image)
    return tf.clip_by_value(image, 0.0, 1.0), tf.one_hot(label, 3)


augmented = Dataset.from_tensor_slices((images, classes)).map(prepared, num_parallel_calls=tf.data.AUTOTUNE).batch(6)
for x, y in augmented.take(1):
    print("images:", tuple(x.shape), f"mean {np.mean(x):.4f}", "labels:", np.asarray(y).sum(axis=0).tolist())
network = keras.Sequential(
    [
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.GlobalMaxPooling2D(),
        keras.layers.Dense(3, activation="softmax"),
    ]
)
start = np.random.default_rng(1)
network.set_weights([start.normal(0, 0.3, w.shape) for w in network.get_weights()])
network.compile(keras.optimizers.SGD(0.2), "categorical_crossentropy")
print("loss:", [round(v, 4) for v in network.fit(augmented.repeat(2), epochs=3, verbose=0).history["loss"]])
steps = network.fit(augmented.repeat(), steps_per_epoch=5, epochs=2, verbose=0).history["loss"]
print("five steps at a time:", [round(v, 4) for v in steps])
