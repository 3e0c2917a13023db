"""Syncs through an SSH tunnel, and tunnels that break."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from support import tap
from support.check import ADVICE, without_advice
from support.wal_case import WalTest
from support.pipeline import until
from support.proxy import Proxy
from support.server import Server, free_port
from support.sshd import Sshd
from support.tunnel_case import TunnelTest

ROWS = 6000
MOST_REPEATED = 200  # rows of an interrupted range: 100, and the rest of a block
TABLE = f"""
    CREATE TABLE {{s}}.t (id int PRIMARY KEY, k int NOT NULL, n int, pad text);
    INSERT INTO {{s}}.t SELECT i, i, 0, repeat('x', 2000) FROM generate_series(1, {ROWS}) i;
"""
# Much more than server, tunnel and tap can buffer.
LARGE = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, pad text);
    ALTER TABLE {s}.t ALTER pad SET STORAGE EXTERNAL;
    INSERT INTO {s}.t SELECT i, repeat('x', 100000) FROM generate_series(1, 1500) i;
"""
CERTIFICATE = (
    "req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.crt"
)
MOST_MEMORY = 256 if b"__asan_init" in pathlib.Path(tap.BINARY).read_bytes() else 32  # MiB


class SyncTest(TunnelTest):
    def test_discovery_gives_the_same_catalog(self):
        self.sql(TABLE)
        catalog = tap.discover(self.config)
        self.assertEqual(catalog, tap.discover(self.direct))
        self.assertEqual([stream["table_name"] for stream in catalog["streams"]], ["t"])

    def test_full_table_and_incremental(self):
        self.sql(TABLE)
        for method in ("FULL_TABLE", "INCREMENTAL"):
            self.clear_destination()
            catalog = self.catalog("t", method=method, key="k")
            outcome = self.pipe(catalog)
            self.assertEqual(outcome.kinds["RECORD"], ROWS)
            self.check_equal("t")
            self.sql("UPDATE {s}.t SET n = n + 1, k = k + 10000 WHERE id % 10 = 3")
            self.pipe(catalog, outcome.state)
            self.check_equal("t")

    def test_rekeying_during_a_copy(self):
        self.sql(TABLE)
        with Sshd("RekeyLimit 1M") as sshd:
            sshd.allow(self.key)
            self.through(sshd)
            self.assertEqual(self.pipe(self.catalog("t")).kinds["RECORD"], ROWS)
        self.check_equal("t")

    def test_each_cipher(self):
        self.sql(TABLE)
        catalog = self.catalog("t")
        for cipher in (
            "aes128-gcm@openssh.com",
            "aes256-gcm@openssh.com",
            "chacha20-poly1305@openssh.com",
            "aes256-ctr",
        ):
            with self.subTest(cipher), Sshd(f"Ciphers {cipher}") as sshd:
                sshd.allow(self.key)
                self.through(sshd)
                self.assertEqual(len(self.sync(catalog).records()), ROWS)

    def test_memory_with_a_stalled_target(self):
        self.sql(LARGE)
        running = self.start(self.catalog("t"))
        messages = running.read_until(lambda m: m["type"] == "RECORD")
        until(
            lambda: self.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"),
            "the server does not wait",
        )
        status = pathlib.Path(f"/proc/{running.process.pid}/status").read_text()
        self.assertLess(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]), MOST_MEMORY * 1024)
        messages += running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        self.assertEqual(
            [m["record"]["id"] for m in messages if m["type"] == "RECORD"], list(range(1, 1501))
        )

    def test_certificate_host_name(self):
        with Server() as server:
            subprocess.run(
                ["openssl", *CERTIFICATE.split()], cwd=server.data, check=True, capture_output=True
            )
            os.chown(server.data / "server.key", server.data.stat().st_uid, -1)
            os.chown(server.data / "server.crt", server.data.stat().st_uid, -1)
            server.configure({"ssl": "on"})
            server.restart()
            server.sql("CREATE TABLE t AS SELECT 1 AS id")
            config = {
                **self.config,
                "dbname": "postgres",
                "filter_dbs": "postgres",
                "port": server.port,
                "sslmode": "verify-full",
                "sslrootcert": "ca.crt",
            }
            del config["filter_schemas"]
            files = {"ca.crt": (server.data / "server.crt").read_bytes()}
            found = tap.run({**config, "host": "localhost"}, "--discover", files=files)
            self.assertIn(b'"postgres-public-t"', found.stdout)
            result = tap.run(config, "--discover", files=files, expect=3)
            self.assertIn(
                'server certificate for "localhost" does not match host name "127.0.0.1"',
                result.stderr,
            )


