"""Structured data: strings, categories and numbers in one model.

A table of made-up customers has a column of strings, one of integers and two of numbers. First each column gets its preprocessing layer;
then `FeatureSpace` does the same from a description.
"""
# backend: tensorflow

import keras
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
COUNT = 200
table = {
    "city": rng.choice(["Aachen", "Bonn", "Celle", "Dachau"], COUNT, p=[0.4, 0.3, 0.2, 0.1]),
    "plan": rng.choice([10, 20, 30], COUNT),
    "age": rng.normal(45, 12, COUNT).astype("float32"),
    "income": rng.gamma(3.0, 10.0, COUNT).astype("float32"),
}
score = (table["city"] == "Bonn") * 1.5 + (table["plan"] == 30) - (table["age"] - 45) / 10 + (table["income"] - 30) / 20
labels = (score + rng.normal(0, 0.5, COUNT) > 0.5).astype("float32")
print("customers:", COUNT, "who renewed:", int(labels.sum()))


def dataset(rows):
    """Return batches (dict of columns, labels)."""
    columns = {name: column[rows] for name, column in table.items()}
    return tf.data.Dataset.from_tensor_slices((columns, labels[rows])).batch(20)


train, validation = dataset(slice(0, 160)), dataset(slice(160, None))


def column(name):
    """Return the batches of one column, of shape (batch, 1)."""
    return train.map(lambda x, y: tf.expand_dims(x[name], -1))


# Each column has a layer that learns from the data: a vocabulary, or mean and variance.
city = keras.layers.StringLookup(output_mode="one_hot")
city.adapt(column("city"))
plan = keras.layers.IntegerLookup(output_mode="one_hot")
plan.adapt(column("plan"))
age, income = keras.layers.Normalization(axis=None), keras.layers.Discretization(num_bins=4, output_mode="one_hot")
age.adapt(column("age"))
income.adapt(column("income"))
print("cities:", [str(name) for name in city.get_vocabulary()])
print("plans:", [int(number) for number in plan.get_vocabulary()])
print(f"age: mean {float(np.ravel(age.mean)[0]):.3f}, variance {float(np.ravel(age.variance)[0]):.2f}")
print("income:", [round(float(b), 2) for b in income.bin_boundaries])

inputs = {
    "city": keras.Input((1,), dtype="string", name="city"),
    "plan": keras.Input((1,), dtype="int64", name="plan"),
    "age": keras.Input((1,), name="age"),
    "income": keras.Input((1,), name="income"),
}
features = keras.layers.Concatenate()(
    [city(inputs["city"]), plan(inputs["plan"]), age(inputs["age"]), income(inputs["income"])]
)
outputs = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Dense(8, activation="relu")(features))
model = keras.Model(inputs, outputs)
start = np.random.default_rng(1)
for variable in model.trainable_variables:
    variable.assign(start.normal(0, 0.3, variable.shape))
model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
upright = [data.map(lambda x, y: ({k: tf.expand_dims(v, -1) for k, v in x.items()}, y)) for data in (train, validation)]
history = model.fit(upright[0], validation_data=upright[1], epochs=5, verbose=0).history
print("loss:", [round(v, 4) for v in history["loss"]])
print("validation accuracy:", [round(v, 4) for v in history["val_accuracy"]])

# The same with a description of the columns.
space = keras.utils.FeatureSpace(
    features={
        "city": keras.utils.FeatureSpace.string_categorical(num_oov_indices=1),
        "plan": keras.utils.FeatureSpace.integer_categorical(num_oov_indices=1),
        "age": keras.utils.FeatureSpace.float_normalized(),
        "income": keras.utils.FeatureSpace.float_discretized(num_bins=4),
    },
    crosses=[keras.utils.FeatureSpace.cross(("city", "plan"), crossing_dim=8)],
    output_mode="concat",
)
space.adapt(train.map(lambda x, y: x))
for x, _ in train.take(1):
    made = np.asarray(space(x))
    print("features:", made.shape, "ones in a row:", int((made[0] == 1).sum()))
    print("first row:", [round(float(v), 3) for v in made[0]])

encoded = train.map(lambda x, y: (space(x), y))
small = keras.Sequential([keras.Input(made.shape[1:]), keras.layers.Dense(1, activation="sigmoid")])
small.set_weights([start.normal(0, 0.3, w.shape) for w in small.get_weights()])
small.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
print("loss:", [round(v, 4) for v in small.fit(encoded, epochs=4, verbose=0).history["loss"]])
one = {"city": "Bonn", "plan": 30, "age": 28.0, "income": 55.0}
row = {name: tf.convert_to_tensor([value]) for name, value in one.items()}
print(f"a new customer renews with probability {float(small.predict(space(row), verbose=0)[0, 0]):.3f}")
