"""Convolutions: sizes, paddings, layouts, gradients; values against direct sums and onnxruntime."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import threads
from graphkit.core.dims import Dim
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import specialize, trace
from graphkit.ops import _correlate, convolution


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.Generator(np.random.Philox(seed)).normal(size=shape)


def direct(x: Any, kernel: Any, strides: Any, pads: Any, dilation: Any, groups: int = 1) -> Any:
    """The convolution by its definition, window by window; channels last."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    window = kernel.shape[:rank]
    spans = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    outs = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], spans, strides, strict=True)]
    result = np.zeros((x.shape[0], *outs, kernel.shape[-1]))
    each, filters = kernel.shape[-2], kernel.shape[-1] // groups
    for place in itertools.product(*map(range, outs)):
        part = x[
            (
                slice(None),
                *(slice(p * s, p * s + k, d) for p, s, k, d in zip(place, strides, spans, dilation, strict=True)),
            )
        ]
        for group in range(groups):
            taken = part[..., group * each : (group + 1) * each]
            weights = kernel[..., group * filters : (group + 1) * filters]
            axes = list(range(1, rank + 2))
            result[(slice(None), *place, slice(group * filters, (group + 1) * filters))] = np.tensordot(
                taken, weights, (axes, list(range(rank + 1)))
            )
    return result


