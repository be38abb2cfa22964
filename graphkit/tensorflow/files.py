"""`tf.io` and the parts of `tf.image` that read and write files: whole files, pictures, local folders."""

from __future__ import annotations

import base64
import glob as globbing
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.files import make_folder, open_log, write_bytes
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.images import converted
from graphkit.tensorflow.table import NAMES, as_tensor, strings_of, tensorflow


def _text(path: Any) -> str:
    value: Any = np.asarray(path, object)[()] if not isinstance(path, (str, bytes, os.PathLike)) else path
    return value.decode() if isinstance(value, bytes) else os.fspath(value)


def _bytes(contents: Any) -> bytes:
    value = contents if isinstance(contents, bytes) else np.asarray(contents, object)[()]
    return value if isinstance(value, bytes) else str(value).encode()


@tensorflow("io.read_file", tensors="")
def read_file(filename: Any) -> Any:
    """Return a file's content as a string tensor. Source: tf.io.read_file."""
    return strings_of(Path(_text(filename)).read_bytes())


@tensorflow("io.write_file", tensors="")
def write_file(filename: Any, contents: Any) -> None:
    """Write a string to a file, and create its folder. Source: tf.io.write_file."""
    path = Path(_text(filename))
    make_folder(path.parent)
    write_bytes(path, _bytes(contents))


@tensorflow("io.matching_files", tensors="")
def matching_files(pattern: Any) -> Any:
    """Return the files that match patterns, sorted. Source: tf.io.matching_files."""
    patterns = [_text(p) for p in np.ravel(np.asarray(pattern, object))]
    return strings_of(sorted(found for p in patterns for found in globbing.glob(p)))


def _picture(contents: Any, channels: int) -> Any:
    from graphkit.utils.images import pillow

    image = pillow().open(io.BytesIO(_bytes(contents)))
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    if channels not in (0, *modes):
        raise InvalidArgumentError(f"channels must be 0 (as in the file), 1, 3 or 4, got {channels}.")
    if channels or image.mode not in modes.values():
        image = image.convert(modes[channels or (4 if "transparency" in image.info else 3)])
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _decoder(names: str, dtype: Any = "uint8") -> None:
    @tensorflow(names, tensors="")
    def decode(contents: Any, channels: int = 0, dtype: Any = dtype, **options: Any) -> Any:
        """Return the pixels of a picture, (height, width, channels). Source: tf.io.decode_image."""
        return converted(as_tensor(_picture(contents, channels or 0)), dtype)


_decoder("io.decode_png image.decode_png")
_decoder("io.decode_bmp image.decode_bmp")
_decoder("io.decode_webp image.decode_webp")


@tensorflow("io.decode_jpeg image.decode_jpeg", tensors="")
def decode_jpeg(
    contents: Any, channels: int = 0, ratio: int = 1, fancy_upscaling: bool = True, try_recover_truncated: bool = False,
    acceptable_fraction: float = 1, dct_method: str = "",
) -> Any:  # fmt: skip
    """Return the pixels of a JPEG picture. Source: tf.io.decode_jpeg."""
    return _picture(contents, channels)[::ratio, ::ratio]


@tensorflow("io.decode_image image.decode_image", tensors="")
def decode_image(contents: Any, channels: Any = None, dtype: Any = "uint8", expand_animations: bool = True) -> Any:
    """Return the pixels of a picture of any format; of an animation the first frame. Source: tf.io.decode_image."""
    return converted(as_tensor(_picture(contents, channels or 0)), dtype)


def _encoded(image: Any, kind: str, **options: Any) -> Any:
    from graphkit.utils.images import pillow

    pixels = np.asarray(image)
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    written = io.BytesIO()
    pillow().fromarray(pixels).save(written, kind, **options)
    return strings_of(written.getvalue())


@tensorflow("io.encode_png image.encode_png", tensors="")
def encode_png(image: Any, compression: int = -1) -> Any:
    """Return a PNG file's content. Source: tf.io.encode_png."""
    return _encoded(image, "PNG", **({} if compression < 0 else {"compress_level": compression}))


