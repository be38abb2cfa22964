"""Working with recurrent layers.

Shows the built-in recurrent layers: sequences of outputs, states handed from an encoder to a decoder, statefulness across batches,
both directions, the same loop with a cell, and an own cell with nested inputs and states.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(1)


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.4, w.shape) for w in layer.get_weights()])


def show(title, array):
    """Print the first numbers of an array and its shape."""
    array = np.array(array, "float64")
    print(f"{title}: shape {array.shape}, starts with {np.round(array.ravel()[:4], 4).tolist()}")


# A sequence of token ids to one vector.
model = keras.Sequential(
    [keras.Input((None,)), layers.Embedding(input_dim=50, output_dim=6), layers.LSTM(5), layers.Dense(3)]
)
fill(model)
tokens = random.integers(0, 50, (4, 7))
show("LSTM", model.predict(tokens, verbose=0))
print("parameters:", model.count_params())

# A layer that returns every time step, and one that returns the last one.
model = keras.Sequential(
    [
        keras.Input((None,)),
        layers.Embedding(input_dim=50, output_dim=6),
        layers.GRU(8, return_sequences=True),
        layers.SimpleRNN(4),
        layers.Dense(3),
    ]
)
fill(model)
show("GRU and SimpleRNN", model.predict(tokens, verbose=0))

# The final states of an encoder start a decoder.
encoder_input = keras.Input((None,))
encoder_embedded = layers.Embedding(input_dim=50, output_dim=6)(encoder_input)
output, state_h, state_c = layers.LSTM(5, return_state=True, name="encoder")(encoder_embedded)
decoder_input = keras.Input((None,))
decoder_embedded = layers.Embedding(input_dim=40, output_dim=6)(decoder_input)
decoder_output = layers.LSTM(5, name="decoder")(decoder_embedded, initial_state=[state_h, state_c])
translator = keras.Model([encoder_input, decoder_input], layers.Dense(3)(decoder_output))
fill(translator)
answers = random.integers(0, 40, (4, 5))
show("encoder and decoder", translator.predict([tokens, answers], verbose=0))

# A stateful layer continues where the last batch ended, until it is reset.
paragraphs = [random.normal(size=(3, 4, 6)).astype("float32") for _ in range(3)]
stateful = layers.LSTM(5, stateful=True)
stateful.build((3, 4, 6))
fill(stateful)
for paragraph in paragraphs:
    output = stateful(paragraph)
show("after three paragraphs", output)
existing_state = stateful.states
show("the state h", existing_state[0])
stateful.reset_state()
show("the last paragraph alone", stateful(paragraphs[2]))
whole = layers.LSTM(5)
whole.build((3, 12, 6))
whole.set_weights(stateful.get_weights())
show("the three as one sequence", whole(np.concatenate(paragraphs, axis=1)))
new_layer = layers.LSTM(5)
new_layer.build((3, 4, 6))
new_layer.set_weights(stateful.get_weights())
show("another layer from that state", new_layer(paragraphs[2], initial_state=existing_state))

# Both directions.
for merge_mode in ("concat", "sum", "mul", "ave"):
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode=merge_mode)
    both.build((3, 4, 6))
    both.set_weights([np.random.default_rng(2).normal(0, 0.4, w.shape) for w in both.get_weights()])
    show(f"both directions, {merge_mode}", both(paragraphs[0]))
print("its weights:", [tuple(w.shape) for w in both.weights])

# A layer is a loop over its cell.
layer, loop = layers.GRU(4, return_sequences=True), layers.RNN(layers.GRUCell(4), return_sequences=True)
for one in (layer, loop):
    one.build((3, 4, 6))
fill(layer)
loop.set_weights(layer.get_weights())
print("GRU is RNN(GRUCell):", np.allclose(layer(paragraphs[0]), loop(paragraphs[0]), atol=1e-5))
stack = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_state=True)
stack.build((3, 4, 6))
fill(stack)
output, *states = stack(paragraphs[0])
show("a stack of two cells", output)
print("states of the stack:", [[tuple(s.shape) for s in keras.tree.flatten(state)] for state in states])


class MinimalRNNCell(keras.layers.Layer):
    """h = x W + h U: a cell in a few lines."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, self.units), initializer="uniform", name="recurrent_kernel"
        )

    def call(self, inputs, states):
        prev_output = states[0]
        h = ops.matmul(inputs, self.kernel)
        output = h + ops.matmul(prev_output, self.recurrent_kernel)
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


minimal = layers.RNN(MinimalRNNCell(4))
minimal.build((3, 4, 6))
fill(minimal)
show("own cell", minimal(paragraphs[0]))
print("own cells in a stack:", tuple(layers.RNN([MinimalRNNCell(4), MinimalRNNCell(2)])(paragraphs[0]).shape))

# Trained: the parity of the ones in a sequence of bits.
bits = random.integers(0, 2, (64, 6))
targets = bits.sum(axis=1) % 2
parity = keras.Sequential([keras.Input((6, 1)), layers.RNN(MinimalRNNCell(6)), layers.Dense(2, activation="softmax")])
fill(parity)
parity.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = parity.fit(bits[..., None].astype("float32"), targets, batch_size=16, epochs=3, shuffle=False, verbose=0)
print("loss by epoch:", np.round(history.history["loss"], 4).tolist())

# Masks: padded steps do not change the states, and may give zeros.
masked = layers.RNN(layers.SimpleRNNCell(3), return_sequences=True, zero_output_for_mask=True)
masked.build((3, 4, 6))
fill(masked)
mask = np.array([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]], bool)
print("zeros at masked steps:", (np.array(masked(paragraphs[0], mask=mask)) == 0).all(axis=-1).astype(int).tolist())
