"""Worker: train and predict alternately on one engine. Each line on stdin starts a round; answers are JSON lines."""

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from nets import NETS, Net
from worker import say

ROWS = 32
SECONDS = 0.5
LEAST = 7


def agent(keras: Any) -> Any:
    """Return the net of a small agent, 20 - 64 - 64 - 4."""
    layers = keras.layers
    x = first = keras.Input((20,))
    for _ in range(2):
        x = layers.Dense(64, activation="relu")(x)
    return keras.models.Model(first, layers.Dense(4)(x))


def agent_data(random: np.random.Generator, rows: int) -> tuple[list[Any], Any]:
    """Draw states, and values of actions."""
    return [random.normal(size=(rows, 20)).astype("float32")], random.normal(size=(rows, 4)).astype("float32")


AGENT = Net(agent, agent_data, 32, 1, "adam", "mse")


def milliseconds(act: Callable[[], Any]) -> float:
    """Return the median duration of as many calls as fit into SECONDS, at least LEAST."""
    took: list[float] = []
    begun = time.perf_counter()
    while time.perf_counter() - begun < SECONDS or len(took) < LEAST:
        started = time.perf_counter()
        act()
        took.append(time.perf_counter() - started)
    return 1000 * statistics.median(took)


def actions(net: Net, module: str) -> dict[str, Callable[[], Any]]:
    """Return what is measured, by name."""
    keras = importlib.import_module(module)
    model = net.build(keras)
    model.compile(optimizer=net.optimizer, loss=net.loss)
    inputs, target = net.data(np.random.default_rng(0), max(net.batch, ROWS))
    fed, asked = (xs if len(xs) > 1 else xs[0] for xs in (inputs, [a[:ROWS] for a in inputs]))
    weights = [[w + step for w in model.get_weights()] for step in (0.0, 1e-3)]

    def train() -> Any:
        return model.train_on_batch(fed, target)

    def predict() -> Any:
        return model.predict(asked, batch_size=ROWS, verbose=0)

    def set_weights() -> None:
        weights.reverse()
        model.set_weights(weights[0])

    return {
        "train": train,
        "predict": predict,
        "train+predict": lambda: (train(), predict()),
        "set": set_weights,
        "set+predict": lambda: (set_weights(), predict()),
    }


def main() -> None:
    """Build, warm up, then run a round for every line."""
    engine, name = sys.argv[1:3]
    acts = actions(AGENT if name == "agent" else NETS[name], "graphkit" if engine == "graphkit" else "keras")
    for act in (*acts.values(), *acts.values()):
        act()
    say(ready=True)
    for _ in sys.stdin:
        say(**{action: milliseconds(act) for action, act in acts.items()})


if __name__ == "__main__":
    main()
