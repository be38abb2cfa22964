"""Text classification from strings.

A `TextVectorization` layer learns a vocabulary from a data set of texts, with standardization of its own. It is used twice: in the input
pipeline, and inside of a model that accepts strings.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

GOOD = ["great", "lovely", "brilliant", "moving", "funny", "bright"]
BAD = ["dull", "boring", "awful", "noisy", "weak", "bitter"]
COMMON = ["the", "film", "was", "a", "story", "with", "its", "actors", "and", "music"]

rng = np.random.default_rng(0)


def review(is_good):
    """Return a made-up review."""
    words = list(rng.choice(COMMON, 5)) + list(rng.choice(GOOD if is_good else BAD, 2))
    rng.shuffle(words)
    return "<br />".join([" ".join(words[:4]).capitalize(), " ".join(words[4:])]) + "!"


labels = rng.integers(0, 2, 120)
texts = [review(label) for label in labels]
print(texts[0])
print(texts[1])

train = tf.data.Dataset.from_tensor_slices((texts[:96], labels[:96])).batch(16)
test = tf.data.Dataset.from_tensor_slices((texts[96:], labels[96:])).batch(16)


@keras.saving.register_keras_serializable(package="reviews")
def standardize(text):
    """Lowercase, and remove tags and punctuation."""
    text = tf.strings.regex_replace(tf.strings.lower(text), "<br />", " ")
    return tf.strings.regex_replace(text, "[^a-z ]", "")


vectorize = keras.layers.TextVectorization(
    max_tokens=30, standardize=standardize, output_mode="int", output_sequence_length=8
)
vectorize.adapt(train.map(lambda text, label: text))
vocabulary = vectorize.get_vocabulary()
print("vocabulary:", len(vocabulary), [str(word) for word in vocabulary[:6]])
print("indices:", np.asarray(vectorize(["The FILM was... unknown"])).tolist())

model = keras.Sequential(
    [
        keras.Input((8,), dtype="int64"),
        keras.layers.Embedding(30, 8, mask_zero=True),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(8, activation="relu"),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
)
start = np.random.default_rng(1)
model.set_weights([start.normal(0, 0.3, w.shape) for w in model.get_weights()])
model.compile(keras.optimizers.SGD(1.0), "binary_crossentropy", metrics=["accuracy"])

# The layer in the input pipeline: the model receives integers.
encoded = train.map(lambda text, label: (vectorize(text), label)).cache().prefetch(tf.data.AUTOTUNE)
history = model.fit(encoded, epochs=10, verbose=0).history
print("loss:", [round(v, 4) for v in history["loss"]])
loss, accuracy = model.evaluate(test.map(lambda text, label: (vectorize(text), label)), verbose=0)
print(f"test: loss {loss:.4f}, accuracy {accuracy:.4f}")

# The layer inside of a model: it receives strings.
inputs = keras.Input((), dtype="string")
end_to_end = keras.Model(inputs, model(vectorize(inputs)))
end_to_end.compile(loss="binary_crossentropy", metrics=["accuracy"])
print(f"from strings: accuracy {end_to_end.evaluate(test, verbose=0)[1]:.4f}")
new = tf.constant(["A great, great film!", "the music was AWFUL<br />"])
for text, probability in zip(("great", "awful"), np.asarray(end_to_end(new))[:, 0], strict=True):
    print(f"{text}: {probability:.3f}")
