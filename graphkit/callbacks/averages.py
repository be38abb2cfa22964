"""Moving averages of the weights in place of the weights. Source: keras.callbacks.SwapEMAWeights (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit.callbacks.callback import Callback, Logs
from graphkit.core.errors import InvalidArgumentError


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving averages into the model while it is evaluated, and the weights back afterwards.

    Args:
        swap_on_epoch: from each epoch's end to the next one's beginning as well, so that a ModelCheckpoint saves the averages.

    Raises InvalidArgumentError unless the optimizer keeps averages (`use_ema=True`). Source: keras.callbacks.SwapEMAWeights.
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
        """Have the averages in the model, or not."""
        if self._swapped == wanted:
            return
        for optimizer in self._optimizers():
            for variable, average in optimizer.averaged():
                value = variable.numpy()
                variable.assign(average.numpy())
                average.assign(value)
        self._swapped = wanted

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """The weights are trained."""
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """The averages are shown."""
        if not self.swap_on_epoch:
            return
        self._swap(True)
        if epoch == self.params["epochs"] - 1:  # at the end the optimizer puts its averages into the model
            for optimizer in self._optimizers():
                for variable, average in optimizer.averaged():
                    average.assign(variable.numpy())

    def on_test_begin(self, logs: Logs = None) -> None:
        """The averages are evaluated."""
        self._swap(True)

    def on_test_end(self, logs: Logs = None) -> None:
        """The weights are back."""
        self._swap(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """The averages predict."""
        self._swap(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        """The weights are back."""
        self._swap(False)
