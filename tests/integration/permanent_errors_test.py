"""Errors in the middle of a run that a new connection cannot fix."""

import socket
import threading
import unittest

import psycopg2

from support.interruption import TABLE, InterruptionTest
from support.pipeline import until


class PermanentErrorsTest(InterruptionTest):
    """Such errors end the run or the stream at once, according to their SQLSTATE."""

    def setUp(self):
        super().setUp()
        self.sql(TABLE)

    def interrupted(self, fault, catalog=None, **extra):
        """Runs and terminates the backend right after `fault`."""
        running = self.pipeline(catalog or self.only_catalog(), **extra)
        running.relay(500)
        fault()
        self.terminate()
        return running.finish()

    def check_ends_the_run(self, outcome, code, sqlstate, retries=1):
        self.assertEqual((outcome.tap_code, outcome.target_code), (code, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), retries, outcome.tap_log)
        self.assertRegex(outcome.tap_log.splitlines()[-1], rf"^CRITICAL .*{sqlstate}")
        self.assertEqual(outcome.tap_log.count("CRITICAL"), 1)

    def check_complete_after(self, outcome):
        self.pipe(self.only_catalog(), outcome.state)
        self.check_equal("t")

    def test_role_lost_login(self):
        self.addCleanup(self.sql, "ALTER ROLE reader LOGIN")
        outcome = self.interrupted(lambda: self.sql("ALTER ROLE reader NOLOGIN"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28000")
        self.sql("ALTER ROLE reader LOGIN")
        self.check_complete_after(outcome)

    def rule(self, line):
        """Prepends a rule to pg_hba.conf for the rest of the test."""
        rules = self.server.data / "pg_hba.conf"
        before = rules.read_text()

        def write(text, refused):
            rules.write_text(text)
            self.sql("SELECT pg_reload_conf()")
            until(lambda: self.is_refused() == refused, "the rules have not been read")

        self.addCleanup(write, before, False)
        write(f"{line}\n{before}", True)

    def is_refused(self):
        try:
            psycopg2.connect(
                host="127.0.0.1",
                port=self.server.port,
                user="reader",
                password="wrong",
                dbname=self.database,
            ).close()
        except psycopg2.OperationalError:
            return True
        return False

    def test_host_rejected_by_pg_hba(self):
        outcome = self.interrupted(lambda: self.rule("host all reader all reject"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28000")

    def test_password_changed(self):
        self.sql("ALTER ROLE reader PASSWORD 'first'")
        self.rule("host all reader all scram-sha-256")
        self.config["password"] = "first"
        outcome = self.interrupted(lambda: self.sql("ALTER ROLE reader PASSWORD 'second'"))
        self.check_ends_the_run(outcome, 3, "SQLSTATE 28P01")
        self.assertNotIn("first", outcome.tap_log)

    def test_database_dropped(self):
        def rename():
            self.terminate()
            self.server.sql(f"ALTER DATABASE {self.database} RENAME TO away")

        running = self.pipeline(self.only_catalog())
        running.relay(500)
        rename()
        try:
            outcome = running.finish()
        finally:
            self.server.sql(f"ALTER DATABASE away RENAME TO {self.database}")
        self.check_ends_the_run(outcome, 3, "SQLSTATE 3D000")

    def test_revoked_privilege_fails_the_stream(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        self.addCleanup(self.sql, "GRANT pg_read_all_data TO reader")
        outcome = self.interrupted(
            lambda: self.sql(
                "REVOKE pg_read_all_data FROM reader; GRANT USAGE ON SCHEMA {s} TO reader;"
                "GRANT SELECT ON {s}.z TO reader"
            ),
            self.catalog("a", "t", "z"),
        )
        self.assertEqual((outcome.tap_code, outcome.target_code), (1, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), 1)
        self.assertRegex(outcome.tap_log, rf"(?m)^ERROR stream {self.id_of('t')}: .*SQLSTATE 42501")
        self.check_equal("z")
        self.assertIn("copy", outcome.bookmarks[self.id_of("t")])

    def test_dropped_table_fails_the_stream(self):
        self.sql("CREATE TABLE {s}.a AS SELECT 1 AS id; CREATE TABLE {s}.z AS SELECT 1 AS id")
        self.addCleanup(self.sql, "CREATE TABLE {s}.t (id int)")
        dropper = threading.Thread(target=self.sql, args=("DROP TABLE {s}.t",))
        running = self.pipeline(self.catalog("a", "t", "z"))
        running.relay(500)
        dropper.start()
        until(
            lambda: self.sql(
                "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
            ),
            "DROP TABLE does not wait",
        )
        self.terminate()
        dropper.join()
        outcome = running.finish()
        self.assertEqual((outcome.tap_code, outcome.target_code), (1, 0), outcome.tap_log)
        self.assertEqual(len(self.retries(outcome.tap_log)), 1)
        self.assertRegex(
            outcome.tap_log, rf"(?m)^ERROR stream {self.id_of('t')}: table .*is not in the database"
        )
        self.check_equal("z")

    def test_server_stays_down(self):
        for catalog in self.catalogs():
            running = self.pipeline(catalog, max_retries=2)
            running.relay(500)
            self.server.stop("immediate")
            try:
                outcome = running.finish()
            finally:
                self.server.start()
            self.assertEqual(
                [(wait, number) for _, wait, number in self.retries(outcome.tap_log)],
                [("0.5", "1"), ("1.0", "2")],
            )
            self.check_ends_the_run(outcome, 3, "cannot connect", retries=2)
            self.pipe(catalog, outcome.state)
            self.check_equal("t")

    def test_no_retries(self):
        outcome = self.interrupted(lambda: None, max_retries=0)
        self.check_ends_the_run(outcome, 1, "the connection was lost", retries=0)
        self.check_complete_after(outcome)

    def test_first_connection_is_not_retried(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        result = self.sync(self.only_catalog(), host="127.0.0.1", port=port, expect=3)
        self.assertEqual(result.stdout, b"")
        self.assertRegex(result.stderr, r"^CRITICAL cannot connect \(.*\n$")


if __name__ == "__main__":
    unittest.main()
