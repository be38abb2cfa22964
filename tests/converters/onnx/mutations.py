"""Damage to ONNX files: changed bytes, and changed fields of the parsed message at any depth.

Run as a program, it tries many files and prints what goes wrong:

    python -m tests.converters.onnx.mutations --count 2000 [--seed 0] [--only 'torch_legacy/*'] [--limit 20]
"""

from __future__ import annotations

import argparse
import fnmatch
import resource
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

import graphkit
from graphkit.errors import GraphKitError

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures" / "onnx"
ORACLE = ROOT.parent / "shared" / "oracle" / "onnx"
MAX_BYTES = 4_000_000
MAX_ELEMENTS = 1 << 20
"""Inputs larger than that are not made: only what the file makes by itself is tried."""

INTEGERS = (0, 1, 2, 3, -1, -2, 7, 255, 65537, 2**31 - 1, -(2**31), 2**33, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -1.0, 0.5, 1e30, float("nan"), float("inf"), float("-inf"))
STRINGS = (
    "",
    "x",
    "../x",
    "/etc/hostname",
    "a/b/c",
    "\x00",
    "ai.onnx.ml",
    "com.microsoft",
    "Loop",
    "If",
    "Reshape",
    "Tile",
    "-1",
)
Field = tuple[Message, FieldDescriptor, int]


class TooSlowError(BaseException):
    """A file took longer than allowed. No handler of Exception stops it."""


# ----- which files -----


def sources() -> Iterator[tuple[str, bytes]]:
    """Yield the names and bytes of undamaged files: our fixtures, the models of onnx's own tests, larger ones where they are."""
    yield from fixtures()
    for name, data in backend_models():
        yield f"backend/{name}", data
    for path in sorted(ORACLE.glob("*.onnx")):
        if path.stat().st_size <= MAX_BYTES:
            yield f"oracle/{path.stem}", path.read_bytes()


def fixtures() -> Iterator[tuple[str, bytes]]:
    """Yield the files of fixtures/onnx."""
    for path in sorted(FIXTURES.glob("*/*.onnx")):
        yield f"{path.parent.name}/{path.stem}", path.read_bytes()


def backend_models() -> Iterator[tuple[str, bytes]]:
    """Yield the models of the backend tests of the onnx package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test import loader

        cases = [case for kind in ("node", "simple") for case in loader.load_model_tests(kind=kind)]
    for case in sorted(cases, key=lambda case: str(case.name)):
        data = case.model.SerializeToString() if case.model else Path(case.model_dir, "model.onnx").read_bytes()
        yield str(case.name), data


# ----- damage -----


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with one kind of damage."""
    kind = int(rng.integers(16))
    if kind == 0:
        return data[: int(rng.integers(len(data)))]
    if kind == 1:
        return changed_bytes(data, rng)
    message = onnx.ModelProto()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return changed_bytes(data, rng)
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        change_field(message, rng)
    return bytes(message.SerializeToString())


def changed_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the file with one to eight changed bytes, more often in its first half."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(max(len(changed) // int(rng.choice([1, 2, 8])), 1)))
        changed[at] = int(rng.choice([rng.integers(256), 0, 255, changed[at] ^ (1 << int(rng.integers(8)))]))
    return bytes(changed)


def fields(message: Message) -> list[Field]:
    """Return all fields that are set, at any depth; those of lists with the position."""
    found: list[Field] = []
    stack = [message]
    while stack:
        part = stack.pop()
        for field, value in part.ListFields():
            if isinstance(value, (str, bytes, int, float, Message)):
                found.append((part, field, -1))
                stack += [value] if isinstance(value, Message) else []
            else:
                count = min(len(value), 16)
                found += [(part, field, k) for k in range(count)]
                stack += list(value) if field.message_type is not None else []
    return found


def change_field(message: Message, rng: np.random.Generator) -> None:
    """Change one field: another value, nothing, a copy, or the value of a field of the same kind elsewhere in the file."""
    found = fields(message)
    if not found:
        return
    part, field, position = found[int(rng.integers(len(found)))]
    if field.message_type is not None:
        _change_message(part, field, position, found, rng)
        return
    same = [f for f in found if f[1].cpp_type == field.cpp_type and f[1].message_type is None]
    if rng.random() < 0.5:
        other = same[int(rng.integers(len(same)))]
        value = _value_of(*other)
    else:
        value = _value_like(field, _value_of(part, field, position), rng)
    try:
        _assign(part, field, position, value)
    except (TypeError, ValueError):
        part.ClearField(field.name)  # the value is not one of this field


def _value_of(part: Message, field: FieldDescriptor, position: int) -> Any:
    value = getattr(part, field.name)
    return value if position < 0 else value[position]


def _assign(part: Message, field: FieldDescriptor, position: int, value: Any) -> None:
    if position < 0:
        setattr(part, field.name, value)
    else:
        getattr(part, field.name)[position] = value


