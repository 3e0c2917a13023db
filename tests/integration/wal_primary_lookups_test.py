"""Log-based streams look up rows on the primary only: a standby may lag behind the changes."""

import unittest

from support import tap
from support.check import about, run_check
from support.wal_case import WalTest
from support.pipeline import until
from support.proxy import Proxy
from support.server import Server, shared
from support.plugins import PLUGIN

# large enough for TOAST
BIG = "(SELECT string_agg(md5(i::text || {seed}), '') FROM generate_series(1, 100) i)"


class PrimaryLookupsTest(WalTest):
    database = "wal_primary_lookups"

    @classmethod
    def setUpClass(cls):
        is_old = shared().version < (13,)
        cls.settings = {"wal_keep_segments": 64} if is_old else {"wal_keep_size": "1GB"}
        super().setUpClass()
        cls.standby = Server({"log_connections": "on"}, primary=cls.server)
        cls.addClassCleanup(cls.standby.close)

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.server.port)
        self.addCleanup(self.proxy.__exit__)
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, big text); ALTER TABLE {s}.t ALTER big "
            "SET STORAGE EXTERNAL;"
            f"INSERT INTO {{s}}.t VALUES (1, 1, {BIG.format(seed=0)})"
        )
        self.initial_snapshot("t")

    def pause_standby(self):
        [(end,)] = self.sql("SELECT pg_current_wal_lsn()")
        until(
            lambda: self.standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
            "the standby is behind",
        )
        self.standby.sql("SELECT pg_wal_replay_pause()")
        self.addCleanup(self.standby.sql, "SELECT pg_wal_replay_resume()")

    def connections_to_standby(self):
        log = (self.standby.folder / "log").read_text()
        return log.count(f"connection authorized: user=tap database={self.database}")

    def check_reconnection(self, **extra):
        """The primary is down for a moment, so the tap tries the standby."""
        self.pause_standby()
        before = self.connections_to_standby()
        running = self.start(
            self.selected,
            self.state,
            break_at_end_lsn=False,
            host="127.0.0.1,127.0.0.1",
            port=f"{self.proxy.port},{self.standby.port}",
            **extra,
        )
        self.sql("UPDATE {s}.t SET n = 2")
        running.read_until(lambda message: message.get("record", {}).get("n") == 2)
        self.proxy.refuse()
        self.sql(f"UPDATE {{s}}.t SET big = {BIG.format(seed=1)}")
        self.sql("UPDATE {s}.t SET n = 3")  # WAL lacks `big`
        until(
            lambda: self.connections_to_standby() > before,
            lambda: f"the tap has not tried the standby\n{running}",
        )
        self.proxy.accept_again()
        record = running.read_until(lambda message: message.get("record", {}).get("n") == 3)[-1][
            "record"
        ]
        self.assertEqual(self.sql("SELECT big FROM {s}.t"), [(record["big"],)])
        running.signal(15)
        running.read_rest()
        self.assertEqual(running.wait(), 143, running)
        return running

    def test_reconnect_skips_the_standby(self):
        self.check_reconnection()

    def test_standby_is_not_read_with_any_host(self):
        running = self.check_reconnection(target_session_attrs="any")
        self.assertRegex(
            running.log,
            r"(?m)^WARNING WAL of database wal_primary_lookups: the server "
            rf"\(127\.0\.0\.1:{self.standby.port}, database wal_primary_lookups, user tap\) is a "
            r"standby now, and log-based replication reads the primary; trying again in [0-9.]+ "
            r"s \([0-9]+ of [0-9]+\)$",
        )

    def test_primary_after_a_standby(self):
        """A run, a check and a slot command connect to the primary of several hosts."""
        self.sql("UPDATE {s}.t SET n = 2")
        hosts = {"host": "127.0.0.1,127.0.0.1", "port": f"{self.standby.port},{self.server.port}"}
        result = self.sync(self.selected, self.state, **hosts)
        self.assertEqual([record["n"] for record in result.records()], [2])
        self.config.update(hosts)
        self.assertEqual(
            about(
                run_check(self.config, catalog=self.selected), "WAL of database wal_primary_lookups"
            ),
            ["ok wal_level is logical"],
        )
        self.assertIn(self.slot, tap.run(self.config, "slot", "status").stdout.decode())

    def test_wal_and_lookups_on_different_servers(self):
        """Hosts swap roles between two connections: the second one leads to a promoted standby."""
        self.require_version(12, "pg_promote() exists")
        with Server(primary=self.server) as promoted:
            promoted.sql("SELECT pg_promote()")
            promoted.sql(
                f"SELECT pg_create_logical_replication_slot('{self.slot}', '{PLUGIN}')",
                self.database,
            )
            self.proxy.switch_after(1, promoted.port)
            result = self.sync(self.selected, self.state, port=self.proxy.port, expect=4)
        self.assertIn(
            f"WARNING WAL of database wal_primary_lookups: replication slot {self.slot} is not "
            f"active on the server that lookups use (127.0.0.1:{self.proxy.port}, database "
            "wal_primary_lookups, user tap): the hosts have switched roles; trying again in 0.5 s "
            "(1 of 5)\n",
            result.stderr,
        )


if __name__ == "__main__":
    unittest.main()
