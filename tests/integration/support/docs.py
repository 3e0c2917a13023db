"""Reads README.md and docs/."""

import re

from support.tap import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def tables(text, header):
    """The rows of all tables with this header line."""
    return [
        row
        for table in re.findall(
            rf"^{re.escape(header)}\n\|[-|]+\n((?:\|.*\n)*)", text, re.MULTILINE
        )
        for row in table.splitlines()
    ]


def known_messages():
    """The messages of docs/troubleshooting.md as regular expressions: `...` is any text."""
    rows = tables(read("docs/troubleshooting.md"), "| message | what to do |")
    texts = [text for row in rows for text in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    return [".*".join(re.escape(part.strip()) for part in text.split("...")) for text in texts]
