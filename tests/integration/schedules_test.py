"""The schedules of examples/: cron runs its file.

The command of the systemd service runs without systemd, which checks both units.
"""

import configparser
import json
import os
import pathlib
import shlex
import shutil
import signal
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
        """cron runs both lines, each every minute."""
        tables = {"shop": "t", "warehouse": "u"}
        self.sql(TABLE)
        self.sql("CREATE TABLE {s}.u AS TABLE {s}.t; ALTER TABLE {s}.u ADD PRIMARY KEY (id)")
        with tempfile.TemporaryDirectory(prefix="tap-postgres-cron-") as path:
            folders = {name: pathlib.Path(path, name) for name in tables}
            target = f"{sys.executable} {TARGET} --dsn '{self.dsn}' --schema {self.schema}"
            replacements = [
                (tap.BINARY, "/usr/bin/tap-postgres"),
                (EXAMPLES / "pipeline", "/usr/share/tap-postgres/pipeline"),
                (target, "/opt/jsonl/bin/target-jsonl --config target.json"),
                ("* * * * *", "*/5 * * * *"),
                ("* * * * *", "30 2 * * 1-5"),
            ]
            for name, table in tables.items():
                folders[name].mkdir()
                (folders[name] / "config.json").write_text(json.dumps(self.config))
                (folders[name] / "catalog.json").write_text(
                    json.dumps(self.catalog(table, method="INCREMENTAL", key="k"))
                )
                replacements.append((folders[name], f"/etc/{name}"))
                replacements.append((folders[name] / "log", f"/var/log/{name}.log"))
            lines = (EXAMPLES / "crontab").read_text()
            for ours, theirs in replacements:
                self.assertIn(theirs, lines)
                lines = lines.replace(theirs, str(ours))
            crontab = pathlib.Path(path, "crontab")
            crontab.write_text(lines)

            def is_done(folder):
                """The last state is written at the end of a run."""
                state = folder / "state.json"
                return state.exists() and '"replication_key_value":6000' in state.read_text()

            with cron(crontab, self) as running:
                until(
                    lambda: all(map(is_done, folders.values())),
                    lambda: f"{running}\n"
                    f"{[(file, file.read_text()) for file in pathlib.Path(path).glob('*/*')]}",
                    patience=90,
                )
            for table in tables.values():
                self.check_equal(table)


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


class SystemdTest(SchemaTest):
    database = "schedules"

    def test_service(self):
        """The command of the service is stopped as its KillMode says, and started again."""
        self.sql(TABLE)
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY, k int); INSERT INTO {s}.u VALUES (1, 1)")
        unit = configparser.ConfigParser(interpolation=None)
        unit.optionxform = str
        unit.read(EXAMPLES / "systemd/tap-postgres@.service")
        service = unit["Service"]
        self.assertEqual((service["Type"], service["KillMode"]), ("oneshot", "mixed"))
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-systemd-")
        self.addCleanup(folder.cleanup)
        shop = pathlib.Path(folder.name)
        (shop / "config.json").write_text(json.dumps(self.config))
        catalog = self.catalog("t", "u", method="INCREMENTAL", key="k")
        (shop / "catalog.json").write_text(json.dumps(catalog))
        target = f"{sys.executable} {TARGET} --dsn '{self.dsn}' --schema {self.schema}"
        command = service["ExecStart"]
        for ours, theirs in (
            (EXAMPLES / "pipeline", "/usr/share/tap-postgres/pipeline"),
            (shop, service["ReadWritePaths"]),
            (target, "/opt/jsonl/bin/target-jsonl --config target.json"),
        ):
            self.assertIn(theirs, command)
            command = command.replace(theirs, str(ours))

        def start():
            running = Process(
                shlex.split(command),
                tempfile.TemporaryDirectory(prefix="tap-postgres-run-"),
                tap.clean_environment({"TAP_POSTGRES": str(tap.BINARY)}),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self.addCleanup(running.close)
            return running

        lock = self.session().cursor()
        lock.execute(f"BEGIN; LOCK TABLE {self.schema}.u")
        running = start()
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND application_name LIKE 'tap-postgres%'"
        )
        until(lambda: self.sql(waiting), running)
        running.signal(signal.SIGTERM)
        self.assertIn(str(running.wait()), service["SuccessExitStatus"].split(), running)
        lock.execute("ROLLBACK")
        self.check_equal("t")
        running = start()
        self.assertEqual(running.wait(), 0, running)
        self.assertIn("INFO 2 of 2 streams, 2 rows", running.log)
        self.check_equal("u")


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
