"""Forecasting a time series from sliding windows.

`timeseries_dataset_from_array` cuts windows out of a series; a convolution and an LSTM predict the value that follows each window, and
are compared with the last value as a forecast.
"""
# backend: tensorflow

import keras
import numpy as np

LENGTH, STEPS, PAST = 400, 300, 24

rng = np.random.default_rng(0)
time = np.arange(LENGTH)
series = (np.sin(time * 2 * np.pi / 24) + 0.3 * np.sin(time * 2 * np.pi / 60) + rng.normal(0, 0.05, LENGTH)).astype(
    "float32"
)
mean, deviation = series[:STEPS].mean(), series[:STEPS].std()
series = ((series - mean) / deviation)[:, None]


def windows(first, last):
    """Return batches of windows and of the values that follow them."""
    part = series[first:last]
    return keras.utils.timeseries_dataset_from_array(part[:-PAST], part[PAST:], sequence_length=PAST, batch_size=32)


train, test = windows(0, STEPS), windows(STEPS - PAST, LENGTH)
print("batches:", len(train), len(test))
for x, y in train.take(1):
    print("a batch:", tuple(x.shape), tuple(y.shape), f"first target {float(np.asarray(y)[0, 0]):.4f}")

targets = np.concatenate([np.asarray(y) for _, y in test])
last = np.concatenate([np.asarray(x)[:, -1] for x, _ in test])
print(f"last value as the forecast: mean absolute error {np.abs(targets - last).mean():.4f}")


def convolutional():
    """Return a model with a causal convolution."""
    return keras.Sequential(
        [
            keras.Input((PAST, 1)),
            keras.layers.Conv1D(8, 5, padding="causal", activation="relu"),
            keras.layers.Conv1D(8, 5, dilation_rate=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )


def recurrent():
    """Return a model with an LSTM."""
    return keras.Sequential([keras.Input((PAST, 1)), keras.layers.LSTM(8), keras.layers.Dense(1)])


for name, make in (("convolution", convolutional), ("LSTM", recurrent)):
    model = make()
    start = np.random.default_rng(1)
    model.set_weights([start.normal(0, 0.2, w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(train, epochs=20, verbose=0)
    loss, error = model.evaluate(test, verbose=0)
    print(f"{name}: {model.count_params()} weights, mean squared error {loss:.3f}, mean absolute error {error:.3f}")
    print("  forecasts:", [round(float(v), 2) for v in model.predict(test, verbose=0)[:4, 0]])
