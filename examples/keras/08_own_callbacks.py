"""Writing your own callbacks.

A callback is told when training, evaluation and prediction begin and end, and when each epoch and batch does. Three callbacks: one logs
what it is told, one stops at the smallest loss and restores the weights, one sets the learning rate by a table.
"""
# backend: jax

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(8)
x = rng.normal(size=(40, 6)).astype("float32")
y = x.sum(axis=1, keepdims=True) + 0.1 * rng.normal(size=(40, 1)).astype("float32")
start = [rng.normal(size=shape) * 0.3 for shape in ((6, 1), (1,))]


def get_model(rate=0.1):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    model.set_weights(start)
    model.compile(optimizer=keras.optimizers.RMSprop(rate), loss="mean_squared_error", metrics=["mean_absolute_error"])
    return model


class CustomCallback(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        print("start of training; keys:", sorted(logs or {}), "; parameters:", sorted(self.params))

    def on_train_end(self, logs=None):
        print("end of training; keys:", sorted(logs))

    def on_epoch_begin(self, epoch, logs=None):
        print(f"start of epoch {epoch}")

    def on_epoch_end(self, epoch, logs=None):
        print(f"end of epoch {epoch}; keys:", sorted(logs))

    def on_train_batch_end(self, batch, logs=None):
        print(f"  batch {batch}: loss {logs['loss']:.4f}")

    def on_test_begin(self, logs=None):
        print("  start of testing")

    def on_test_batch_end(self, batch, logs=None):
        print(f"  test batch {batch}: mae {logs['mean_absolute_error']:.4f}")

    def on_predict_batch_begin(self, batch, logs=None):
        print(f"  predicting batch {batch}")

    def on_predict_end(self, logs=None):
        print("end of prediction")


class EarlyStoppingAtMinLoss(keras.callbacks.Callback):
    """Stops when the loss has not fallen for `patience` epochs, and restores the best weights."""

    def __init__(self, patience=0):
        super().__init__()
        self.patience = patience
        self.best_weights = None

    def on_train_begin(self, logs=None):
        self.wait, self.stopped_epoch, self.best = 0, 0, np.inf

    def on_epoch_end(self, epoch, logs=None):
        current = logs.get("loss")
        if np.less(current, self.best):
            self.best, self.wait = current, 0
            self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            self.model.set_weights(self.best_weights)

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0:
            print(f"epoch {self.stopped_epoch + 1}: early stopping, best loss {self.best:.4f}")


class CustomLearningRateScheduler(keras.callbacks.Callback):
    """Sets the learning rate of each epoch by a table of (first epoch, rate)."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def on_epoch_begin(self, epoch, logs=None):
        if not hasattr(self.model.optimizer, "learning_rate"):
            raise ValueError('Optimizer must have a "learning_rate" attribute.')
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        scheduled = dict(self.table).get(epoch, rate)
        self.model.optimizer.learning_rate = scheduled
        print(f"epoch {epoch}: learning rate {float(np.array(self.model.optimizer.learning_rate)):.4f}")


model = get_model()
model.fit(x, y, batch_size=20, epochs=1, shuffle=False, verbose=0, validation_split=0.5, callbacks=[CustomCallback()])
model.predict(x, batch_size=20, verbose=0, callbacks=[CustomCallback()])

history = get_model(0.6).fit(
    x, y, batch_size=40, epochs=20, shuffle=False, verbose=0, callbacks=[EarlyStoppingAtMinLoss(patience=1)]
)
print("epochs:", len(history.epoch))

get_model().fit(
    x, y, batch_size=20, epochs=5, shuffle=False, verbose=0,
    callbacks=[CustomLearningRateScheduler([(0, 0.05), (2, 0.01), (4, 0.005)])],
)  # fmt: skip

seen = []
printer = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(round(logs["loss"], 3)))
get_model().fit(x, y, epochs=3, shuffle=False, verbose=0, callbacks=[printer])
print("losses seen by a LambdaCallback:", *seen)
