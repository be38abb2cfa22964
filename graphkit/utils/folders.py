"""Data sets of the files in a folder, whose subfolders are the classes. Source: keras.utils (Keras 3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.layout import CHANNELS_FIRST, standardize_data_format
from graphkit.core.messages import write_message
from graphkit.utils.audio import read_wav, resample
from graphkit.utils.batches import Batches
from graphkit.utils.images import MODES, img_to_array, load_img

Array = np.ndarray[Any, Any]
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_RESIZING = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


@dataclass(frozen=True)
class Wanted:
    """The arguments that all of these functions share; see `text_dataset_from_directory`."""

    directory: Any
    labels: Any
    label_mode: str | None
    class_names: Sequence[str] | None
    batch_size: int | None
    shuffle: bool
    seed: int | None
    validation_split: float | None
    subset: str | None
    follow_links: bool
    verbose: bool

    def check(self) -> None:
        """Check the arguments.

        Raises:
            InvalidArgumentError: an argument is invalid, or two contradict each other.
        """
        if self.labels not in ("inferred", None) and not isinstance(self.labels, (list, tuple)):
            raise InvalidArgumentError(
                "`labels` must be 'inferred' (the names of subfolders), None, or a list with one integer per file. "
                f"Received: labels={self.labels!r}"
            )
        if self.labels != "inferred" and self.class_names:
            raise InvalidArgumentError(
                f'You can only pass `class_names` if `labels="inferred"`. Received: labels={self.labels!r}, and '
                f"class_names={self.class_names}"
            )
        if self.label_mode not in ("int", "categorical", "binary", None):
            raise InvalidArgumentError(
                f'`label_mode` argument must be one of "int", "categorical", "binary", or None. Received: label_mode={self.label_mode!r}'
            )
        if self.validation_split and not 0 < self.validation_split < 1:
            raise InvalidArgumentError(f"`validation_split` must be between 0 and 1, received: {self.validation_split}")
        if bool(self.validation_split) != bool(self.subset):
            raise InvalidArgumentError("If `subset` is set, `validation_split` must be set, and inversely.")
        if self.subset not in ("training", "validation", "both", None):
            raise InvalidArgumentError(
                f'`subset` must be either "training", "validation" or "both", received: {self.subset!r}'
            )
        if self.validation_split and self.shuffle and self.seed is None:
            raise InvalidArgumentError(
                "If using `validation_split` and shuffling the data, you must provide a `seed` argument, to make sure that there is "
                "no overlap between the training and validation subset."
            )


def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Any = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return a data set of image files (.bmp, .gif, .jpeg, .jpg, .png), resized to one size.

    The images are float32 from 0 to 255, of shape (batch, height, width, channels), and are read on demand. Arguments not
    listed are those of `text_dataset_from_directory`. Requires Pillow (the extra `images`).

    Args:
        color_mode: "rgb", "rgba" or "grayscale".
        image_size: (height, width) in pixels, or one integer for both.
        interpolation: as for `ops.image.resize`.
        crop_to_aspect_ratio: crop instead of changing the aspect ratio.
        pad_to_aspect_ratio: pad with zeros instead of changing the aspect ratio.
        data_format: "channels_last" or "channels_first".

    Returns:
        A `Dataset` with `class_names` and `file_paths`, or a list of two with `subset="both"`.

    Raises:
        InvalidArgumentError: an argument is invalid, or no files are found.
        MissingPillowError: an image is read without Pillow.

    Source: keras.utils.image_dataset_from_directory.
    """
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise InvalidArgumentError(
            f"Invalid `image_size` value. Expected a tuple of 2 integers. Received: image_size={image_size}"
        )
    if color_mode not in MODES:
        raise InvalidArgumentError(
            f'`color_mode` must be one of {{"rgb", "rgba", "grayscale"}}. Received: color_mode={color_mode}'
        )
    if interpolation.lower() not in _RESIZING:
        raise InvalidArgumentError(
            f"Argument `interpolation` should be one of {_RESIZING}. Received: interpolation={interpolation}"
        )
    if pad_to_aspect_ratio and crop_to_aspect_ratio:
        raise InvalidArgumentError("Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`.")
    _check_format(format)
    layout = standardize_data_format(data_format)

    def read(path: str) -> Array:
        array = img_to_array(load_img(path, color_mode), data_format="channels_last", dtype="float32")
        resized = ops.image.resize(
            array,
            size,
            interpolation=interpolation.lower(),
            crop_to_aspect_ratio=crop_to_aspect_ratio,
            pad_to_aspect_ratio=pad_to_aspect_ratio,
            data_format="channels_last",
        )
        made = np.asarray(resized)
        return made.transpose(2, 0, 1) if layout == CHANNELS_FIRST else made

    wanted = Wanted(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose
    )  # fmt: skip
    return _datasets(wanted, _IMAGES, read, np.stack)


