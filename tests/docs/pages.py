"""Pages of Markdown as what can be run: their code blocks, the files those need, and the output that the page shows.

What a page can hold:

- a `python` block: run after the blocks above it, in one namespace and one folder;
- a `python` block after `<!-- quoted from PATH -->`: lines of that file, not run; a line `...` stands for those left out;
- a `console` block: each line `$ graphkit ...` is a command, run in the same folder; lines below it are its output;
- a `text` block after `<!-- prints -->`: the output of the `python` block above; `...` stands for any text;
- `<!-- file: NAME from PATH -->`: the blocks below find a copy of PATH (of the repository; `.gz` is unpacked) under NAME;
- a `bash` block: lines `make TARGET`; or set-up, which CI runs after `<!-- command: NAME -->` and nobody after
  `<!-- not run: REASON -->`.

A `python` block whose first line is `# raises SomeError` ends with that error, whose message counts as its output.
"""

from __future__ import annotations

import contextlib
import doctest
import gzip
import io
import re
import shlex
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"errors.md", "keras-coverage.md"}  # compared with what makes them by tests of their own

_PART = re.compile(
    r"^<!-- file: (?P<name>\S+) from (?P<source>\S+) -->$"
    r"|^(?:<!-- (?P<marker>[^\n]*?) -->\n)?```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_RAISES = re.compile(r"# raises (\w+)\n")
_CHECKER = doctest.OutputChecker()


class FileNeeded(NamedTuple):
    """A file of the repository that the blocks below need, and the name that they give it."""

    name: str
    source: Path


class Block(NamedTuple):
    """A fenced block, and the comment in the line above it."""

    language: str
    text: str
    marker: str


def pages() -> list[Path]:
    """All pages of the project that people read."""
    docs = [p for p in (ROOT / "docs").rglob("*.md") if p.name not in GENERATED]
    return sorted([*ROOT.glob("*.md"), *docs, *(ROOT / "examples").glob("*.md"), *(ROOT / ".github").rglob("*.md")])


def parts(page: Path) -> Iterator[FileNeeded | Block]:
    """The blocks of a page and the files that they need, in order."""
    for match in _PART.finditer(page.read_text(encoding="utf-8")):
        if match["name"]:
            yield FileNeeded(match["name"], ROOT / match["source"])
        else:
            yield Block(match["language"], match["text"], match["marker"] or "")


def run_page(page: Path) -> None:
    """Run all blocks of a page in the current folder. Raises AssertionError where one prints something other than shown."""
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    for part in parts(page):
        if isinstance(part, FileNeeded):
            _copy(part)
        elif part.marker.startswith("quoted from "):
            _check_quotation(part)
        elif part.language == "python":
            printed = _run_python(part.text, names, page.name)
        elif part.language == "console":
            _run_console(part.text)
        elif part.marker == "prints":
            check_output(part.text, printed)


def check_output(shown: str, printed: str) -> None:
    """Raise AssertionError unless the output is what the page shows; `...` stands for any text."""
    shown, printed = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE).strip() + "\n" for text in (shown, printed))
    assert _CHECKER.check_output(shown, printed, doctest.ELLIPSIS), (
        f"The page shows\n{shown}\nand the code prints\n{printed}"
    )


def _copy(needed: FileNeeded) -> None:
    opened = gzip.open if needed.source.suffix == ".gz" else open
    with opened(needed.source, "rb") as source, Path(needed.name).open("wb") as copy:  # type: ignore[operator]
        shutil.copyfileobj(source, copy)


def _check_quotation(block: Block) -> None:
    source = ROOT / block.marker.removeprefix("quoted from ")
    parts = re.split(r"^ *\.\.\..*\n", block.text, flags=re.MULTILINE)
    pattern = r"(?:.*\n){1,99}?".join(map(re.escape, parts))
    assert re.search(pattern, source.read_text(encoding="utf-8")), f"{source} does not contain\n{block.text}"


def _run_python(text: str, names: dict[str, object], page: str) -> str:
    """Run a block; what it prints."""
    code = compile(text, f"{page}: {text.strip().splitlines()[0]}", "exec")
    expected = _RAISES.match(text)
    with _quiet() as output:
        try:
            exec(code, names)
        except Exception as error:
            if expected is None or type(error).__name__ != expected[1]:
                raise
            output.write(f"{type(error).__name__}: {error}\n")
        else:
            assert expected is None, f"{page}: the block should have raised {expected and expected[1]}:\n{text}"
    return output.getvalue()


def _run_console(text: str) -> None:
    """Run the commands of a block and compare what they print with the lines below each, where there are any."""
    for command, shown in re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", text, re.MULTILINE):
        program, *arguments = shlex.split(command, comments=True)
        assert program == "graphkit", f"Only commands of graphkit are run: {command}"
        with _quiet() as output:
            code = _exit_code(arguments)
        assert code == 0, f"{command} ended with {code}:\n{output.getvalue()}"
        if shown.strip():
            check_output(shown, output.getvalue())


def _exit_code(arguments: list[str]) -> int:
    from graphkit.cli import main

    try:
        return main(arguments)
    except SystemExit as error:  # from argparse, after --help and --version
        return int(error.code or 0)


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as output:
        warnings.simplefilter("ignore", UserWarning)
        yield output
