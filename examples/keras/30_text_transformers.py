"""Text with transformers: a classifier, and a miniature GPT.

An own layer adds embeddings of tokens and positions; a block applies attention, which sees only earlier tokens in the language model.
The classifier averages over the sequence; the language model learns to continue a pattern and generates greedily.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(3)


def fill(model, deviation=0.2):
    """Give a model weights from the seeded generator."""
    model.set_weights([random.normal(0, deviation, w.shape) for w in model.get_weights()])


class TokenAndPositionEmbedding(layers.Layer):
    """The sum of an embedding of the tokens and one of their positions."""

    def __init__(self, maxlen, vocab_size, embed_dim, **kwargs):
        super().__init__(**kwargs)
        self.token_emb = layers.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = layers.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def call(self, x):
        maxlen = ops.shape(x)[-1]
        positions = ops.arange(0, maxlen, 1)
        return self.token_emb(x) + self.pos_emb(positions)


class TransformerBlock(layers.Layer):
    """Attention and a feed-forward net, each with a residual connection and a normalization."""

    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.0, causal=False, **kwargs):
        super().__init__(**kwargs)
        self.causal = causal
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=None):
        mask = None
        if self.causal:
            seq_len = ops.shape(inputs)[1]
            steps = ops.arange(seq_len)
            mask = ops.expand_dims(ops.greater_equal(ops.expand_dims(steps, 1), steps), 0)
        attn_output = self.att(inputs, inputs, attention_mask=mask)
        attn_output = self.dropout1(attn_output, training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output, training=training)
        return self.layernorm2(out1 + ffn_output)


# A classifier: does a text hold more words of the first half of the vocabulary?
vocab_size, maxlen, embed_dim = 20, 10, 8
x_train = random.integers(1, vocab_size, (96, maxlen))
y_train = ((x_train < 10).sum(axis=1) > maxlen // 2).astype("int32")
inputs = layers.Input(shape=(maxlen,))
x = TokenAndPositionEmbedding(maxlen, vocab_size, embed_dim)(inputs)
x = TransformerBlock(embed_dim, num_heads=2, ff_dim=16)(x)
x = layers.GlobalAveragePooling1D()(x)
x = layers.Dropout(0.0)(x)
x = layers.Dense(12, activation="relu")(x)
outputs = layers.Dense(2, activation="softmax")(x)
classifier = keras.Model(inputs=inputs, outputs=outputs)
fill(classifier)
print("parameters of the classifier:", classifier.count_params())
classifier.compile(optimizer=keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = classifier.fit(x_train, y_train, batch_size=32, epochs=4, shuffle=False, verbose=0)
print("loss by epoch:", np.round(history.history["loss"], 3).tolist())
print("first predictions:", np.round(classifier.predict(x_train[:3], verbose=0).astype("float64"), 3).tolist())

# Attention by itself: masks, and the scores.
attention = layers.MultiHeadAttention(num_heads=2, key_dim=3)
query, value = random.normal(size=(1, 4, 6)).astype("float32"), random.normal(size=(1, 5, 6)).astype("float32")
attention.build(query.shape, value.shape)
fill(attention)
output, scores = attention(query, value, return_attention_scores=True)
print(
    "attention:",
    tuple(output.shape),
    "scores:",
    tuple(scores.shape),
    np.round(np.array(scores, "float64")[0, 0, 0], 4).tolist(),
)
_, scores = attention(query, query, use_causal_mask=True, return_attention_scores=True)
print("causal scores:", np.round(np.array(scores, "float64")[0, 0], 3).tolist())
padding = np.array([[True, True, True, False, False]])
_, scores = attention(query, value, value_mask=padding, return_attention_scores=True)
print("scores of padded values:", np.round(np.array(scores, "float64")[0, 0, 0], 4).tolist())

# A miniature GPT: it predicts the next token of a sequence that counts up and wraps around.
vocab_size, maxlen = 8, 12


def create_model():
    """A language model of one block; its second output are the hidden states, without a loss."""
    inputs = layers.Input(shape=(maxlen,), dtype="int32")
    x = TokenAndPositionEmbedding(maxlen, vocab_size, 16)(inputs)
    x = TransformerBlock(16, num_heads=2, ff_dim=32, causal=True)(x)
    outputs = layers.Dense(vocab_size)(x)
    model = keras.Model(inputs=inputs, outputs=[outputs, x])
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss=[loss_fn, None])
    return model


starts = random.integers(0, vocab_size, (64, 1))
text = (starts + np.arange(maxlen + 1)) % vocab_size
gpt = create_model()
fill(gpt)
history = gpt.fit(text[:, :-1], text[:, 1:], batch_size=16, epochs=5, shuffle=False, verbose=0)
print("loss of the language model:", np.round(history.history["loss"], 2).tolist())


class TextGenerator(keras.callbacks.Callback):
    """Continues a prompt with the likeliest tokens at the end of each epoch."""

    def __init__(self, max_tokens, start_tokens):
        super().__init__()
        self.max_tokens = max_tokens
        self.start_tokens = start_tokens

    def on_epoch_end(self, epoch, logs=None):
        tokens = list(self.start_tokens)
        while len(tokens) < self.max_tokens:
            x = np.array([tokens + [0] * (maxlen - len(tokens))])
            logits, _ = self.model.predict(x, verbose=0)
            tokens.append(int(np.argmax(logits[0][len(tokens) - 1])))
        print("generated:", tokens)


gpt.fit(
    text[:, :-1],
    text[:, 1:],
    batch_size=16,
    epochs=1,
    shuffle=False,
    verbose=0,
    callbacks=[TextGenerator(maxlen, [3, 4, 5])],
)
