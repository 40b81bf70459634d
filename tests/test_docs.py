"""The README and the documentation do what they say: their code is run, and their links lead somewhere."""

import re
import runpy
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
from click.testing import CliRunner

from pellucid.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
TOO_LONG = ("pellucid demo",)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_on_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    with mpl.rc_context({"figure.max_open_warning": 0}):
        for number, (language, code) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if language == "python":
                exec(compile(code, f"{page.name}, block {number}", "exec"), names)
            else:
                run_commands(code)


def run_commands(code):
    for line in code.splitlines():
        command = line.partition("#")[0].strip()
        if command.startswith("pellucid ") and command not in TOO_LONG:
            result = CliRunner().invoke(main, shlex.split(command)[1:])
            assert result.exit_code in (0, 1), f"{command}\n{result.output}"


def test_the_links_between_the_pages_lead_somewhere():
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*/*.md")]
    lost = [
        (page.name, to)
        for page in pages
        for to in LINK.findall(page.read_text("utf-8"))
        if not (page.parent / to).exists()
    ]
    assert lost == []


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "reference").glob("*.md")]
    assert [page.name for page in pages if str(page.relative_to(ROOT / "docs")) not in contents] == []


def test_the_reference_says_what_the_code_says():
    made = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
    stale = [name for name, text in made["pages"]().items() if (made["FOLDER"] / name).read_text("utf-8") != text]
    assert stale == [], "run `.venv/bin/python scripts/reference.py`"
