"""Distillation with keras.distillation.

A small student learns from the labels and from a larger teacher: from its outputs, softened by a temperature, and from the features of
one of its layers. The distiller is compiled, trained, evaluated and saved like any model.
"""

# backend: jax

import os
import tempfile

import keras
import numpy as np
from keras import layers
from keras.distillation import Distiller, FeatureDistillation, LogitsDistillation

rng = np.random.default_rng(0)
x = rng.normal(size=(64, 8)).astype("float32")
y = rng.integers(0, 3, 64)


def classifier(units, name):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="relu", name="hidden"),
            layers.Dense(6, name="features"),
            layers.Dense(3, name="logits"),
        ],
        name=name,
    )
    seeded = np.random.default_rng(units)
    model.set_weights([seeded.normal(size=w.shape, scale=0.3) for w in model.get_weights()])
    return model


teacher = classifier(16, "teacher")
teacher.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
teacher.fit(x, y, epochs=20, verbose=0, shuffle=False)

settings = {
    "logits": LogitsDistillation(temperature=3.0, loss=keras.losses.KLDivergence()),
    "features": FeatureDistillation(loss="mse", teacher_layer_name="features", student_layer_name="features"),
    "both": [LogitsDistillation(temperature=2.0, loss="categorical_crossentropy"), FeatureDistillation("mae")],
}
for name, losses in settings.items():
    distiller = Distiller(teacher, classifier(4, f"student_of_{name}"), losses, student_loss_weight=0.3)
    distiller.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    history = distiller.fit(x, y, epochs=3, verbose=0, shuffle=False).history
    for key, values in sorted(history.items()):
        print(f"{name}: {key} from {values[0]:.4f} to {values[-1]:.4f}")

path = os.path.join(tempfile.mkdtemp(), "distiller.keras")
distiller.save(path)
again = keras.models.load_model(path)
print("the same predictions after loading:", np.allclose(again.predict(x, verbose=0), distiller.predict(x, verbose=0), atol=1e-5))
print("trainable weights:", len(again.trainable_weights), "of", len(again.weights))
print("the student alone:", distiller.student.predict(x[:1], verbose=0).round(4).tolist())