def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Return a data set of .txt files, which are read on demand as arrays of str.

    Args:
        directory: the folder; with `labels="inferred"` its subfolders are the classes, in alphabetical order.
        labels: "inferred", None, or a list of integers in the order of the files' paths.
        label_mode: "int" (int32), "binary" (float32 of shape (batch, 1)), "categorical" (one-hot float32), None for no labels.
        class_names: the subfolders to use, in the order of their class indices.
        batch_size: samples per batch; None for single samples.
        max_length: the number of characters to which texts are truncated.
        shuffle: whether files are shuffled, before splitting and in each iteration; otherwise they are in path order.
        seed: of the shuffling.
        validation_split: the fraction of files for validation, taken from the end.
        subset: "training", "validation", or "both" for a list of the two data sets.
        follow_links: whether links to folders are followed.
        format: "tf" or "grain", accepted for compatibility; the data set consists of NumPy arrays.
        verbose: whether to print the numbers of files and classes.

    Returns:
        A `Dataset` with `class_names` and `file_paths`, or a list of two with `subset="both"`.

    Raises:
        InvalidArgumentError: an argument is invalid, or no files are found.

    Source: keras.utils.text_dataset_from_directory.
    """
    _check_format(format)

    def read(path: str) -> str:
        return Path(path).read_text(encoding="utf-8")[:max_length]

    wanted = Wanted(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose
    )  # fmt: skip
    return _datasets(wanted, (".txt",), read, lambda texts: np.array(texts, object))


def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Return a data set of .wav files, which are read on demand.

    The sounds are float32 from -1 to 1, of shape (batch, steps, channels). Arguments not listed are those of
    `text_dataset_from_directory`.

    Args:
        sampling_rate: the rate in Hz to which all sounds are resampled; by default they keep their own.
        output_sequence_length: the number of steps to which sounds are truncated or zero-padded; by default that of the longest
            sound in the batch.
        ragged: must be False; graphkit has no ragged tensors.

    Returns:
        A `Dataset` with `class_names` and `file_paths`, or a list of two with `subset="both"`.

    Raises:
        InvalidArgumentError: an argument is invalid, no files are found, or a file is not PCM audio.

    Source: keras.utils.audio_dataset_from_directory.
    """
    if ragged:
        raise InvalidArgumentError(
            "ragged=True: graphkit has no ragged tensors. Batches are zero-padded to their longest sound; set "
            "output_sequence_length for a fixed length, or batch_size=None for single sounds."
        )
    if sampling_rate is not None and (not isinstance(sampling_rate, int) or sampling_rate <= 0):
        raise InvalidArgumentError(
            f"`sampling_rate` should be an integer higher than 0. Received: sampling_rate={sampling_rate}"
        )

    def read(path: str) -> Array:
        sound, rate = read_wav(path)
        sound = sound if sampling_rate in (None, rate) else resample(sound, rate, sampling_rate or rate)
        return sound if output_sequence_length is None else _of_length(sound, output_sequence_length)

    def together(sounds: list[Array]) -> Array:
        longest = max(len(s) for s in sounds)
        return np.stack([_of_length(s, longest) for s in sounds])

    wanted = Wanted(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links, verbose
    )  # fmt: skip
    return _datasets(wanted, (".wav",), read, together)


def _of_length(sound: Array, steps: int) -> Array:
    return np.pad(sound[:steps], ((0, max(steps - len(sound), 0)), (0, 0)))


def _check_format(format: str) -> None:
    if format not in ("tf", "grain"):
        raise InvalidArgumentError(f'`format` should be either "tf" or "grain". Received: format={format}')


# ----- files and their labels -----


