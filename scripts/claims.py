"""Write docs/claims/ and docs/zh/claims/ from the texts of the claims and the code itself; a test says when they are
out of date."""

from __future__ import annotations

from pathlib import Path

from pellucid.lab import Claim, claim, faults
from pellucid.lab._record import Code, code_of
from pellucid.lab._run import pieces
from pellucid.lab._texts import CODES
from pellucid.language import LANGUAGES, speaking

DOCS = Path(__file__).parent.parent / "docs"
FOLDERS = {"en": DOCS / "claims", "zh": DOCS / "zh" / "claims"}
WORDS = {
    "en": {
        "claims": "The claims",
        "intro": "Neural networks are simple parts, put together. Each sentence of that is an experiment of "
        "[the lab](../lab.md), with a number that it must meet.",
        "idea": "The idea", "formula": "The formula", "measured": "What is measured", "code": "The code",
        "try": "Try it", "faults": "Deliberate faults, which the experiment must notice:", "other": "中文",
    },
    "zh": {
        "claims": "论断",
        "intro": "神经网络是若干简单部件的组合。其中的每一句话都是[实验室](../../lab.md)里的一个实验，"
        "都有一个必须达到的数。",
        "idea": "思想", "formula": "公式", "measured": "测量什么", "code": "代码",
        "try": "试一试", "faults": "可以打开的故障，实验必须发现它们：", "other": "English",
    },
}  # fmt: skip


def pages() -> dict[Path, str]:
    """The text of every page by its file, in both languages."""
    found: dict[Path, str] = {}
    for lang, folder in FOLDERS.items():
        with speaking(lang):
            found[folder / "index.md"] = index(lang)
            found |= {folder / file_of(code): page(claim(code), lang) for code in CODES}
    return found


def index(lang: str) -> str:
    """All claims with their formulas."""
    words = WORDS[lang]
    rows = [f"| [{code}]({file_of(code)}) | {claim(code).title} | `{claim(code).formula}` |" for code in CODES]
    head = f"| | | {words['formula']} |\n| --- | --- | --- |"
    return (
        "\n\n".join([f"# {words['claims']}", other(lang, "index.md"), words["intro"], "\n".join([head, *rows])]) + "\n"
    )


def page(said: Claim, lang: str) -> str:
    """The idea, the formula, what is measured, the real lines of the code, and what to try."""
    words = WORDS[lang]
    parts = [
        f"# {said.claim} · {said.title}",
        other(lang, file_of(said.claim)),
        f"## {words['idea']}\n\n{said.idea}",
        f"## {words['formula']}\n\n```text\n{said.formula}\n```",
        f"## {words['measured']}\n\n{said.measured}",
    ]
    if said.claim in {code for code in CODES if pieces(code)}:
        parts += [f"## {words['code']}", *map(listing, map(code_of, pieces(said.claim)))]
    parts.append(f"## {words['try']}\n\n{said.tries}\n\n```python\n{said.code}\n```")
    known = faults(said.claim)
    if known:
        parts.append(words["faults"] + "\n\n" + "\n".join(f"- `{name}`: {what}" for name, what in known.items()))
    return "\n\n".join(parts) + "\n"


def listing(piece: Code) -> str:
    """A piece of code as it stands in its file."""
    return f"`{piece.file}`, `{piece.name}`:\n\n```python\n{piece.text}\n```"


def other(lang: str, name: str) -> str:
    """The link to the same page in the other language."""
    path = f"../zh/claims/{name}" if lang == "en" else f"../../claims/{name}"
    return f"[{WORDS[lang]['other']}]({path})"


def file_of(code: str) -> str:
    return f"c{int(code[1:]):02}.md"


if __name__ == "__main__":
    assert set(FOLDERS) == set(LANGUAGES)
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