CONFIGURATIONS = [
    ((7,), (3,), (1,), ((0, 0),), (1,), 1),
    ((8,), (3,), (2,), ((1, 2),), (1,), 1),
    ((9,), (2,), (1,), ((2, 0),), (2,), 3),
    ((5, 6), (3, 2), (1, 1), ((1, 1), (0, 1)), (1, 1), 1),
    ((6, 7), (3, 3), (2, 2), ((0, 1), (1, 1)), (1, 1), 1),
    ((8, 7), (3, 2), (1, 1), ((2, 2), (1, 0)), (2, 3), 2),
    ((5, 5), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 1),
    ((4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((4, 5), (4, 5), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
    ((3, 4, 5), (2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (1, 1, 1), 1),
]


@pytest.fixture(
    params=[(1, 384 * 1024), (2, 384 * 1024), (3, 300)], ids=["one thread", "two threads", "many small chunks"]
)
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The ways in which the work is cut into chunks and distributed."""
    count, size = request.param
    before = threads.num_threads()
    monkeypatch.setattr(_correlate, "_CHUNK_BYTES", size)
    threads.set_num_threads(count)
    yield
    threads.set_num_threads(before)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("sizes", "window", "strides", "pads", "dilation", "groups"), CONFIGURATIONS)
def test_conv_is_the_sum_over_windows(
    sizes: Any, window: Any, strides: Any, pads: Any, dilation: Any, groups: int, data_format: str
) -> None:
    x, kernel = normal(3, *sizes, 2 * groups), normal(*window, 2, 4 * groups, seed=1)
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    found = ops.conv(given, kernel, strides, pads, data_format, dilation)
    found = found if data_format == "channels_last" else np.moveaxis(found, 1, -1)
    np.testing.assert_allclose(found, direct(x, kernel, strides, pads, dilation, groups), atol=1e-12)


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("channels", [2, 9])  # 9: the gradient is summed tap by tap where that is cheaper
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("sizes", "window", "strides", "pads", "dilation", "groups"), CONFIGURATIONS)
def test_the_gradients_are_the_transposes(
    sizes: Any, window: Any, strides: Any, pads: Any, dilation: Any, groups: int, data_format: str, channels: int
) -> None:
    """<g, conv(x, k)> is linear in x and in k: the gradients, applied to them, give the same number."""
    x, kernel = normal(3, *sizes, channels * groups), normal(*window, channels, 8 * groups, seed=1)
    if data_format == "channels_first":
        x = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    params = {"strides": strides, "padding": pads, "dilation": dilation, "groups": groups, "data_format": data_format}
    y = convolution.conv_p.bind(x, kernel, **params)
    g = normal(*y.shape, seed=2)
    dx = convolution.conv_input_grad_p.bind(g, kernel, sizes=sizes, **params)
    dk = convolution.conv_kernel_grad_p.bind(x, g, window=window, **params)
    assert (dx.shape, dk.shape) == (x.shape, kernel.shape)
    np.testing.assert_allclose([np.sum(dx * x), np.sum(dk * kernel)], np.sum(y * g), rtol=1e-10)


def test_bias_is_added_to_each_filter() -> None:
    x, kernel, bias = normal(2, 5, 4, 3), normal(2, 2, 3, 5), normal(5, seed=3)
    np.testing.assert_allclose(convolution.conv_with_bias(x, kernel, bias), ops.conv(x, kernel) + bias)


def test_bias_of_groups_and_first_channels() -> None:
    x, kernel, bias = normal(2, 4, 5, 4), normal(2, 2, 2, 6), normal(6, seed=3)
    found = convolution.conv_with_bias(x, kernel, bias, data_format="channels_first")
    np.testing.assert_allclose(found, ops.conv(x, kernel, data_format="channels_first") + bias[:, None, None])


def test_strided_views_are_read_right() -> None:
    x, kernel = (
        normal(2, 4, 10, 9)[:, :, ::2, ::-1].transpose(0, 2, 1, 3),
        normal(2, 2, 18, 8).transpose(1, 0, 2, 3)[:, :, ::2],
    )
    plain = ops.conv(x.copy(), kernel.copy())
    np.testing.assert_allclose(ops.conv(x, kernel), plain)
    g = normal(*plain.shape[:-1], 16)[..., ::2]
    params = {
        "strides": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
        "groups": 1,
        "data_format": "channels_last",
    }
    for name, args, more in (
        ("conv_input_grad", (g, kernel), {"sizes": x.shape[1:3]}),
        ("conv_kernel_grad", (x, g), {"window": (2, 2)}),
    ):
        made = PRIMITIVES[name]
        np.testing.assert_allclose(
            made.bind(*args, **more, **params), made.bind(*(a.copy() for a in args), **more, **params)
        )


@pytest.mark.parametrize(("groups", "each", "filters"), [(1, 9, 8), (2, 3, 4), (4, 1, 8)])
def test_a_bound_kernel_reads_its_inputs_anew_each_time(groups: int, each: int, filters: int) -> None:
    """Strided inputs are views of arrays that change: the plan must not keep a copy of them."""
    x = normal(2, 6, 6, 2 * groups * each)[..., ::2]
    kernel = normal(2, 2, 2 * each, 2 * filters).transpose(1, 0, 2, 3)[:, :, ::2, ::2]
    g = normal(2, 5, 5, 2 * filters)[..., ::2]
    params = {
        "strides": (1, 1),
        "padding": ((0, 0), (0, 0)),
        "dilation": (1, 1),
        "groups": groups,
        "data_format": "channels_last",
    }
    for name, args, more in (
        ("conv", (x, kernel), {}),
        ("conv_input_grad", (g, kernel), {"sizes": (6, 6)}),
        ("conv_kernel_grad", (x, g), {"window": (2, 2)}),
    ):
        made, params_ = PRIMITIVES[name], {**params, **more}
        specs = [TensorSpec.of(a) for a in args]
        out = np.empty(made.infer(specs, params_)[0].shape)
        run = made.thunk(out, args, params_, [np.empty(s.shape) for s in made.scratch(specs, params_)])  # type: ignore[arg-type]
        for _ in range(2):
            run()
            np.testing.assert_allclose(out, made.bind(*(a.copy() for a in args), **params_))
            for a in args:
                a *= 2


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_dtype_stays(dtype: str) -> None:
    x, kernel = normal(1, 4, 4, 2).astype(dtype), normal(2, 2, 2, 3).astype(dtype)
    found = ops.conv(x, kernel)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, ops.conv(x.astype("float64"), kernel.astype("float64")), rtol=3e-3, atol=3e-3)


def test_an_empty_batch_gives_an_empty_result() -> None:
    assert ops.conv(np.zeros((0, 4, 4, 2)), np.zeros((2, 2, 2, 3))).shape == (0, 3, 3, 3)


def test_the_kernel_gradient_of_an_empty_batch_is_zero() -> None:
    params = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1, "data_format": "channels_last"}
    found = convolution.conv_kernel_grad_p.bind(np.zeros((0, 4, 2)), np.zeros((0, 3, 5)), window=(2,), **params)
    np.testing.assert_array_equal(found, np.zeros((2, 2, 5)))


# ----- unknown sizes -----


def test_valid_padding_of_unknown_sizes() -> None:
    program = trace(lambda x: ops.conv(x, normal(3, 2, 4, 5), (2, 1)), spec("b", "h", "w", 4, dtype="float64"))
    height, width = Dim.named("h"), Dim.named("w")
    assert program.outputs[0].spec.shape == (Dim.named("b"), (height - 3) // 2 + 1, width - 1, 5)


def test_same_padding_of_unknown_sizes_stays_symbolic_only_where_strides_ask_for_it() -> None:
    kernel = normal(3, 3, 4, 5)
    plain = trace(lambda x: ops.conv(x, kernel, 1, "same"), spec("b", "h", "w", 4, dtype="float64"))
    strided = trace(lambda x: ops.conv(x, kernel, 2, "same"), spec("b", "h", "w", 4, dtype="float64"))
    assert plain.equations[0].params["padding"] == ((1, 1), (1, 1))
    assert strided.equations[0].params["padding"] == "same"
    assert strided.outputs[0].spec.shape[1] == (Dim.named("h") + 1) // 2


def test_a_program_of_unknown_sizes_runs_on_known_ones() -> None:
    from graphkit.engine import run

    x, kernel = normal(2, 7, 6, 3), normal(3, 3, 3, 2)
    program = trace(lambda x: ops.conv(x, kernel, 2, "same"), spec("b", "h", "w", 3, dtype="float64"))
    found = run(specialize(program, [TensorSpec.of(x)]), x)[0]
    np.testing.assert_allclose(found, direct(x, kernel, (2, 2), ((1, 1), (0, 1)), (1, 1)))


def test_transposed_sizes_are_known_by_the_input() -> None:
    program = trace(lambda x: ops.conv_transpose(x, normal(3, 5, 4), 2, "same"), spec("b", "t", 4, dtype="float64"))
    assert program.outputs[0].spec.shape == (Dim.named("b"), 2 * Dim.named("t"), 5)


# ----- other convolutions -----


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("strides", "dilation", "extra"), [(1, 1, None), (2, 1, None), (3, 1, 1), (1, 2, None), (2, 1, 0)]
)
def test_the_transpose_of_a_convolution_is_what_maps_back(
    padding: str, strides: int, dilation: int, extra: int | None
) -> None:
    """Compare with the matrix of the forward operator, from unit impulses."""
    kernel = normal(3, 2, 4)
    impulses = np.eye(12).reshape(12, 3, 4)
    found = ops.conv_transpose(impulses, kernel, strides, padding, extra, dilation_rate=dilation)
    full = np.zeros((12, 2 * strides + 2 * dilation + 1 + 8, 2))
    for position, tap in itertools.product(range(3), range(3)):
        full[:, position * strides + tap * dilation] += np.einsum("bc,fc->bf", impulses[:, position], kernel[tap])
    before, _ = convolution.transposed_axis(3, strides, dilation, padding, extra)
    np.testing.assert_allclose(found, full[:, before : before + found.shape[1]], atol=1e-12)


def test_transposed_sizes_follow_keras() -> None:
    def size(n: int, **options: Any) -> int:
        return int(ops.conv_transpose(np.zeros((1, n, 1)), np.zeros((3, 1, 1)), **options).shape[1])

    assert size(4, strides=2, padding="same") == 8
    assert size(4, strides=2) == 9
    assert size(4, strides=4) == 16
    assert size(4, strides=2, padding="same", output_padding=0) == 7
    assert size(4, strides=2, output_padding=1) == 10


def test_depthwise_convolves_each_channel_alone() -> None:
    x, kernel = normal(2, 5, 5, 3), normal(2, 2, 3, 2)
    found = ops.depthwise_conv(x, kernel, padding="same")
    for channel in range(3):
        alone = ops.conv(x[..., channel : channel + 1], kernel[:, :, channel : channel + 1], padding="same")
        np.testing.assert_allclose(found[..., 2 * channel : 2 * channel + 2], alone)


def test_separable_is_depthwise_then_pointwise() -> None:
    x, depthwise, pointwise = normal(2, 5, 5, 3), normal(2, 2, 3, 2), normal(1, 1, 6, 4)
    found = ops.separable_conv(x, depthwise, pointwise, 2)
    np.testing.assert_allclose(found, ops.depthwise_conv(x, depthwise, 2) @ pointwise[0, 0])


def test_causal_padding_looks_back_only() -> None:
    x = np.zeros((1, 6, 1))
    x[0, 3] = 1.0
    assert ops.conv(x, np.ones((3, 1, 1)), padding="causal").ravel().tolist() == [0, 0, 0, 1, 1, 1]


# ----- errors -----


def test_a_window_larger_than_the_input_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"output size would be zero or negative.*\(1, 3, 3, 2\)"):
        ops.conv(np.zeros((1, 3, 3, 2)), np.zeros((4, 4, 2, 1)))


def test_wrong_rank_of_the_kernel_is_refused() -> None:
    with pytest.raises(ShapeError, match="Kernel shape must have the same length as input"):
        ops.conv(np.zeros((1, 3, 3, 2)), np.zeros((2, 2, 1)))


def test_channels_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ShapeError, match="evenly divisible by kernel's in_channels"):
        ops.conv(np.zeros((1, 3, 3, 3)), np.zeros((2, 2, 2, 1)))


def test_filters_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ShapeError, match="must be a multiple of the 2 groups"):
        ops.conv(np.zeros((1, 3, 3, 4)), np.zeros((2, 2, 2, 3)))


def test_unknown_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match="number of channels"):
        trace(lambda x: ops.conv(x, normal(2, 2, 3, 1)), spec(1, 4, 4, "c", dtype="float64"))


def test_wrong_words_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="padding='full'"):
        ops.conv(np.zeros((1, 3, 2)), np.zeros((2, 2, 1)), padding="full")
    with pytest.raises(InvalidArgumentError, match="data_format"):
        ops.conv(np.zeros((1, 3, 2)), np.zeros((2, 2, 1)), data_format="NHWC")
    with pytest.raises(InvalidArgumentError, match="`strides` argument must be a tuple of 2 integers"):
        ops.conv(np.zeros((1, 3, 3, 2)), np.zeros((2, 2, 2, 1)), strides=(1, 1, 1))
    with pytest.raises(InvalidArgumentError, match="must be one of 'valid', 'same'"):
        ops.conv_transpose(np.zeros((1, 3, 2)), np.zeros((2, 1, 2)), padding="causal")


def test_a_tensor_without_spatial_axes_is_refused() -> None:
    with pytest.raises(ShapeError, match="1, 2 or 3 spatial axes"):
        ops.conv(np.zeros((3, 2)), np.zeros((2, 1)))


def test_different_dtypes_do_not_meet_inside_the_primitive() -> None:
    params = {"strides": (1,), "padding": ((0, 0),), "dilation": (1,), "groups": 1, "data_format": "channels_last"}
    with pytest.raises(DTypeError, match="the same dtype, got float64, float32"):
        convolution.conv_p.bind(np.zeros((1, 3, 2)), np.zeros((2, 2, 1), "float32"), **params)


def test_kernels_of_other_channels_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(\*window, 3, multiplier\)"):
        ops.depthwise_conv(np.zeros((1, 4, 4, 3)), np.zeros((2, 2, 2, 1)))
    with pytest.raises(ShapeError, match=r"\(\*window, filters, channels\)"):
        ops.conv_transpose(np.zeros((1, 4, 4, 3)), np.zeros((2, 2, 3, 1)))


# ----- ONNX agrees -----


@pytest.mark.parametrize(("sizes", "window", "strides", "pads", "dilation", "groups"), CONFIGURATIONS)
def test_onnxruntime_agrees(sizes: Any, window: Any, strides: Any, pads: Any, dilation: Any, groups: int) -> None:
    import onnxruntime
    from onnx import TensorProto, helper

    x, kernel = (
        normal(2, 2 * groups, *sizes).astype("float32"),
        normal(*window, 2, 3 * groups, seed=1).astype("float32"),
    )
    rank = len(sizes)
    node = helper.make_node(
        "Conv",
        ["x", "w"],
        ["y"],
        strides=strides,
        dilations=dilation,
        group=groups,
        pads=[p[0] for p in pads] + [p[1] for p in pads],
    )
    float_ = TensorProto.FLOAT
    made = [helper.make_tensor_value_info(n, float_, [None] * (rank + 2)) for n in ("x", "w")]
    graph = helper.make_graph([node], "conv", made, [helper.make_tensor_value_info("y", float_, [None] * (rank + 2))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    weights = np.ascontiguousarray(kernel.transpose(rank + 1, rank, *range(rank)))
    wanted = session.run(None, {"x": x, "w": weights})[0]
    np.testing.assert_allclose(
        ops.conv(x, kernel, strides, pads, "channels_first", dilation), wanted, rtol=1e-4, atol=1e-5
    )
