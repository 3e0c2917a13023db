"""Folders of src/ depend only on lower ones, and files and folders stay small."""

import re
import unittest
from collections import defaultdict

from support.tap import ROOT

# Folders may include those of later lines only, and themselves.
LAYERS = [
    ["main"],
    ["check", "cli"],
    ["discovery", "sync"],
    ["config"],
    ["singer", "pg", "value", "change"],
    ["ssh", "pgtypes"],
    ["base"],
]
LEVELS = {folder: level for level, layer in enumerate(LAYERS) for folder in layer}
INCLUDE = re.compile(r'^#include (?:<tap/|")(\w+)/', re.MULTILINE)
MAX_LINES = 400
MAX_MODULES = 14


def sources():
    """The path of each source file below its root, such as `pg/quote.cpp`, with its text."""
    for root in (ROOT / "src", ROOT / "include" / "tap"):
        for path in sorted(root.rglob("*.[ch]pp")):
            yield path.relative_to(root), path.read_text()


class LayeringTest(unittest.TestCase):
    def test_includes_point_down(self):
        upward = []
        for path, text in sources():
            folder = path.parts[0] if len(path.parts) > 1 else "main"
            for included in INCLUDE.findall(text):
                if included in LEVELS and included != folder:
                    if LEVELS[included] <= LEVELS[folder]:
                        upward.append(f"{path} includes {included}")
        self.assertEqual(upward, [])

    def test_files_are_small(self):
        long = [str(path) for path, text in sources() if text.count("\n") > MAX_LINES]
        self.assertEqual(long, [])

    def test_folders_are_small(self):
        modules = defaultdict(set)
        for path, _ in sources():
            modules[path.parent].add(path.stem)
        large = {str(folder): len(each) for folder, each in modules.items()}
        self.assertEqual({f: n for f, n in large.items() if n > MAX_MODULES}, {})


if __name__ == "__main__":
    unittest.main()