def _value_like(field: FieldDescriptor, old: Any, rng: np.random.Generator) -> Any:
    if isinstance(old, bool) or field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return int(rng.integers(0, 30))
    if isinstance(old, int):
        return int(rng.choice(np.array(INTEGERS, object)))
    if isinstance(old, float):
        return float(rng.choice(FLOATS))
    if isinstance(old, bytes):
        return [old[: len(old) // 2], old + b"\0\1\2", b"", old[::-1]][int(rng.integers(4))]
    return str(rng.choice(STRINGS))


def _change_message(
    part: Message, field: FieldDescriptor, position: int, found: Sequence[Field], rng: np.random.Generator
) -> None:
    same = [f for f in found if f[1].message_type is field.message_type]
    other = _value_of(*same[int(rng.integers(len(same)))])
    copy = type(other)()
    copy.CopyFrom(other)
    if position < 0:
        part.ClearField(field.name)
        if rng.random() < 0.5:
            getattr(part, field.name).CopyFrom(copy)
        return
    many = getattr(part, field.name)
    kind = int(rng.integers(4))
    if kind == 0:
        del many[position]
    elif kind == 1:
        many[position].CopyFrom(copy)
    elif kind == 2:
        many.append(copy)
    else:
        many.sort(key=lambda _: float(rng.random()))


# ----- what is done with a file -----


def use(path: Path) -> str:
    """Load a file in every way, and run what was loaded; return what came of it. Anything but a GraphKitError is a fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.seterr(all="ignore")
        outcome = "refused"
        for words in ({"lift": False}, {}):
            try:
                model = graphkit.load(path, **words)
                outcome = "loaded"
                feeds = inputs_of(model)
                if feeds is not None:
                    outcome = called(model, feeds)
            except GraphKitError as error:
                if " cannot be opened: " in str(error):  # the message does not say what is wrong
                    raise AssertionError(str(error)) from error
        return outcome


def called(model: Any, feeds: Any) -> str:
    """Call a model; return "run", or what kept it from running: the file may ask for what no machine can compute."""
    try:
        model(feeds)
    except (ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, GraphKitError):
            raise
        return f"loaded, but {place_of(error)}"
    return "run"


def inputs_of(model: Any) -> Any:
    """Return arrays for the inputs of a model, free axes being 2; None if they would be large."""
    arrays = []
    for tensor in model.inputs:
        shape = [2 if size is None else int(size) for size in tensor.shape]
        if np.prod(shape, dtype=float) > MAX_ELEMENTS:
            return None
        if tensor.dtype == "string":
            arrays.append(np.full(shape, "a", object))
        else:
            arrays.append(np.ones(shape, "float32").astype(tensor.dtype))
    return arrays[0] if len(arrays) == 1 else arrays


@contextmanager
def alarm(limit: int) -> Iterator[None]:
    """Raise TooSlowError in the block after some seconds."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"more than {limit} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault_of(data: bytes, path: Path, limit: int) -> tuple[str, str]:
    """Return what came of a file, and the traceback of a fault ("" if there is none)."""
    path.write_bytes(data)
    try:
        with alarm(limit):
            return use(path), ""
    except (Exception, TooSlowError) as error:
        return place_of(error), traceback.format_exc()


def place_of(error: BaseException) -> str:
    """Return the first error of a chain by its kind and its place in our code."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/graphkit/" in frame.filename or "/converters/" in frame.filename] or frames
    return f"{type(error).__name__} in {Path(ours[-1].filename).name}:{ours[-1].lineno} ({ours[-1].name})"


def run(names: Mapping[str, bytes], count: int, seed: int, folder: Path, limit: int) -> tuple[Counter[str], list[str]]:
    """Damage and use `count` files drawn from those given; return how often what came of it, and the faults."""
    outcomes: Counter[str] = Counter()
    faults = []
    families: dict[str, list[str]] = {}
    for name in sorted(names):
        families.setdefault(name.partition("/")[0], []).append(name)
    groups = list(families.values())
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        group = groups[int(rng.integers(len(groups)))]
        name = group[int(rng.integers(len(group)))]
        data = damaged(names[name], rng)
        (folder / "current").write_text(f"{seed} {number} {name}")
        outcome, text = fault_of(data, folder / "damaged.onnx", limit)
        if text and not outcomes[outcome]:
            faults.append(f"{name} (seed {seed}, number {number}): {text}")
            (folder / f"fault_{seed}_{number}.onnx").write_bytes(data)
        outcomes[outcome] += 1
    return outcomes, faults


def main() -> None:
    """Try many damaged files; exit with 1 if there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="*", help="a glob over the names of files")
    parser.add_argument("--limit", type=int, default=20, help="seconds for one file")
    parser.add_argument("--gigabytes", type=int, default=4, help="of address space above what the imports take")
    parser.add_argument("--folder", type=Path, help="where the files of faults are kept")
    args = parser.parse_args()
    names = {name: data for name, data in sources() if fnmatch.fnmatch(name, args.only)}
    resource.setrlimit(resource.RLIMIT_AS, (args.gigabytes << 30, args.gigabytes << 30))
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        outcomes, faults = run(names, args.count, args.seed, folder, args.limit)
    print(*faults, sep="\n")
    print(*(f"{count:7d} {outcome}" for outcome, count in outcomes.most_common()), sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
