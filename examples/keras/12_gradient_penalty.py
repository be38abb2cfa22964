"""WGAN with gradient penalty.

The critic scores real and generated points. Its loss contains the norm of the gradient of the score with respect to points between
both, so there are two tapes: the inner one for that gradient, the outer one for the gradient of the whole loss. The training step
belongs to the model, and fit() calls it.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers

LATENT = 4
rng = np.random.default_rng(12)
angles = rng.uniform(0, 2 * np.pi, 256)
ring = np.stack([2 * np.cos(angles), np.sin(angles)], axis=1).astype("float32")
noise = rng.normal(size=(256, LATENT)).astype("float32")
mixing = rng.uniform(size=(256, 1)).astype("float32")


def net(inputs, outputs, seed):
    model = keras.Sequential(
        [
            keras.Input((inputs,)),
            layers.Dense(16, activation="tanh"),
            layers.Dense(16, activation="tanh"),
            layers.Dense(outputs),
        ]
    )
    weights = np.random.default_rng(seed)
    model.set_weights([0.4 * weights.normal(size=w.shape) for w in model.weights])
    return model


class WGAN(keras.Model):
    def __init__(self, critic, generator, critic_steps=2, penalty_weight=10.0):
        super().__init__()
        self.critic = critic
        self.generator = generator
        self.critic_steps = critic_steps
        self.penalty_weight = penalty_weight
        self.critic_loss = keras.metrics.Mean(name="critic_loss")
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.penalty = keras.metrics.Mean(name="penalty")

    def compile(self, critic_optimizer, generator_optimizer):
        super().compile()
        self.critic_optimizer = critic_optimizer
        self.generator_optimizer = generator_optimizer

    @property
    def metrics(self):
        return [self.critic_loss, self.generator_loss, self.penalty]

    def gradient_penalty(self, real, generated, mix):
        points = mix * real + (1.0 - mix) * generated
        with tf.GradientTape() as tape:
            tape.watch(points)
            scores = self.critic(points, training=True)
        slopes = tape.gradient(scores, points)
        norms = keras.ops.sqrt(keras.ops.sum(keras.ops.square(slopes), axis=1))
        return keras.ops.mean((norms - 1.0) ** 2)

    def train_step(self, data):
        real, latent, mix = data[0]
        for _ in range(self.critic_steps):
            with tf.GradientTape() as tape:
                generated = self.generator(latent, training=True)
                difference = keras.ops.mean(self.critic(generated, training=True)) - keras.ops.mean(
                    self.critic(real, training=True)
                )
                penalty = self.gradient_penalty(real, generated, mix)
                critic_loss = difference + self.penalty_weight * penalty
            gradients = tape.gradient(critic_loss, self.critic.trainable_variables)
            self.critic_optimizer.apply_gradients(zip(gradients, self.critic.trainable_variables, strict=True))
        with tf.GradientTape() as tape:
            generator_loss = -keras.ops.mean(self.critic(self.generator(latent, training=True), training=True))
        gradients = tape.gradient(generator_loss, self.generator.trainable_variables)
        self.generator_optimizer.apply_gradients(zip(gradients, self.generator.trainable_variables, strict=True))
        self.critic_loss.update_state(critic_loss)
        self.generator_loss.update_state(generator_loss)
        self.penalty.update_state(penalty)
        return {m.name: m.result() for m in self.metrics}


gan = WGAN(net(2, 1, seed=1), net(LATENT, 2, seed=2))
gan.compile(
    critic_optimizer=keras.optimizers.Adam(0.005, beta_1=0.5),
    generator_optimizer=keras.optimizers.Adam(0.002, beta_1=0.5),
)
history = gan.fit((ring, noise, mixing), epochs=4, batch_size=64, shuffle=False, verbose=0)
for epoch, (critic, penalty) in enumerate(zip(history.history["critic_loss"], history.history["penalty"], strict=True)):
    print(f"epoch {epoch}: critic loss {critic:.3f}, penalty {penalty:.4f}")

made = gan.generator.predict(noise, verbose=0)
print("spread of real points:     ", " ".join(f"{s:.2f}" for s in ring.std(axis=0)))
print("spread of generated points:", " ".join(f"{s:.2f}" for s in made.std(axis=0)))
