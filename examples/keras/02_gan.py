"""A generative adversarial network with two optimizers.

The model wraps a generator and a discriminator, has no `call`, and takes two optimizers in its own `compile`. Each step first trains
the discriminator on real and generated points, then the generator to deceive it. The points lie on a circle.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers

rng = np.random.default_rng(2)
angles = rng.uniform(0, 2 * np.pi, size=(128, 1))
points = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
latent = rng.normal(size=(128, 4)).astype("float32")

generator = keras.Sequential(
    [keras.Input((4,)), layers.Dense(16), layers.LeakyReLU(negative_slope=0.2), layers.Dense(2)], name="generator"
)
discriminator = keras.Sequential(
    [keras.Input((2,)), layers.Dense(16), layers.LeakyReLU(negative_slope=0.2), layers.Dense(1)], name="discriminator"
)
for network in (generator, discriminator):
    network.set_weights([rng.normal(size=w.shape) * 0.4 for w in network.weights])


class GAN(keras.Model):
    def __init__(self, discriminator, generator):
        super().__init__()
        self.discriminator, self.generator = discriminator, generator
        self.d_loss_tracker = keras.metrics.Mean(name="d_loss")
        self.g_loss_tracker = keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    @property
    def metrics(self):
        return [self.d_loss_tracker, self.g_loss_tracker]

    def train_step(self, data):
        # The noise comes with the data, so that the run can be repeated. Usually it is drawn here, by keras.random.normal.
        real, noise = data
        batch_size = tf.shape(real)[0]
        generated = self.generator(noise)
        combined = tf.concat([generated, real], axis=0)
        labels = tf.concat([tf.ones((batch_size, 1)), tf.zeros((batch_size, 1))], axis=0)

        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(combined))
        gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(gradients, self.discriminator.trainable_weights, strict=True))

        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(noise))
            g_loss = self.loss_fn(tf.zeros((batch_size, 1)), predictions)
        gradients = tape.gradient(g_loss, self.generator.trainable_weights)  # the discriminator stays as it is
        self.g_optimizer.apply_gradients(zip(gradients, self.generator.trainable_weights, strict=True))

        self.d_loss_tracker.update_state(d_loss)
        self.g_loss_tracker.update_state(g_loss)
        return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}


gan = GAN(discriminator, generator)
gan.compile(
    d_optimizer=keras.optimizers.Adam(learning_rate=0.005),
    g_optimizer=keras.optimizers.Adam(learning_rate=0.005),
    loss_fn=keras.losses.BinaryCrossentropy(from_logits=True),
)
history = gan.fit(points, latent, epochs=8, batch_size=32, shuffle=False, verbose=0)
for epoch, (d_loss, g_loss) in enumerate(zip(history.history["d_loss"], history.history["g_loss"], strict=True), 1):
    print(f"epoch {epoch}: discriminator {d_loss:.4f}, generator {g_loss:.4f}")

made = generator.predict(latent, verbose=0)
print(f"mean radius of generated points: {np.linalg.norm(made, axis=1).mean():.4f}")
print("updates:", int(gan.d_optimizer.iterations), int(gan.g_optimizer.iterations))
print("weights of each network:", len(discriminator.weights), len(generator.weights))
