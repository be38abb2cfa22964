"""Training with the built-in methods.

compile, fit, evaluate and predict: several inputs and outputs, losses and metrics by output, class and sample weights, validation,
learning rate schedules, early stopping and checkpoints.
"""
# backend: jax

import os
import tempfile

import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(9)
image = rng.random((96, 6, 6, 1)).astype("float32")
series = rng.normal(size=(96, 8)).astype("float32")
score = image.mean(axis=(1, 2)) + 0.1 * series[:, :1]
kind = (series[:, 0] > 0).astype("int32") + (series[:, 1] > 0.5)


def multi_model():
    image_input = keras.Input((6, 6, 1), name="image")
    series_input = keras.Input((8,), name="series")
    a = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, activation="relu")(image_input))
    b = layers.Dense(6, activation="relu")(series_input)
    both = layers.concatenate([a, b])
    outputs = [layers.Dense(1, name="score")(both), layers.Dense(3, name="kind", activation="softmax")(both)]
    model = keras.Model([image_input, series_input], outputs)
    numbers = np.random.default_rng(0)
    model.set_weights([numbers.normal(size=w.shape) * 0.4 for w in model.weights])
    return model


def custom_mean_squared_error(y_true, y_pred):
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def show(title, history):
    print(title)
    for name in sorted(history):
        print(f"  {name}: " + " ".join(f"{value:.4f}" for value in history[name]))


model = multi_model()
model.compile(
    optimizer=keras.optimizers.RMSprop(1e-2),
    loss={"score": custom_mean_squared_error, "kind": keras.losses.SparseCategoricalCrossentropy()},
    metrics={"score": [keras.metrics.MeanAbsoluteError(name="mae")], "kind": ["accuracy"]},
    loss_weights={"score": 2.0, "kind": 1.0},
)
inputs, targets = {"image": image, "series": series}, {"score": score, "kind": kind}
history = model.fit(inputs, targets, batch_size=16, epochs=3, shuffle=False, validation_split=0.25, verbose=0)
show("two inputs, two outputs", history.history)
print("evaluate:", " ".join(f"{value:.4f}" for value in model.evaluate(inputs, targets, batch_size=48, verbose=0)))
print("predict:", *(part.shape for part in model.predict(inputs, verbose=0)))


def classifier(optimizer):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(8, activation="relu"), layers.Dense(3)])
    numbers = np.random.default_rng(0)
    model.set_weights([numbers.normal(size=w.shape) * 0.4 for w in model.weights])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], weighted_metrics=["sparse_categorical_accuracy"])
    return model


settings = {"batch_size": 32, "epochs": 2, "shuffle": False, "verbose": 0}
model = classifier("adam")
show("class weights", model.fit(series, kind, class_weight={0: 1.0, 1: 1.0, 2: 3.0}, **settings).history)
weights = np.where(kind == 2, 2.0, 1.0)
show("sample weights", model.fit(series, kind, sample_weight=weights, **settings).history)

schedule = keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=3, decay_rate=0.5, staircase=True)
model = classifier(keras.optimizers.SGD(learning_rate=schedule))
model.fit(series, kind, **settings)
print(f"learning rate after {int(model.optimizer.iterations)} steps: {float(model.optimizer.learning_rate):.4f}")

with tempfile.TemporaryDirectory() as folder:
    model = classifier(keras.optimizers.Adam(0.05))
    history = model.fit(
        series, kind, batch_size=32, epochs=12, shuffle=False, verbose=0, validation_data=(series[:24], kind[:24]),
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=0.05, patience=2),
            keras.callbacks.ModelCheckpoint(os.path.join(folder, "best.keras"), monitor="val_loss", save_best_only=True),
            keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.2),
        ],
    )  # fmt: skip
    print("epochs:", len(history.epoch), "files:", os.listdir(folder))
    print("rates:", " ".join(f"{rate:.4f}" for rate in history.history["learning_rate"]))
    best = keras.models.load_model(os.path.join(folder, "best.keras"))
    values = best.evaluate(series[:24], kind[:24], verbose=0)
    print("best:", " ".join(f"{value:.4f}" for value in values), "=", f"{min(history.history['val_loss']):.4f}")
