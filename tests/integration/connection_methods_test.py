"""Connection settings: URIs, libpq's files, password_command, a standby, a pooler."""

import json
import os
import pathlib
import re
import signal
import stat
import tempfile
import time
import unittest

import psycopg2

from support import tap
from support.case import SchemaTest
from support.check import without_advice
from support.pgbouncer import pgbouncer
from support.pipeline import until
from support.server import SUPERUSER, Server

# Settings that an application may leave in a pooled session.
HOSTILE = (
    "SET timezone = 'America/New_York'; SET datestyle = 'German'; SET bytea_output = 'escape'; SET "
    "search_path = 'pg_temp';"
    "SET extra_float_digits = 0; SET intervalstyle = 'sql_standard'; SET statement_timeout = '10ms'"
)


def setUpModule():
    ConnectionMethodsTest.server = Server()
    unittest.addModuleCleanup(ConnectionMethodsTest.server.close)
    server = ConnectionMethodsTest.server
    server.sql("CREATE ROLE known LOGIN PASSWORD 'op3n s3same' IN ROLE pg_read_all_data")
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all known all scram-sha-256\n" + rules.read_text())
    server.sql("SELECT pg_reload_conf()")


class ConnectionMethodsTest(SchemaTest):
    database = "connection_methods"
    server = None
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
        self.only_t = self.catalog("t")
        self.bare = {
            key: value
            for key, value in self.config.items()
            if key not in ("host", "port", "user", "password", "dbname")
        }
        self.folder = tempfile.TemporaryDirectory(prefix="tap-postgres-ways-")
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = pathlib.Path(self.folder.name, name)
        path.write_text(text)
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        return str(path)

    def check(self, config, user="known", **extra):
        # -v logs most
        result = tap.run({**self.bare, **config}, "-v", catalog=self.only_t, **extra)
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertIn(f", database {self.database}, user {user}: ", result.connected)


class NamesTest(ConnectionMethodsTest):
    def test_uri(self):
        for scheme in ("postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"):
            self.check(
                {
                    "sqlalchemy_url": (
                        f"{scheme}://known:op3n%20s3same@127.0.0.1:{self.server.port}/"
                        "connection_methods?sslmode=disable"
                    )
                }
            )
        self.check(
            {
                "url": (
                    f"postgresql://known:op3n%20s3same@127.0.0.1:{self.server.port}/"
                    "connection_methods"
                )
            }
        )

    def test_uri_overrides_other_keys(self):
        self.check(
            {
                "host": "nowhere.invalid",
                "dbname": "none",
                "user": "nobody",
                "password": "wrong",
                "sqlalchemy_url": (
                    f"postgresql://known:op3n%20s3same@127.0.0.1:{self.server.port}/"
                    "connection_methods"
                ),
            }
        )

    def test_environment(self):
        self.check(
            {},
            env={
                "PGHOST": "127.0.0.1",
                "PGPORT": str(self.server.port),
                "PGUSER": "known",
                "PGPASSWORD": "op3n s3same",
                "PGDATABASE": self.database,
            },
        )
        self.check(
            {"host": "127.0.0.1", "dbname": self.database, "user": "known"},
            env={"PGPORT": str(self.server.port), "PGPASSWORD": "op3n s3same"},
        )

    def test_service_file(self):
        file = self.write(
            "services",
            f"[shop]\nhost=127.0.0.1\nport={self.server.port}\nuser=known\n"
            f"password=op3n s3same\ndbname={self.database}\n",
        )
        self.check(
            {"service": "shop", "dbname": self.database, "user": "known"},
            env={"PGSERVICEFILE": file},
        )

    def test_password_file(self):
        file = self.write("passwords", f"127.0.0.1:{self.server.port}:*:known:op3n s3same\n")
        names = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": "known",
            "dbname": self.database,
        }
        self.check(names, env={"PGPASSFILE": file})
        self.check({**names, "passfile": file})

    def test_world_readable_password_file(self):
        """libpq would print its own warning, which is not a line of the log."""
        file = self.write("passwords", "*:*:*:*:op3n s3same\n")
        names = {
            "host": "127.0.0.1",
            "port": self.server.port,
            "user": SUPERUSER,
            "dbname": self.database,
            "passfile": file,
        }
        pathlib.Path(file).chmod(0o644)
        result = tap.run(names, catalog=self.only_t)
        self.assertEqual(
            result.stderr.splitlines()[0],
            f"WARNING password file {file} is not used, since other users have access to it: "
            f"chmod 0600 {file}",
        )
        self.assertEqual(result.stderr.count(file), 2)
        result = tap.run(
            {**names, "passfile": self.folder.name}, "--log-format", "json", "--discover"
        )
        messages = [
            json.loads(line)["message"] for line in (result.connected + result.stderr).splitlines()
        ]
        self.assertIn(
            f"password file {self.folder.name} is not used: it is not a plain file", messages
        )

    def test_socket(self):
        self.check(
            {
                "host": str(self.server.folder),
                "port": self.server.port,
                "user": SUPERUSER,
                "dbname": self.database,
            },
            user=SUPERUSER,
        )