class LogBasedTest(TunnelTest, WalTest):
    def test_log_based(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n int, large text);"
            "ALTER TABLE {s}.t ALTER large SET STORAGE EXTERNAL;"
            "INSERT INTO {s}.t SELECT i, 0, repeat('x', 10000) FROM generate_series(1, 300) i"
        )
        self.initial_snapshot("t")
        self.check_equal("t")
        # The old values of `large` are read over a second connection.
        self.sql("UPDATE {s}.t SET n = 1 WHERE id % 2 = 0; DELETE FROM {s}.t WHERE id % 5 = 0")
        self.check_followed("t")

    def test_wal_resumes_after_the_tunnel_broke(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (1)")
        running = self.start(self.selected, self.state, break_at_end_lsn=False)
        running.read_until(lambda m: m["type"] == "RECORD" and m["record"]["id"] == 1)
        self.sshd.drop()
        running.wait_for_log("trying again")
        self.sql("INSERT INTO {s}.t VALUES (2)")
        running.read_until(lambda m: m["type"] == "RECORD" and m["record"]["id"] == 2)
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 143, running)


class BrokenTunnelTest(TunnelTest):
    def setUp(self):
        super().setUp()
        self.sql(TABLE)
        self.config["state_every_rows"] = 100

    def retries(self, log):
        return re.findall(r"(?m)^WARNING \S+-t: (.*); trying again in", log)

    def check_resumes(self, fault, expected):
        for method in ("FULL_TABLE", "INCREMENTAL"):
            self.clear_destination()
            running = self.pipeline(self.catalog("t", method=method, key="k"))
            self.assertTrue(running.relay(500))
            fault()
            outcome = running.finish()
            self.assertEqual((outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log)
            self.assertEqual(outcome.kinds["SCHEMA"], 1)
            most = MOST_REPEATED if method == "FULL_TABLE" else 1
            self.assertIn(outcome.kinds["RECORD"] - ROWS, range(most + 1), outcome.tap_log)
            [why] = self.retries(outcome.tap_log)
            self.assertRegex(why, expected)
            self.check_equal("t")

    def lost(self, why):
        return (
            rf"^the connection was lost \(127\.0\.0\.1:{self.server.port}, database tunnel, user "
            r"tap, through SSH 127\.0\.0\.1:\d+\): the SSH connection to 127\.0\.0\.1:\d+ has "
            rf"ended: {why}$"
        )

    def test_sshd_session_killed(self):
        self.check_resumes(
            self.sshd.drop, self.lost("Socket error: (disconnected|Connection reset by peer)")
        )

    def test_connection_reset(self):
        with Proxy(self.sshd.port) as proxy:
            self.config["ssh_tunnel"]["port"] = proxy.port
            self.check_resumes(
                proxy.reset, self.lost("Socket error: (disconnected|Connection reset by peer)")
            )

    def test_packet_loss(self):
        with Proxy(self.sshd.port) as proxy:
            self.config["ssh_tunnel"].update(port=proxy.port, keepalive=1)
            running = self.pipeline(self.catalog("t"), max_retries=0)
            running.relay(500)
            proxy.freeze()
            outcome = running.finish()
            self.assertEqual(outcome.tap_code, 1, outcome.tap_log)
            self.assertRegex(
                outcome.tap_log.splitlines()[-1].removeprefix("CRITICAL "),
                self.lost("no answer in 3 seconds"),
            )

    def test_server_stays_down(self):
        with Sshd() as sshd:
            sshd.allow(self.key)
            self.through(sshd)
            running = self.pipeline(self.catalog("t"), max_retries=2)
            running.relay(500)
            sshd.stop()
            outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, len(self.retries(outcome.tap_log))), (3, 2), outcome.tap_log
        )
        self.assertEqual(
            outcome.tap_log.splitlines()[-1],
            f"CRITICAL cannot open the SSH tunnel (127.0.0.1:{sshd.port}, user {sshd.user}): "
            "Connection refused" + ADVICE,
        )

    def test_backend_terminated(self):
        running = self.pipeline(self.catalog("t"))
        running.relay(500)
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
            "'tap-postgres%'"
        )
        outcome = running.finish()
        self.assertEqual(outcome.tap_code, 0, outcome.tap_log)
        [why] = self.retries(outcome.tap_log)
        self.assertRegex(
            why,
            "terminating connection due to administrator command|server closed the connection "
            "unexpectedly",
        )
        self.check_equal("t")

    def test_tampered_packets_are_rejected(self):
        catalog = self.catalog("t")
        ciphers = ["chacha20-poly1305@openssh.com", "aes128-ctr"] + [
            "aes128-gcm@openssh.com"
        ] * verifies_gcm()
        for cipher in ciphers:
            with (
                self.subTest(cipher),
                Sshd(f"Ciphers {cipher}") as sshd,
                BitFlipper(sshd.port) as forger,
            ):
                sshd.allow(self.key)
                self.through(sshd)
                self.config["ssh_tunnel"]["port"] = forger.port
                forger.change_after(1_000_000)
                result = self.sync(catalog, max_retries=0, expect=None)
                self.assertEqual((result.code, forger.changed), (1, True), result.stderr)
                self.assertRegex(
                    result.stderr.splitlines()[-1].removeprefix("CRITICAL "), self.lost(".*")
                )


