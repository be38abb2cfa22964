"""Updates with every optimizer and argument, for real Keras (fixtures/make_optimizer_answers.py) and graphkit (test_keras_steps.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(5)
NAMES = ("kernel", "bias", "square", "embedding", "zero")
STARTS = [RANDOM.normal(size=shape).astype("float32") for shape in ((3, 2), (2,), (2, 2), (4, 2))] + [
    np.zeros((2, 2), "float32")
]
SCALES = (1.0, 0.01, 10.0, 1.0, 0.3, 2.0)  # of the gradients of each step
GRADIENTS = [[(scale * RANDOM.normal(size=start.shape)).astype("float32") for start in STARTS] for scale in SCALES]
GRADIENTS[3][1][:] = 0  # an all-zero gradient
Answer = dict[str, np.ndarray]

# optimizer -> the arguments of its cases
ROWS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1},
        {"momentum": 0.5, "weight_decay": 0.1},
        {"clipnorm": 0.5},
        {"clipnorm": 1000.0},
        {"clipnorm": 2.0},
        {"clipvalue": 0.1},
        {"global_clipnorm": 0.5},
        {"global_clipnorm": 1000.0},
        {"use_ema": True, "ema_momentum": 0.9},
        {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 2},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3, "momentum": 0.9},
        {"gradient_accumulation_steps": 2},
        {"gradient_accumulation_steps": 3, "momentum": 0.9},
        {"gradient_accumulation_steps": 2, "clipnorm": 0.5, "weight_decay": 0.1},
        {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.9},
        {"loss_scale_factor": 4.0},
        {"loss_scale_factor": 4.0, "clipvalue": 0.1},
    ],
    "RMSprop": [{}, {"rho": 0.5}, {"momentum": 0.9}, {"centered": True}, {"epsilon": 0.1}, {"weight_decay": 0.1}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.0}, {"initial_accumulator_value": 1.0}, {"epsilon": 0.1}],
    "Adadelta": [{}, {"rho": 0.5}, {"epsilon": 0.1}, {"weight_decay": 0.1}],
    "Ftrl": [
        {},
        {"learning_rate_power": -0.3},
        {"initial_accumulator_value": 1.0},
        {"l1_regularization_strength": 0.3},
        {"l2_regularization_strength": 0.3},
        {"l2_shrinkage_regularization_strength": 0.3},
        {"beta": 0.5},
    ],
    "Lion": [{}, {"beta_1": 0.5}, {"beta_2": 0.5}, {"weight_decay": 0.1}],
    "Adam": [
        {},
        {"beta_1": 0.5},
        {"beta_2": 0.9},
        {"epsilon": 0.1},
        {"amsgrad": True},
        {"amsgrad": True, "beta_2": 0.5},
        {"weight_decay": 0.1},
        {"clipnorm": 0.5, "use_ema": True},
        {"gradient_accumulation_steps": 2},
    ],
    "AdamW": [{}, {"weight_decay": 0.1, "amsgrad": True}],
    "Adamax": [{}, {"beta_1": 0.5}, {"beta_2": 0.5}, {"epsilon": 0.1}],
    "Nadam": [{}, {"beta_1": 0.5}, {"beta_2": 0.9}, {"epsilon": 0.1}],
    "Lamb": [{}, {"epsilon": 0.1}, {"beta_1": 0.5}, {"weight_decay": 0.1}],
    "Adafactor": [
        {},
        {"learning_rate": 10.0},
        {"beta_2_decay": -0.3},
        {"epsilon_1": 0.1},
        {"epsilon_2": 0.5},
        {"clip_threshold": 0.5},
        {"clip_threshold": 2.0},
        {"relative_step": False},
    ],
    "Muon": [
        {},
        {"nesterov": False},
        {"momentum": 0.5},
        {"ns_steps": 3},
        {"rms_rate": None},
        {"exclude_layers": ["square"]},
        {"exclude_embeddings": False},
        {"adam_lr_ratio": 0.5},
        {"adam_weight_decay": 0.3, "weight_decay": 0.1},
        {"adam_beta_1": 0.5, "adam_beta_2": 0.9, "epsilon": 0.1},
        {"muon_a": 3.0, "muon_b": -4.0, "muon_c": 2.0},
    ],
}


def named(kind: str, arguments: dict[str, Any]) -> str:
    """Return the name of a case."""
    return f"{kind} {' '.join(f'{k}={v}' for k, v in arguments.items()) or 'default'}"


def variables(keras: Any) -> list[Any]:
    """Return the initial values of every case."""
    return [keras.Variable(start, name=name) for start, name in zip(STARTS, NAMES, strict=True)]


def numbers(things: Any) -> list[np.ndarray]:
    return [np.array(t) for t in things]


def flat(answer: Answer) -> np.ndarray:
    """Return all values of a result, flattened in order."""
    return np.concatenate([np.asarray(array, "float32").ravel() for array in answer.values()])


def recorded(
    optimizer: Any, weights: list[Any], apply: Callable[[list[Any]], None], steps: int = len(SCALES)
) -> Answer:
    """Return the weights after every step, and the optimizer's variables and the weights at the end."""
    found: Answer = {}
    for step in range(steps):
        apply(GRADIENTS[step])
        found.update({f"{step}/{n}": array for n, array in zip(NAMES, numbers(weights), strict=False)})
    found.update({f"variable/{i}": array for i, array in enumerate(numbers(optimizer.variables))})
    found["iterations"] = np.array(optimizer.iterations)
    optimizer.finalize_variable_values(weights)
    found.update({f"end/{n}": array for n, array in zip(NAMES, numbers(weights), strict=False)})
    return found


