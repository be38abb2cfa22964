"""Worker: train one net on one engine. Each line on stdin starts a round; answers are JSON lines."""

import importlib
import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from nets import NETS, Net

Round = Callable[[], dict[str, float]]


def say(**fields: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(fields), flush=True)


def timed_epochs(keras: Any, epochs: int) -> Any:
    """Return a callback that times the epochs of a fit except the first, a warm-up."""

    class Timed(keras.callbacks.Callback):
        seconds = 0.0
        loss = float("nan")

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            elapsed = time.perf_counter() - self.started
            self.loss = float((logs or {}).get("loss", self.loss))
            if epoch >= 1:
                self.seconds += elapsed / epochs

    return Timed()


def with_own_step(keras: Any, model: Any) -> Any:
    """Return the model as one whose training step is written out."""

    class Own(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            x, y = data
            with keras.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            for metric in self.metrics:
                metric.update_state(loss)
            return {metric.name: metric.result() for metric in self.metrics}

    return Own(model.inputs, model.outputs)


def keras_like(net: Net, module: str, jit: bool | str = "auto", own_step: bool = False) -> tuple[Round, int]:
    """Return a round on a library with Keras' API, and the number of parameters."""
    keras = importlib.import_module(module)
    model = net.build(keras)
    if own_step:
        model = with_own_step(keras, model)
    extra = {} if jit == "auto" else {"jit_compile": jit}
    model.compile(optimizer=net.optimizer, loss=net.loss, **extra)
    inputs, target = net.arrays()
    fed = inputs if len(inputs) > 1 else inputs[0]

    def play() -> dict[str, float]:
        watch = timed_epochs(keras, net.epochs)
        model.fit(fed, target, batch_size=net.batch, epochs=1 + net.epochs, verbose=0, callbacks=[watch])
        return {"ms": 1000 * watch.seconds / net.steps, "loss": watch.loss}

    return play, sum(math.prod(v.shape) for v in model.trainable_variables)


def pytorch(net: Net, name: str, compiled: bool) -> tuple[Round, int]:
    """Return a round on plain PyTorch, and the number of parameters."""
    from torch_nets import Trainer

    trainer = Trainer(name, net, compiled)

    def play() -> dict[str, float]:
        trainer.epoch()
        started = time.perf_counter()
        for _ in range(net.epochs):
            loss = trainer.epoch()
        return {"ms": 1000 * (time.perf_counter() - started) / net.steps / net.epochs, "loss": loss}

    return play, trainer.parameters()


ENGINES: dict[str, Callable[[Net, str], tuple[Round, int]]] = {
    "graphkit": lambda net, name: keras_like(net, "graphkit"),
    "graphkit-own-step": lambda net, name: keras_like(net, "graphkit", own_step=True),
    "keras-tensorflow": lambda net, name: keras_like(net, "keras"),
    "keras-tensorflow-nojit": lambda net, name: keras_like(net, "keras", jit=False),
    "keras-jax": lambda net, name: keras_like(net, "keras"),
    "torch": lambda net, name: pytorch(net, name, compiled=False),
    "torch-compile": lambda net, name: pytorch(net, name, compiled=True),
}


def main() -> None:
    """Build, warm up, then run a round for every line."""
    engine, name = sys.argv[1:3]
    started = time.perf_counter()
    play, parameters = ENGINES[engine](NETS[name], name)
    play()
    say(ready=True, parameters=parameters, start_s=round(time.perf_counter() - started, 2))
    for _ in sys.stdin:
        say(**play())


if __name__ == "__main__":
    main()