@tensorflow("io.encode_jpeg image.encode_jpeg", tensors="")
def encode_jpeg(
    image: Any, format: str = "", quality: int = 95, progressive: bool = False, optimize_size: bool = False,
    chroma_downsampling: bool = True, density_unit: str = "in", x_density: int = 300, y_density: int = 300, xmp_metadata: str = "",
) -> Any:  # fmt: skip
    """Return a JPEG file's content. Source: tf.io.encode_jpeg."""
    return _encoded(image, "JPEG", quality=quality, progressive=progressive, optimize=optimize_size)


@tensorflow("io.is_jpeg image.is_jpeg", tensors="")
def is_jpeg(contents: Any) -> Any:
    """Return whether a file's content starts as JPEG does. Source: tf.io.is_jpeg."""
    return np.asarray(_bytes(contents).startswith(b"\xff\xd8\xff"))


@tensorflow("io.decode_raw", tensors="")
def decode_raw(input_bytes: Any, out_type: Any, little_endian: bool = True, fixed_length: Any = None) -> Any:
    """Return the numbers in a string of bytes. Source: tf.io.decode_raw."""
    kind = np.dtype(dtype_name(out_type)).newbyteorder("<" if little_endian else ">")
    array = strings_of(input_bytes)
    rows = [np.frombuffer(part, kind) for part in array.flat]
    return np.stack(rows).reshape(*array.shape, -1).astype(dtype_name(out_type))


@tensorflow("io.decode_csv", tensors="")
def decode_csv(
    records: Any,
    record_defaults: Any,
    field_delim: str = ",",
    use_quote_delim: bool = True,
    na_value: str = "",
    select_cols: Any = None,
) -> Any:
    """Return the columns of lines of comma-separated values. Source: tf.io.decode_csv."""
    import csv

    lines = [part.decode() for part in strings_of(records).flat]
    rows = list(
        csv.reader(lines, delimiter=field_delim, quoting=csv.QUOTE_MINIMAL if use_quote_delim else csv.QUOTE_NONE)
    )
    chosen = range(len(record_defaults)) if select_cols is None else select_cols
    made = []
    for column, default in zip(chosen, record_defaults, strict=True):
        value = as_tensor(default)
        kind = "float32" if not np.size(value) and value.dtype.kind == "f" else value.dtype
        cells = [row[column] for row in rows]
        filled = [np.ravel(value)[0] if cell in ("", na_value) and np.size(value) else cell for cell in cells]
        array = strings_of(filled) if value.dtype == object else np.array([float(c) for c in filled]).astype(kind)
        made.append(array.reshape(np.shape(strings_of(records))))
    return made


@tensorflow("io.encode_base64", tensors="")
def encode_base64(input: Any, pad: bool = False) -> Any:
    """Encode strings in the alphabet for web addresses. Source: tf.io.encode_base64."""
    made = base64.urlsafe_b64encode(_bytes(input))
    return strings_of(made if pad else made.rstrip(b"="))


@tensorflow("io.decode_base64", tensors="")
def decode_base64(input: Any) -> Any:
    """Decode strings in the alphabet for web addresses. Source: tf.io.decode_base64."""
    text = _bytes(input)
    return strings_of(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))


def gfile(name: Any, mode: str = "r") -> Any:
    """Open a local file for reading, or for writing text or bytes at its end or anew. Source: tf.io.gfile.GFile."""
    return open(_text(name), mode) if mode in ("r", "rb") else open_log(_text(name), mode)  # the caller closes it


def _copied(src: Any, dst: Any, overwrite: bool = False) -> None:
    write_bytes(_text(dst), Path(_text(src)).read_bytes(), overwrite=overwrite)


NAMES.update({
    "io.gfile.GFile": gfile,
    "io.gfile.exists": lambda path: os.path.exists(_text(path)),
    "io.gfile.isdir": lambda path: os.path.isdir(_text(path)),
    "io.gfile.glob": lambda pattern: sorted(globbing.glob(_text(pattern))),
    "io.gfile.join": lambda path, *paths: os.path.join(_text(path), *map(_text, paths)),
    "io.gfile.listdir": lambda path: os.listdir(_text(path)),
    "io.gfile.makedirs": lambda path: make_folder(_text(path)) and None,
    "io.gfile.mkdir": lambda path: make_folder(_text(path)) and None,
    "io.gfile.copy": _copied,
    "io.gfile.stat": lambda path: os.stat(_text(path)),
    "io.gfile.walk": lambda top, topdown=True, onerror=None: os.walk(_text(top), topdown=topdown, onerror=onerror),
})  # fmt: skip
