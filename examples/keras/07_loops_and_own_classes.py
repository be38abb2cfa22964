"""An own training loop over train_on_batch, with own losses and metrics.

`train_on_batch` runs one step and returns its results; the loop around it decides about the data, the schedule and the end. The loss
and the metric are classes of their own, with state and a config.
"""
# backend: jax

import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(7)
x = rng.normal(size=(120, 4)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int32")
train_x, test_x, train_y, test_y = x[:96], x[96:], y[:96], y[96:]


@keras.saving.register_keras_serializable("example")
class SmoothedCrossentropy(keras.losses.Loss):
    """Crossentropy that also penalizes outputs far from 1/2."""

    def __init__(self, strength=0.1, name="smoothed_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.strength = strength

    def call(self, y_true, y_pred):
        crossentropy = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
        return crossentropy + self.strength * ops.sum(ops.square(y_pred - 0.5), axis=-1)

    def get_config(self):
        return {**super().get_config(), "strength": self.strength}


class CategoricalTruePositives(keras.metrics.Metric):
    """Counts the samples whose class was predicted."""

    def __init__(self, name="true_positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.count = self.add_variable(shape=(), name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        predicted = ops.argmax(y_pred, axis=1)
        values = ops.cast(ops.equal(ops.cast(y_true, "int32"), ops.cast(predicted, "int32")), "float32")
        if sample_weight is not None:
            values = ops.multiply(values, ops.cast(sample_weight, "float32"))
        self.count.assign(self.count + ops.sum(values))

    def result(self):
        return ops.cast(self.count, "float32")

    def reset_state(self):
        self.count.assign(0.0)


model = keras.Sequential(
    [keras.Input((4,)), layers.Dense(16, activation="tanh"), layers.Dense(2, activation="softmax")]
)
model.set_weights([rng.normal(size=w.shape) * 0.5 for w in model.weights])
model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate=0.02),
    loss=SmoothedCrossentropy(0.05),
    metrics=[CategoricalTruePositives()],
)

best, waited = np.inf, 0
for epoch in range(12):
    order = np.random.default_rng(epoch).permutation(len(train_x))
    for start in range(0, len(order), 24):
        batch = order[start : start + 24]
        results = model.train_on_batch(train_x[batch], train_y[batch], return_dict=True)
    test_loss, found = model.evaluate(test_x, test_y, verbose=0)
    if epoch % 3 == 0:
        print(f"epoch {epoch}: last batch {results['loss']:.4f}, test {test_loss:.4f}, found {found:.0f} of {len(test_x)}")
    if test_loss < best - 0.01:
        best, waited = test_loss, 0
    else:
        waited += 1
    if waited == 2:
        model.optimizer.learning_rate.assign(model.optimizer.learning_rate * 0.5)
        waited = 0
print(f"learning rate: {float(model.optimizer.learning_rate):.4f}, steps: {int(model.optimizer.iterations)}")
print("test_on_batch:", " ".join(f"{value:.4f}" for value in model.test_on_batch(test_x, test_y)))
print("predict_on_batch:", model.predict_on_batch(test_x[:3]).shape)

config = keras.losses.serialize(SmoothedCrossentropy(0.2))
print("registered as", config["registered_name"], "with strength", keras.losses.deserialize(config).strength)
