"""A variational autoencoder with its own step, and the same penalty by add_loss.

The encoder returns a mean and a variance, a sampling layer draws a point, the decoder reconstructs the input. `train_step` adds a
reconstruction loss and the Kullback-Leibler divergence, and tracks both. The second model leaves the step to Keras and adds the
divergence inside a layer.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

rng = np.random.default_rng(3)
codes = rng.normal(size=(96, 2))
x = 1.0 / (1.0 + np.exp(-codes @ rng.normal(size=(2, 12)) * 2))
x = x.astype("float32")


class Sampling(layers.Layer):
    """Draws from the normal distribution with the given mean and logarithm of the variance."""

    def __init__(self, noise=0.0, **kwargs):
        super().__init__(**kwargs)
        self.noise = noise  # 0 makes the run repeatable; 1 is a variational autoencoder
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        epsilon = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + self.noise * ops.exp(0.5 * z_log_var) * epsilon


class Divergence(layers.Layer):
    """Adds the Kullback-Leibler divergence to the loss of the model."""

    def call(self, inputs):
        z_mean, z_log_var = inputs
        kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        self.add_loss(ops.mean(ops.sum(kl, axis=1)) * 0.01)
        return z_mean


def encoder_network():
    inputs = keras.Input((12,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    z_mean = layers.Dense(2, name="z_mean")(hidden)
    z_log_var = layers.Dense(2, name="z_log_var")(hidden)
    return inputs, z_mean, z_log_var


def set_weights(model, seed):
    numbers = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(numbers.normal(size=variable.shape) * 0.3)


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            reconstruction = self.decoder(z)
            reconstruction_loss = ops.mean(12 * keras.losses.binary_crossentropy(data, reconstruction))
            kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        gradients = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.reconstruction_loss_tracker.update_state(reconstruction_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {
            "loss": self.total_loss_tracker.result(),
            "reconstruction_loss": self.reconstruction_loss_tracker.result(),
            "kl_loss": self.kl_loss_tracker.result(),
        }


inputs, z_mean, z_log_var = encoder_network()
encoder = keras.Model(inputs, [z_mean, z_log_var, Sampling(name="sampling")([z_mean, z_log_var])], name="encoder")
decoder = keras.Sequential(
    [keras.Input((2,)), layers.Dense(16, activation="relu"), layers.Dense(12, activation="sigmoid")], name="decoder"
)
set_weights(encoder, 1)
set_weights(decoder, 2)
vae = VAE(encoder, decoder)
vae.compile(optimizer=keras.optimizers.Adam(0.01))
history = vae.fit(x, epochs=5, batch_size=32, shuffle=False, verbose=0).history
for name in ("loss", "reconstruction_loss", "kl_loss"):
    print(f"{name}: " + " ".join(f"{value:.3f}" for value in history[name]))
z = encoder.predict(x, verbose=0)[2]
print("codes:", z.shape, "decoded:", decoder.predict(z[:2], verbose=0).shape)

inputs, z_mean, z_log_var = encoder_network()
z = Divergence()([z_mean, z_log_var])
autoencoder = keras.Model(inputs, layers.Dense(12, activation="sigmoid")(z))
set_weights(autoencoder, 4)
autoencoder.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse")
history = autoencoder.fit(x, x, epochs=4, batch_size=32, shuffle=False, verbose=0).history
print("with add_loss: " + " ".join(f"{value:.4f}" for value in history["loss"]))