class PasswordCommandTest(ConnectionMethodsTest):
    def setUp(self):
        super().setUp()
        self.config = {**self.config, "user": "known"}
        del self.config["password"]

    def test_output_is_the_password(self):
        self.check({**self.config, "password_command": "echo 'op3n s3same'"})
        self.check({**self.config, "password": "wrong", "password_command": "printf 'op3n s3same'"})
        found = tap.discover({**self.config, "password_command": "echo 'op3n s3same'"})
        self.assertEqual(
            [stream["tap_stream_id"] for stream in found["streams"]], [self.id_of("t")]
        )

    def test_runs_for_each_connection(self):
        """A token expires: the second connection of a run needs another one."""
        self.sql("INSERT INTO {s}.t SELECT i FROM generate_series(2, 200000) i")
        self.addCleanup(self.sql, "ALTER ROLE known PASSWORD 'op3n s3same'")
        token = self.write("token", "op3n s3same")
        running = self.pipeline(self.only_t, password_command=f"cat {token}")
        self.assertTrue(running.relay(1000), running.tap)
        self.sql("ALTER ROLE known PASSWORD 'another'")
        self.write("token", "another")
        self.server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'known'"
        )
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
        self.assertIn("trying again in 0.5 s (1 of 5)", outcome.tap_log)
        self.check_equal("t")

    def refused(self, command, text, **extra):
        result = without_advice(
            tap.run(
                {**self.config, "password_command": command, **extra}, catalog=self.only_t, expect=3
            )
        )
        self.assertEqual((result.stderr, result.stdout), (text, b""))

    def test_failing_command(self):
        self.refused(
            "echo 'no token today' >&2; exit 7",
            "no token today\nCRITICAL password_command failed with exit code 7\n",
        )
        self.refused("kill -9 $$", "CRITICAL password_command was killed by signal 9\n")
        self.refused("true", "CRITICAL password_command printed nothing\n")

    def test_command_that_hangs(self):
        started = time.monotonic()
        self.refused(
            "sleep 1000 & sleep 1000",
            "CRITICAL password_command did not exit within 1 seconds\n",
            connect_timeout=1,
        )
        self.assertLess(time.monotonic() - started, 30)

    def test_signal_while_it_runs(self):
        mark = self.write("mark", "")
        running = self.start(self.only_t, password_command=f"echo $$ > {mark}; exec sleep 1000")
        pid = until(lambda: pathlib.Path(mark).read_text().strip(), "the command has not started")
        running.process.terminate()
        self.assertEqual(running.wait(), 128 + 15)
        until(lambda: not os.path.exists(f"/proc/{pid}"), "the command is still running")


