"""A network that drops all packets silently: a network namespace with a pulled cable."""

import os
import subprocess
import time
import unittest

from support.wal_case import WalTest
from support.pipeline import Tap, until
from support.proxy import Proxy

FAST = {
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 3000,
    "connect_timeout": 2,
    "max_retries": 1,
}


# A static neighbor entry in the namespace: no ARP request is needed.
MAC = "02:00:00:00:00:01"


class Cable:
    """A virtual cable to a network namespace."""

    def __init__(self):
        self.name = f"tap{os.getpid()}"
        number = os.getpid() % 250
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self.ip("netns", "add", self.name)
        try:
            self.ip(
                "link",
                "add",
                f"{self.name}a",
                "address",
                MAC,
                "type",
                "veth",
                "peer",
                "name",
                f"{self.name}b",
                "netns",
                self.name,
            )
            self.ip("addr", "add", f"{self.here}/30", "dev", f"{self.name}a")
            self.ip("link", "set", f"{self.name}a", "up")
            self.ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", f"{self.name}b")
            self.ip("-n", self.name, "link", "set", f"{self.name}b", "up")
            self.ip(
                "-n",
                self.name,
                "neigh",
                "replace",
                self.here,
                "lladdr",
                MAC,
                "dev",
                f"{self.name}b",
                "nud",
                "permanent",
            )
        except subprocess.CalledProcessError:
            self.close()
            raise

    def pull(self):
        """Drops all packets from now on; the far end does not notice."""
        self.ip("addr", "flush", "dev", f"{self.name}a")

    def close(self):
        self.ip("netns", "del", self.name)

    @staticmethod
    def ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True)


class PacketLossTest(WalTest):
    database = "packet_loss"

    def setUp(self):
        super().setUp()
        try:
            self.cable = Cable()
        except (OSError, subprocess.CalledProcessError) as fault:
            self.skipTest(f"no network namespaces here: {fault}")
        self.addCleanup(self.cable.close)
        self.proxy = Proxy(self.server.port, self.cable.here)
        self.addCleanup(self.proxy.__exit__)
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM "
            "generate_series(1, 20000) i"
        )

    def start_in_namespace(self, catalog, state=None, **extra):
        """Starts a tap at the far end of the cable."""
        config = {**self.config, "host": self.cable.here, "port": self.proxy.port, **FAST, **extra}
        running = Tap(
            config, catalog=catalog, state=state, prefix=("ip", "netns", "exec", self.cable.name)
        )
        self.addCleanup(running.close)
        return running

    def check_ends(self, running):
        """Fails unless the run ends in time and reports the loss."""
        pulled = time.monotonic()
        running.read_rest()
        self.assertEqual(running.wait(), 3, running)
        self.assertLess(time.monotonic() - pulled, 30)
        where = f"{self.cable.here}:{self.proxy.port}, database packet_loss, user tap"
        self.assertRegex(
            running.log,
            rf"(?m)^WARNING .*: the connection was lost \({where}\): .*(timed out|not receive "
            r"data).*; "
            r"trying again in 0\.5 s \(1 of 1\)$",
        )
        self.assertRegex(
            running.log.splitlines()[-1],
            rf"^CRITICAL cannot connect \({where}\): no answer in 2 seconds; run: tap-postgres "
            r"check$",
        )

    def test_during_a_copy(self):
        running = self.start_in_namespace(self.catalog("t"))
        running.read(100)
        self.cable.pull()
        self.check_ends(running)

    def test_idle_replication(self):
        self.initial_snapshot("t")
        running = self.start_in_namespace(self.selected, self.state, break_at_end_lsn=False)
        self.sql("INSERT INTO {s}.t VALUES (0, '')")
        running.read_until(lambda message: message["type"] == "RECORD")
        self.cable.pull()
        self.check_ends(running)


