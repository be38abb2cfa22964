"""Writing results for TensorBoard. Source: keras.callbacks.TensorBoard (Keras 3)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.callbacks.callback import Callback, Logs
from graphkit.callbacks.events import EventFile, histogram_content, model_content, scalar_content
from graphkit.core.errors import InvalidArgumentError


class TensorBoard(Callback):
    """Writes the results of training and validation as event files, in `log_dir/train` and `log_dir/validation`.

    Args:
        log_dir: The folder to pass to `tensorboard --logdir`.
        histogram_freq: The number of epochs between two histograms of the weights; 0 for none.
        write_graph: Whether to write the model, whose layers TensorBoard draws.
        write_images: Must be False: images of weights are not written.
        write_steps_per_second: Whether to write the number of steps per second.
        update_freq: "epoch", or also write the training results every batch ("batch") or every given number of batches.
        profile_batch, embeddings_freq, embeddings_metadata: Must not be given: profiles and projections are not written.

    Raises:
        InvalidArgumentError: An argument requests data that are not written, or `update_freq` has an invalid value.

    Source: keras.callbacks.TensorBoard.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        given = {
            "write_images": write_images,
            "profile_batch": profile_batch,
            "embeddings_freq": embeddings_freq,
            "embeddings_metadata": embeddings_metadata,
        }
        wrong = [name for name, value in given.items() if value]
        if wrong:
            raise InvalidArgumentError(
                f"TensorBoard: {wrong[0]}={given[wrong[0]]!r} is not supported: graphkit writes scalars, histograms and the model. "
                "For timings see `Plan.profile`."
            )
        if update_freq not in ("epoch", "batch") and not (isinstance(update_freq, int) and update_freq > 0):
            raise InvalidArgumentError(
                f"update_freq must be 'epoch', 'batch' or a number of batches, got {update_freq!r}."
            )
        self.log_dir, self.histogram_freq, self.write_graph = log_dir, histogram_freq, write_graph
        self.write_images, self.write_steps_per_second = write_images, write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self.watches_batches = self.update_freq != "epoch"
        self._files = {part: EventFile(Path(log_dir) / part) for part in ("train", "validation")}
        self._first_step, self._started = 0, 0.0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Write the model."""
        if self.write_graph and hasattr(self.model, "to_json"):
            self._files["train"].write(0, [model_content(self.model.to_json())])

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self._first_step, self._started = self._step(), time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Write the results if `update_freq` batches have passed."""
        if self.update_freq == "epoch":
            return
        step = self._step()
        if step % self.update_freq == 0:
            self._scalars("train", {f"batch_{n}": v for n, v in (logs or {}).items()}, step)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the results."""
        results = dict(logs or {})
        trained = {f"epoch_{n}": v for n, v in results.items() if not n.startswith("val_")}
        trained["epoch_learning_rate"] = self._rate()
        if self.write_steps_per_second:
            spent = max(time.perf_counter() - self._started, 1e-9)
            trained["epoch_steps_per_second"] = (self._step() - self._first_step) / spent
        self._scalars("train", trained, epoch)
        validated = {f"epoch_{n.removeprefix('val_')}": v for n, v in results.items() if n.startswith("val_")}
        if validated:
            self._scalars("validation", validated, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            contents = [histogram_content(f"{w.path}/histogram", w.numpy()) for w in self.model.weights]
            self._files["train"].write(epoch, contents)
        for file in self._files.values():
            file.flush()

    def on_test_end(self, logs: Logs = None) -> None:
        """Write the results of each evaluation, by the number of steps so far."""
        if self.model.optimizer is not None and getattr(self.model.optimizer, "built", False):
            results = {f"evaluation_{n}_vs_iterations": v for n, v in (logs or {}).items()}
            self._scalars("validation", results, self._step())

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _step(self) -> int:
        """Return the number of steps that the optimizer has taken so far."""
        return int(np.asarray(self.model.optimizer.iterations))

    def _rate(self) -> float:
        optimizer = getattr(self.model.optimizer, "optimizers", [self.model.optimizer])[0]
        return float(np.asarray(optimizer.learning_rate))

    def _scalars(self, part: str, results: Mapping[str, Any], step: int) -> None:
        contents = [scalar_content(n, float(v)) for n, v in results.items() if np.ndim(v) == 0]
        self._files[part].write(step, contents)