class SecondaryTest(ConnectionMethodsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.standby = Server(primary=cls.server, settings={"hot_standby_feedback": "on"})
        cls.addClassCleanup(cls.standby.close)

    def setUp(self):
        super().setUp()
        self.config.update(
            use_secondary=True, secondary_host="127.0.0.1", secondary_port=self.standby.port
        )
        self.catch_up()
        self.addCleanup(self.standby.sql, "SELECT pg_wal_replay_resume()")

    def catch_up(self):
        [(end,)] = self.sql("SELECT pg_current_wal_lsn()")
        until(
            lambda: self.standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
            "the standby is behind",
        )

    def wait_for_copy(self, running):
        """Waits until the tap asks repeatedly how far the standby is, or has exited."""
        until(
            lambda: running.process.poll() is not None
            or self.standby.sql(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_is_in_recovery%' AND "
                "application_name LIKE 'tap-postgres%' AND query_start > backend_start + "
                "interval '1 second'"
            ),
            "the tap has not queried the standby",
        )

    def test_copies_read_the_secondary(self):
        for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "id")):
            result = self.sync(self.catalog("t", method=method, key=key))
            self.assertEqual(result.records(), [{"id": 1}])
            self.assertIn(f"connected to 127.0.0.1:{self.standby.port}", result.connected)

    def test_target_session_attrs(self):
        catalog = self.catalog("t")
        ports = {"primary": self.server.port, "standby": self.standby.port}
        for wanted, found in (
            ("any", "standby"),
            ("read-write", "primary"),
            ("primary", "primary"),
            ("standby", "standby"),
            ("prefer-standby", "standby"),
        ):
            config = {
                **self.config,
                "host": "127.0.0.1,127.0.0.1",
                "port": f"{ports['standby']},{ports['primary']}",
                "target_session_attrs": wanted,
                "use_secondary": False,
            }
            for what in ({"catalog": catalog}, {"args": ["--discover"]}):
                with self.subTest(wanted, **what):
                    result = tap.run(config, *what.get("args", ()), catalog=what.get("catalog"))
                    self.assertIn(f"connected to 127.0.0.1:{ports[found]}, ", result.connected)

    def test_initial_snapshot_then_wal(self):
        self.sql("SELECT pg_create_logical_replication_slot('secondary', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('secondary')")
        self.config["replication_slot"] = "secondary"
        self.catch_up()
        self.standby.sql("SELECT pg_wal_replay_pause()")
        # Later than the snapshot of the copy, whatever the standby has replayed.
        self.sql("INSERT INTO {s}.t VALUES (2)")
        catalog = self.catalog("t", method="LOG_BASED")
        result = self.sync(catalog)
        self.assertEqual(result.records(), [{"id": 1}])
        self.standby.sql("SELECT pg_wal_replay_resume()")
        result = self.sync(catalog, result.last_state)
        self.assertEqual([record["id"] for record in result.records()], [2])

    def test_waits_for_a_standby_behind_the_slot(self):
        self.standby.sql("SELECT pg_wal_replay_pause()")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.sql("SELECT pg_create_logical_replication_slot('late', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('late')")
        running = self.start(self.catalog("t", method="LOG_BASED"), replication_slot="late")
        self.wait_for_copy(running)
        self.standby.sql("SELECT pg_wal_replay_resume()")
        self.assertEqual(
            [m["record"]["id"] for m in running.read_rest() if m["type"] == "RECORD"], [1, 2]
        )
        self.assertEqual(running.wait(), 0, running)

    def test_waits_for_a_standby_behind_a_publication(self):
        """wal2json is read, but pgoutput, which replaces it, does not send the change."""
        self.config["replication_slot"] = "moved"
        self.config["publication_name"] = "moved"
        self.sql(
            "CREATE TABLE {s}.u (id int PRIMARY KEY); CREATE PUBLICATION moved FOR TABLE {s}.u"
        )
        self.addCleanup(self.sql, "DROP PUBLICATION moved")
        self.sql("SELECT pg_create_logical_replication_slot('moved', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('moved')")
        state = self.sync(self.catalog("u", method="LOG_BASED")).last_state
        self.sql("SELECT pg_create_logical_replication_slot('moved_pgoutput', 'pgoutput')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('moved_pgoutput')")
        self.catch_up()
        self.standby.sql("SELECT pg_wal_replay_pause()")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        self.sql("ALTER PUBLICATION moved ADD TABLE {s}.t")
        catalog = self.catalog("t", "u", method="LOG_BASED")
        running = self.start(catalog, state)
        self.wait_for_copy(running)
        self.standby.sql("SELECT pg_wal_replay_resume()")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        [state] = [message["value"] for message in messages if message["type"] == "STATE"][-1:]
        later = self.sync(catalog, state)
        self.assertIn("replication slot moved_pgoutput replaces slot moved", later.stderr)
        messages += later.messages
        ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
        self.assertEqual(sorted(set(ids)), [1, 2])

    def test_asynchronous_commit_before_a_copy(self):
        """pgoutput does not send changes made before their table was published.

        Other sessions see the commit before its WAL is flushed and sent to the standby.
        """
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.config.update(
            logical_decoding_plugin="pgoutput",
            publication_name="asynchronous",
            replication_slot="asynchronous",
            create_publication=True,
            create_replication_slot=True,
        )
        self.addCleanup(self.sql, "DROP PUBLICATION IF EXISTS asynchronous, asynchronous_inserts")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('asynchronous')")
        state = self.sync(self.catalog("t", method="LOG_BASED")).last_state
        [(wal_writer,)] = self.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
        )
        session = self.session()
        session.autocommit = False
        with session.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")
            cursor.execute(f"INSERT INTO {self.schema}.u VALUES (1)")
        os.kill(wal_writer, signal.SIGSTOP)
        self.addCleanup(os.kill, wal_writer, signal.SIGCONT)
        running = self.start(self.catalog("t", "u", method="LOG_BASED"), state)
        running.wait_for_log("waiting for open transactions")
        session.commit()
        self.wait_for_copy(running)
        os.kill(wal_writer, signal.SIGCONT)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
        self.assertEqual(ids, [1])

    def test_secondary_is_not_a_standby(self):
        self.sql("SELECT pg_create_logical_replication_slot('wrong', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('wrong')")
        result = self.sync(
            self.catalog("t", method="LOG_BASED"),
            replication_slot="wrong",
            secondary_port=self.server.port,
            expect=4,
        )
        self.assertEqual(
            without_advice(result).stderr,
            f"CRITICAL the server of secondary_host (127.0.0.1:{self.server.port}, database "
            "connection_methods, user tap) is not a standby: set secondary_host to a standby, or "
            "use_secondary to false\n",
        )


