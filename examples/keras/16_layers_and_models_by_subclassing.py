"""Layers and models by subclassing.

A layer combines state (weights) with a computation (`call`). This script writes layers with weights, with non-trainable weights, with
layers inside, with a `training` argument and with losses of their own, makes them serializable, and assembles them into a variational
autoencoder, a model whose class defines `call`.
"""

# backend: jax

import keras
import numpy as np
from keras import layers, ops

random = np.random.default_rng(0)


def fill(layer):
    """Give a layer or model weights from the seeded generator."""
    layer.set_weights([random.normal(0, 0.3, w.shape) for w in layer.get_weights()])


def show(title, values):
    """Print numbers with four digits."""
    print(f"{title}:", np.round(np.asarray(values, "float64"), 4).tolist())


class Linear(layers.Layer):
    """Weights made in `build`, once the size of the input is known."""

    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="random_normal", trainable=True, name="w"
        )
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="b")

    def call(self, inputs):
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        config = super().get_config()
        config.update({"units": self.units})
        return config


x = ops.ones((2, 2))
linear = Linear(4)
print("built before the first call:", linear.built)
linear(x)
print("built after it:", linear.built, [(w.name, tuple(w.shape)) for w in linear.weights])
fill(linear)
show("linear", linear(x))


class ComputeSum(layers.Layer):
    """A weight that is no parameter: it counts what the layer has seen."""

    def __init__(self, input_dim):
        super().__init__()
        self.total = self.add_weight(initializer="zeros", shape=(input_dim,), trainable=False)

    def call(self, inputs):
        self.total.assign_add(ops.sum(inputs, axis=0))
        return self.total


my_sum = ComputeSum(2)
show("total after one call", my_sum(x))
show("total after two calls", my_sum(x))
print("weights:", len(my_sum.weights), "non-trainable:", len(my_sum.non_trainable_weights), "trainable:", my_sum.trainable_weights)


class MLPBlock(layers.Layer):
    """Layers inside a layer: their weights are its weights."""

    def __init__(self):
        super().__init__()
        self.linear_1 = Linear(32)
        self.linear_2 = Linear(32)
        self.linear_3 = Linear(1)

    def call(self, inputs):
        x = ops.relu(self.linear_1(inputs))
        x = ops.relu(self.linear_2(x))
        return self.linear_3(x)


mlp = MLPBlock()
y = mlp(ops.ones(shape=(3, 64)))
print("weights of the block:", len(mlp.weights), "trainable:", len(mlp.trainable_weights), "output:", tuple(y.shape))


class ActivityRegularizationLayer(layers.Layer):
    """A loss that depends on the inputs: `add_loss` in `call`."""

    def __init__(self, rate=1e-2):
        super().__init__()
        self.activity_regularizer_rate = rate

    def call(self, inputs):
        self.add_loss(self.activity_regularizer_rate * ops.mean(inputs))
        return inputs


class OuterLayer(layers.Layer):
    """The losses of inner layers are the outer layer's losses, anew at each call."""

    def __init__(self):
        super().__init__()
        self.activity_reg = ActivityRegularizationLayer(1e-2)

    def call(self, inputs):
        return self.activity_reg(inputs)


outer = OuterLayer()
print("losses before a call:", len(outer.losses))
outer(ops.zeros((1, 1)))
print("after one call:", len(outer.losses))
outer(ops.ones((1, 1)))
print("after another:", len(outer.losses), [round(float(loss), 4) for loss in outer.losses])


