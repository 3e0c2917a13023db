"""Probing a stalled connection terminates the tap's own session and no other."""

import struct
import unittest

from support.wal_case import WalTest
from support.pipeline import Tap
from support.proxy import Proxy


class SessionTerminationTest(WalTest):
    """A proxy freezes existing connections and accepts new ones."""

    database = "session_termination"

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.server.port)
        self.addCleanup(self.proxy.__exit__)
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM "
            "generate_series(1, 20000) i"
        )
        self.sql(
            "DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN;"
            "GRANT USAGE ON SCHEMA {s} TO reader; GRANT SELECT ON {s}.t TO reader;"
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader"
        )
        self.addCleanup(self.sql, "DROP OWNED BY reader; DROP ROLE reader")

    def start_behind_proxy(self, catalog, *args, **extra):
        config = {
            **self.config,
            "port": self.proxy.port,
            "silence_timeout": 2,
            "connect_timeout": 2,
            "max_retries": 1,
            **extra,
        }
        running = Tap(config, *args, catalog=catalog)
        self.addCleanup(running.close)
        return running

    def server_address(self, user="tap"):
        return rf"\(127\.0\.0\.1:{self.proxy.port}, database {self.database}, user {user}\)"

    def test_session_of_another_role_is_not_terminated(self):
        """After a failover behind one address, another session may have the PID of ours."""
        catalog = self.catalog("t")
        other = self.session()
        key_data = b"K\0\0\0\x0c"  # BackendKeyData
        ours = key_data + struct.pack(">i", other.info.backend_pid)
        self.proxy.rewrite_once(key_data + rb"....", lambda _: ours)
        running = self.start_behind_proxy(catalog)
        messages = running.read(100)
        self.proxy.freeze_existing()
        messages += running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertRegex(
            running.log,
            rf"(?m)^WARNING .*: the connection was lost {self.server_address()}: no data arrived "
            r"for 2 s, and the server no longer has this session; trying again in 0\.5 s \(1 "
            r"of 1\)$",
        )
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")  # still connected
        found = {message["record"]["id"] for message in messages if message["type"] == "RECORD"}
        self.assertEqual(found, set(range(1, 20001)))

    def deny_terminate(self):
        self.sql("REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC")
        self.addCleanup(self.sql, "GRANT EXECUTE ON FUNCTION pg_terminate_backend TO PUBLIC")

    DENIED = (
        r"(?m)^WARNING cannot terminate the session of PID [0-9]+, which keeps its locks and its "
        r"slot until the server notices that the connection is dead: permission denied for "
        r"function pg_terminate_backend \(SQLSTATE 42501\)$"
    )

    def test_copy_resumes_without_termination(self):
        catalog = self.catalog("t")
        self.deny_terminate()
        running = self.start_behind_proxy(catalog, user="reader")
        running.read(100)
        self.proxy.freeze_existing()
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertRegex(running.log, self.DENIED)

    def test_discovery_ends_without_termination(self):
        self.sql(
            "\n".join(
                f"CREATE TABLE {{s}}.wide_{i} "
                f"({', '.join(f'column_{j} text' for j in range(100))});"
                for i in range(50)
            )
        )
        self.deny_terminate()
        # in the middle of the query of columns
        self.proxy.freeze_after(100_000, self.proxy.freeze_existing)
        running = self.start_behind_proxy(None, "--discover", user="reader")
        self.assertEqual(running.wait(), 1, running)
        self.assertRegex(running.log, self.DENIED)
        self.assertRegex(
            running.log.splitlines()[-1],
            rf"^CRITICAL the connection was lost {self.server_address('reader')}: no data arrived "
            r"for 2 s, and the server waits for this client, too \(Client: Client(Read|Write)\): "
            r"the network drops data$",
        )


if __name__ == "__main__":
    unittest.main()
