"""The rules of the code base: who imports whom, what is loaded when, what is a package, what no text may mention."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "graphkit"

# From the ground up; a room imports only from its own level and those below it.
LEVELS = [
    {"core", "errors"},
    {"ir"},
    {"ops", "engine", "random"},
    {"graph"},
    {"activations", "initializers", "regularizers", "constraints", "tree", "dtype_policies", "quantizers"},
    {"layers"},
    {"losses", "metrics", "optimizers"},
    {"models"},
    {"training", "saving", "runtime", "visualization", "callbacks", "differentiate"},
    {"front", "backend", "config", "extend", "utils", "preprocessing", "mixed_precision"},
    {"cli", "__main__"},
]
# What stands on the level of a room but asks one above, with the reason. Everything else goes through core/deferred.py's table.
ALLOWED = {
    ("ir", "ops"): "x + y on tracers and the gradient's sums are said with ops; imported when first used",
    ("layers", "models"): "a Lambda is saved as a model of its ops; imported when first used",
}
HEAVY = (
    "networkx",
    "onnx",
    "onnxruntime",
    "h5py",
    "rich",
    "threadpoolctl",
    "safetensors",
    "google_crc32c",
    "ml_dtypes",
    "PIL",
    "pandas",
    "starlette",
    "uvicorn",
    "tensorflow",
    "torch",
    "jax",
    "keras",
)


def sources(folder: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """(room, file, tree) of every module."""
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        yield room, path, ast.parse(path.read_text())


def imported_rooms(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """(room of graphkit, line, inside a function) for every import of ours, those for type checkers left out."""
    skipped = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and _is_type_checking(block.test)
        for n in ast.walk(block)
    }
    inner = {
        id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        for name in _module_names(node):
            parts = name.split(".")
            if parts[0] == "graphkit" and len(parts) > 1:
                yield parts[1], node.lineno, id(node) in inner  # type: ignore[attr-defined]


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _module_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [f"graphkit.{alias.name}" for alias in node.names] if node.module == "graphkit" else [node.module]
    return []


def level_of(room: str) -> int | None:
    return next((i for i, rooms in enumerate(LEVELS) if room in rooms), None)


def test_imports_go_one_way() -> None:
    """Also those inside functions; `core/deferred.py` holds the only names that point upwards, as strings."""
    wrong = []
    for room, path, tree in sources(PACKAGE):
        if room == "__init__":
            continue
        here = level_of(room)
        assert here is not None, f"{path.relative_to(ROOT)}: the room {room!r} has no level; give it one in LEVELS"
        for target, line, _ in imported_rooms(tree):
            there = level_of(target)
            if there is None or there <= here or (room, target) in ALLOWED:
                continue
            wrong.append(f"{path.relative_to(ROOT)}:{line} ({room}) imports {target}")
    assert wrong == []


def test_every_exception_of_the_rule_is_needed() -> None:
    found = {(room, target) for room, _, tree in sources(PACKAGE) for target, _, _ in imported_rooms(tree)}

    assert [pair for pair in ALLOWED if pair not in found] == []


def test_graphkit_does_not_import_its_converters() -> None:
    wrong = [
        f"{path.name}:{line}"
        for _, path, tree in sources(PACKAGE)
        for target, line, _ in imported_rooms(tree)
        if target == "converters"
    ]

    assert wrong == []


def test_heavy_modules_are_imported_inside_functions() -> None:
    """At module level only in converters/ and in runtime's own session, which are loaded when first used."""
    wrong = []
    for _, path, tree in sources(PACKAGE):
        for node in tree.body:
            for name in _module_names(node):
                if name.split(".")[0] in HEAVY:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert wrong == []


@pytest.mark.parametrize(
    "statement",
    [
        "import graphkit",
        "import graphkit; graphkit.layers.Dense; graphkit.models.Model; graphkit.ops.exp; graphkit.saving",
    ],
)
def test_heavy_modules_are_not_loaded_by_an_import(statement: str) -> None:
    heavy = (*HEAVY, "yaml")
    code = f"import sys; {statement}; print([m for m in {heavy!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_every_folder_with_modules_is_a_package() -> None:
    """The discovery in setup.py looks for `__init__.py`: a folder without one would be missing from the wheel."""
    folders = {path.parent for folder in ("graphkit", "converters") for path in (ROOT / folder).rglob("*.py")}

    assert sorted(f for f in folders if not (f / "__init__.py").is_file()) == []


def test_all_names_of_late_rooms_exist() -> None:
    from importlib.util import find_spec

    from graphkit.core.deferred import _ROOMS

    assert [module for module in _ROOMS.values() if find_spec(module) is None] == []


def test_no_text_names_a_place_on_some_machine() -> None:
    """Absolute paths of one machine are meaningless on another."""
    place = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt|mnt)/[\w.]")
    wrong = []
    for path in tracked_texts():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if place.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert wrong == []


def tracked_texts() -> Iterator[Path]:
    """Yield the text files of the project: sources, pages, settings; no output of builds or tools."""
    folders = ("graphkit", "converters", "tests", "docs", "examples", "benchmarks", "fixtures", ".github")
    for path in [*ROOT.glob("*"), *(p for f in folders for p in (ROOT / f).rglob("*"))]:
        inside = path.relative_to(ROOT).parts
        if (
            path.is_file()
            and path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".json", ".txt", ".cfg")
            and "__pycache__" not in inside
        ):
            yield path


