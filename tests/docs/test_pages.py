"""The pages are true: their code runs and prints what they show, their links and the files that they name are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, check_output, pages, parts, run_page

PAGES = [page for page in pages() if any(True for _ in parts(page))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
LANGUAGES = {"python", "console", "bash", "text", "yaml", "toml"}
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)\s]*)?\)")
_FILE = re.compile(r"`([\w./-]+\.(?:py|md|toml|yml|json|npz))`")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_is_of_a_kind_that_is_checked(page: Path) -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for block in parts(page):
        if not isinstance(block, Block):
            continue
        assert block.language in LANGUAGES, f"{_name(page)}: give the block a language:\n{block.text}"
        if block.language == "bash" and not block.marker.startswith(("command: ", "not run: ")):
            wrong = [
                line
                for line in block.text.splitlines()
                if line.split("#")[0].split() not in [["make", t] for t in targets]
            ]
            assert not wrong, f"{_name(page)}: not a target of the Makefile: {wrong}"


@pytest.mark.parametrize("page", [p for p in pages() if p.parent == ROOT], ids=_name)
def test_links_of_pages_outside_the_site_lead_to_files(page: Path) -> None:
    broken = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()]

    assert broken == []


@pytest.mark.parametrize(
    "name", ["README.md", "SECURITY.md", "docs/architecture.md", "docs/contributing.md", "docs/extending.md"]
)
def test_files_that_a_page_names_are_there(name: str) -> None:
    everything = [str(p.relative_to(ROOT)) for p in (*ROOT.glob("*.*"), *_sources())]
    named = set(_FILE.findall(_without_blocks(ROOT / name)))

    assert [path for path in sorted(named) if not any(f"/{known}".endswith(f"/{path}") for known in everything)] == []


def _sources() -> list[Path]:
    folders = ("graphkit", "converters", "tests", "docs", "benchmarks", "fixtures", "examples", ".github")
    return [p for folder in folders for p in (ROOT / folder).rglob("*.*") if "__pycache__" not in p.parts]


def _without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_readme_lists_the_commands() -> None:
    from graphkit.cli.commands import parser

    listed = re.findall(r"^graphkit ([\w-]+) ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    (commands,) = [action.choices for action in parser()._actions if isinstance(action.choices, dict)]

    assert sorted(listed) == sorted(commands)


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda p: p.stem)
def test_examples_run(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(
        compile(script.read_text(encoding="utf-8"), str(script), "exec"),
        {"__name__": "__main__", "__file__": str(script)},
    )
    assert capsys.readouterr().out.strip()


# ----- the checks themselves -----


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```python\nprint(2)\n```\n\n<!-- prints -->\n```text\n3\n```\n", "prints"),
        ("```python\n# raises ValueError\nprint(2)\n```\n", "should have raised"),
        ("```console\n$ graphkit --version\ngraphkit 0.0\n```\n", "prints"),
        ("<!-- quoted from graphkit/ops/nn.py -->\n```python\ndef forget(x): ...\n```\n", "does not contain"),
        ("```console\n$ rm model.h5\n```\n", "Only commands of graphkit"),
    ],
)
def test_a_page_that_is_not_true_is_noticed(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(AssertionError, match=complaint):
        run_page(page)


def test_dots_stand_for_any_output() -> None:
    check_output("loss: ...\ndone\n", "loss: 0.25 \ndone")
