"""The schedules of examples/: cron runs its file; the other files are only checked."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

from support import tap
from support.case import SchemaTest
from support.interruption import TABLE
from support.pipeline import TARGET, Process, until

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


class CronTest(SchemaTest):
    database = "schedules"

    def test_crontab(self):
        self.sql(TABLE)
        with tempfile.TemporaryDirectory(prefix="tap-postgres-cron-") as folder:
            shop = pathlib.Path(folder)
            (shop / "config.json").write_text(json.dumps(self.config))
            (shop / "catalog.json").write_text(
                json.dumps(self.catalog("t", method="INCREMENTAL", key="k"))
            )
            target = f"{sys.executable} {TARGET} --dsn '{self.dsn}' --schema {self.schema}"
            lines = (EXAMPLES / "crontab").read_text()
            for ours, theirs in (
                (tap.BINARY, "/usr/bin/tap-postgres"),
                (EXAMPLES / "pipeline", "/usr/share/tap-postgres/pipeline"),
                (target, "/opt/jsonl/bin/target-jsonl --config target.json"),
                (shop, "/etc/shop"),
                (shop / "log", "/var/log/shop.log"),
                ("* * * * *", "*/5 * * * *"),
            ):
                self.assertIn(theirs, lines)
                lines = lines.replace(theirs, str(ours))
            (shop / "crontab").write_text(re.sub(r"(?m)^30 2 .*\n", "", lines))
            with cron(shop / "crontab", self) as running:
                # cron starts the run at the next full minute; the last state is written at its end.
                until(
                    lambda: (shop / "state.json").exists()
                    and '"replication_key_value":6000'
                    in (shop / "state.json").read_text().replace(" ", ""),
                    lambda: f"{running}\n"
                    f"{[(file.name, file.read_text()) for file in shop.iterdir()]}",
                    patience=90,
                )
            self.check_equal("t")


def cron(crontab, test):
    """Runs cron in its own mount namespace with only this crontab of root."""
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["unshare", "--mount", "true"], capture_output=True, check=False
        ).returncode
    ):
        test.skipTest("no mount namespaces here")
    script = """
        for folder in /run /var/spool/cron /etc/cron.d; do mount -t tmpfs tmpfs $folder; done
        mount --bind /dev/null /etc/crontab 2>/dev/null || true
        mkdir /var/spool/cron/crontabs
        install -m 600 "$1" /var/spool/cron/crontabs/root
        exec cron -f
    """
    folder = tempfile.TemporaryDirectory(prefix="tap-postgres-run-")
    return Process(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-ec",
            script,
            "sh",
            str(crontab),
        ],
        folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )


class CheckedOnlyTest(unittest.TestCase):
    def test_systemd_units(self):
        with tempfile.TemporaryDirectory(prefix="tap-postgres-units-") as folder:
            for unit in (EXAMPLES / "systemd").iterdir():
                text = unit.read_text().replace("/usr/share/tap-postgres", str(EXAMPLES))
                pathlib.Path(folder, unit.name).write_text(text)
            units = sorted(str(unit) for unit in pathlib.Path(folder).iterdir())
            self.assertEqual(
                [pathlib.Path(unit).name for unit in units],
                ["tap-postgres@.service", "tap-postgres@.timer"],
            )
            checked = subprocess.run(
                [shutil.which("systemd-analyze"), "verify", "--man=no", *units],
                capture_output=True,
                text=True,
                check=False,
            )
            problems = [line for line in checked.stderr.splitlines() if "tap-postgres" in line]
            self.assertEqual((problems, checked.returncode), ([], 0), checked.stderr)

    def test_meltano_project_has_every_setting(self):
        project = yaml.safe_load((EXAMPLES / "meltano/meltano.yml").read_text())
        (extractor,) = project["plugins"]["extractors"]
        about = json.loads(subprocess.check_output([tap.BINARY, "--about", "--format", "json"]))
        wanted = {}

        def add(name, schema):
            if "properties" in schema:
                for member, inner in schema["properties"].items():
                    add(f"{name}.{member}" if name else member, inner)
                return
            kind = {"number": "decimal"}.get(schema["type"][0], schema["type"][0])
            wanted[name] = "sensitive" if schema.get("secret") else kind

        add("", about["settings"])
        found = {
            each["name"]: "sensitive" if each.get("sensitive") else each.get("kind", "string")
            for each in extractor["settings"]
        }
        self.assertEqual(found, wanted)
        self.assertLessEqual(set(extractor["config"]), set(wanted))


if __name__ == "__main__":
    unittest.main()
