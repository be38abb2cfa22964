"""Defects that the tests once missed."""

from __future__ import annotations

from tests.planted.defect import Defect

DEFECTS = [
    Defect(
        "maximum: the first of two equal values takes the whole gradient",
        "graphkit/ops/elementwise.py",
        "        lambda: where(tie, half, where(equal(a, out), g, 0)),",
        "        lambda: where(equal(a, out), g, 0),",
    ),
    Defect(
        "clip: no gradient at its bounds",
        "graphkit/ops/elementwise.py",
        "[where(inside, g, where(at_bound, multiply(g, edge if low < high else edge * edge), 0))]",
        "[where(inside, g, 0)]",
    ),
    Defect(
        "clip: no gradient at its upper bound",
        "graphkit/ops/elementwise.py",
        "    at_bound = logical_or(equal(x, low), equal(x, high))",
        "    at_bound = equal(x, low)",
    ),
    Defect(
        "a frozen variable moves behind the others in `weights`",
        "graphkit/layers/tracking.py",
        "[v for v in variables if v.made_trainable] + [v for v in variables if not v.made_trainable]",
        "[v for v in variables if v.trainable] + [v for v in variables if not v.trainable]",
    ),
    Defect(
        "bilinear UpSampling2D of Keras 2.3 files scales from pixel centres",
        "converters/keras_legacy/implied_settings.py",
        'last = (2, 2) if version.endswith("-tf") else (2, 4)',
        'last = (2, 2) if version.endswith("-tf") else (2, 3)',
    ),
    Defect(
        "a compiled step does not mark the weights as changed",
        "graphkit/engine/plan.py",
        "            variable.version += 1",
        "            variable.version += 0",
        ("tests/engine", "tests/training"),
    ),
    Defect(
        "the weights that share an arena are not marked as changed",
        "graphkit/optimizers/arena.py",
        "            variable.version += 1",
        "            variable.version += 0",
        ("tests/optimizers", "tests/training"),
    ),
    Defect(
        "a folder is deleted before the new one takes its place",
        "graphkit/core/files.py",
        "        os.replace(target, old)\n",
        "        shutil.rmtree(target)\n",
        ("tests/saving/test_failing_writes.py", "tests/saving"),
    ),
    Defect(
        "shuffle gives the same order in each epoch",
        "graphkit/training/data.py",
        "        order = self._random.permutation(rows)\n",
        "        order = np.random.default_rng(0).permutation(rows)\n",
    ),
    Defect(
        'shuffle="batch" shuffles samples',
        "graphkit/training/data.py",
        '        self.per_batch = shuffle == "batch"',
        "        self.per_batch = False",
    ),
    Defect(
        'shuffle="batch" shuffles nothing',
        "graphkit/training/data.py",
        "self._random.permutation(len(starts)) if self.shuffle else range(len(starts))",
        "range(len(starts))",
    ),
    Defect(
        "EarlyStopping: min_delta has the wrong sign",
        "graphkit/callbacks/monitors.py",
        'if direction == "down":',
        'if direction == "up":',
    ),
    Defect(
        "EarlyStopping: min_delta has the wrong sign where lower is better",
        "graphkit/callbacks/monitors.py",
        "            self.min_delta = -self.min_delta",
        "            pass",
    ),
    Defect(
        "ReduceLROnPlateau: no cooldown",
        "graphkit/callbacks/monitors.py",
        "        self.cooldown_counter, self.wait = self.cooldown, 0",
        "        self.cooldown_counter, self.wait = 0, 0",
    ),
    Defect(
        "ReduceLROnPlateau: one epoch of cooldown too many",
        "graphkit/callbacks/monitors.py",
        "            self.cooldown_counter -= 1\n            self.wait = 0",
        "            self.wait = 0\n            self.cooldown_counter -= self.wait < self.cooldown_counter - 1",
    ),
    Defect(
        "caches of compiled calls, steps and sessions ignore a change of `trainable`",
        "graphkit/layers/stamp.py",
        "self.trainable = bytes([*(part._trainable for part in self.layers), *(v.trainable for v in variables)])",
        'self.trainable = b""',
        ("tests/layers/test_frozen_eager_calls.py", "tests/layers"),
    ),
    Defect(
        "predict does not keep the states of stateful layers",
        "graphkit/runtime/session.py",
        "            variable.assign(value)",
        "            pass",
    ),
]
