"""One engine opening (or writing) one large file, in a process of its own; says how long it took and how much memory.

    python load_worker.py ENGINE KIND FOLDER [--bare]      KIND: keras, h5, weights, save
    python load_worker.py ENGINE write FOLDER              from FOLDER/net.keras the other files

Seconds are those of the one call, after all imports and after the same call on a small net. The peak is that of the resident
memory while the call runs, above what was resident just before it. `--bare` does no more than import and open.
"""

import gc
import importlib
import json
import os
import pathlib
import resource
import sys
import time
from typing import Any

KINDS = ("keras", "h5", "weights", "save")


def library_of(engine: str) -> Any:
    """graphkit, or Keras on the backend that the environment names."""
    return importlib.import_module("graphkit" if engine == "graphkit" else "keras")


def memory(field: str) -> float:
    """A figure of /proc/self/status in MB: VmRSS, what is resident, VmHWM, the most that ever was."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))


def forget_peak() -> bool:
    """Let the peak start anew from what is resident (Linux); False where that cannot be."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def peak() -> float:
    """The most that was resident, in MB."""
    return (
        memory("VmHWM")
        if os.path.exists("/proc/self/status")
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )


def act(library: Any, kind: str, stem: str, model: Any) -> Any:
    """The call that is measured."""
    if kind == "save":
        model.save(f"{stem}-{os.getpid()}.keras")
        os.unlink(f"{stem}-{os.getpid()}.keras")
    elif kind == "weights":
        model.load_weights(f"{stem}.weights.h5")
    else:
        model = library.models.load_model(f"{stem}.{kind}")
    return model


def prepared(library: Any, kind: str, stem: str) -> Any:
    """The model that the call needs: for weights one of the same config, for saving the one of the file."""
    if kind == "weights":
        return library.models.model_from_json(pathlib.Path(f"{stem}.json").read_text())
    return library.models.load_model(f"{stem}.keras") if kind == "save" else None


def write(library: Any, folder: str, stem: str) -> None:
    """All formats of a model."""
    model = library.models.load_model(f"{folder}/{stem}.keras")
    model.save(f"{folder}/{stem}.h5")
    model.save_weights(f"{folder}/{stem}.weights.h5")
    pathlib.Path(f"{folder}/{stem}.json").write_text(model.to_json())


def small_net(library: Any, path: str) -> None:
    """What calls are warmed up with."""
    layers = library.layers
    x = library.Input((16, 16, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(layers.ZeroPadding2D(1)(x)))
    y = layers.Add()([y, layers.ReLU()(y)])
    library.Model(x, layers.Dense(5)(layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(y)))).save(path)


def measure(library: Any, kind: str, folder: str) -> dict[str, float]:
    """The call on a small net, then on the large one."""
    small = f"{folder}/small-{os.getpid()}"
    small_net(library, f"{small}.keras")
    write(library, folder, pathlib.Path(small).name)
    act(library, kind, small, prepared(library, kind, small))
    for path in pathlib.Path(folder).glob(f"small-{os.getpid()}*"):
        path.unlink()
    model = prepared(library, kind, f"{folder}/net")
    gc.collect()
    before, exact = memory("VmRSS"), forget_peak()
    started = time.perf_counter()
    model = act(library, kind, f"{folder}/net", model)
    taken = time.perf_counter() - started
    above = peak() - before
    return {"seconds": taken, "peak": above, "exact": exact}


def main() -> None:
    """As the arguments say."""
    engine, kind, folder = sys.argv[1:4]
    library = library_of(engine)
    if kind == "write":
        write(library, folder, "net")
        print(json.dumps({"parameters": library.models.load_model(f"{folder}/net.keras").count_params()}))
    elif "--bare" in sys.argv:
        act(library, kind, f"{folder}/net", prepared(library, kind, f"{folder}/net"))
    else:
        print(json.dumps(measure(library, kind, folder)))


if __name__ == "__main__":
    main()
