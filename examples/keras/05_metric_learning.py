"""Metric learning: an embedding trained on pairs of samples of each class.

Each batch holds an anchor and a positive sample per class. `train_step` compares all anchors with all positives; the cosine
similarities are the logits of a classification of pairs. The data come from a `keras.utils.PyDataset`.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

CLASSES = 6
rng = np.random.default_rng(5)
centers = rng.normal(size=(CLASSES, 10))
samples = (centers[:, None] + 0.6 * rng.normal(size=(CLASSES, 20, 10))).astype("float32")


class AnchorPositivePairs(keras.utils.PyDataset):
    def __init__(self, num_batches, **kwargs):
        super().__init__(**kwargs)
        self.num = num_batches

    def __len__(self):
        return self.num

    def __getitem__(self, index):
        pairs = np.empty((2, CLASSES, 10), "float32")
        for number in range(CLASSES):
            pairs[0, number] = samples[number, (2 * index) % 20]
            pairs[1, number] = samples[number, (2 * index + 1) % 20]
        return pairs


class EmbeddingModel(keras.Model):
    def train_step(self, data):
        if isinstance(data, tuple):
            data = data[0]
        anchors, positives = data[0], data[1]
        with tf.GradientTape() as tape:
            anchor_embeddings = self(anchors, training=True)
            positive_embeddings = self(positives, training=True)
            similarities = ops.einsum("ae,pe->ap", anchor_embeddings, positive_embeddings)
            similarities /= 0.2  # the temperature
            sparse_labels = ops.arange(CLASSES)
            loss = self.compute_loss(y=sparse_labels, y_pred=similarities)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(sparse_labels, similarities)
        return {metric.name: metric.result() for metric in self.metrics}


inputs = keras.Input((10,))
hidden = layers.Dense(16, activation="relu")(inputs)
embeddings = layers.UnitNormalization()(layers.Dense(4)(hidden))
model = EmbeddingModel(inputs, embeddings)
model.set_weights([rng.normal(size=w.shape) * 0.3 for w in model.weights])
model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=1e-2),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
history = model.fit(AnchorPositivePairs(num_batches=10), epochs=5, shuffle=False, verbose=0).history
for name in sorted(history):
    print(f"{name}: " + " ".join(f"{value:.4f}" for value in history[name]))

found = model.predict(samples.reshape(-1, 10), verbose=0)
near = found @ found.T
np.fill_diagonal(near, -2)
classes = np.repeat(np.arange(CLASSES), 20)
print(f"~nearest neighbour of the same class: {np.mean(classes[near.argmax(axis=1)] == classes):.2f}")
print("length of an embedding:", np.round(np.linalg.norm(found[0]), 4))
