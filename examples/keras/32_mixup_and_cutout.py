"""MixUp and CutOut: augmentation of a data set with TensorFlow's functions.

MixUp trains on weighted means of two images and of their labels; CutOut hides a square of each image. Both are functions over
batches that are mapped over a `tf.data.Dataset`. The draws come from a seeded NumPy generator, so that every run sees the same ones.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

SIZE, BATCH, CLASSES = 12, 32, 3
generator = np.random.default_rng(0)


def blobs(count):
    """Make images with one, two or three bright spots."""
    labels = generator.integers(0, CLASSES, count)
    images = generator.normal(0.2, 0.05, (count, SIZE, SIZE, 1))
    for image, label in zip(images, labels, strict=True):
        for row, column in generator.integers(0, SIZE - 2, (label + 1, 2)):
            image[row : row + 3, column : column + 3] += 0.8
    return images.astype("float32"), labels.astype("int32")


x_train, y_train = blobs(256)
x_test, y_test = blobs(96)
shares = generator.beta(0.4, 0.4, (256, 1)).astype("float32")
corners = generator.integers(0, SIZE - 4, (256, 2)).astype("int32")


def mix_up(first, second):
    """Mix two batches: images and labels with the same share."""
    (images_a, labels_a, share), (images_b, labels_b, _) = first, second
    image_share = tf.reshape(share, [-1, 1, 1, 1])
    images = images_a * image_share + images_b * (1.0 - image_share)
    labels = labels_a * share + labels_b * (1.0 - share)
    return images, labels


def cut_out(images, labels, corner):
    """Set a square of 4 x 4 pixels of each image to the mean of the images."""
    places = tf.range(SIZE)
    top, left = tf.split(corner, 2, axis=1)
    rows = tf.logical_and(places >= top, places < top + 4)
    columns = tf.logical_and(places >= left, places < left + 4)
    square = tf.logical_and(rows[:, :, tf.newaxis], columns[:, tf.newaxis, :])[..., tf.newaxis]
    return tf.where(square, tf.reduce_mean(images), images), labels


def prepare(images, labels):
    """Scale the images and encode the labels."""
    return tf.clip_by_value(images, 0.0, 1.0), tf.one_hot(labels, CLASSES)


base = tf.data.Dataset.from_tensor_slices((x_train, y_train)).map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
with_shares = tf.data.Dataset.zip((base, tf.data.Dataset.from_tensor_slices(shares)))
batches = with_shares.map(lambda pair, share: (*pair, share)).batch(BATCH)
turned = with_shares.map(lambda pair, share: (tf.image.flip_left_right(pair[0]), pair[1], share)).batch(BATCH).skip(1)
mixed = tf.data.Dataset.zip((batches, turned)).map(mix_up)

cut = tf.data.Dataset.zip((base.batch(BATCH), tf.data.Dataset.from_tensor_slices(corners).batch(BATCH)))
cut = cut.map(lambda pair, corner: cut_out(pair[0], pair[1], corner))

train = mixed.concatenate(cut).prefetch(tf.data.AUTOTUNE)
test = tf.data.Dataset.from_tensor_slices((x_test, y_test)).map(prepare).batch(BATCH)

for images, labels in train.take(1):
    print("a batch of mixed images:", images.shape, labels.shape)
    print("  labels of the first: " + ", ".join(f"{value:.3f}" for value in labels[0].numpy()))
    print("  every label adds up to 1:", bool(tf.reduce_all(tf.abs(tf.reduce_sum(labels, axis=1) - 1.0) < 1e-5)))
print("batches:", int(train.cardinality()))

model = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 1)),
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ]
)
weights = np.random.default_rng(1)
model.set_weights([weights.normal(0, 0.25, w.shape).astype("float32") for w in model.get_weights()])
model.compile(keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=["accuracy"])
history = model.fit(train, epochs=3, shuffle=False, verbose=0)
print("training loss:", ", ".join(f"{value:.3f}" for value in history.history["loss"]))
print(f"test loss: {model.evaluate(test, verbose=0)[0]:.3f}")
