"""keras.distribution: one device, and what is refused."""

from __future__ import annotations

import pytest

import graphkit
from graphkit import distribution
from graphkit.errors import InvalidArgumentError, UnsupportedError


def test_there_is_one_device() -> None:
    assert distribution.list_devices() == distribution.list_devices("cpu") == ["cpu:0"]
    assert distribution.list_devices("gpu") == []
    assert distribution.get_device_count() == 1


def test_a_distribution_over_one_device_is_accepted() -> None:
    parallel = distribution.DataParallel(devices=distribution.list_devices())
    with parallel.scope():
        assert distribution.distribution() is parallel
        assert graphkit.layers.Dense(2)(graphkit.Input((3,))).shape == (None, 2)
    assert distribution.distribution() is None

    mesh = distribution.DeviceMesh((1,), ["model"])
    layouts = distribution.LayoutMap(mesh)
    layouts["dense/kernel"] = distribution.TensorLayout([None, "model"], mesh)
    assert distribution.ModelParallel(layout_map=layouts, batch_dim_name="model").device_mesh is mesh


def test_several_devices_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="2 devices: training runs on the CPUs of one machine"):
        distribution.DeviceMesh((2,), ["batch"], ["cpu:0", "cpu:1"])
    with pytest.raises(UnsupportedError, match="Leave the call out"):
        distribution.initialize("10.0.0.1:1234", num_processes=2)
    with pytest.raises(InvalidArgumentError, match="should have same size"):
        distribution.DeviceMesh((1,), ["a", "b"])
    with pytest.raises(InvalidArgumentError, match="Invalid axis names"):
        distribution.TensorLayout(["rows"], distribution.DeviceMesh((1,), ["batch"]))