def verifies_gcm():
    """Whether libssh verifies AES-GCM; older versions do not (CVE-2026-59847)."""
    version = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "libssh-4"],
        capture_output=True,
        text=True,
        check=True,
    )
    return not subprocess.run(
        ["dpkg", "--compare-versions", version.stdout, "ge", "0.10.6-0+deb12u3"], check=False
    ).returncode


class BitFlipper(Proxy):
    """Flips one bit in the data from the server."""

    changed = False

    def change_after(self, count):
        self._at = self.received + count

    def _from_server(self, client, data):
        at = self._at - self.received
        if 0 <= at < len(data):
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            self.changed = True
        super()._from_server(client, data)


class RefusedForwardingTest(TunnelTest):
    def refused(self, why, **extra):
        config = {**self.config, **extra}
        result = without_advice(tap.run(config, "--discover", expect=3))
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot connect ({config['host']}:{config['port']}, database tunnel, user "
            f"tap, through SSH 127.0.0.1:{config['ssh_tunnel']['port']}): {why}\n",
        )

    def test_closed_database_port(self):
        port = free_port()
        self.refused(f"the SSH server cannot reach 127.0.0.1:{port}: Connection refused", port=port)

    def test_forwarding_prohibited(self):
        place = f"127.0.0.1:{self.server.port}"
        why = (
            f"the SSH server does not allow forwarding to {place} (open failed): see "
            "AllowTcpForwarding and PermitOpen in its sshd_config, and the options of the key"
        )
        for settings in (["AllowTcpForwarding no"], ["PermitOpen 127.0.0.1:1"]):
            with Sshd(*settings) as sshd:
                sshd.allow(self.key)
                self.through(sshd)
                self.refused(why)

    def test_database_login_refused(self):
        result = without_advice(tap.run({**self.config, "user": "nobody"}, "--discover", expect=3))
        self.assertRegex(
            result.stderr,
            rf'^CRITICAL cannot connect \(.*\): connection to server at "127\.0\.0\.1", port '
            rf'{self.server.port} failed: FATAL: role "nobody" does not exist \(SQLSTATE 28000\)$',
        )

    def test_several_hosts(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        catalog = self.catalog("t")
        result = self.sync(
            catalog, host="127.0.0.1,127.0.0.1", port=f"{free_port()},{self.server.port}"
        )
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertRegex(
            result.stderr.splitlines()[0],
            r"^WARNING the SSH server cannot reach 127\.0\.0\.1:\d+: Connection "
            "refused: trying the other hosts$",
        )
        result = tap.run(
            {
                **self.config,
                "host": "127.0.0.1,127.0.0.1",
                "port": f"{free_port()},{self.server.port}",
            },
            "--discover",
        )
        self.assertIn("t", [stream["stream"] for stream in json.loads(result.stdout)["streams"]])
        self.assertRegex(
            result.stderr.splitlines()[0], r": Connection refused: trying the other hosts$"
        )
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            result = self.sync(
                catalog,
                host="127.0.0.1,127.0.0.1",
                port=f"{port},{self.server.port}",
                connect_timeout=2,
            )
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertEqual(
            result.stderr.splitlines()[0],
            f"WARNING 127.0.0.1:{port} has not answered in 2 seconds: trying the other hosts",
        )


class EndTest(TunnelTest):
    """However the tap ends, it ends at once and leaves no process behind."""

    def stop(self, running, code=143, number=signal.SIGTERM):
        sent = time.monotonic()
        running.signal(number)
        rest = running.read_rest()
        self.assertEqual(running.wait(), code, running)
        self.assertLess(time.monotonic() - sent, 1)
        return rest

    def test_tunnel_connecting(self):
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        catalog = self.catalog("t")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.config["ssh_tunnel"]["port"] = silent.getsockname()[1]
            running = self.start(catalog)
            with silent.accept()[0]:
                self.assertEqual(self.stop(running), [])

    def test_discovery_connecting(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.config["ssh_tunnel"]["port"] = silent.getsockname()[1]
            running = self.start(None, None, "--discover")
            with silent.accept()[0]:
                self.stop(running, 130, signal.SIGINT)

    def test_during_a_copy(self):
        self.sql(TABLE)
        running = self.start(self.catalog("t"))
        before = running.read_until(lambda m: m["type"] == "RECORD")
        messages = before + self.stop(running)
        self.assertEqual(messages[-1]["type"], "STATE")
        self.check_nothing_left()

    def test_network_down(self):
        self.sql(TABLE)
        with Proxy(self.sshd.port) as proxy:
            self.config["ssh_tunnel"]["port"] = proxy.port
            running = self.start(self.catalog("t"))
            before = running.read(100)
            proxy.freeze()
            taken = threading.Thread(target=lambda: before.extend(running.read_rest()))
            taken.start()
            running.signal(signal.SIGTERM)
            self.assertEqual(running.wait(patience=5), 143, running)
            taken.join()
        self.assertEqual(before[-1]["type"], "STATE")

    def test_normal_end(self):
        self.sql(TABLE)
        catalog = self.catalog("t")
        log = self.server.folder / "log"
        before = len(log.read_text())
        self.sync(catalog)
        self.check_nothing_left()
        self.assertNotIn("unexpected EOF", log.read_text()[before:])

    def check_nothing_left(self):
        until(lambda: not self.sshd.sessions(), "the SSH server still has a session")
        until(
            lambda: not self.sql(
                "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'tap-postgres %'"
            ),
            "the database still has a session",
        )


if __name__ == "__main__":
    unittest.main()
