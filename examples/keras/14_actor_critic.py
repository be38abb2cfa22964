"""Actor-critic with a tape and Python control flow.

A cart on a line must stay near the middle. The environment is a few lines of Python, so each step of an episode runs with numbers:
the action is drawn with NumPy from the probabilities of the actor, the episode ends when the cart leaves the track. The tape records
the calls of the model in between, and one update follows each episode.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

GAMMA = 0.95
rng = np.random.default_rng(14)


class Track:
    """A cart on a line. State: position and speed. Actions: push left, push right."""

    def reset(self):
        self.state = np.array([0.5, 0.0], "float32")
        return self.state

    def step(self, action):
        position, speed = self.state
        speed = 0.9 * speed + (0.2 if action == 1 else -0.2)
        position = position + 0.5 * speed
        self.state = np.array([position, speed], "float32")
        done = abs(position) > 1.0
        return self.state, 1.0 - abs(float(position)), done


inputs = keras.Input((2,))
common = layers.Dense(16, activation="tanh")(inputs)
action = layers.Dense(2, activation="softmax")(common)
critic = layers.Dense(1)(common)
model = keras.Model(inputs, [action, critic])
weights = np.random.default_rng(2)
model.set_weights([0.5 * weights.normal(size=w.shape) for w in model.weights])

optimizer = keras.optimizers.Adam(0.01)
huber = keras.losses.Huber()
track = Track()
running_reward = 0.0

for episode in range(9):
    state = track.reset()
    log_probabilities, values, rewards = [], [], []
    with tf.GradientTape() as tape:
        for _ in range(25):
            probabilities, value = model(ops.expand_dims(ops.convert_to_tensor(state), 0))
            values.append(value[0, 0])
            chosen = int(rng.uniform() < float(probabilities[0, 1]))
            log_probabilities.append(ops.log(probabilities[0, chosen]))
            state, reward, done = track.step(chosen)
            rewards.append(reward)
            if done:
                break
        running_reward = 0.1 * sum(rewards) + 0.9 * running_reward

        returns, total = [], 0.0
        for reward in reversed(rewards):
            total = reward + GAMMA * total
            returns.insert(0, total)
        actor_losses, critic_losses = [], []
        for log_probability, value, wanted in zip(log_probabilities, values, returns, strict=True):
            advantage = wanted - float(value)
            actor_losses.append(-log_probability * advantage)
            critic_losses.append(huber(ops.expand_dims(value, 0), ops.expand_dims(wanted, 0)))
        loss = sum(actor_losses) + sum(critic_losses)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    if episode % 3 == 2:
        print(f"episode {episode + 1:2d}: {len(rewards)} steps, running reward {running_reward:.3f}, loss {float(loss):.3f}")

probabilities, value = model(np.array([[0.5, 0.0], [-0.5, 0.0]], "float32"))
print("chance to push right at 0.5 and -0.5:", " ".join(f"{p:.3f}" for p in np.asarray(probabilities)[:, 1]))
print("values there:", " ".join(f"{v:.3f}" for v in np.asarray(value)[:, 0]))
