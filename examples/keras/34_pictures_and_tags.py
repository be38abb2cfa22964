"""Pictures with tags: preprocessing with tf.image and tf.strings, and a model with two inputs.

Each example has a small picture and a string of tags, such as "Bright; LARGE". The picture is resized, standardized and turned to
gray; the string is cleaned, split and looked up. The model predicts whether picture and tags fit together.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

generator = np.random.default_rng(0)
WORDS = ["bright", "dark", "large", "small"]


def examples(count):
    """Draw pictures of squares, with tags that describe them, or describe another one."""
    pictures = generator.integers(0, 30, (count, 20, 20, 3)).astype("uint8")
    tags, fits = [], generator.integers(0, 2, count)
    for picture, fit in zip(pictures, fits, strict=True):
        bright, large = generator.integers(0, 2, 2)
        side = 12 if large else 6
        top, left = generator.integers(0, 20 - side, 2)
        picture[top : top + side, left : left + side] += np.uint8(200 if bright else 70)
        said_bright, said_large = (bright, large) if fit else (1 - bright, large)
        tags.append(f"  {'Bright' if said_bright else 'DARK'};{'LARGE' if said_large else 'Small'}! ")
    return pictures, np.array(tags), fits.astype("float32")


def clean(tags):
    """Lowercase, without punctuation and spaces at the ends, the words separated by one space."""
    tags = tf.strings.lower(tags)
    tags = tf.strings.regex_replace(tags, "[!?.]", "")
    tags = tf.strings.regex_replace(tags, "[;, ]+", " ")
    return tf.strings.strip(tags)


def prepare_picture(pictures):
    """Gray pictures of 10 x 10, with mean 0 and deviation 1."""
    pictures = tf.image.convert_image_dtype(pictures, tf.float32)
    pictures = tf.image.rgb_to_grayscale(tf.image.resize(pictures, [10, 10]))
    pictures = tf.image.resize_with_crop_or_pad(pictures, 12, 12)
    return tf.concat([pictures, tf.image.per_image_standardization(pictures)], axis=-1)


pictures, tags, fits = examples(320)
cleaned = clean(tf.constant(tags))
print("tags:", cleaned[0].numpy().decode(), "|", cleaned[1].numpy().decode())
print("lengths:", tf.strings.length(cleaned)[:4].numpy())
print("first words:", [word.decode() for word in tf.strings.split(cleaned[0]).numpy()])
print("joined:", tf.strings.join([cleaned[:2], ["a", "b"]], separator="/").numpy().astype(str).tolist())
print("numbers:", tf.strings.to_number(tf.strings.split("0.5,1.5", sep=",")).numpy())

lookup = keras.layers.StringLookup(vocabulary=WORDS, output_mode="multi_hot", num_oov_indices=1)
words = np.array([text.decode().split(" ") for text in cleaned.numpy()])
tag_vectors = np.asarray(lookup(words)).astype("float32")
prepared = prepare_picture(tf.constant(pictures)).numpy()
print("shapes:", prepared.shape, tag_vectors.shape)
print(f"picture 0: mean {prepared[0].mean():.4f}, largest {prepared[0].max():.4f}")

picture = keras.Input((12, 12, 2), name="picture")
tag = keras.Input((5,), name="tags")
x = keras.layers.Flatten()(keras.layers.AveragePooling2D(3)(picture))
x = keras.layers.Dense(16, activation="relu")(keras.layers.Concatenate()([x, tag]))
model = keras.Model({"picture": picture, "tags": tag}, keras.layers.Dense(1, activation="sigmoid")(x))
weights = np.random.default_rng(1)
model.set_weights([weights.normal(0, 0.3, w.shape).astype("float32") for w in model.get_weights()])
model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(
    {"picture": prepared[:256], "tags": tag_vectors[:256]},
    fits[:256, None],
    epochs=12,
    batch_size=64,
    shuffle=False,
    verbose=0,
)
print(f"training loss: {history.history['loss'][0]:.3f} to {history.history['loss'][-1]:.3f}")
test = {"picture": prepared[256:], "tags": tag_vectors[256:]}
loss, accuracy = model.evaluate(test, fits[256:, None], verbose=0)
print(f"test: loss {loss:.3f}, accuracy {accuracy:.3f}")
