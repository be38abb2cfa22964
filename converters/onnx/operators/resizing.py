"""Resize, Upsample, GridSample, RoiAlign, MaxRoiPool, AffineGrid. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, UnknownSizeError
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .known import array, ints, shape_of
from .shaping import bounded
from .table import operator

Array = Any

# ----- coordinates -----

_COORDINATES: dict[str, Callable[..., Array]] = {
    "half_pixel": lambda x, scale, old, new, roi: (x + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda x, scale, old, new, roi: _symmetric(x, scale, old, new),
    "pytorch_half_pixel": lambda x, scale, old, new, roi: (x + 0.5) / scale - 0.5 if new > 1 else x * 0.0,
    "align_corners": lambda x, scale, old, new, roi: x * (old - 1) / (scale * old - 1) if scale * old > 1 else x * 0.0,
    "asymmetric": lambda x, scale, old, new, roi: x / scale,
    "tf_half_pixel_for_nn": lambda x, scale, old, new, roi: (x + 0.5) / scale,
    "tf_crop_and_resize": lambda x, scale, old, new, roi: _cropped(x, old, new, roi),
}
_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
    "simple": np.floor,
}


def _symmetric(x: Array, scale: float, old: int, new: int) -> Array:
    adjusted = new / (scale * old)
    center = old / 2
    return center * (1 - adjusted) + (x + 0.5) / scale - 0.5


def _cropped(x: Array, old: int, new: int, roi: tuple[float, float]) -> Array:
    start, end = roi
    if new == 1:
        return x * 0.0 + 0.5 * (start + end) * (old - 1)
    return start * (old - 1) + x * (end - start) * (old - 1) / (new - 1)


def _triangle(d: Array) -> Array:
    return np.maximum(1 - np.abs(d), 0)


def _cubic(a: float) -> Callable[[Array], Array]:
    def weight(d: Array) -> Array:
        d = np.abs(d)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    return weight


def _matrix(
    where: Array, old: int, kernel: Callable[[Array], Array], reach: int, stretch: float, exclude: bool
) -> Array:
    """Return the weights (new, old) of the input's elements for each output; those outside count for the border's."""
    made = np.zeros((len(where), old))
    span = int(np.ceil(reach * stretch))
    base = np.floor(where).astype(int)
    taps = base[:, None] + np.arange(-span + 1, span + 1)
    weights = kernel((taps - where[:, None]) / stretch)
    if exclude:
        weights = np.where((taps < 0) | (taps >= old), 0, weights)
    if exclude or stretch > 1:  # widened kernels do not sum to 1
        weights = weights / weights.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(len(where))[:, None], taps.shape)
    np.add.at(made, (rows, np.clip(taps, 0, old - 1)), weights)
    return made


def _along(x: Any, matrix: Array, axis: int) -> Any:
    """Multiply an axis by a matrix."""
    moved = ops.matmul(ops.moveaxis(x, axis, -1), np.ascontiguousarray(matrix.T))
    return ops.moveaxis(moved, -1, axis)


@operator("Resize")
def resize_scales(x: Any, scales: Any, *, mode: str = "nearest") -> Any:
    """Resize by factors (version 10)."""
    return resize(x, None, scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="simple")


@operator("Upsample")
def upsample_attribute(
    x: Any, *, scales: Any = None, height_scale: float = 1.0, width_scale: float = 1.0, mode: str = "nearest"
) -> Any:
    """Enlarge by factors (versions 1 and 7)."""
    return resize_scales(
        x,
        np.array(scales if scales is not None else [1.0, 1.0, height_scale, width_scale]),
        mode={"bilinear": "linear"}.get(mode, mode),
    )


@operator("Upsample", since=9)
def upsample(x: Any, scales: Any, *, mode: str = "nearest") -> Any:
    """Enlarge by factors."""
    return resize_scales(x, scales, mode=mode)


@operator("Resize", since=11)
def resize(
    x: Any,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    antialias: int = 0,
    axes: Any = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:
    """Resize axes to sizes, or by factors."""
    old = shape_of(x)
    places = list(range(len(old))) if axes is None else [a % len(old) for a in axes]
    factors, new = _targets(scales, sizes, [old[a] for a in places], keep_aspect_ratio_policy)
    bounded(new)
    regions = array(roi, "roi").reshape(-1) if roi is not None and np.size(roi) else np.repeat([0.0, 1.0], len(places))
    dtype = dtype_name(x)
    if antialias and any(isinstance(n, Dim) and n != old[a] for a, n in zip(places, new, strict=True)):
        raise UnknownSizeError("Resize with antialias requires sizes that are known while the graph is traced.")
    made = (
        x
        if mode == "nearest"
        else ops.cast(x, "float32" if dtypes.is_int(dtype) or dtype in ("float16", "bfloat16") else dtype)
    )
    outside: list[tuple[int, Array]] = []
    for axis, factor, size, start, end in zip(
        places, factors, new, regions[: len(places)], regions[len(places) :], strict=True
    ):
        crops = coordinate_transformation_mode == "tf_crop_and_resize"
        if size == old[axis] and factor == 1.0 and not (crops and (start, end) != (0.0, 1.0)):
            continue
        if isinstance(size, Dim) or isinstance(old[axis], Dim):
            made = _resized_unknown(
                made,
                axis,
                (old[axis], size),
                factor,
                coordinate_transformation_mode,
                _Interpolation(mode, nearest_mode, cubic_coeff_a, bool(exclude_outside)),
            )
            continue
        where = _COORDINATES[coordinate_transformation_mode](
            np.arange(size, dtype=np.float64), factor, old[axis], size, (start, end)
        )
        if crops:
            outside.append((axis, (where < 0) | (where > old[axis] - 1)))
        if mode == "nearest":
            index = np.clip(_NEAREST[nearest_mode](where), 0, old[axis] - 1).astype(np.int64)
            made = ops.take(made, index, axis=axis)
            continue
        kernel, reach = (_triangle, 1) if mode == "linear" else (_cubic(cubic_coeff_a), 2)
        stretch = max(1.0, 1.0 / factor) if antialias else 1.0
        clean = np.clip(where, 0, old[axis] - 1) if mode == "linear" and not antialias else where
        matrix = _matrix(clean, old[axis], kernel, reach, stretch, bool(exclude_outside))
        made = _along(made, matrix.astype(dtypes.to_numpy(dtype_name(made))), axis)
    for axis, mask in outside:
        spread = mask.reshape([-1 if i == axis else 1 for i in range(len(old))])
        made = ops.where(spread, scalar(extrapolation_value, made), made)
    return _as(made, dtype)


def _as(x: Any, dtype: str) -> Any:
    if dtypes.is_int(dtype) and not dtypes.is_int(dtype_name(x)):
        info = np.iinfo(dtypes.to_numpy(dtype))
        x = ops.clip(ops.round(x), float(info.min), float(info.max))
    return ops.cast(x, dtype)


def _targets(scales: Any, sizes: Any, old: Sequence[Any], policy: str) -> tuple[list[Any], list[Any]]:
    """Return the factor and the new size of each axis; a factor of None is the quotient of unknown sizes."""
    if sizes is None or np.size(getattr(sizes, "values", sizes)) == 0:
        factors = [float(s) for s in array(scales, "scales").reshape(-1)]
        return factors, [_scaled(n, f) for n, f in zip(old, factors, strict=True)]
    wanted = ints(sizes, "sizes")
    if policy == "stretch":
        return [_factor(w, n) for w, n in zip(wanted, old, strict=True)], wanted
    if any(isinstance(n, Dim) for n in (*wanted, *old)):
        raise UnknownSizeError(f"Resize with keep_aspect_ratio_policy={policy!r} requires known sizes.")
    factors = [w / n for w, n in zip(wanted, old, strict=True)]
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [factor] * len(old), [int(np.floor(factor * n + 0.5)) for n in old]


def _scaled(size: Any, factor: float) -> Any:
    """Return floor(size * factor), for an unknown size too where the factor is a fraction of small numbers."""
    if not isinstance(size, Dim):
        return int(np.floor(np.float32(size) * np.float32(factor)))  # as onnxruntime: 12 * float32(7 / 12) is 7
    fraction = Fraction(factor).limit_denominator(64)
    if float(fraction) != factor:
        raise UnknownSizeError(
            f"Resize by the factor {factor} requires a size that is known while the graph is traced."
        )
    return size * fraction.numerator // fraction.denominator


def _factor(new: Any, old: Any) -> float | None:
    if not isinstance(new, Dim) and not isinstance(old, Dim):
        return float(new / old)
    return 1.0 if new == old else None


def _quotient(factor: float | None, old: Any, new: Any) -> Any:
    return ops.true_divide(new, old) if factor is None else factor


def _between_corners(x: Any, old: Any, length: Any) -> Any:
    return ops.where(length > 1.0, x * (old - 1.0) / ops.maximum(length - 1.0, 1e-6), x * 0.0)


# The position in the input of position x of the output, from the two sizes (floats) and the factor.
_UNKNOWN_COORDINATES: dict[str, Callable[..., Any]] = {
    "half_pixel": lambda x, factor, old, new: (x + 0.5) / _quotient(factor, old, new) - 0.5,
    "asymmetric": lambda x, factor, old, new: x / _quotient(factor, old, new),
    "pytorch_half_pixel": lambda x, factor, old, new: ops.where(
        new > 1.0, (x + 0.5) / _quotient(factor, old, new) - 0.5, x * 0.0
    ),
    "align_corners": lambda x, factor, old, new: _between_corners(x, old, new if factor is None else old * factor),
    "tf_half_pixel_for_nn": lambda x, factor, old, new: (x + 0.5) / _quotient(factor, old, new),
}
_UNKNOWN_NEAREST: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda x: ops.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: ops.floor(x + 0.5),
    "floor": ops.floor,
    "ceil": ops.ceil,
    "simple": ops.floor,
}


class _Interpolation(NamedTuple):
    """How Resize computes an element from its neighbors.

    Attributes:
        mode: "nearest", "linear" or "cubic".
        nearest: the rounding of "nearest".
        cubic: the coefficient of "cubic".
        exclude: whether elements outside of the input have no weight; else they are those of the border.
    """

    mode: str
    nearest: str
    cubic: float
    exclude: bool

    @property
    def taps(self) -> tuple[range, Callable[[Any], Any]]:
        """The neighbors of a position, counted from its floor, and the function of their weights."""
        if self.mode == "linear":
            return range(2), _linear_weight
        return range(-1, 3), partial(_cubic_weight, a=self.cubic)


def _resized_unknown(
    x: Any, axis: int, sizes: tuple[Any, Any], factor: float | None, transformation: str, how: _Interpolation
) -> Any:
    """Resize an axis whose old or new size is not known while the graph is traced.

    Raises:
        UnknownSizeError: this transformation needs the sizes.
    """
    if transformation not in _UNKNOWN_COORDINATES:
        raise UnknownSizeError(
            f"Resize with coordinate_transformation_mode={transformation!r} requires sizes that are known while the graph is traced; "
            "give the input a fixed shape."
        )
    old, new = (ops.cast(ops.convert_to_tensor(size), "float32") for size in sizes)
    place = _UNKNOWN_COORDINATES[transformation](ops.cast(ops.arange(sizes[1]), "float32"), factor, old, new)
    last = ops.cast(ops.convert_to_tensor(sizes[0]), "int32") - 1

    def taken(index: Any) -> Any:
        return ops.take(x, ops.clip(ops.cast(index, "int32"), 0, last), axis=axis)

    if how.mode == "nearest":
        return taken(_UNKNOWN_NEAREST[how.nearest](place))
    if how.mode == "linear":
        place = ops.clip(place, 0.0, old - 1.0)
    low = ops.floor(place)
    neighbors, weight = how.taps
    weights = [weight(ops.abs(place - low - float(n))) for n in neighbors]
    if how.exclude:
        inside = [ops.logical_and(low + float(n) >= 0.0, low + float(n) < old) for n in neighbors]
        weights = [ops.where(ok, w, 0.0 * w) for ok, w in zip(inside, weights, strict=True)]
        total = sum(weights[1:], weights[0])
        weights = [w / total for w in weights]
    row = [-1 if i == axis else 1 for i in range(len(shape_of(x)))]
    parts = [
        taken(low + float(n)) * ops.cast(ops.reshape(w, row), dtype_name(x))
        for n, w in zip(neighbors, weights, strict=True)
    ]
    return sum(parts[1:], parts[0])


# ----- sampling -----


def _unnormalized(grid: Any, size: int, align_corners: int) -> Any:
    if align_corners:
        return ops.multiply(ops.add(grid, scalar(1.0, grid)), scalar((size - 1) / 2, grid))
    return ops.subtract(ops.multiply(ops.add(grid, scalar(1.0, grid)), scalar(size / 2, grid)), scalar(0.5, grid))


def _reflected(x: Any, low: float, high: float) -> Any:
    if high <= low:
        return ops.zeros_like(x)
    span = high - low
    away = ops.abs(ops.subtract(x, scalar(low, x)))
    turns = ops.floor(ops.true_divide(away, scalar(span, x)))
    rest = ops.subtract(away, ops.multiply(turns, scalar(span, x)))
    even = ops.equal(ops.mod(turns, scalar(2.0, x)), 0)
    return ops.where(even, ops.add(rest, scalar(low, x)), ops.subtract(scalar(high, x), rest))


def _at(x: Any, places: Sequence[Any], padding: str, align_corners: int) -> Any:
    """Return the elements (batch, channels, *points) at whole coordinates (batch, *points) of each spatial axis."""
    sizes = shape_of(x)[2:]
    inside: Any = None
    flat: Any = None
    for place, n in zip(places, sizes, strict=True):
        if padding == "zeros":
            ok = ops.logical_and(ops.greater_equal(place, 0), ops.less(place, n))
            inside = ok if inside is None else ops.logical_and(inside, ok)
        elif padding == "reflection":
            place = _reflected(place, 0.0, float(n - 1)) if align_corners else _reflected(place, -0.5, n - 0.5)
        whole = ops.cast(ops.clip(ops.round(place), 0, n - 1), "int32")
        flat = whole if flat is None else ops.add(ops.multiply(flat, n), whole)
    batch, channels = shape_of(x)[:2]
    points = shape_of(flat)[1:]
    rows = ops.reshape(flat, (batch, 1, -1))
    table = ops.reshape(x, (batch, channels, -1))
    count = shape_of(rows)[-1]
    taken = ops.take_along_axis(table, ops.broadcast_to(rows, (batch, channels, count)), axis=-1)
    made = ops.reshape(taken, (batch, channels, *points))
    return made if inside is None else ops.where(ops.expand_dims(inside, 1), made, ops.zeros_like(made))


@operator("GridSample")
def grid_sample(x: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros") -> Any:
    """Sample images at normalized coordinates."""
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    sizes = shape_of(x)[2:]
    places = [
        _unnormalized(grid[..., i], n, align_corners) for i, n in zip(reversed(range(len(sizes))), sizes, strict=True)
    ]
    if mode == "nearest":
        return _at(x, [ops.round(p) for p in places], padding_mode, align_corners)
    if mode == "linear" and padding_mode == "border":
        places = [ops.clip(p, 0.0, float(n - 1)) for p, n in zip(places, sizes, strict=True)]
    if mode == "linear" and padding_mode == "reflection":
        bounds = [(0.0, float(n - 1)) if align_corners else (-0.5, n - 0.5) for n in sizes]
        places = [ops.clip(_reflected(p, *b), 0.0, float(n - 1)) for p, b, n in zip(places, bounds, sizes, strict=True)]
    return interpolated(x, places, mode, padding_mode, align_corners)


def interpolated(x: Any, places: Sequence[Any], mode: str, padding: str, align_corners: int = 0) -> Any:
    """Return (batch, channels, *points): an image at coordinates (batch, *points) of each spatial axis.

    Args:
        x: the images (batch, channels, *sizes).
        places: the coordinates, in elements.
        mode: "linear" or "cubic".
        padding: what is outside: "zeros", "border" or "reflection".
        align_corners: whether a reflection is about the centers of the border's elements.
    """
    offsets = (0, 1) if mode == "linear" else (-1, 0, 1, 2)
    kernel = _linear_weight if mode == "linear" else _cubic_weight
    bases = [ops.floor(p) for p in places]
    total: Any = None
    for corner in product(offsets, repeat=len(places)):
        taps = [ops.add(b, scalar(o, b)) for b, o in zip(bases, corner, strict=True)]
        weight: Any = None
        for p, t in zip(places, taps, strict=True):
            one = kernel(ops.abs(ops.subtract(p, t)))
            weight = one if weight is None else ops.multiply(weight, one)
        part = ops.multiply(_at(x, taps, padding, align_corners), ops.cast(ops.expand_dims(weight, 1), dtype_name(x)))
        total = part if total is None else ops.add(total, part)
    return total


def _linear_weight(d: Any) -> Any:
    return ops.maximum(ops.subtract(scalar(1.0, d), d), scalar(0.0, d))


def _cubic_weight(d: Any, a: float = -0.75) -> Any:
    near = ops.add(ops.multiply(ops.multiply(ops.subtract(ops.multiply(d, a + 2), a + 3), d), d), 1.0)
    far = ops.subtract(ops.multiply(ops.add(ops.multiply(ops.subtract(ops.multiply(d, a), 5 * a), d), 8 * a), d), 4 * a)
    return ops.where(ops.less_equal(d, 1.0), near, ops.where(ops.less(d, 2.0), far, ops.zeros_like(d)))


@operator("AffineGrid", since=20)
def affine_grid(theta: Any, size: Any, *, align_corners: int = 0) -> Any:
    """Return the coordinates (batch, *sizes, axes) that affine maps give for the points of a grid from -1 to 1."""
    sizes = [int(n) for n in ints(size, "size")[2:]]
    count = len(sizes)
    if align_corners:
        lines = [np.linspace(-1.0, 1.0, n) if n > 1 else np.array([-1.0]) for n in sizes]
    else:
        lines = [(2 * np.arange(n) + 1) / n - 1 for n in sizes]
    grid = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(sizes)], axis=-1).reshape(-1, count + 1)
    made = ops.matmul(grid.astype(dtypes.to_numpy(dtype_name(theta))), ops.swapaxes(theta, -1, -2))
    return ops.reshape(made, (shape_of(theta)[0], *sizes, count))


@operator("RoiAlign")
def roi_align_old(
    x: Any,
    rois: Any,
    batches: Any,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Any:
    """Pool regions with bilinear sampling, without the half-pixel shift (version 10)."""
    return roi_align(
        x,
        rois,
        batches,
        coordinate_transformation_mode="output_half_pixel",
        mode=mode,
        output_height=output_height,
        output_width=output_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )


@operator("RoiAlign", since=16)
def roi_align(
    x: Any, rois: Any, batches: Any, *, coordinate_transformation_mode: str = "half_pixel", mode: str = "avg", output_height: int = 1,
    output_width: int = 1, sampling_ratio: int = 0, spatial_scale: float = 1.0,
) -> Any:  # fmt: skip
    """Pool regions with bilinear sampling."""
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0.0
    bounded([max(sampling_ratio, 1) ** 2, output_height, output_width, *shape_of(rois)[:1]])
    if mode == "avg" and sampling_ratio > 0:
        return _averaged_regions(x, rois, batches, (output_height, output_width), sampling_ratio, spatial_scale, shift)
    boxes, owners = array(rois, "rois").astype(np.float64), array(batches, "batch_indices").astype(int)
    made = []
    height, width = shape_of(x)[2:]
    for box, owner in zip(boxes, owners, strict=True):
        x1, y1, x2, y2 = box * spatial_scale - shift
        w, h = x2 - x1, y2 - y1
        if not shift:
            w, h = max(w, 1.0), max(h, 1.0)
        rows, row_count = _bins(y1, h, output_height, sampling_ratio)
        columns, column_count = _bins(x1, w, output_width, sampling_ratio)
        a, b = _bilinear(rows, height), _bilinear(columns, width)
        image = x[owner]
        if mode == "avg":
            sampled = ops.matmul(ops.matmul(a.astype(np.float32), image), np.ascontiguousarray(b.T.astype(np.float32)))
            cells = ops.reshape(sampled, (shape_of(image)[0], output_height, row_count, output_width, column_count))
            made.append(ops.mean(cells, axis=(2, 4)))
        else:
            made.append(_max_cells(image, a, b, output_height, row_count, output_width, column_count))
    if not made:
        return ops.zeros((0, shape_of(x)[1], output_height, output_width), dtype=dtype_name(x))
    return ops.cast(ops.stack(made), dtype_name(x))


def _averaged_regions(
    x: Any, rois: Any, batches: Any, out: tuple[int, int], samples: int, scale: float, shift: float
) -> Any:
    """Return the means of a fixed number of samples for each cell; the regions may depend on the data."""
    corners = ops.subtract(ops.multiply(rois, scalar(scale, rois)), scalar(shift, rois))  # left, top, right, bottom
    places, inside = [], []
    for axis, (count, size) in enumerate(zip(out, shape_of(x)[2:], strict=True)):
        start, stop = corners[:, 1 - axis], corners[:, 3 - axis]
        length = ops.subtract(stop, start)
        length = length if shift else ops.maximum(length, scalar(1.0, length))
        shares = ((np.arange(count)[:, None] + (np.arange(samples) + 0.5) / samples) / count).reshape(-1)
        where = ops.add(
            ops.expand_dims(start, -1),
            ops.multiply(ops.expand_dims(length, -1), shares.astype(dtypes.to_numpy(dtype_name(rois)))),
        )
        inside.append(ops.logical_and(ops.greater_equal(where, -1.0), ops.less_equal(where, float(size))))
        places.append(ops.clip(where, 0.0, float(size - 1)))
    count = shape_of(rois)[0]
    points = (count, out[0] * samples, out[1] * samples)
    grid = [ops.broadcast_to(ops.expand_dims(p, 2 - axis), points) for axis, p in enumerate(places)]
    sampled = interpolated(ops.take(x, batches, axis=0), grid, "linear", "border")
    counted = ops.logical_and(ops.expand_dims(inside[0], 2), ops.expand_dims(inside[1], 1))
    sampled = ops.where(ops.expand_dims(counted, 1), sampled, ops.zeros_like(sampled))
    cells = ops.reshape(sampled, (count, shape_of(x)[1], out[0], samples, out[1], samples))
    return ops.cast(ops.mean(cells, axis=(3, 5)), dtype_name(x))


def _max_cells(image: Any, a: Array, b: Array, oh: int, rows: int, ow: int, columns: int) -> Any:
    """Return the largest weighted corner of each cell, as ONNX defines the mode "max"."""
    best = np.zeros((image.shape[0], oh, ow), np.float32)
    picture = np.asarray(image)
    for i in range(oh):
        for j in range(ow):
            values = []
            for p in range(i * rows, (i + 1) * rows):
                for q in range(j * columns, (j + 1) * columns):
                    ys, xs = np.flatnonzero(a[p]), np.flatnonzero(b[q])
                    values += [picture[:, y, c] * a[p, y] * b[q, c] for y in ys for c in xs] or [
                        np.zeros(picture.shape[0], np.float32)
                    ]
            best[:, i, j] = np.max(values, axis=0)
    return best


_MAX_SAMPLES = 1 << 16


def _bins(start: float, length: float, count: int, ratio: int) -> tuple[Array, int]:
    each = length / count
    samples = ratio if ratio > 0 else max(int(np.ceil(each)), 1)
    if samples * count > _MAX_SAMPLES:
        raise InvalidArgumentError(f"RoiAlign would take {samples * count} samples of one axis of a region.")
    inner = (np.arange(samples) + 0.5) / samples
    return (start + (np.arange(count)[:, None] + inner) * each).reshape(-1), samples


def _bilinear(where: Array, size: int) -> Array:
    """Return the weights of the rows of an image; points more than one element outside give zero."""
    valid = (where >= -1.0) & (where <= size)
    clean = np.clip(where, 0, size - 1)
    low = np.floor(clean).astype(int)
    high = np.minimum(low + 1, size - 1)
    made = np.zeros((len(where), size))
    rows = np.arange(len(where))
    np.add.at(made, (rows, low), 1 - (clean - low))
    np.add.at(made, (rows, high), clean - low)
    return made * valid[:, None]


@operator("MaxRoiPool")
def max_roi_pool(x: Any, rois: Any, *, pooled_shape: Any, spatial_scale: float = 1.0) -> Any:
    """Return the maximum of the cells of regions."""
    made = []
    height, width = shape_of(x)[2:]
    for owner, *box in array(rois, "rois"):
        x1, y1, x2, y2 = (int(np.round(v * spatial_scale)) for v in box)
        h, w = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
        rows = []
        for top, bottom in _cells(y1, h, pooled_shape[0], height):
            cells = []
            for left, right in _cells(x1, w, pooled_shape[1], width):
                empty = bottom <= top or right <= left
                part = x[int(owner), :, top:bottom, left:right]
                cells.append(ops.zeros((shape_of(x)[1],), dtype=dtype_name(x)) if empty else ops.max(part, axis=(1, 2)))
            rows.append(ops.stack(cells, axis=-1))
        made.append(ops.stack(rows, axis=-2))
    return ops.stack(made)


def _cells(start: int, length: int, count: int, size: int) -> list[tuple[int, int]]:
    """Return the bounds of the cells that a stretch of an axis of a size is divided into."""
    edges = [(np.floor(i * length / count), np.ceil((i + 1) * length / count)) for i in range(count)]
    return [(min(max(int(a) + start, 0), size), min(max(int(b) + start, 0), size)) for a, b in edges]
