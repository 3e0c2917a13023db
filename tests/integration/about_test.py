"""Output about the tap itself: --about, the manual page and bash completion."""

import json
import os
import re
import subprocess
import unittest

import yaml

from support import tap
from support.tap import ROOT


def about():
    return json.loads(tap.run(None, "--about", "--format", "json").stdout)


class AboutTest(unittest.TestCase):
    def test_json_format(self):
        document = about()
        self.assertEqual(
            list(document), ["name", "description", "version", "capabilities", "settings"]
        )
        self.assertEqual(
            document["capabilities"],
            [
                *("about", "activate-version", "catalog", "discover", "log-based", "state"),
                *("structured-logging", "test"),
            ],
        )
        settings = document["settings"]["properties"]
        self.assertEqual(
            settings["port"],
            {
                "type": ["integer", "null"],
                "default": 5432,
                "description": "Port, or one port per host, comma-separated",
            },
        )
        self.assertEqual(
            settings["password"],
            {"type": ["string", "null"], "description": "Password of the role", "secret": True},
        )
        self.assertEqual(settings["database"]["description"], "Alias of dbname")
        self.assertEqual(settings["filter_dbs"]["items"], {"type": "string"})
        self.assertEqual(settings["ssh_tunnel"]["properties"]["port"]["default"], 22)

    def test_as_text(self):
        text = tap.run(None, "--about").stdout.decode()
        self.assertTrue(
            text.startswith(f"tap-postgres {about()['version']}\nSinger tap for PostgreSQL: "),
            text[:100],
        )
        self.assertIn("\n  dbname, database (text)\n      Database to connect to\n", text)
        self.assertIn("\n  ssh_tunnel.password (text, secret)\n      SSH password\n", text)
        self.assertIn("\n  max_retries (integer, default 5)\n", text)


class HubTest(unittest.TestCase):
    def test_file_equals_about(self):
        """Run scripts/hub > hub/tap-postgres.yml after a change of the settings."""
        printed = subprocess.run(
            [ROOT / "scripts/hub"],
            env={**os.environ, "TAP_POSTGRES": tap.BINARY},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        self.assertEqual((ROOT / "hub/tap-postgres.yml").read_text(), printed)

    def test_definition(self):
        definition = yaml.safe_load((ROOT / "hub/tap-postgres.yml").read_text())
        settings = {setting["name"]: setting for setting in definition["settings"]}
        self.assertEqual(definition["capabilities"], about()["capabilities"])
        self.assertEqual(
            definition["settings_group_validation"],
            [["host", "user", "dbname"], ["sqlalchemy_url"]],
        )
        for group in definition["settings_group_validation"]:
            self.assertLessEqual(set(group), set(settings))
        self.assertEqual(
            settings["max_run_seconds"],
            {
                "name": "max_run_seconds",
                "label": "Max Run Seconds",
                "kind": "decimal",
                "description": "Log-based: stop at the first commit after this many seconds; "
                "0: no limit",
                "value": 0,
                "aliases": ["replication_max_run_seconds"],
            },
        )
        self.assertEqual(settings["filter_dbs"]["kind"], "array")
        self.assertEqual(settings["ssh_tunnel.password"]["sensitive"], True)
        self.assertEqual(settings["non_finite_numbers"]["value"], "null")

    def test_as_markdown(self):
        text = tap.run(None, "--about", "--format", "markdown").stdout.decode()
        lines = text.splitlines()
        self.assertEqual(
            lines[:6],
            [
                "# `tap-postgres`",
                "",
                "Singer tap for PostgreSQL: full-table, incremental and log-based replication",
                "",
                "## Capabilities",
                "",
            ],
        )
        capabilities = [line[3:-1] for line in lines if line.startswith("* `")]
        self.assertEqual(capabilities, about()["capabilities"])
        table = [line for line in lines if line.startswith("|")]
        self.assertEqual(
            table[:2],
            [
                "| Setting | Required | Default | Description |",
                "|:--------|:--------:|:-------:|:------------|",
            ],
        )
        self.assertIn(
            "| port | False | 5432 | Port, or one port per host, comma-separated |", table
        )
        self.assertIn("| database | False | None | Alias of dbname |", table)
        self.assertEqual({line.count(" | ") for line in table[2:]}, {3})
        result = tap.run({}, "check", "--format", "markdown", expect=2)
        self.assertEqual(result.stderr, "CRITICAL --format markdown requires --about\n")


class ManualTest(unittest.TestCase):
    def test_every_option_is_documented(self):
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
        for command in (
            *("check", "slot status", "slot create", "slot drop", "slot ack", "split"),
            "state merge",
        ):
            self.assertRegex(text, rf"(?m)^ +{command}( |$)")

    def complete(self, *words):
        """Completions that bash offers for the last word."""
        script = (
            f'source <({tap.BINARY} --bash-completion); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
            '_tap_postgres tap-postgres "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; printf "%s\\n" '
            '"${COMPREPLY[@]}"'
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
        self.assertEqual(self.complete("state", ""), ["merge"])
        self.assertEqual(self.complete("slot", ""), ["status", "create", "drop", "ack"])
        self.assertEqual(self.complete("--log-format", "j"), ["json"])
        self.assertEqual(
            self.complete("--replication-method", ""), ["FULL_TABLE", "INCREMENTAL", "LOG_BASED"]
        )
        self.assertEqual(self.complete("--config", "CMake"), ["CMakeLists.txt"])


if __name__ == "__main__":
    unittest.main()
