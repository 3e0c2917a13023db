"""Connections with several hosts and addresses, refused databases, closed standard streams."""

import contextlib
import socket
import subprocess
import tempfile
import unittest

from support import tap
from support.case import SchemaTest
from support.check import ADVICE
from support.server import shared


@contextlib.contextmanager
def unresponsive_port():
    """A port that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def refusing_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class ConnectingTest(SchemaTest):
    database = "connecting"

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        self.only_t = self.catalog("t")


class SeveralHostsTest(ConnectingTest):
    """connect_timeout applies to each host."""

    def hosts(self, *ports):
        return {
            "host": ",".join(["127.0.0.1"] * len(ports)),
            "port": ",".join(map(str, ports)),
            "connect_timeout": 1,
        }

    def test_next_host_after_an_unresponsive_one(self):
        with unresponsive_port() as silent:
            result = self.sync(self.only_t, **self.hosts(silent, self.server.port))
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertEqual(
            result.stderr.splitlines()[0],
            f"WARNING 127.0.0.1:{silent} has not answered in 1 seconds: trying the other hosts",
        )

    def test_refused_then_unresponsive_then_working_host(self):
        refusing = refusing_port()
        with unresponsive_port() as silent:
            result = self.sync(self.only_t, **self.hosts(refusing, silent, self.server.port))
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertIn(f"127.0.0.1:{silent} has not answered", result.stderr)

    def test_one_port_for_all_hosts(self):
        result = self.sync(self.only_t, host="127.0.0.1,localhost", connect_timeout=1)
        self.assertEqual(result.records(), [{"id": 1}])

    def test_no_host_responds(self):
        with unresponsive_port() as first, unresponsive_port() as second:
            result = self.sync(self.only_t, expect=3, **self.hosts(first, second))
        self.assertEqual(result.stdout, b"")
        self.assertEqual(
            result.stderr.splitlines()[-1],
            f"CRITICAL cannot connect (127.0.0.1,127.0.0.1:{first},{second}, database connecting, "
            f"user tap): no answer in 1 seconds{ADVICE}",
        )

    def test_only_host_unresponsive(self):
        with unresponsive_port() as silent:
            result = self.sync(self.only_t, expect=3, **self.hosts(silent))
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot connect (127.0.0.1:{silent}, database connecting, user tap): "
            f"no answer in 1 seconds{ADVICE}\n",
        )

    def test_most_advanced_address_is_reported(self):
        """`localhost` may be ::1 first; the server listens on 127.0.0.1."""
        port = self.server.port
        result = self.sync(self.only_t, expect=3, host="localhost", user="missing")
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot connect (localhost:{port}, database connecting, user missing): "
            "connection to "
            f'server at "localhost" (127.0.0.1), port {port} failed: FATAL: role "missing" does '
            "not exist "
            f"(SQLSTATE 28000){ADVICE}\n",
        )

    def test_most_advanced_host_is_reported_first(self):
        port, refusing = self.server.port, refusing_port()
        result = self.sync(
            self.only_t,
            expect=3,
            host="127.0.0.1,localhost",
            port=f"{refusing},{port}",
            user="missing",
        )
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot connect (127.0.0.1,localhost:{refusing},{port}, database connecting, "
            "user missing): "
            f'connection to server at "localhost" (127.0.0.1), port {port} failed: FATAL: role '
            '"missing" does not exist (SQLSTATE 28000); connection to server at "127.0.0.1", port '
            f"{refusing} failed: Connection refused"
            f"{ADVICE}\n",
        )


class HostaddrTest(ConnectingTest):
    def test_hostaddr_without_host(self):
        config = {**self.config, "hostaddr": "127.0.0.1"}
        del config["host"]
        self.assertEqual(tap.run(config, catalog=self.only_t).records(), [{"id": 1}])
        result = tap.run({**config, "port": refusing_port()}, catalog=self.only_t, expect=3)
        self.assertRegex(
            result.stderr,
            r"^CRITICAL cannot connect \(127\.0\.0\.1:\d+, database connecting, user tap\): ",
        )


class OtherDatabaseTest(ConnectingTest):
    """Streams of a refused database fail; streams of the config's database are synced."""

    def setUp(self):
        super().setUp()
        self.sql(
            "GRANT USAGE ON SCHEMA {s} TO PUBLIC; GRANT SELECT ON {s}.t TO PUBLIC; CREATE ROLE "
            "guest LOGIN"
        )
        self.addCleanup(self.sql, "DROP ROLE guest")
        shared().create_database("away")
        self.addCleanup(shared().drop_database, "away")
        shared().sql("CREATE TABLE a AS SELECT 1 AS id; GRANT SELECT ON a TO PUBLIC", "away")
        away = tap.select(tap.discover({**self.config, "filter_dbs": "away", "filter_schemas": ""}))
        self.both = {"streams": away["streams"] + self.only_t["streams"]}
        self.config["user"] = "guest"

    def check_fails_alone(self, sqlstate, words):
        result = self.sync(self.both, expect=1)
        self.assertEqual((result.records("a"), result.records("t")), ([], [{"id": 1}]))
        faults = [line for line in result.stderr.splitlines() if not line.startswith("INFO")]
        self.assertEqual(len(faults), 2, result)
        self.assertRegex(
            faults[0],
            r"^ERROR stream away-public-a: cannot connect \(.*, database away, user guest\): "
            rf".*{words}.* \(SQLSTATE {sqlstate}\){ADVICE}$",
        )
        self.assertEqual(faults[1], "CRITICAL 1 of 2 streams failed: away-public-a")

    def test_dropped_database(self):
        shared().drop_database("away")
        self.check_fails_alone("3D000", 'database "away" does not exist')

    def test_no_connect_privilege(self):
        shared().sql("REVOKE CONNECT ON DATABASE away FROM PUBLIC")
        self.check_fails_alone("42501", 'permission denied for database "away"')

    def test_database_without_connections(self):
        shared().sql("ALTER DATABASE away ALLOW_CONNECTIONS false")
        self.check_fails_alone("55000", 'database "away" is not currently accepting connections')

    def test_refused_config_database_ends_the_run(self):
        shared().sql("REVOKE CONNECT ON DATABASE away FROM PUBLIC")
        result = self.sync(self.both, dbname="away", expect=3)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(
            result.stderr, rf"^CRITICAL cannot connect \(.*\(SQLSTATE 42501\){ADVICE}\n$"
        )


class ClosedFilesTest(ConnectingTest):
    """A connection must not take the file descriptor of a closed standard stream."""

    def run_with(self, redirection):
        with tempfile.TemporaryDirectory() as folder:
            command = tap.prepare(folder, self.config, catalog=self.only_t)
            return subprocess.run(
                ["sh", "-c", f'exec "$@" {redirection}', "sh", *command],
                cwd=folder,
                env=tap.clean_environment(),
                capture_output=True,
                timeout=60,
                check=False,
            )

    def test_closed_stdout(self):
        done = self.run_with(">&-")
        self.assertEqual(
            (done.returncode, done.stderr), (1, b"CRITICAL cannot write to stdout: it is closed\n")
        )

    def test_closed_stderr(self):
        done = self.run_with("2>&-")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.count(b'"type":"RECORD"'), 1)

    def test_all_closed(self):
        done = self.run_with("<&- >&- 2>&-")
        self.assertEqual((done.returncode, done.stderr), (1, b""))


if __name__ == "__main__":
    unittest.main()