class PoolerTest(ConnectionMethodsTest):
    VALUES = (
        "TIMESTAMPTZ '2024-07-01 12:00+00' AS at, 0.1::float8 + 0.2 AS f, '\\xff00'::bytea AS b, "
        "INTERVAL '1 day 2 h' AS i"
    )

    def setUp(self):
        super().setUp()
        self.sql(
            f"CREATE TABLE {{s}}.v AS SELECT g AS id, {self.VALUES} FROM generate_series(1, 20000) "
            "g"
        )
        self.sql("ALTER TABLE {s}.v ADD PRIMARY KEY (id)")

    def test_copies_through_a_pooler(self):
        for mode in ("session", "transaction"):
            with pgbouncer(self.server, mode) as port:
                self.change_pooled_settings(port)
                direct, pooled = dict(self.config), {**self.config, "port": port}
                catalog = tap.discover(direct)
                self.assertEqual(tap.discover(pooled), catalog)
                for method, key in (("FULL_TABLE", None), ("INCREMENTAL", "id")):
                    chosen = tap.select(catalog, "v", method=method, key=key)
                    expected = tap.run(direct, catalog=chosen)
                    result = tap.run(pooled, catalog=chosen)
                    self.assertEqual(len(result.records()), 20000)
                    self.assertEqual(result.records(), expected.records())

    def test_pooled_sessions_are_left_clean(self):
        # The pooler sets application_name.
        settings = (
            "SELECT string_agg(name || ' = ' || setting, ', ' ORDER BY name) FROM pg_settings "
            "WHERE source = 'session' AND name <> 'application_name'"
        )
        with pgbouncer(self.server, "transaction", "default_pool_size = 1") as port:
            connection = psycopg2.connect(
                host="127.0.0.1", port=port, user=SUPERUSER, dbname=self.database
            )
            self.addCleanup(connection.close)
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(settings)
                before = cursor.fetchall()
                pooled = {**self.config, "port": port}
                catalog = tap.discover(pooled)
                tap.run(pooled, catalog=tap.select(catalog, "v"))
                tap.run(pooled, catalog=tap.select(catalog, "v", method="INCREMENTAL", key="id"))
                tap.run(pooled, "check", catalog=tap.select(catalog, "v"))
                tap.run(pooled, "slot", "status")
                cursor.execute(settings)
                self.assertEqual(cursor.fetchall(), before)

    def change_pooled_settings(self, port):
        """Changes settings in pooled sessions; transaction pooling hands them on."""
        for _ in range(2):
            connection = psycopg2.connect(
                host="127.0.0.1", port=port, user=SUPERUSER, dbname=self.database
            )
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(HOSTILE)
            connection.close()

    def test_replication_needs_a_recent_pooler(self):
        self.sql("SELECT pg_create_logical_replication_slot('pooled', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('pooled')")
        catalog = self.catalog("t", method="LOG_BASED")
        state = self.sync(catalog, replication_slot="pooled").last_state
        with pgbouncer(self.server, "transaction") as port:
            result = self.sync(catalog, state, replication_slot="pooled", port=port, expect=None)
        if result.code == 0:  # since PgBouncer 1.23
            self.assertEqual(
                result.records(), self.sync(catalog, state, replication_slot="pooled").records()
            )
            return
        self.assertRegex(result.stderr, re.compile(r"^CRITICAL .*replication", re.MULTILINE))


if __name__ == "__main__":
    unittest.main()
