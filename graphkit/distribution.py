"""Placement of arrays on devices: there is one, the CPUs of this machine. Source: keras.distribution.

Scripts may ask for the devices, and may set a distribution over one of them. More devices are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, UnsupportedError

__all__ = [
    "DataParallel", "DeviceMesh", "LayoutMap", "ModelParallel", "TensorLayout", "distribute_tensor", "distribution",
    "get_device_count", "initialize", "list_devices", "set_distribution",
]  # fmt: skip

_ONE_DEVICE = "training runs on the CPUs of one machine, which count as one device"
_current: list[Any] = [None]


def list_devices(device_type: str | None = None) -> list[str]:
    """Return the devices: `["cpu:0"]`, or none of another type.

    Args:
        device_type: "cpu", "gpu" or "tpu"; None for all.
    """
    return ["cpu:0"] if device_type is None or str(device_type).lower() == "cpu" else []


def get_device_count(device_type: str | None = None) -> int:
    """Return the number of devices of a type; None is the best type there is, the CPU."""
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Join the processes of several machines, which is not supported.

    Raises:
        UnsupportedError: More than one process is asked for.
    """
    if job_addresses is not None or (num_processes or 1) > 1:
        raise UnsupportedError(f"keras.distribution.initialize: {_ONE_DEVICE}. Leave the call out.")


class DeviceMesh:
    """An arrangement of devices.

    Args:
        shape: The number of devices along each axis; all 1.
        axis_names: A name for each axis.
        devices: The devices; `list_devices()` by default.

    Raises:
        InvalidArgumentError: `shape` and `axis_names` have different lengths.
        UnsupportedError: It has more than one device.
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None) -> None:
        if not shape or not axis_names:
            raise InvalidArgumentError(
                f"Shape and axis_names cannot be empty. Received: shape={shape}, axis_names={axis_names}"
            )
        if len(shape) != len(axis_names):
            raise InvalidArgumentError(
                f"Shape and axis_names should have same size. Received: shape={shape}, axis_names={axis_names}"
            )
        names = list_devices() if devices is None else np.asarray(devices).ravel().tolist()
        if int(np.prod(shape)) != 1 or len(names) != 1:
            raise UnsupportedError(f"DeviceMesh of shape {tuple(shape)} over {len(names)} devices: {_ONE_DEVICE}.")
        self.shape = tuple(shape)
        self.axis_names = list(axis_names)
        self.devices = np.array(names).reshape(self.shape)


class TensorLayout:
    """The placement of a tensor's axes along those of a device mesh.

    Args:
        axes: For each axis of the tensor the name of an axis of the mesh, or None.
        device_mesh: The devices.

    Raises:
        InvalidArgumentError: The mesh has no axis of a name.
    """

    def __init__(self, axes: Sequence[str | None], device_mesh: DeviceMesh | None = None) -> None:
        self.axes = tuple(axes)
        self.device_mesh = device_mesh
        unknown = {a for a in self.axes if a is not None} - set(device_mesh.axis_names if device_mesh else self.axes)
        if unknown:
            valid = device_mesh.axis_names if device_mesh else []
            raise InvalidArgumentError(f"Invalid axis names for Layout. Valid axis names: {valid}, Got {sorted(unknown)}")


class LayoutMap(dict[str, Any]):
    """Layouts by the paths of variables; they have no effect on one device.

    Args:
        device_mesh: The devices.
    """

    def __init__(self, device_mesh: DeviceMesh) -> None:
        super().__init__()
        self.device_mesh = device_mesh


class _Distribution:
    """What a model's variables and data are distributed by: one device, so nothing changes."""

    def __init__(self, device_mesh: DeviceMesh | None) -> None:
        self.device_mesh = device_mesh or DeviceMesh((1,), ["batch"])

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Use this distribution inside the block."""
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def distribute_dataset(self, dataset: Any) -> Any:
        """Return the data set."""
        return dataset


class DataParallel(_Distribution):
    """Copies of a model on several devices, each with a part of the batch; here on one device.

    Args:
        device_mesh: The devices.
        devices: Their names, instead of a mesh.
        auto_shard_dataset: Accepted, without effect.

    Raises:
        UnsupportedError: There is more than one device.
    """

    def __init__(self, device_mesh: Any = None, devices: Any = None, auto_shard_dataset: bool = True) -> None:
        mesh = device_mesh or DeviceMesh((1 if devices is None else len(devices),), ["batch"], devices)
        super().__init__(mesh)
        self.batch_dim_name = mesh.axis_names[0]


class ModelParallel(_Distribution):
    """A model whose weights lie on several devices; here on one device.

    Args:
        layout_map: Layouts by the paths of variables.
        batch_dim_name: The axis of the mesh along which batches are split.
        auto_shard_dataset: Accepted, without effect.

    Raises:
        InvalidArgumentError: There is no layout map.
    """

    def __init__(
        self, *, layout_map: Any = None, batch_dim_name: str | None = None, auto_shard_dataset: bool = True
    ) -> None:
        if layout_map is None:
            raise InvalidArgumentError("You must specify a layout_map argument.")
        super().__init__(layout_map.device_mesh)
        self.layout_map: Mapping[str, Any] = layout_map
        self.batch_dim_name = batch_dim_name


def distribute_tensor(tensor: Any, layout: Any) -> Any:
    """Return the tensor: it is on the one device."""
    return tensor


def distribution() -> Any:
    """Return the distribution that is set, or None."""
    return _current[0]


def set_distribution(value: Any) -> None:
    """Set the distribution; None removes it."""
    _current[0] = value