class ProxiedPacketLossTest(WalTest):
    """A proxy keeps connections open and relays nothing."""

    database = "silence"

    def setUp(self):
        super().setUp()
        self.proxy = Proxy(self.server.port)
        self.addCleanup(self.proxy.__exit__)
        self.sql(
            "CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM "
            "generate_series(1, 20000) i;"
            "ALTER TABLE {s}.t ADD PRIMARY KEY (id)"
        )

    def start_behind_proxy(self, catalog, *args, state=None, **extra):
        config = {
            **self.config,
            "port": self.proxy.port,
            "silence_timeout": 2,
            "connect_timeout": 2,
            "max_retries": 1,
            **extra,
        }
        running = Tap(config, *args, catalog=catalog, state=state)
        self.addCleanup(running.close)
        return running

    def server_address(self):
        return rf"\(127\.0\.0\.1:{self.proxy.port}, database silence, user tap\)"

    def test_copy_fails_on_a_dead_network(self):
        running = self.start_behind_proxy(self.catalog("t"))
        running.read(100)
        self.proxy.freeze()
        running.read_rest()
        self.assertEqual(running.wait(), 3, running)
        self.assertRegex(
            running.log,
            rf"(?m)^WARNING .*: the connection was lost {self.server_address()}: no data arrived "
            rf"for 2 s, and a second connection failed: cannot connect {self.server_address()}: "
            r"no answer in 2 seconds; trying again in 0\.5 s \(1 of 1\)$",
        )
        self.assertRegex(
            running.log.splitlines()[-1],
            rf"^CRITICAL cannot connect {self.server_address()}: no answer in 2 seconds; run: "
            r"tap-postgres check$",
        )

    def test_copy_resumes_on_a_new_connection(self):
        running = self.start_behind_proxy(self.catalog("t"))
        messages = running.read(100)
        self.proxy.freeze_existing()
        messages += running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertRegex(
            running.log,
            rf"(?m)^WARNING .*: the connection was lost {self.server_address()}: no data arrived "
            r"for 2 s, and the server waits for this client, too \(Client: Client(Read|Write)\): "
            r"the network drops data; trying again in 0\.5 s \(1 of 1\)$",
        )
        found = {message["record"]["id"] for message in messages if message["type"] == "RECORD"}
        self.assertEqual(found, set(range(1, 20001)))

    def check_replication_resumes(self, why, happens=lambda: None):
        """Following WAL resumes on a new connection; `why` is the logged reason."""
        self.initial_snapshot("t")
        running = self.start_behind_proxy(self.selected, state=self.state, break_at_end_lsn=False)
        self.sql("INSERT INTO {s}.t VALUES (0, '')")
        running.read_until(lambda message: message["type"] == "RECORD")
        self.proxy.freeze_existing()
        happens()
        self.sql("INSERT INTO {s}.t VALUES (-1, '')")
        running.read_until(lambda message: message.get("record", {}).get("id") == -1)
        running.signal(15)
        running.read_rest()
        self.assertEqual(running.wait(), 143, running)
        self.assertRegex(
            running.log,
            rf"(?m)^WARNING .*: the connection was lost {self.server_address()}: no data arrived "
            rf"for 2 s, and the server {why}; trying again in 0\.5 s \(1 of 1\)$",
        )

    def test_replication_resumes_on_a_new_connection(self):
        self.check_replication_resumes(r"waits for this client, too \(.*\): the network drops data")

    def test_session_that_vanished(self):
        self.check_replication_resumes(
            "no longer has this session",
            lambda: self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = "
                "'walsender'"
            ),
        )

    def test_discovery_fails_on_a_dead_network(self):
        self.sql(
            "\n".join(
                f"CREATE TABLE {{s}}.wide_{i} "
                f"({', '.join(f'column_{j} text' for j in range(100))});"
                for i in range(50)
            )
        )
        self.proxy.freeze_after(100_000)  # in the middle of the query of columns
        running = self.start_behind_proxy(None, "--discover")
        self.assertEqual(running.wait(), 1, running)
        self.assertEqual(
            running.log.splitlines()[-1],
            f"CRITICAL the connection was lost (127.0.0.1:{self.proxy.port}, database silence, "
            "user tap): no data arrived for 2 s, and a second connection failed: cannot connect "
            f"(127.0.0.1:{self.proxy.port}, database silence, user tap): no answer in 2 seconds",
        )

    def test_busy_server_is_waited_for(self):
        with self.session() as session, session.cursor() as cursor:
            cursor.execute(f"LOCK {self.schema}.t")
            running = self.start_behind_proxy(self.catalog("t"))
            until(lambda: "which is busy" in running.log, "the tap reports no wait")
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertRegex(
            running.log,
            rf"(?m)^INFO no data arrived for 2 s from the server {self.server_address()}, which "
            r"is busy, waiting for Lock: relation$",
        )


if __name__ == "__main__":
    unittest.main()