Way = Callable[[Any, list[Any]], Callable[[list[Any]], None]]


def at_once(optimizer: Any, weights: list[Any]) -> Callable[[list[Any]], None]:
    """Update with `apply` on arrays."""
    return lambda gradients: optimizer.apply(gradients, weights)


def scenarios(keras: Any, way: Way = at_once) -> dict[str, Callable[[], Answer]]:
    """Return name -> a function that returns the values of some updates, made by `way`."""
    made: dict[str, Callable[[], Answer]] = {}
    for kind, rows in ROWS.items():
        for arguments in rows:

            def run(kind: str = kind, arguments: Any = arguments) -> Answer:
                optimizer = getattr(keras.optimizers, kind)(**{"learning_rate": 0.1, **arguments})
                weights = variables(keras)
                optimizer.build(weights)
                return recorded(optimizer, weights, way(optimizer, weights))

            made[named(kind, arguments)] = run
    made.update(of_their_own(keras, way))
    return made


def of_their_own(keras: Any, way: Way) -> dict[str, Callable[[], Answer]]:
    """Return the cases that need more than arguments."""

    def undecayed(**which: Any) -> Answer:
        optimizer, weights = keras.optimizers.SGD(0.1, weight_decay=0.5), variables(keras)
        chosen = {k: [weights[2]] if k == "var_list" else v for k, v in which.items()}
        optimizer.exclude_from_weight_decay(**chosen)
        optimizer.build(weights)
        return recorded(optimizer, weights, way(optimizer, weights))

    def constrained() -> Answer:
        optimizer, weights = keras.optimizers.Adam(0.1), variables(keras)
        weights[0].constraint = keras.constraints.NonNeg()
        weights[2].constraint = keras.constraints.MaxNorm(0.5)
        optimizer.build(weights)
        return recorded(optimizer, weights, way(optimizer, weights))

    def missing(kind: str) -> Answer:
        optimizer, weights = getattr(keras.optimizers, kind)(0.1), variables(keras)
        optimizer.build(weights)
        step = way(optimizer, weights)
        return recorded(optimizer, weights, lambda gradients: step([gradients[0], None, *gradients[2:]]))

    def slower() -> Answer:
        optimizer, weights = keras.optimizers.SGD(0.1, momentum=0.9), variables(keras)
        optimizer.build(weights)
        step, taken = way(optimizer, weights), []

        def apply(gradients: list[Any]) -> None:
            if len(taken) == 2:
                optimizer.learning_rate = 0.01
            taken.append(step(gradients))

        return recorded(optimizer, weights, apply)

    def scheduled() -> Answer:
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.5, 0.1, 0.01])
        optimizer, weights = keras.optimizers.SGD(schedule), variables(keras)
        optimizer.build(weights)
        return recorded(optimizer, weights, way(optimizer, weights))

    return {
        "exclude_from_weight_decay names": lambda: undecayed(var_names=["ker", "bias"]),
        "exclude_from_weight_decay variables": lambda: undecayed(var_list=True),
        "constraints": constrained,
        "a gradient is missing, SGD": lambda: missing("SGD"),
        "a gradient is missing, Adam": lambda: missing("Adam"),
        "the rate is set between": slower,
        "a schedule": scheduled,
    }


def scaled(keras: Any, growth: int, wrong: tuple[int, ...], value: float = np.inf) -> Answer:
    """Run a LossScaleOptimizer for ten steps, some of them with a gradient that is not finite."""
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.5), initial_scale=8.0, dynamic_growth_steps=growth
    )
    weights = variables(keras)[:2]
    optimizer.build(weights)
    found: Answer = {}
    for step in range(10):
        scale = float(np.array(optimizer.dynamic_scale))
        gradients = [scale * g for g in GRADIENTS[step % 6][:2]]
        if step in wrong:
            gradients[1] = np.array([1.0, value], "float32")
        optimizer.apply(gradients, weights)
        row = [*weights, optimizer.dynamic_scale, optimizer.step_counter, optimizer.iterations]
        found.update({f"{step}/{i}": array for i, array in enumerate(numbers(row))})
    found["loss"] = np.array(optimizer.scale_loss(np.float32(3.0)))
    return found


def scales(keras: Any) -> dict[str, Callable[[], Answer]]:
    """Return cases of dynamic loss scales."""
    return {
        "loss scale grows": lambda: scaled(keras, 3, ()),
        "loss scale falls": lambda: scaled(keras, 4, (2, 3, 7)),
        "loss scale with NaN": lambda: scaled(keras, 2, (5,), np.nan),
        "scaled loss": lambda: {
            "loss": np.array(keras.optimizers.SGD(loss_scale_factor=4.0).scale_loss(np.float32(3.0)))
        },
        "loss without scale": lambda: {"loss": np.array(keras.optimizers.SGD().scale_loss(np.float32(3.0)))},
    }
