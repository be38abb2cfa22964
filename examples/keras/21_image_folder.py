"""Images from a folder: from files to predictions.

The script writes small bitmap files of two classes into a temporary folder, reads them with `image_dataset_from_directory`, splits off
a validation set, rescales the images with `map`, and trains a convolutional network on the pipeline.
"""
# backend: tensorflow

import struct
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

SIZE = 12
CLASSES = ("horizontal", "vertical")


def write_bitmap(path, image):
    """Write an RGB image, uint8 of shape (height, width, 3), as a bitmap file of 24 bits."""
    height, width, _ = image.shape
    rows = image[::-1, :, ::-1]  # from the bottom to the top, in the order blue, green, red
    data = b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows)
    header = struct.pack("<III", 54 + len(data), 0, 54)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(data), 2835, 2835, 0, 0)
    path.write_bytes(b"BM" + header + info + data)


def stripes(rng, kind):
    """Return an image with stripes in one direction, and noise."""
    wave = 100 + 80 * np.sign(np.sin(np.arange(SIZE) * 1.6 + rng.uniform(0, 3)))
    image = np.broadcast_to(wave[:, None] if kind == "horizontal" else wave[None, :], (SIZE, SIZE))
    return np.clip(image[..., None] + rng.normal(0, 20, (SIZE, SIZE, 3)), 0, 255).astype("uint8")


folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
for kind in CLASSES:
    (folder / kind).mkdir()
    for number in range(24):
        write_bitmap(folder / kind / f"{number:02}.bmp", stripes(rng, kind))

arguments = {"image_size": (SIZE, SIZE), "batch_size": 8, "seed": 3, "validation_split": 0.25, "verbose": False}
train = keras.utils.image_dataset_from_directory(folder, subset="training", **arguments)
validation = keras.utils.image_dataset_from_directory(folder, subset="validation", **arguments)
print("classes:", train.class_names)
print("batches:", len(train), "for training,", len(validation), "for validation")
print("first files:", [Path(p).parent.name for p in train.file_paths[:4]])

# A data set is a pipeline: nothing is read before it is iterated.
scale = keras.layers.Rescaling(1 / 255)
train = train.map(lambda images, labels: (scale(images), labels), num_parallel_calls=tf.data.AUTOTUNE).prefetch(
    tf.data.AUTOTUNE
)
validation = validation.map(lambda images, labels: (scale(images), labels)).cache()
for images, labels in train.take(1):
    print("batch:", tuple(images.shape), tuple(labels.shape), f"mean {np.mean(images):.4f}")

model = keras.Sequential(
    [
        keras.Input((SIZE, SIZE, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
start = np.random.default_rng(1)
model.set_weights([start.normal(0, 0.1, w.shape) for w in model.get_weights()])
model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(train, validation_data=validation, epochs=4, verbose=0).history
for epoch, (loss, accuracy) in enumerate(zip(history["loss"], history["val_accuracy"], strict=True), 1):
    print(f"epoch {epoch}: loss {loss:.3f}, accuracy on the validation set {accuracy:.3f}")

# `predict` uses the images of the data set and leaves out its labels.
probabilities = model.predict(validation, verbose=0)
labels = np.concatenate([np.asarray(y) for _, y in validation])
print(
    "predicted:",
    probabilities.shape,
    "correct:",
    int(np.sum(probabilities.argmax(axis=1) == labels)),
    "of",
    len(labels),
)
