"""Worker: open or write one large file with one engine, and print the seconds and memory it took.

    python load_worker.py ENGINE KIND FOLDER [--bare]      KIND: keras, h5, weights, save
    python load_worker.py ENGINE write FOLDER              write the other formats of FOLDER/net.keras

The time is that of a single call, after all imports and the same call on a small net. The peak is that of resident memory during
the call, minus what was resident before. `--bare` only imports and opens.
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
    """Return graphkit, or Keras on the backend that the environment names."""
    return importlib.import_module("graphkit" if engine == "graphkit" else "keras")


def memory(field: str) -> float:
    """Return a field of /proc/self/status in MiB: VmRSS for resident memory, VmHWM for its peak."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(field))


def forget_peak() -> bool:
    """Reset the peak of resident memory (Linux); return whether that worked."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def peak() -> float:
    """Return the peak of resident memory, in MiB."""
    return (
        memory("VmHWM")
        if os.path.exists("/proc/self/status")
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    )


def act(library: Any, kind: str, stem: str, model: Any) -> Any:
    """Make the call that is measured."""
    if kind == "save":
        model.save(f"{stem}-{os.getpid()}.keras")
        os.unlink(f"{stem}-{os.getpid()}.keras")
    elif kind == "weights":
        model.load_weights(f"{stem}.weights.h5")
    else:
        model = library.models.load_model(f"{stem}.{kind}")
    return model


def prepared(library: Any, kind: str, stem: str) -> Any:
    """Return the model that the call needs: for weights one made from the config, for saving the loaded one."""
    if kind == "weights":
        return library.models.model_from_json(pathlib.Path(f"{stem}.json").read_text())
    return library.models.load_model(f"{stem}.keras") if kind == "save" else None


def write(library: Any, folder: str, stem: str) -> None:
    """Write the other formats of a model."""
    model = library.models.load_model(f"{folder}/{stem}.keras")
    model.save(f"{folder}/{stem}.h5")
    model.save_weights(f"{folder}/{stem}.weights.h5")
    pathlib.Path(f"{folder}/{stem}.json").write_text(model.to_json())


def small_net(library: Any, path: str) -> None:
    """Write the net for the warm-up."""
    layers = library.layers
    x = library.Input((16, 16, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(layers.ZeroPadding2D(1)(x)))
    y = layers.Add()([y, layers.ReLU()(y)])
    library.Model(x, layers.Dense(5)(layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(y)))).save(path)


def measure(library: Any, kind: str, folder: str) -> dict[str, float]:
    """Make the call on a small net, then measure it on the large one."""
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
    """Run what the arguments select."""
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
