"""A test case for the tap behind an SSH server; each class has its own server."""

import pathlib
import tempfile

from support import tap
from support.case import SchemaTest
from support.check import without_advice
from support.sshd import Sshd, keygen


class TunnelTest(SchemaTest):
    database = "tunnel"
    settings = ()  # lines of sshd_config

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sshd = Sshd(*cls.settings)
        cls.addClassCleanup(cls.sshd.close)
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-keys-")
        cls.addClassCleanup(folder.cleanup)
        cls.keys = pathlib.Path(folder.name)
        cls.key = keygen(cls.keys / "ed25519")
        cls.sshd.allow(cls.key)

    def setUp(self):
        super().setUp()
        self.direct = self.config
        self.through(self.sshd)

    def through(self, sshd, **extra):
        """Makes the tap connect through this SSH server."""
        self.config = {**self.direct, "ssh_tunnel": sshd.tunnel(self.key, **extra)}

    def discover(self, expect=0, env=None, **tunnel):
        """Runs discovery through the tunnel with changed settings; None removes a setting."""
        changed = {**self.config["ssh_tunnel"], **tunnel}
        changed = {name: value for name, value in changed.items() if value is not None}
        result = tap.run(
            {**self.config, "ssh_tunnel": changed}, "--discover", expect=expect, env=env
        )
        return without_advice(result) if expect == 3 else result

    def refused(self, text, env=None, user=None, **tunnel):
        """Fails unless discovery fails with `text` before the tunnel is open."""
        result = self.discover(3, env, **({"username": user} if user else {}), **tunnel)
        self.assertEqual(
            result.stderr,
            "CRITICAL cannot open the SSH tunnel "
            f"(127.0.0.1:{self.sshd.port}, user {user or self.sshd.user}): {text}\n",
        )
        self.assertEqual(result.stdout, b"")
