"""The rules of the code base: who imports whom, what is loaded when, what is a package, what no text may mention."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "graphkit"

# From the ground up: a package imports only from its own level and those below it.
LEVELS = [
    {"core", "errors"},
    {"ir"},
    {"ops", "engine", "random"},
    {"graph"},
    {"activations", "initializers", "regularizers", "constraints", "tree", "dtype_policies", "quantizers"},
    {"layers"},
    {"losses", "metrics", "optimizers"},
    {"models"},
    {"training", "saving", "runtime", "visualization", "callbacks", "differentiate", "functions", "graphs", "lifting"},
    {
        "front", "comparison", "backend", "config", "extend", "utils", "preprocessing", "mixed_precision", "applications", "datasets",
    },
    {"distillation", "distribution", "export", "legacy", "scopes", "wrappers"},
    {"tensorflow"},
    {"cli", "__main__"},
]  # fmt: skip
# Imports that point upwards, with the reason. Everything else goes through the table of core/deferred.py.
ALLOWED = {
    ("ir", "ops"): "x + y on tracers and the sums of gradients are ops; imported when first used",
    ("layers", "models"): "a Lambda is saved as a model of its ops; imported when first used",
}
# Which converters use which others.
CONVERTERS: dict[str, set[str]] = {
    "keras_legacy": {"tensorflow"},
    "onnx": set(),
    "safetensors": set(),
    "tensorflow": set(),
    "tensorflowjs": {"keras_legacy"},
}
# Modules that need each other, as docs/architecture.md names them. A circle must be within one of these.
CIRCLES: dict[str, tuple[str, ...]] = {
    "ops": ("graphkit.ir", "graphkit.ops", "graphkit.engine"),
    "graph": ("graphkit.graph.node", "graphkit.graph.operation", "graphkit.graph.symbolic"),
    "layers": ("graphkit.layers.layer", "graphkit.layers.eager", "graphkit.layers.stamp"),
    "lowerings of loops": (
        "graphkit.converters.onnx.driver",
        "graphkit.converters.onnx.lowering",
    ),
    "models": ("graphkit.models.functional", "graphkit.models.model"),
}
ENTRY_POINTS = "graphkit.converters"  # the group is called as the package is
# Modules whose strings name modules that are imported when first used.
DEFERRED = {"graphkit", "graphkit.core.deferred", "graphkit.utils", "graphkit.cli.impersonate"}
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
    "cv2",
    "matplotlib",
    "pandas",
    "starlette",
    "uvicorn",
    "tensorflow",
    "torch",
    "jax",
    "keras",
)


def _modules() -> dict[str, Path]:
    """Return all modules by name."""
    found = {}
    for folder, package in ((PACKAGE, "graphkit"), (ROOT / "converters", "graphkit.converters")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))] = path
    return found


MODULES = _modules()


def sources(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield (file, tree) of every module in a folder."""
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def imports(module: str) -> Iterator[tuple[str, int]]:
    """Yield (module of ours, line) for every import, also those in functions and those by name; not those for type checkers."""
    tree = ast.parse(MODULES[module].read_text())
    blocks = (block for block in ast.walk(tree) if isinstance(block, ast.If) and _is_type_checking(block.test))
    skipped = {id(node) for block in blocks for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) not in skipped:
            yield from ((name, node.lineno) for name in _imported(node, module) if name in MODULES)  # type: ignore[attr-defined]


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _imported(node: ast.AST, module: str) -> list[str]:
    """Return the names of the modules that a statement imports; a string that is the name of a module counts as an import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value and module not in DEFERRED:
        return [node.value] if node.value != ENTRY_POINTS else []
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        package = module if MODULES[module].stem == "__init__" else module.rpartition(".")[0]
        parts = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parts, base] if base else parts)
    return [full if (full := f"{base}.{alias.name}") in MODULES else base for alias in node.names]


def package_of(module: str) -> str:
    """Return the part of the architecture that a module belongs to: "layers", "saving", "converters.onnx", ..."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[:1] == ["converters"] else parts[:1])


def level_of(package: str) -> int | None:
    return next((i for i, packages in enumerate(LEVELS) if package in packages), None)


EDGES = {(module, target, line) for module in MODULES for target, line in imports(module) if target != module}


def test_the_levels_name_every_package_and_no_other() -> None:
    existing = {package_of(module) for module in MODULES} - {""}

    assert {p for p in existing if not p.startswith("converters")} == set().union(*LEVELS)
    assert {p.partition(".")[2] for p in existing if p.startswith("converters.")} == set(CONVERTERS)


def test_imports_go_one_way() -> None:
    """Also those inside functions and by name; the table of core/deferred.py has the only names that point upwards."""
    wrong = []
    for module, target, line in sorted(EDGES):
        here, there = package_of(module), package_of(target)
        low, high = level_of(here), level_of(there)
        if low is not None and high is not None and high > low and (here, there) not in ALLOWED:
            wrong.append(f"{module}:{line} imports {target}")
    assert wrong == []


def test_every_exception_of_the_rule_is_needed() -> None:
    found = {(package_of(module), package_of(target)) for module, target, _ in EDGES}

    assert [pair for pair in ALLOWED if pair not in found] == []


def test_graphkit_does_not_import_its_converters() -> None:
    """It finds them through the registry of formats, and the ONNX export through core/deferred.py."""
    wrong = [
        f"{module}:{line} imports {target}"
        for module, target, line in sorted(EDGES)
        if package_of(target).startswith("converters") and not package_of(module).startswith("converters")
    ]

    assert wrong == []


def test_converters_import_only_what_the_list_says() -> None:
    found: dict[str, set[str]] = {name: set() for name in CONVERTERS}
    for module, target, _ in EDGES:
        here, there = package_of(module), package_of(target)
        if here.startswith("converters.") and there.startswith("converters.") and here != there:
            found[here.partition(".")[2]].add(there.partition(".")[2])

    assert found == CONVERTERS


def test_modules_need_each_other_only_where_the_page_says_so() -> None:
    graph = nx.DiGraph([(module, target) for module, target, _ in EDGES])
    circles = [circle for circle in nx.strongly_connected_components(graph) if len(circle) > 1]

    allowed = {
        name: next((c for c in circles if all(m.startswith(prefixes) for m in c)), None)
        for name, prefixes in CIRCLES.items()
    }
    assert [sorted(circle) for circle in circles if circle not in allowed.values()] == []
    assert [name for name, circle in allowed.items() if circle is None] == []


def _top_level_names(node: ast.AST) -> list[str]:
    """Return the first parts of the absolute names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    return [node.module.split(".")[0]] if isinstance(node, ast.ImportFrom) and not node.level and node.module else []


def test_heavy_modules_are_imported_inside_functions() -> None:
    """At module level only in converters/ and in runtime's own session, which are loaded when first used."""
    wrong = []
    for path, tree in sources(PACKAGE):
        for node in tree.body:
            for name in _top_level_names(node):
                if name in HEAVY:
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


def test_all_deferred_modules_exist() -> None:
    from importlib.util import find_spec

    from graphkit.core.deferred import _MODULES

    assert [module for module in _MODULES.values() if find_spec(module) is None] == []


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
    "onnx/in_place.py": {"_stored"},  # maps a file copy-on-write, which leaves it unchanged
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
    for path, tree in sources(folder):
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
