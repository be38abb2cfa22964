"""Knowledge distillation with compute_loss.

A small student learns from the data and from the softened outputs of a trained teacher. Only `compute_loss` is overridden, so the
model trains with every backend of Keras. Its `compile` takes the two losses and their settings.
"""
# backend: jax

import keras
import numpy as np
from keras import layers, ops

rng = np.random.default_rng(4)
centers = rng.normal(size=(3, 6)) * 1.5
labels = np.arange(150) % 3
x = (centers[labels] + rng.normal(size=(150, 6))).astype("float32")
train_x, test_x, train_y, test_y = x[:120], x[120:], labels[:120], labels[120:]


def network(units, name):
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(units, activation="relu"), layers.Dense(3)], name=name
    )
    model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.weights])
    return model


class Distiller(keras.Model):
    def __init__(self, student, teacher):
        super().__init__()
        self.teacher, self.student = teacher, student
        self.teacher.trainable = False
        self.distillation_tracker = keras.metrics.Mean(name="distillation_loss")

    def compile(self, optimizer, metrics, student_loss_fn, distillation_loss_fn, alpha=0.1, temperature=3):
        super().compile(optimizer=optimizer, metrics=metrics)
        self.student_loss_fn, self.distillation_loss_fn = student_loss_fn, distillation_loss_fn
        self.alpha, self.temperature = alpha, temperature

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, allow_empty=False):
        teacher_pred = self.teacher(x, training=False)
        student_loss = self.student_loss_fn(y, y_pred)
        distillation_loss = self.distillation_loss_fn(
            ops.softmax(teacher_pred / self.temperature, axis=1), ops.softmax(y_pred / self.temperature, axis=1)
        ) * (self.temperature**2)
        self.distillation_tracker.update_state(distillation_loss)
        return self.alpha * student_loss + (1 - self.alpha) * distillation_loss

    def call(self, x):
        return self.student(x)


def accuracy():
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


teacher = network(32, "teacher")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
teacher.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=[accuracy()])
teacher.fit(train_x, train_y, epochs=8, batch_size=30, shuffle=False, verbose=0)
print("teacher: " + " ".join(f"{value:.4f}" for value in teacher.evaluate(test_x, test_y, verbose=0)))

student = network(4, "student")
start = [w.copy() for w in student.get_weights()]
distiller = Distiller(student=student, teacher=teacher)
distiller.compile(
    optimizer=keras.optimizers.Adam(0.01),
    metrics=[accuracy()],
    student_loss_fn=loss,
    distillation_loss_fn=keras.losses.KLDivergence(),
    alpha=0.1,
    temperature=10,
)
history = distiller.fit(train_x, train_y, epochs=5, batch_size=30, shuffle=False, verbose=0).history
for name in sorted(history):
    print(f"{name}: " + " ".join(f"{value:.4f}" for value in history[name]))
results = distiller.evaluate(test_x, test_y, verbose=0, return_dict=True)
print("distilled student:", ", ".join(f"{name} {results[name]:.4f}" for name in sorted(results)))

alone = keras.models.clone_model(student)
alone.set_weights(start)
alone.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=[accuracy()])
alone.fit(train_x, train_y, epochs=5, batch_size=30, shuffle=False, verbose=0)
print("student alone: " + " ".join(f"{value:.4f}" for value in alone.evaluate(test_x, test_y, verbose=0)))