def test_no_module_is_named_utils_or_bears_a_version() -> None:
    wrong = [
        p.name
        for p in PACKAGE.rglob("*.py")
        if re.search(r"_v\d|helpers?|misc", p.stem) or (p.stem == "utils" and p.parent != PACKAGE)
    ]

    assert wrong == []


def test_the_public_layers_are_listed() -> None:
    """`graphkit.layers.__all__` lists what the module provides: type checkers see nothing else."""
    from graphkit import layers
    from graphkit.core.serialization import classes_of

    offered = {
        n
        for n, v in vars(layers).items()
        if not n.startswith("_") and getattr(v, "__module__", "").startswith("graphkit.layers")
    }

    assert len(set(layers.__all__)) == len(layers.__all__)
    assert set(layers.__all__) == offered
    assert {c.__name__ for c in classes_of("keras.layers").values()} <= offered | {"Wrapper"}


# ----- one writer of files -----

# Functions that write to a temporary path from the writer of files (core/files.py), which then publishes it.
WRITE_INTO_A_PART = {
    "saving/archive.py": {"_write_members", "_write_zip"},
    "saving/stores.py": {"new_hdf5", "write_npz"},
    "safetensors/tensors.py": {"write_safetensors"},
    "saving/sharded.py": {"write_shards"},
    "utils/files.py": {
        "_receive",
        "extract_archive",
    },  # members of downloaded archives, into their folder
    "onnx/files.py": {"_write_message", "_write_data"},
}
WRITER = "core/files.py"
_WRITING_METHODS = {
    "write_text",
    "write_bytes",
    "mkdir",
    "unlink",
    "rmdir",
    "symlink_to",
    "hardlink_to",
    "rename",
}
_WRITING_FUNCTIONS = {
    "os": {
        "replace",
        "rename",
        "renames",
        "remove",
        "unlink",
        "mkdir",
        "makedirs",
        "rmdir",
        "open",
        "link",
        "symlink",
        "truncate",
    },
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move", "rmtree", "make_archive", "unpack_archive"},
    "tempfile": {"mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile"},
    "np": {"save", "savez", "savez_compressed", "savetxt", "memmap"},
    "onnx": {"save", "save_model", "save_tensor"},
    "pickle": {"dump"},
    "json": {"dump"},
}


def writing_call(node: ast.Call) -> str | None:
    """Return the function with which a call writes, or None if it does not write."""
    function = node.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
    if name in _WRITING_FUNCTIONS.get(owner, ()):
        return f"{owner}.{name}"
    if isinstance(function, ast.Attribute) and not _WRITING_FUNCTIONS.get(owner) and name in _WRITING_METHODS:
        return f".{name}"
    if name == "extractall" or (name in ("tofile", "dump") and owner not in ("yaml",)):
        return f".{name}"
    if name in ("open", "File", "ZipFile", "TarFile", "GzipFile"):
        is_method = name == "open" and isinstance(function, ast.Attribute)  # a method of a path: the mode comes first
        modes = [a.value for a in node.args[0 if is_method else 1 : 2] if isinstance(a, ast.Constant)]
        modes += [k.value.value for k in node.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)]
        if any(isinstance(mode, str) and re.fullmatch(r"[rbt]*[wax+][wax+bt]*", mode) for mode in modes):
            return f"{name}({', '.join(map(repr, modes))})"
    return None


def writers(folder: Path) -> Iterator[tuple[str, str, int, str]]:
    """Yield (module, outermost function, line, call) for every call that writes to disk."""
    for _, path, tree in sources(folder):
        module = path.relative_to(folder).as_posix()
        for top in tree.body:
            for found in top.body if isinstance(top, ast.ClassDef) else [top]:
                for node in ast.walk(found):
                    if isinstance(node, ast.Call) and (call := writing_call(node)):
                        yield module, getattr(found, "name", ""), node.lineno, call


def test_one_module_writes_files() -> None:
    """Code that writes files uses `replacing` of core/files.py, or is listed above with a reason."""
    wrong = []
    for folder in (PACKAGE, ROOT / "converters"):
        for module, function, line, call in writers(folder):
            if module != WRITER and function not in WRITE_INTO_A_PART.get(module, ()):
                wrong.append(f"{module}:{line} {function}: {call}")
    assert wrong == []


def test_everything_that_may_write_into_a_part_does() -> None:
    found = {
        (module, function) for folder in (PACKAGE, ROOT / "converters") for module, function, _, _ in writers(folder)
    }

    assert [(m, f) for m, named in WRITE_INTO_A_PART.items() for f in named if (m, f) not in found] == []


@pytest.mark.parametrize(
    "text",
    [
        "open('x', 'w')", "path.open('wb')", "open(p, mode='a')", "Path(p).write_text(t)", "path.write_bytes(b)", "os.replace(a, b)",
        "path.rename(b)", "h5py.File(p, 'w')", "zipfile.ZipFile(p, 'w')", "h5py.File(p, mode='r+')", "np.savez(p, **a)",
        "shutil.move(a, b)",         "tempfile.mkdtemp()", "onnx.save(m, p)", "array.tofile(p)", "io.open(p, 'x')",
    ],
)  # fmt: skip
def test_a_second_writer_is_noticed(text: str) -> None:
    call = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))

    assert writing_call(call) is not None


@pytest.mark.parametrize(
    "text",
    ["open('x')", "path.open('rb')", "h5py.File(p, 'r')", "zipfile.ZipFile(p)", "a.replace(b, c)", "Path(p).open()"],
)
def test_reading_is_no_writing(text: str) -> None:
    call = next(node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))

    assert writing_call(call) is None
