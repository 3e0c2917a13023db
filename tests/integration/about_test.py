"""What the tap says of itself: --about, the manual page, the completion of bash, and the README's table of the config."""

import json
import re
import subprocess
import unittest

from support import tap
from support.tap import ROOT

WORDS = {"string": "text", "array": "list"}


def about():
    return json.loads(tap.run(None, "--about", "--format", "json").stdout)


def flat(properties, prefix=""):
    """The settings by the names that the README has for them."""
    for name, schema in properties.items():
        if "properties" in schema:
            yield from flat(schema["properties"], f"{prefix}{name}.")
        else:
            yield prefix + name, schema


def as_written(value):
    return (
        {True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, bool)
        else str(value)
    )


class AboutTest(unittest.TestCase):
    def test_as_json(self):
        told = about()
        self.assertEqual(list(told), ["name", "description", "version", "capabilities", "settings"])
        self.assertEqual(
            told["capabilities"],
            ["about", "catalog", "discover", "log-based", "state", "properties", "test"],
        )
        settings = told["settings"]["properties"]
        self.assertEqual(
            settings["port"],
            {
                "type": ["integer", "null"],
                "default": 5432,
                "description": "server's port, or one for each host",
            },
        )
        self.assertEqual(
            settings["password"],
            {"type": ["string", "null"], "description": "its password", "secret": True},
        )
        self.assertEqual(settings["database"]["description"], "another name of dbname")
        self.assertEqual(settings["filter_dbs"]["items"], {"type": "string"})
        self.assertEqual(settings["ssh_tunnel"]["properties"]["port"]["default"], 22)

    def test_as_text(self):
        text = tap.run(None, "--about").stdout.decode()
        self.assertTrue(
            text.startswith(f"tap-postgres {about()['version']}\nSinger tap for PostgreSQL: "),
            text[:100],
        )
        self.assertIn("\n  dbname, database (text)\n      database to connect to\n", text)
        self.assertIn(
            "\n  ssh_tunnel.password (text, secret)\n      password to log in with\n", text
        )
        self.assertIn("\n  max_retries (integer, default 5)\n", text)

    def test_the_readme_has_the_same_settings(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        table = text.split("| key | default | meaning |\n|---|---|---|\n")[1].split("\n\n")[0]
        written = {}
        for line in table.splitlines():
            names, default, meaning = re.fullmatch(r"\| (.*?) \| ?(.*?) ?\| (.*) \|", line).groups()
            name, *aliases = re.findall("`([^`]+)`", names)
            written[name] = (default.strip("`"), meaning)
            written.update(
                {alias: (default.strip("`"), f"another name of {name}") for alias in aliases}
            )
        told = {
            name: (as_written(schema.get("default", "")), schema["description"])
            for name, schema in flat(about()["settings"]["properties"])
        }
        self.assertEqual(written, told)


class ManualTest(unittest.TestCase):
    def test_the_manual_page_has_every_option(self):
        page = tap.run(None, "--man").stdout
        shown = subprocess.run(
            ["groff", "-ww", "-man", "-Tascii", "-rLL=200n", "-P-cbou"],
            input=page,
            capture_output=True,
            check=True,
        )
        self.assertEqual(shown.stderr, b"")
        text = shown.stdout.decode()
        for name in re.findall(
            r"(?<![\w-])--?[a-z][a-z-]*", tap.run(None, "--help").stdout.decode()
        ):
            self.assertIn(name, text)
        for command in ("check", "slot status", "slot create", "slot drop", "slot ack"):
            self.assertRegex(text, rf"(?m)^ +{command}( |$)")

    def complete(self, *words):
        """What bash offers for the last word."""
        script = (
            f'source <({tap.BINARY} --bash-completion); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
            '_tap_postgres tap-postgres "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "-c", script, "bash", "tap-postgres", *words],
            cwd=ROOT / "src",
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().split()

    def test_completion(self):
        self.assertEqual(self.complete("--dis"), ["--discover"])
        self.assertEqual(self.complete("che"), ["check"])
        self.assertEqual(self.complete("slot", ""), ["status", "create", "drop", "ack"])
        self.assertEqual(self.complete("--log-format", "j"), ["json"])
        self.assertEqual(
            self.complete("--replication-method", ""), ["FULL_TABLE", "INCREMENTAL", "LOG_BASED"]
        )
        self.assertEqual(self.complete("--config", "CMake"), ["CMakeLists.txt"])


if __name__ == "__main__":
    unittest.main()
