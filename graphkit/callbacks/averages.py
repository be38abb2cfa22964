"""Evaluation with moving averages of the weights. Source: keras.callbacks.SwapEMAWeights (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit.callbacks.callback import Callback, Logs
from graphkit.core.errors import InvalidArgumentError


class SwapEMAWeights(Callback):
    """Swaps the optimizer's moving averages into the model while it is evaluated, and the weights back afterwards.

    Args:
        swap_on_epoch: Also swap from the end of each epoch to the start of the next, so that a ModelCheckpoint saves the averages.

    Raises:
        InvalidArgumentError: When used, if the optimizer keeps no averages (`use_ema=True`).

    Source: keras.callbacks.SwapEMAWeights.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _optimizers(self) -> list[Any]:
        outer = self.model.optimizer
        inner = getattr(outer, "inner_optimizer", outer)
        found = [o for o in getattr(inner, "optimizers", [inner]) if getattr(o, "use_ema", False)]
        if not found:
            raise InvalidArgumentError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer (or on at least one inner optimizer). "
                f"Received: {inner!r}"
            )
        return found

    def _swap(self, wanted: bool) -> None:
        """Put the averages into the model (`wanted`), or the weights back."""
        if self._swapped == wanted:
            return
        for optimizer in self._optimizers():
            for variable, average in optimizer.averaged():
                value = variable.numpy()
                variable.assign(average.numpy())
                average.assign(value)
        self._swapped = wanted

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Restore the weights."""
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Swap in the averages."""
        if not self.swap_on_epoch:
            return
        self._swap(True)
        if epoch == self.params["epochs"] - 1:  # after the last epoch the optimizer copies its averages into the model
            for optimizer in self._optimizers():
                for variable, average in optimizer.averaged():
                    average.assign(variable.numpy())

    def on_test_begin(self, logs: Logs = None) -> None:
        """Swap in the averages."""
        self._swap(True)

    def on_test_end(self, logs: Logs = None) -> None:
        """Restore the weights."""
        self._swap(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Swap in the averages."""
        self._swap(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        """Restore the weights."""
        self._swap(False)