class OuterLayerWithKernelRegularizer(layers.Layer):
    """Weight regularizers of inner layers are losses too."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(32, kernel_regularizer=keras.regularizers.L2(1e-3))

    def call(self, inputs):
        return self.dense(inputs)


regularized = OuterLayerWithKernelRegularizer()
regularized(ops.zeros((1, 1)))
fill(regularized)
show("weight penalty", [float(loss) for loss in regularized.losses])

# `fit` adds these losses to the loss of compile, and trains without one as well.
inputs = keras.Input(shape=(3,))
model = keras.Model(inputs, ActivityRegularizationLayer()(inputs))
model.compile(optimizer="adam", loss="mse")
print("loss:", round(model.fit(np.ones((2, 3)), np.ones((2, 3)), verbose=0).history["loss"][0], 4))
model.compile(optimizer="adam")
print("loss without targets:", round(model.fit(np.ones((2, 3)), np.ones((2, 3)), verbose=0).history["loss"][0], 4))

# A layer with a `get_config` can be made again from its config, and saved.
layer = Linear(64, name="linear_8")
config = layer.get_config()
print("config:", {key: config[key] for key in ("name", "trainable", "units")})
print("made again:", Linear.from_config(config).units)


class CustomDropout(layers.Layer):
    """A `training` argument: `fit` passes True, `predict` and `evaluate` pass False."""

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs, training=None):
        if training:
            return keras.random.dropout(inputs, rate=self.rate, seed=self.seed_generator)
        return inputs


dropout = CustomDropout(0.5)
show("dropout at inference", dropout(x))
kept = np.asarray(dropout(ops.ones((100, 100)), training=True))
print("dropout in training keeps values of", sorted({float(v) for v in np.unique(kept)}), "about half:", 0.45 < (kept > 0).mean() < 0.55)


class Sampling(layers.Layer):
    """Draws a point from the distribution with this mean and log variance; here always the mean, so that numbers repeat."""

    def call(self, inputs):
        z_mean, z_log_var = inputs
        return z_mean + ops.exp(0.5 * z_log_var) * 0.0


class Encoder(layers.Layer):
    """Maps digits to (z_mean, z_log_var, z)."""

    def __init__(self, latent_dim=4, intermediate_dim=16, name="encoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.dense_proj = layers.Dense(intermediate_dim, activation="relu")
        self.dense_mean = layers.Dense(latent_dim)
        self.dense_log_var = layers.Dense(latent_dim)
        self.sampling = Sampling()

    def call(self, inputs):
        x = self.dense_proj(inputs)
        z_mean, z_log_var = self.dense_mean(x), self.dense_log_var(x)
        return z_mean, z_log_var, self.sampling((z_mean, z_log_var))


class Decoder(layers.Layer):
    """Maps a point back to a digit."""

    def __init__(self, original_dim, intermediate_dim=16, name="decoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.dense_proj = layers.Dense(intermediate_dim, activation="relu")
        self.dense_output = layers.Dense(original_dim, activation="sigmoid")

    def call(self, inputs):
        return self.dense_output(self.dense_proj(inputs))


class VariationalAutoEncoder(keras.Model):
    """Encoder and decoder, trained as one model; the KL divergence is added with `add_loss`."""

    def __init__(self, original_dim, intermediate_dim=16, latent_dim=4, name="autoencoder", **kwargs):
        super().__init__(name=name, **kwargs)
        self.original_dim = original_dim
        self.encoder = Encoder(latent_dim=latent_dim, intermediate_dim=intermediate_dim)
        self.decoder = Decoder(original_dim, intermediate_dim=intermediate_dim)

    def call(self, inputs):
        z_mean, z_log_var, z = self.encoder(inputs)
        reconstructed = self.decoder(z)
        kl_loss = -0.5 * ops.mean(z_log_var - ops.square(z_mean) - ops.exp(z_log_var) + 1)
        self.add_loss(kl_loss)
        return reconstructed


digits = random.random((64, 20)).astype("float32")
vae = VariationalAutoEncoder(20)
vae(digits[:2])
fill(vae)
print("layers:", [layer.name for layer in vae.layers], "weights:", len(vae.weights))
vae.compile(keras.optimizers.Adam(learning_rate=1e-2), loss=keras.losses.MeanSquaredError())
history = vae.fit(digits, digits, epochs=3, batch_size=16, shuffle=False, verbose=0)
show("losses of the autoencoder", history.history["loss"])
show("evaluated", vae.evaluate(digits, digits, verbose=0))
