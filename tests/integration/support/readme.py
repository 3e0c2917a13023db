"""The README, as far as tests hold it to its word."""

import re

from support.tap import ROOT


def troubles():
    """The texts of the table `When it fails`, as regular expressions: `...` is anything."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, table = text.split("| text | cure |\n|---|---|\n")
    rows = [line.split(" | ")[0] for line in table.split("\n\n")[0].splitlines()]
    found = [pattern for row in rows for pattern in re.findall(r"`([^`]+)`", row)]
    return [".*".join(map(re.escape, pattern.split("..."))) for pattern in found]
