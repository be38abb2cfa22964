"""Understanding masking and padding.

Sequences of different lengths are padded to one length; a mask tells later layers which time steps are padding. This script pads
sequences, makes masks with `Embedding` and `Masking`, shows how they travel from layer to layer, and writes layers that read, change
and make masks.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)


def rounded(array):
    """Return numbers as a list, with four digits."""
    return np.round(np.array(array, "float64"), 4).tolist()


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.5, w.shape) for w in layer.get_weights()])


# Padding: sequences of token ids of different lengths become one array.
raw_inputs = [[711, 632, 71], [73, 8, 3215, 55, 927], [83, 91, 1, 645, 1253, 927]]
for side in ("post", "pre"):
    padded = keras.utils.pad_sequences(raw_inputs, padding=side)
    print(f"padding={side}:", padded.tolist())
padded_inputs = keras.utils.pad_sequences(raw_inputs, padding="post")
print("cut to four:", keras.utils.pad_sequences(raw_inputs, maxlen=4, truncating="post", padding="post").tolist())

# Two layers that make masks: an Embedding of token ids, and Masking of numbers.
embedding = layers.Embedding(input_dim=5000, output_dim=4, mask_zero=True)
embedding.build(padded_inputs.shape)
fill(embedding)
print("mask of the embedding:", np.array(embedding.compute_mask(padded_inputs)).astype(int).tolist())

masking_layer = layers.Masking()
unmasked = ops.cast(ops.tile(ops.expand_dims(padded_inputs, axis=-1), [1, 1, 3]), "float32")
masked = masking_layer(unmasked)
print("mask of Masking:", np.array(masking_layer.compute_mask(unmasked)).astype(int).tolist())

# In a Sequential or functional model, the mask goes to the LSTM by itself.
sequential = keras.Sequential([keras.Input((None,)), layers.Embedding(5000, 4, mask_zero=True), layers.LSTM(3)])
fill(sequential)
inputs = keras.Input(shape=(None,), dtype="int32")
outputs = layers.LSTM(3)(layers.Embedding(input_dim=5000, output_dim=4, mask_zero=True)(inputs))
functional = keras.Model(inputs, outputs)
functional.set_weights(sequential.get_weights())
longer = np.pad(padded_inputs, ((0, 0), (0, 3)))
print("LSTM of six steps:", rounded(sequential.predict(padded_inputs, verbose=0)[0]))
print("with three more steps of padding:", rounded(sequential.predict(longer, verbose=0)[0]))
print("functional:", rounded(functional.predict(padded_inputs, verbose=0)[0]))


class MyLayer(layers.Layer):
    """An embedding and an LSTM that hands on the mask by itself."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(input_dim=5000, output_dim=4, mask_zero=True)
        self.lstm = layers.LSTM(3)

    def call(self, inputs):
        x = self.embedding(inputs)
        mask = self.embedding.compute_mask(inputs)
        return self.lstm(x, mask=mask)


layer = MyLayer()
layer(padded_inputs)
layer.set_weights(sequential.get_weights())
print("mask given by hand:", rounded(layer(padded_inputs)[0]))


class TemporalSplit(keras.layers.Layer):
    """Splits the time axis in two, and the mask with it."""

    def call(self, inputs):
        return ops.split(inputs, 2, axis=1)

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        return ops.split(mask, 2, axis=1)


first_half, second_half = TemporalSplit()(masked)
for name, half in (("first", first_half), ("second", second_half)):
    print(f"{name} half: shape {tuple(half.shape)}")
first_mask, second_mask = TemporalSplit().compute_mask(masked, masking_layer.compute_mask(unmasked))
print("masks of the halves:", np.array(first_mask).astype(int).tolist(), np.array(second_mask).astype(int).tolist())


class CustomEmbedding(keras.layers.Layer):
    """An embedding of its own that makes a mask from its inputs."""

    def __init__(self, input_dim, output_dim, mask_zero=False, **kwargs):
        super().__init__(**kwargs)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.mask_zero = mask_zero

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim), initializer="random_normal", dtype="float32"
        )

    def call(self, inputs):
        inputs = ops.cast(inputs, "int32")
        return ops.take(self.embeddings, inputs, axis=0)

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero:
            return None
        return ops.not_equal(inputs, 0)


custom = CustomEmbedding(10, 8, mask_zero=True)
tokens = random.integers(0, 3, (3, 6))
print("output of the own embedding:", tuple(custom(tokens).shape))
print("its mask:", np.array(custom.compute_mask(tokens)).astype(int).tolist())


class MyActivation(keras.layers.Layer):
    """Changes values only, so it lets masks pass."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return ops.relu(inputs)


class TemporalSoftmax(keras.layers.Layer):
    """A softmax over time that leaves out masked steps."""

    def call(self, inputs, mask=None):
        exponentials = ops.exp(inputs)
        if mask is not None:
            exponentials = exponentials * ops.expand_dims(ops.cast(mask, "float32"), -1)
        return exponentials / ops.sum(exponentials, axis=1, keepdims=True)


inputs = keras.Input(shape=(None,), dtype="int32")
x = CustomEmbedding(10, 4, mask_zero=True)(inputs)
x = MyActivation()(x)
outputs = TemporalSoftmax()(layers.Dense(1)(x))
model = keras.Model(inputs, outputs)
fill(model)
y = model.predict(tokens, verbose=0)
print("softmax over time:", rounded(y[..., 0]))
print("sums:", rounded(y.sum(axis=(1, 2))))

# Masks of several inputs are joined; a loss leaves masked steps out.
merged = layers.Add()([layers.Masking()(unmasked), layers.Masking()(unmasked * 2.0)])
print("sum of masked inputs:", tuple(merged.shape))
tagger = keras.Sequential(
    [keras.Input((6,)), layers.Embedding(5000, 4, mask_zero=True), layers.Dense(2, activation="softmax")]
)
fill(tagger)
tagger.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
targets = random.integers(0, 2, padded_inputs.shape)
loss, accuracy = tagger.evaluate(padded_inputs, targets, verbose=0)
print(f"loss of the tagger: {loss:.4f}, accuracy: {accuracy:.4f}")
