"""A physics-informed neural network: derivatives of a net as a loss.

The net u(t) learns the damped oscillator u'' + 0.4 u' + 4 u = 0 with u(0) = 1 and u'(0) = 0, without any data besides. First and second
derivatives come from nested tapes, and a third tape differentiates the residual with respect to the weights. At the end, a Jacobian
shows how the solution at four times depends on one layer.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import ops

net = keras.Sequential(
    [
        keras.Input((1,)),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(16, activation="tanh"),
        keras.layers.Dense(1),
    ]
)
weights = np.random.default_rng(3)
net.set_weights([0.7 * weights.normal(size=w.shape) for w in net.weights])

times = tf.constant(np.linspace(0.0, 2.0, 33, dtype="float32").reshape(-1, 1))
start = tf.constant(np.zeros((1, 1), "float32"))


def derivatives(t):
    with tf.GradientTape() as second:
        second.watch(t)
        with tf.GradientTape() as first:
            first.watch(t)
            u = net(t)
        du = first.gradient(u, t)
    return u, du, second.gradient(du, t)


def residual_loss():
    u, du, ddu = derivatives(times)
    equation = ops.mean(ops.square(ddu + 0.4 * du + 4.0 * u))
    u0, du0, _ = derivatives(start)
    return equation + 20.0 * ops.mean(ops.square(u0 - 1.0)) + 20.0 * ops.mean(ops.square(du0))


optimizer = keras.optimizers.Adam(0.01)


@tf.function
def train_step():
    with tf.GradientTape() as tape:
        loss = residual_loss()
    gradients = tape.gradient(loss, net.trainable_variables)
    optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))
    return loss


for step in range(31):
    loss = train_step()
    if step % 10 == 0:
        print(f"step {step:2d}: loss {float(loss):.3f}")

u, du, ddu = derivatives(times)
print("u at 0, 1, 2:  ", " ".join(f"{v:.3f}" for v in np.asarray(u)[[0, 16, 32], 0]))
print("u' at 0, 1, 2: ", " ".join(f"{v:.3f}" for v in np.asarray(du)[[0, 16, 32], 0]))
print("u'' at 0, 1, 2:", " ".join(f"{v:.3f}" for v in np.asarray(ddu)[[0, 16, 32], 0]))

with tf.GradientTape() as tape:
    u = net(times[::10])
jacobian = tape.jacobian(u, net.layers[-1].kernel)
print("shape of the Jacobian:", tuple(jacobian.shape))
print("its first row:", " ".join(f"{v:.3f}" for v in np.asarray(jacobian)[0, 0, :4, 0]))