def _datasets(wanted: Wanted, endings: tuple[str, ...], read: Callable[[str], Any], together: Any) -> Any:
    """Return one data set, or the two of `subset="both"`."""
    wanted.check()
    seed = int(np.random.randint(10**6)) if wanted.seed is None else wanted.seed
    paths, labels, names = _indexed(wanted, endings, seed)
    mode = None if labels is None else wanted.label_mode
    if mode == "binary" and len(names or ()) != 2:
        raise InvalidArgumentError(
            f'When passing `label_mode="binary"`, there must be exactly 2 class_names. Received: class_names={names}'
        )
    made = []
    for part in ("training", "validation") if wanted.subset == "both" else (wanted.subset,):
        chosen = _subset(len(paths), wanted.validation_split, part)
        if not len(chosen):
            raise InvalidArgumentError(
                f"No {part + ' ' if part else ''}files found in directory {os.fspath(wanted.directory)}. Allowed formats: {endings}"
            )
        mixed = wanted.shuffle and not (wanted.subset == "both" and part == "validation")
        own_labels = None if labels is None or mode is None else _encoded(labels[chosen], mode, len(names or ()))
        own_paths = [paths[i] for i in chosen]
        size = wanted.batch_size
        buffer = 8 * size if size else 1024  # as in Keras, so that the order is the same
        load = _loader(own_paths, own_labels, read, together)
        data = Batches(len(chosen), load, size, mixed, seed, buffer_size=buffer)
        data.class_names, data.file_paths = names, own_paths
        made.append(data)
    return made if wanted.subset == "both" else made[0]


def _loader(paths: list[str], labels: Array | None, read: Callable[[str], Any], together: Any) -> Callable[[Any], Any]:
    def load(index: Any) -> Any:
        samples = together([read(paths[i]) for i in index])
        return samples if labels is None else (samples, labels[index])

    return load


def _indexed(wanted: Wanted, endings: tuple[str, ...], seed: int) -> tuple[list[str], Array | None, list[str] | None]:
    """Return the paths of the files, their class indices, and the names of the classes."""
    home = os.fspath(wanted.directory)
    folders = [""]
    if wanted.labels == "inferred":
        folders = sorted(e.name for e in os.scandir(home) if e.is_dir() and not e.name.startswith("."))
        if wanted.class_names is not None:
            if not set(wanted.class_names) <= set(folders):
                raise InvalidArgumentError(
                    "The `class_names` passed did not match the names of the subdirectories of the target directory. "
                    f"Expected: {folders} (or a subset of it), but received: class_names={wanted.class_names}"
                )
            folders = list(wanted.class_names)
    found = [_files(os.path.join(home, folder), endings, wanted.follow_links) for folder in folders]
    paths = [path for files in found for path in files]
    labels: Array | None = None
    names: list[str] | None = None
    if wanted.labels == "inferred":
        labels = np.repeat(np.arange(len(folders), dtype="int32"), [len(files) for files in found])
        names = folders
    elif wanted.labels is not None:
        if len(wanted.labels) != len(paths):
            raise InvalidArgumentError(
                f"Expected the lengths of `labels` to match the number of files in the target directory. len(labels) is "
                f"{len(wanted.labels)} while we found {len(paths)} files in directory {home}."
            )
        labels = np.asarray(wanted.labels, "int32")
        names = [str(label) for label in sorted(set(wanted.labels))]
    if wanted.verbose:
        write_message(f"Found {len(paths)} files{'' if names is None else f' belonging to {len(names)} classes'}.")
    if wanted.shuffle:
        np.random.RandomState(seed).shuffle(paths)
        if labels is not None:
            np.random.RandomState(seed).shuffle(labels)
    return paths, labels, names


def _files(folder: str, endings: tuple[str, ...], follow_links: bool) -> list[str]:
    walked = sorted(os.walk(folder, followlinks=follow_links))
    return [os.path.join(root, n) for root, _, names in walked for n in sorted(names) if n.lower().endswith(endings)]


def _subset(count: int, split: float | None, part: str | None) -> Any:
    """Return the indices of the files of a subset."""
    if not split:
        return np.arange(count)
    kept = int(split * count)
    first = count - kept
    write_message(f"Using {first} files for training." if part == "training" else f"Using {kept} files for validation.")
    return np.arange(first) if part == "training" else np.arange(first, count)


def _encoded(labels: Array, mode: str, classes: int) -> Array:
    if mode == "binary":
        return labels.astype("float32")[:, None]
    return np.eye(classes, dtype="float32")[labels] if mode == "categorical" else labels
