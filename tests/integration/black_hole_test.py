"""A network that swallows everything, without a word: in a network namespace whose cable is pulled."""

import os
import subprocess
import time
import unittest

from support.log_case import LogTest
from support.pipeline import Tap
from support.proxy import Proxy

FAST = {"keepalives_idle": 1, "keepalives_interval": 1, "keepalives_count": 2, "tcp_user_timeout": 3000, "connect_timeout": 2,
        "max_retries": 1}


MAC = "02:00:00:00:00:01"  # known over there, so that nobody asks for it in vain


class Cable:
    """Between us and a network namespace of its own."""

    def __init__(self):
        self.name = f"tap{os.getpid()}"
        number = os.getpid() % 250
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self.ip("netns", "add", self.name)
        try:
            self.ip("link", "add", f"{self.name}a", "address", MAC, "type", "veth", "peer", "name", f"{self.name}b", "netns",
                    self.name)
            self.ip("addr", "add", f"{self.here}/30", "dev", f"{self.name}a")
            self.ip("link", "set", f"{self.name}a", "up")
            self.ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", f"{self.name}b")
            self.ip("-n", self.name, "link", "set", f"{self.name}b", "up")
            self.ip("-n", self.name, "neigh", "replace", self.here, "lladdr", MAC, "dev", f"{self.name}b", "nud", "permanent")
        except subprocess.CalledProcessError:
            self.close()
            raise

    def pull(self):
        """From now on nothing gets through; the end that is over there does not notice."""
        self.ip("addr", "flush", "dev", f"{self.name}a")

    def close(self):
        self.ip("netns", "del", self.name)

    @staticmethod
    def ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True)


class BlackHoleTest(LogTest):
    database = "black_hole"

    def setUp(self):
        super().setUp()
        try:
            self.cable = Cable()
        except (OSError, subprocess.CalledProcessError) as fault:
            self.skipTest(f"no network namespaces here: {fault}")
        self.addCleanup(self.cable.close)
        self.proxy = Proxy(self.server.port, self.cable.here)
        self.addCleanup(self.proxy.__exit__)
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM generate_series(1, 20000) i")

    def over_there(self, catalog, state=None, **extra):
        """A tap at the other end of the cable."""
        config = {**self.config, "host": self.cable.here, "port": self.proxy.port, **FAST, **extra}
        running = Tap(config, catalog=catalog, state=state, prefix=("ip", "netns", "exec", self.cable.name))
        self.addCleanup(running.close)
        return running

    def ends(self, running):
        """It is over in bounded time, and says what was lost."""
        pulled = time.monotonic()
        running.read_rest()
        self.assertEqual(running.wait(), 3, running)
        self.assertLess(time.monotonic() - pulled, 30)
        where = f"{self.cable.here}:{self.proxy.port}, database black_hole, user tap"
        self.assertRegex(running.log, rf"(?m)^WARNING .*: the connection was lost \({where}\): .*(timed out|not receive data).*; "
                                      r"trying again in 0\.5 s \(1 of 1\)$")
        self.assertRegex(running.log.splitlines()[-1],
                         rf"^CRITICAL cannot connect \({where}\): no answer in 2 seconds; run: tap-postgres check$")

    def test_in_the_middle_of_a_copy(self):
        running = self.over_there(self.catalog("t"))
        running.read(100)
        self.cable.pull()
        self.ends(running)

    def test_while_nothing_comes_from_the_log(self):
        self.first_copy("t")
        running = self.over_there(self.selected, self.state, break_at_end_lsn=False)
        self.sql("INSERT INTO {s}.t VALUES (0, '')")
        running.read_until(lambda message: message["type"] == "RECORD")
        self.cable.pull()
        self.ends(running)


if __name__ == "__main__":
    unittest.main()
