"""Measure the time to run ONNX files on NumPy, beside onnx.reference and onnxruntime.

    python benchmarks/onnx_execution.py [--files 'oracle/*.onnx'] [--backend] [--seconds 1]

For each file the three are prepared first (loading, compiling, a warm-up run), then called alternately; the median is kept. One
whose first run takes five times `--seconds` is not run again. Inputs are random; free axes are 2. `--backend` runs the models of the
onnx package's own tests instead, and prints the sums. All use one thread unless OMP_NUM_THREADS says otherwise.
"""

import argparse
import glob
import os
import pathlib
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnx
from peers import bound, markdown, number

Arrays = Mapping[str, np.ndarray]
Run = Callable[[], Any]
ENGINES = ("graphkit", "onnx.reference", "onnxruntime")
MOST_ROUNDS = 30


def feeds_of(message: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return random inputs by name; free axes are 2."""
    rng = np.random.default_rng(0)
    initialized = {tensor.name for tensor in message.graph.initializer}
    made = {}
    for info in message.graph.input:
        if info.name not in initialized:
            declared = info.type.tensor_type
            shape = [dim.dim_value or 2 for dim in declared.shape.dim]
            dtype = onnx.helper.tensor_dtype_to_np_dtype(declared.elem_type)
            made[info.name] = (
                rng.normal(size=shape).astype(dtype)
                if np.dtype(dtype).kind == "f"
                else rng.integers(0, 2, shape).astype(dtype)
            )
    return made


def graphkit_run(message: onnx.ModelProto, feeds: Arrays) -> Run:
    """Return a call of graphkit's layers, one a node."""
    import graphkit

    model = graphkit.load(message.SerializeToString(), lift=False)
    values = list(feeds.values())
    given = values[0] if len(values) == 1 else values
    return lambda: model(given)


def reference_run(message: onnx.ModelProto, feeds: Arrays) -> Run:
    """Return a run of the onnx package's evaluator."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(message)
    return lambda: evaluator.run(None, dict(feeds))


def onnxruntime_run(message: onnx.ModelProto, feeds: Arrays) -> Run:
    """Return a run of onnxruntime, on as many threads as the others have."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    session = onnxruntime.InferenceSession(message.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, dict(feeds))


PREPARE: dict[str, Callable[[onnx.ModelProto, Arrays], Run]] = {
    "graphkit": graphkit_run,
    "onnx.reference": reference_run,
    "onnxruntime": onnxruntime_run,
}


def timed(run: Run) -> float:
    """Return the milliseconds of one call."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def measure(message: onnx.ModelProto, seconds: float) -> dict[str, float]:
    """Return each engine's median milliseconds; one that fails is left out."""
    feeds, runs, slow = feeds_of(message), {}, {}
    for engine, prepare in PREPARE.items():
        try:
            runs[engine] = prepare(message, feeds)
            first = timed(runs[engine])
            if first > 5000 * seconds:  # too slow to be run again
                slow[engine] = first
                del runs[engine]
        except Exception as error:
            print(f"  {engine}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
            runs.pop(engine, None)
    times: dict[str, list[float]] = {engine: [] for engine in runs}
    ends = time.perf_counter() + seconds
    while runs and (time.perf_counter() < ends or len(times[next(iter(runs))]) < 3):
        for engine, run in runs.items():
            times[engine].append(timed(run))
        if len(times[next(iter(runs))]) >= MOST_ROUNDS:
            break
    return slow | {engine: statistics.median(values) for engine, values in times.items()}


def files(pattern: str) -> Iterator[tuple[str, onnx.ModelProto]]:
    """Yield the models of files."""
    for path in sorted(glob.glob(pattern, recursive=True)):
        yield pathlib.Path(path).stem, onnx.load(path)


def run_files(args: argparse.Namespace) -> None:
    """Measure each file; print a table, and the medians of the ratios."""
    rows, ratios = [], {"onnx.reference": [], "onnxruntime": []}
    for name, message in files(args.files):
        found = measure(message, args.seconds)
        own = found.get("graphkit")
        shown = []
        for other, values in ratios.items():
            if own and other in found:
                values.append(own / found[other])
            shown.append(f"{own / found[other]:.2f}" if own and other in found else "-")
        rows.append([name, len(message.graph.node), *[number(found.get(engine)) for engine in ENGINES], *shown])
        print(*rows[-1], file=sys.stderr, flush=True)
    print(markdown(["file", "nodes", *ENGINES, *[f"/ {other}" for other in ratios]], rows))
    for other, values in ratios.items():
        if values:
            print(
                f"\ngraphkit / {other}: median {statistics.median(values):.2f}, largest {max(values):.2f}, {len(values)} files"
            )


def run_backend() -> None:
    """Run the models of onnx's own node tests once with each engine; print how many run, and the sums of the times."""
    from onnx.backend.test import loader

    totals, counts, both = dict.fromkeys(ENGINES, 0.0), dict.fromkeys(ENGINES, 0), 0
    for case in loader.load_model_tests(kind="node"):
        message = case.model or onnx.load(os.path.join(case.model_dir, "model.onnx"))
        try:
            feeds = dict(zip([i.name for i in message.graph.input], case.data_sets[0][0], strict=False))
        except TypeError:
            continue
        found = {}
        for engine, prepare in PREPARE.items():
            try:
                run = prepare(message, feeds)
                run()
                found[engine] = min(timed(run) for _ in range(3))
            except Exception:
                continue
            counts[engine] += 1
        if len(found) == len(ENGINES):
            both += 1
            for engine, taken in found.items():
                totals[engine] += taken
    rows = [[engine, counts[engine], number(totals[engine])] for engine in ENGINES]
    print(markdown(["engine", "models that run", f"ms for the {both} that all run"], rows))


def main() -> None:
    """Measure what the arguments select."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="fixtures/onnx/**/*.onnx", help="a glob")
    parser.add_argument("--backend", action="store_true", help="the models of the onnx package's tests instead")
    parser.add_argument("--seconds", type=float, default=1.0, help="for one file")
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    bound(args.cores)
    run_backend() if args.backend else run_files(args)


if __name__ == "__main__":
    main()
