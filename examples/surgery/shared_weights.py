"""Turn two towers with weights of their own into one tower that is called twice."""

import numpy as np

import graphkit
from graphkit import graphs, layers, ops


def two_towers() -> graphkit.Model:
    """Return a model that compares two inputs, each encoded by layers of its own."""
    left, right = graphkit.Input((8,), name="left"), graphkit.Input((8,), name="right")
    codes = []
    for side, x in (("left", left), ("right", right)):
        x = layers.Dense(16, activation="relu", name=f"hidden_{side}")(x)
        codes.append(layers.Dense(4, name=f"code_{side}")(x))
    return graphkit.Model([left, right], ops.sum(ops.square(codes[0] - codes[1]), axis=-1), name="distance")


def main() -> None:
    """Share the layers, and check that equal inputs have the distance 0."""
    graphkit.utils.set_random_seed(0)
    model = two_towers()
    shared = graphs.share(graphs.share(model, ["hidden_left", "hidden_right"]), ["code_left", "code_right"])

    print("parameters:", model.count_params(), "->", shared.count_params())
    print("calls:", [node for node in shared.graph if node[0].endswith("left") and node[0] != "left"])
    x = np.random.default_rng(0).normal(size=(3, 8)).astype("float32")
    print("distance of equal inputs before:", bool((np.asarray(model([x, x])) > 0).all()))
    print("distance of equal inputs after:", np.asarray(shared([x, x])))


if __name__ == "__main__":
    main()
