"""README.md and docs/: links resolve, tables are complete, and the wording is plain."""

import json
import re
import unittest

from support import docs, messages, tap
from support.tap import ROOT

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^```(?s:.*?)^```$|^ {4}.*$", re.MULTILINE)

# Phrases that the project writes in other words.
BANNED = [
    "anew",
    '(?<!-u )(?<!user )(?<!")nobody',  # the user of that name
    "somebody",
    "in hand",
    "to be had",
    "goes on",
    "who reads",
    "heirs?",
    '(?<!")leaf',  # the key "leaf" of bookmarks
    "thereof",
    "(?<=, )nor",
    "comes again",
    "as it stands",
    "first copy",
    "unsent",
    "tells of",
]
# The files whose wording is checked, except this one. To be added: include/**/*.hpp and the other
# folders of src/.
PLAIN = [
    "*.md",
    "docs/**/*.md",
    "bench/*",
    "docker/*",
    "examples/**/*",
    "scripts/*",
    "include/**/*.hpp",
    "src/**/*.[ch]pp",
    "tests/**/*.[ch]pp",
    "tests/**/*.py",
]


def anchors(page):
    """The anchors of a page's headings, as GitHub forms them."""
    found = set()
    for heading in HEADING.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        copies = sum(other.rsplit("-", 1)[0] == anchor for other in found)
        found.add(f"{anchor}-{copies + 1}" if anchor in found else anchor)
    return found


def settings(properties, prefix=""):
    """The settings of --about by their full names, each with its schema."""
    for name, schema in properties.items():
        if "properties" in schema:
            yield from settings(schema["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, schema


def setting_rows():
    """The rows that the tables of docs/configuration.md should have."""
    about = json.loads(tap.run(None, "--about", "--format", "json").stdout)
    rows = {}
    for name, schema in settings(about["settings"]["properties"]):
        alias_of = re.fullmatch(r"Alias of (.*)", schema["description"])
        if alias_of:
            _, default, meaning = rows[alias_of[1]]
            rows[alias_of[1]] = (f"`{alias_of[1]}`, `{name}`", default, meaning)
            continue
        default = schema.get("default", "")
        text = json.dumps(default) if isinstance(default, bool) else str(default)
        rows[name] = (f"`{name}`", f"`{text}` " if text else "", schema["description"])
    return [f"| {names} | {default}| {meaning} |" for names, default, meaning in rows.values()]


class DocsTest(unittest.TestCase):
    maxDiff = None

    def test_paths_of_the_map_exist(self):
        """ARCHITECTURE.md names files; a move must not leave it behind."""
        text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
        paths = set(re.findall(r"(?<![\w/])(?:src|include|tests|docs|scripts)/[\w/.-]*\w", text))
        self.assertGreater(len(paths), 20)
        self.assertEqual([p for p in sorted(paths) if not (ROOT / p).exists()], [])

    def test_links_resolve(self):
        broken = []
        for page in docs.PAGES:
            for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
                if re.match(r"\w+:", link):
                    continue  # another site
                path, _, anchor = link.partition("#")
                target = (page.parent / path).resolve() if path else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    broken.append(f"{page.relative_to(ROOT)}: {link}")
        self.assertEqual(broken, [])

    def test_every_page_is_linked(self):
        linked = {
            (page.parent / link.partition("#")[0]).resolve()
            for page in docs.PAGES
            for link in LINK.findall(page.read_text(encoding="utf-8"))
        }
        self.assertEqual([page.name for page in docs.PAGES[1:] if page not in linked], [])

    def test_configuration_equals_about(self):
        text = docs.read("docs/configuration.md")
        self.assertEqual(docs.tables(text, "| key | default | meaning |"), setting_rows())

    def test_meltano_example_has_every_setting(self):
        about = json.loads(tap.run(None, "--about", "--format", "json").stdout)
        project = (ROOT / "examples/meltano/meltano.yml").read_text(encoding="utf-8")
        self.assertEqual(
            re.findall(r"(?m)^    - name: (\S+)$", project),
            [name for name, _ in settings(about["settings"]["properties"])],
        )

    def test_every_message_is_documented(self):
        """An error or a warning comes with a row in docs/troubleshooting.md."""
        known = re.compile("|".join(docs.known_messages()))
        patterns = dict.fromkeys(messages.message_patterns())
        missing = [f"{file}: {text}" for file, text in patterns if not known.search(text)]
        self.assertEqual(missing, [])

    def test_every_example_has_a_test(self):
        """The table in docs/scheduling.md names it, and the test names the file or its folder."""
        rows = docs.tables(docs.read("docs/scheduling.md"), "| scheduler | file | test |")
        rows.append("| | [](../examples/from-) | `migration_test` |")
        for path in sorted(path for path in ROOT.glob("examples/**/*") if path.is_file()):
            example = str(path.relative_to(ROOT))
            if "__pycache__" in example:
                continue
            found = [row for row in rows if f"({'../' + example}" in row]
            found = found or [
                row for row in rows if "examples/from-" in row and "/from-" in example
            ]
            self.assertEqual(len(found), 1, example)
            for module in re.findall(r"`(\w+_test)`", found[0]):
                text = (ROOT / f"tests/integration/{module}.py").read_text()
                part = example.split("/")[1]
                self.assertTrue("examples" in text and part.partition("-")[0] in text, example)

    def test_readme_is_short(self):
        self.assertLessEqual(len(docs.read("README.md").splitlines()), 150)

    def test_plain_words(self):
        banned = re.compile(rf"\b({'|'.join(BANNED)})\b", re.IGNORECASE)
        found = []
        for path in sorted(
            path
            for files in PLAIN
            for path in ROOT.glob(files)
            if path.is_file() and path.name != "docs_test.py"
        ):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".md":
                text = re.sub("`[^`\n]*`", "", text)  # quotes a message or code
            for number, line in enumerate(text.splitlines(), 1):
                found += [
                    f"{path.relative_to(ROOT)}:{number}: {word}" for word in banned.findall(line)
                ]
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
