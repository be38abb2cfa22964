"""Resuming training after an interruption. Source: keras.callbacks.BackupAndRestore (Keras 3)."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.callbacks.callback import Callback, Logs
from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.core.files import copy_file, make_folder, remove_files, replacing
from graphkit.saving.stores import write_npz


class BackupAndRestore(Callback):
    """Saves weights, optimizer state and epoch in a folder, and resumes from there after an interruption.

    Args:
        backup_dir: A folder used by this training only.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: Whether to also keep the previous state, in case the latest cannot be read.
        delete_checkpoint: Whether to delete the folder when training is complete.

    Raises:
        InvalidArgumentError: `backup_dir` or `save_freq` has an invalid value.
        SerializationError: When training starts, if no saved state can be read.

    Source: keras.callbacks.BackupAndRestore.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise InvalidArgumentError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise InvalidArgumentError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq}. Expected either 'epoch' or an integer value."
            )
        self.folder, self.save_freq = Path(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.watches_batches = save_freq != "epoch"
        self._epoch, self._batches = 0, 0

    @property
    def _latest(self) -> Path:
        return self.folder / "training.npz"

    @property
    def _before(self) -> Path:
        return self.folder / "training.before.npz"

    def on_train_begin(self, logs: Logs = None) -> None:
        """Restore the saved state, if there is one."""
        files = [file for file in (self._latest, self._before) if file.exists()]
        for file in files:
            try:
                self._take(file)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                if file is files[-1]:
                    raise SerializationError(
                        f"The training in {str(self.folder)!r} cannot be resumed: {file.name}: {error}. Delete the folder to start over."
                    ) from error
            else:
                return

    def _take(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as kept:
            weights = [kept[f"weight_{i}"] for i in range(int(kept["weights"]))]
            slots = [kept[f"slot_{i}"] for i in range(int(kept["slots"]))]
            epoch = int(kept["epoch"])
        self.model.set_weights(weights)
        self.model.optimizer.build(self.model.trainable_weights)
        self.model.optimizer.set_weights(slots)
        self.model._initial_epoch = self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save the state if `save_freq` is "epoch"."""
        self._epoch = epoch + 1
        if self.save_freq == "epoch":
            self._keep()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save the state if `save_freq` batches have passed."""
        self._batches += 1
        if self.save_freq and self.save_freq != "epoch" and self._batches % self.save_freq == 0:
            self.model.optimizer.touch()
            self._keep()

    def _keep(self) -> None:
        """Save the state; with `double_checkpoint`, copy the previous one first."""
        make_folder(self.folder)
        weights, slots = self.model.get_weights(), self.model.optimizer.get_weights()
        fields: dict[str, Any] = {"epoch": self._epoch, "weights": len(weights), "slots": len(slots)}
        fields.update({f"weight_{i}": w for i, w in enumerate(weights)})
        fields.update({f"slot_{i}": s for i, s in enumerate(slots)})
        if self.double_checkpoint and self._latest.exists():
            copy_file(self._latest, self._before)
        with replacing(self._latest) as part:
            write_npz(part, fields)

    def on_train_end(self, logs: Logs = None) -> None:
        """Delete the saved state, since training is complete."""
        if self.delete_checkpoint:
            remove_files(self.folder, [self._latest.name, self._before.name])
