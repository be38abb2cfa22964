"""Calling several callbacks as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from graphkit.callbacks.callback import Callback, History, LambdaCallback
from graphkit.core.errors import InvalidTypeError
from graphkit.layers.stamp import is_own
from graphkit.training.progress import ProgbarLogger

_TRAIN_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_BATCH_HOOKS = {True: _TRAIN_HOOKS, False: _TEST_HOOKS, None: ("on_predict_batch_end",)}


class CallbackList:
    """Calls several callbacks as one. Source: keras.callbacks.CallbackList.

    Args:
        callbacks: A callback or a list of them.
        add_history: Whether to add a History if there is none.
        add_progbar: Whether to add a ProgbarLogger if there is none.
        model: The model to pass to the callbacks.
        verbose: "auto", 0, 1 or 2, as for `fit`.
        **params: Further settings of the run, such as `epochs` and `steps`.

    Raises:
        InvalidTypeError: An element of `callbacks` is not a callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        verbose: Any = 0,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = _as_list(callbacks)
        history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if add_progbar and not any(isinstance(c, ProgbarLogger) for c in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if add_history and history is None:
            history = History()
            self.callbacks.append(history)
        self.history = history
        self.params = {"verbose": 1 if verbose == "auto" else verbose, **params}
        for callback in self.callbacks:
            callback.set_params(dict(self.params))
            if model is not None:
                callback.set_model(model)
        self._watchers = {
            kind: [c for c in self.callbacks if _overrides(c, hooks)] for kind, hooks in _BATCH_HOOKS.items()
        }

    def append(self, callback: Any) -> None:
        """Add a callback."""
        self.callbacks.append(callback)

    def watches_batches(self, training: bool | None) -> bool:
        """Return whether any callback must be called for each batch.

        Args:
            training: True in training, False in evaluation, None in prediction.
        """
        return bool(self._watchers[training])

    def runs_own_code(self, training: bool | None) -> bool:
        """Return whether a callback that is called for each batch is user-defined: it may change anything in the model.

        Args:
            training: True in training, False in evaluation, None in prediction.
        """
        return any(isinstance(c, LambdaCallback) or not is_own(type(c)) for c in self._watchers[training])

    def needs_logs(self, training: bool | None) -> bool:
        """Return whether any callback needs results now; the progress bar needs them only when it is about to redraw.

        Args:
            training: True in training, False in evaluation, None in prediction.
        """
        return any(c.needs_logs() if isinstance(c, ProgbarLogger) else True for c in self._watchers[training])

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("on_"):
            raise AttributeError(name)

        numbered = "epoch" in name or "batch" in name  # called with (number, logs), the others with (logs)

        def call(*args: Any, logs: Any = None) -> None:
            given = args if len(args) > numbered else (*args, logs)
            given = (*given[:-1], given[-1] or {})  # as in Keras, logs are always passed, as a dict
            for callback in self.callbacks:
                getattr(callback, name)(*given)

        self.__dict__[name] = call
        return call


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    made = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for one in made:
        if isinstance(one, type):
            raise InvalidTypeError(
                f"callbacks must be Callback objects, got the class {one.__name__}; pass {one.__name__}(...)."
            )
        if not hasattr(one, "on_epoch_end"):
            raise InvalidTypeError(f"callbacks must be Callback objects, got {type(one).__name__}: {one!r:.60}.")
    return made


def _overrides(callback: Any, hooks: Iterable[str]) -> bool:
    if not getattr(callback, "watches_batches", True):
        return False
    if isinstance(callback, LambdaCallback):
        return any(h in callback.__dict__ for h in hooks)
    return any(getattr(type(callback), h, None) is not getattr(Callback, h) for h in hooks)
