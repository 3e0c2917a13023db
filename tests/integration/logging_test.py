"""Log output on stderr: levels, formats, progress and metrics."""

import json
import os
import pty
import re
import signal
import tempfile
import time
import unittest

from support import tap
from support.case import SchemaTest
from support.pipeline import Tap, until
from support.plugins import create_slot


def normalize(text):
    """Replaces values that differ between runs."""
    text = re.sub(r"\d+(\.\d+)? (bytes|kB|MB)", "SIZE", text)
    text = re.sub(r'("record_size","value":)\d+', r"\1SIZE", text)
    text = re.sub(r'("sync_duration","value":)[\d.]+', r"\1TIME", text)
    return re.sub(r"in \d+\.\d+ s(, \d+ rows/s)?", "in TIME", text)


class LoggingTest(SchemaTest):
    database = "logging"
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 3) i")

    def test_successful_run(self):
        name = self.id_of("t")
        result = self.sync(self.catalog("t"))
        self.assertEqual(
            normalize(result.stderr),
            (
                f"INFO {name}: copying the table\n"
                "INFO METRIC: "
                '{"type":"counter","metric":"record_count","value":3,"tags":{"stream":"t"}}\n'
                "INFO METRIC: "
                '{"type":"counter","metric":"record_size","value":SIZE,"tags":{"stream":"t"}}\n'
                'INFO METRIC: {"type":"timer","metric":"sync_duration","value":TIME,'
                '"tags":{"stream":"t","status":"succeeded"}}\n'
                f"INFO {name}: 3 rows, SIZE in TIME\n"
                "INFO 1 of 1 streams, 3 rows, SIZE in TIME\n"
            ),
        )
        size = sum(
            len(line) + 1
            for line in result.stdout.splitlines()
            if line.startswith(b'{"type":"RECORD"')
        )
        self.assertIn(f'"record_size","value":{size},', result.stderr)

    def test_stream_that_fails_midway(self):
        self.sql("CREATE VIEW {s}.v AS SELECT 1 / (3 - id) AS x FROM {s}.t")
        result = self.sync(self.catalog("v"), expect=1)
        self.assertIn('"metric":"record_count","value":2,"tags":{"stream":"v"}', result.stderr)
        self.assertIn('"tags":{"stream":"v","status":"failed"}', result.stderr)
        self.assertIn("INFO 0 of 1 streams, 2 rows, ", result.stderr)

    def test_levels(self):
        catalog = self.catalog("t")
        for args, quiet in (
            (("-q",), True),
            (("--quiet",), True),
            (("--log-level", "error"), True),
            ((), False),
        ):
            self.assertEqual(self.sync(catalog, None, *args).stderr == "", quiet, args)
        for args in (("-v",), ("--verbose",), ("--log-level", "DEBUG")):
            self.assertIn("DEBUG SQL: COPY (SELECT ", self.sync(catalog, None, *args).stderr)
        result = self.sync(catalog, None, "--log-level", "loud", expect=2)
        self.assertEqual(
            result.stderr,
            "CRITICAL --log-level loud: must be debug, info, warning, error or critical\n",
        )

    def test_level_from_the_environment(self):
        catalog = self.catalog("t")

        def level(*args, expect=0, **variables):
            log = tap.run(self.config, *args, catalog=catalog, env=variables, expect=expect).stderr
            return "debug" if "DEBUG " in log else "info" if "INFO " in log else log

        for name in ("TAP_POSTGRES_LOGLEVEL", "LOGLEVEL"):
            self.assertEqual(level(**{name: "debug"}), "debug")
            for value in ("WARNING", "Error", "critical"):
                self.assertEqual(level(**{name: value}), "")
            self.assertEqual(level(**{name: ""}), "info")
        self.assertEqual(level(TAP_POSTGRES_LOGLEVEL="error", LOGLEVEL="debug"), "")
        self.assertEqual(level(TAP_POSTGRES_LOGLEVEL="error", LOGLEVEL="loud"), "")
        self.assertEqual(level("--log-level", "critical", LOGLEVEL="debug"), "")
        self.assertEqual(level("-v", TAP_POSTGRES_LOGLEVEL="loud"), "debug")

    def test_wrong_level_in_the_environment(self):
        """LOGLEVEL may be meant for another program."""
        catalog = self.catalog("t")
        names = "must be debug, info, warning, error or critical"
        result = tap.run(self.config, catalog=catalog, env={"LOGLEVEL": "20"})
        [first, *_] = result.stderr.splitlines()
        self.assertEqual(first, f'WARNING LOGLEVEL {names}, but is "20": it is ignored')
        self.assertIn("INFO 1 of 1 streams", result.stderr)
        own = tap.run(self.config, catalog=catalog, env={"TAP_POSTGRES_LOGLEVEL": "20"}, expect=2)
        self.assertEqual(own.stderr, f'CRITICAL TAP_POSTGRES_LOGLEVEL {names}, but is "20"\n')

    def test_sql_is_logged_without_values(self):
        catalog = self.catalog("t", method="INCREMENTAL", key="id")
        state = self.sync(catalog).last_state
        result = self.sync(
            catalog, state.replace('"replication_key_value":3', '"replication_key_value":2'), "-v"
        )
        self.assertEqual([record["id"] for record in result.records()], [2, 3])
        self.assertRegex(result.stderr, r"(?m)^DEBUG SQL: COPY \(SELECT .*>=\) '\?'")

    def test_json_format(self):
        self.sql('CREATE TABLE {s}."a""b" AS SELECT 1 AS id')
        result = self.sync(self.catalog('a"b'), None, "--log-format", "json")
        lines = [json.loads(line) for line in (result.connected + result.stderr).splitlines()]
        self.assertEqual({tuple(line) for line in lines}, {("time", "level", "message")})
        self.assertEqual({line["level"] for line in lines}, {"INFO"})
        self.assertIn(
            f'{self.id_of(chr(97) + chr(34) + "b")}: copying the table',
            [line["message"] for line in lines],
        )
        for line in lines:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        result = self.sync(self.catalog("t"), None, "--log-format", "json", expect=3, port=1)
        self.assertEqual(json.loads(result.stderr.splitlines()[-1])["level"], "CRITICAL")
        for arguments in (
            ["--log-format", "json", "--unknown"],
            ["--unknown", "--log-format=json"],
        ):
            result = self.sync(self.catalog("t"), None, *arguments, expect=2)
            self.assertEqual(
                json.loads(result.stderr)["message"],
                "The following argument was not expected: --unknown; see tap-postgres --help",
            )

    def test_singer_sdk_format(self):
        """Every field that Meltano's parser requires; a metric is an object."""
        log = self.sync(self.catalog("t"), None, "--log-format", "singer-sdk").stderr
        lines = [json.loads(line) for line in log.splitlines()]
        fields = ["ts", "level", "pid", "logger_name", "thread_name", "app_name", "message"]
        for line in lines:
            self.assertEqual(list(line)[:7], fields)
            self.assertEqual(line["level"], "info")
            self.assertAlmostEqual(line["ts"], time.time(), delta=60)
        metrics = [line["metric_info"] for line in lines if line["message"] == "METRIC"]
        self.assertEqual(
            metrics[0],
            {"type": "counter", "metric": "record_count", "value": 3, "tags": {"stream": "t"}},
        )
        self.assertEqual(len(metrics), 3)

    def test_log_config_of_meltano(self):
        structured = {"()": "singer_sdk.logging.StructuredFormatter"}
        plain = {"format": "%(message)s"}
        catalog = self.catalog("t")
        with tempfile.NamedTemporaryFile("w+", suffix=".json") as file:

            def run(formatter, level, *args, expect=0, **extra):
                config = {
                    "version": 1,
                    "formatters": {"singer_formatter": formatter},
                    "root": {"handlers": ["console"], "level": level},
                }
                file.seek(0)
                file.truncate()
                file.write(json.dumps(config))
                file.flush()
                environment = {"SINGER_SDK_LOG_CONFIG": file.name}
                config = {**self.config, **extra}
                return tap.run(
                    config, *args, catalog=catalog, expect=expect, env=environment
                ).stderr

            first = json.loads(run(structured, "INFO").splitlines()[0])
            self.assertEqual(first["level"], "info")
            self.assertEqual(run(structured, "WARNING"), "")
            self.assertRegex(run(structured, "WARNING", "--log-level", "info"), r'^{"ts":')
            self.assertRegex(run(structured, "INFO", "--log-format", "text"), "^INFO ")
            self.assertRegex(run(plain, "INFO"), "^INFO ")
            self.assertEqual(run(plain, "ERROR"), "")
            failure = json.loads(run(structured, "ERROR", expect=3, port=1))
            self.assertEqual(failure["level"], "critical")
            file.write("not JSON")
            file.flush()
            self.assertRegex(
                tap.run(
                    self.config,
                    catalog=catalog,
                    env={"SINGER_SDK_LOG_CONFIG": file.name},
                ).stderr,
                "^INFO ",
            )

    def test_progress_in_a_pipe(self):
        """A resumed copy counts what earlier runs have sent; its speed is that of this run."""
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(4, 500000) i; ANALYZE {s}.t")
        catalog = self.catalog("t")
        first = self.start(catalog, state_every_rows=1000)
        first.read_until(lambda m: m.get("record", {}).get("id") == 200000)
        first.signal(signal.SIGTERM)
        state = [m["value"] for m in first.read_rest() if m["type"] == "STATE"][-1]
        with Tap(self.config, catalog=catalog, state=state) as running:
            # A slow target.
            until(lambda: running.read(1) and "rows/s" in running.log, running)
            found = re.search(
                r"(?m)^INFO \S+-t: (\d+) rows, \d+ rows/s, (\d+) % of about 500000, "
                r"about \d+ \S+ left$",
                running.log,
            )
            self.assertIsNotNone(found, running.log)
            rest = running.read_rest()
            self.assertEqual(running.wait(), 0, running)
            covered = 500000 - int(re.search(r"-t: (\d+) rows, \S+ MB in", running.log)[1])
        rows, percent = map(int, found.groups())
        self.assertGreater(covered, 190000)
        self.assertAlmostEqual(percent, 100 * (covered + rows) / 500000, delta=2)
        self.assertEqual(rest[-1]["type"], "STATE")

    def test_progress_on_a_terminal(self):
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(4, 500000) i; ANALYZE {s}.t")
        self.check_terminal(
            rb"-t: \d+ rows, \d+ rows/s, \d+ % of about 500000, about \d+ \S+ left",
            catalog=self.catalog("t"),
        )

    def test_progress_of_wal_on_a_terminal(self):
        self.sql("CREATE TABLE {s}.w (id int PRIMARY KEY)")
        create_slot(self, self.schema, "wal2json")
        self.addCleanup(self.sql, f"SELECT pg_drop_replication_slot('{self.schema}')")
        self.config["replication_slot"] = self.schema
        catalog = self.catalog("w", method="LOG_BASED")
        state = self.sync(catalog).last_state
        self.sql(
            "DO $$BEGIN FOR i IN 1..30 LOOP INSERT INTO {s}.w "
            "SELECT i * 10000 + j FROM generate_series(1, 5000) j; COMMIT; END LOOP; END$$"
        )
        self.check_terminal(
            rb"WAL of database logging: \d+ rows, \d+ rows/s, \S+ MB of WAL read, \S+ MB left, "
            rb"about \d+ \S+; bookmark \S+ MB and \d+ s behind",
            catalog=catalog,
            state=state,
        )

    def check_terminal(self, progress, **files):
        """Fails unless a run with a slow target shows the progress on a terminal."""
        with tempfile.TemporaryDirectory(prefix="tap-postgres-run-") as folder:
            command = tap.prepare(folder, self.config, **files)
            reading, writing = os.pipe()
            screen, terminal = pty.openpty()
            pid = os.fork()
            if pid == 0:
                os.chdir(folder)
                os.dup2(writing, 1)
                os.dup2(terminal, 2)
                os.closerange(3, 100)
                os.execv(command[0], command)
            os.close(writing)
            os.close(terminal)
            os.set_blocking(screen, False)
            seen = b""

            def see_progress():
                nonlocal seen
                os.read(reading, 4096)  # a slow target
                try:
                    seen += os.read(screen, 4096)
                except BlockingIOError:
                    pass
                return re.search(rb"\r\x1b\[K.*" + progress, seen)

            until(see_progress, lambda: seen)
            with open(reading, "rb") as rest:
                rest.read()
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            os.close(screen)


if __name__ == "__main__":
    unittest.main()
