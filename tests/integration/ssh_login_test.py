"""Authentication at the SSH server, and verification of its host key."""

import contextlib
import json
import os
import socket
import subprocess
import unittest

from support import tap
from support.sshd import Sshd, agent, fingerprint, keygen
from support.tunnel_case import TunnelTest

PASSPHRASE = "two words"


class LoginTest(TunnelTest):
    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int)")  # discovery must find a table


class AccountTest(LoginTest):
    """Containers often run as a user that is not in /etc/passwd and has no home."""

    def discover_without_account(self, expect=0, **tunnel):
        tunnel = {**self.config["ssh_tunnel"], "private_key": self.key.read_text(), **tunnel}
        settings = {**self.config, "ssh_tunnel": json.dumps(tunnel)}
        done = subprocess.run(
            ["setpriv", "--reuid=54321", "--clear-groups", tap.BINARY, "--config=ENV", "-d"],
            env={f"TAP_POSTGRES_{name.upper()}": str(settings[name]) for name in settings},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    @unittest.skipIf(os.geteuid() != 0, "root only: it runs the tap as another user")
    def test_user_without_account(self):
        self.discover_without_account(username=self.sshd.user, host_key="any")
        self.assertEqual(
            self.discover_without_account(expect=3, username="", host_key="any"),
            "CRITICAL cannot open the SSH tunnel "
            f"(127.0.0.1:{self.sshd.port}, user ): this process "
            "has no user name: set ssh_tunnel.username; run: tap-postgres check\n",
        )


class KeyTest(LoginTest):
    def test_all_key_types(self):
        for kind in ("rsa", "ecdsa", "ed25519"):
            for passphrase in ("", PASSPHRASE):
                with self.subTest(kind, passphrase=passphrase):
                    key = keygen(self.keys / f"{kind}{len(passphrase)}", kind, passphrase)
                    self.sshd.allow(key)
                    self.discover(private_key=str(key), private_key_password=passphrase)
                    self.discover(private_key=key.read_text(), private_key_password=passphrase)

    def test_pem_keys(self):
        for kind in ("rsa", "ecdsa"):
            for passphrase in ("", PASSPHRASE):
                with self.subTest(kind, passphrase=passphrase):
                    key = keygen(
                        self.keys / f"pem-{kind}{len(passphrase)}",
                        kind,
                        passphrase,
                        form=("-m", "PEM"),
                    )
                    self.sshd.allow(key)
                    self.discover(private_key=key.read_text(), private_key_password=passphrase)

    def test_key_with_escaped_newlines(self):
        text = self.key.read_text()
        for mangled in (text.rstrip("\n"), text.replace("\n", "\\n"), text.replace("\n", "\r\n")):
            self.discover(private_key=mangled)
        variables = {
            f"TAP_POSTGRES_SSH_TUNNEL_{name.upper()}": str(value)
            for name, value in self.sshd.tunnel(private_key=text).items()
        }
        variables |= {
            f"TAP_POSTGRES_{name.upper()}": value
            for name, value in self.direct.items()
            if isinstance(value, str)
        }
        self.assertEqual(tap.run(None, "--config", "ENV", "--discover", env=variables).code, 0)

    def test_key_in_the_home_folder(self):
        self.discover(private_key="~/ed25519", env={"HOME": str(self.keys)})

    def test_agent(self):
        unknown = keygen(self.keys / "unknown_to_server")
        with agent(unknown, self.key) as variables:
            self.discover(private_key=None, env=variables)
        with agent(unknown) as variables:
            self.refused(
                "login refused, tried the SSH agent's keys; the server accepts publickey",
                private_key=None,
                env=variables,
            )

    def test_unauthorized_key(self):
        key = keygen(self.keys / "unknown")
        self.refused(
            "login refused, tried ssh_tunnel.private_key; the server accepts publickey",
            private_key=str(key),
        )

    def test_another_user(self):
        self.refused(
            "login refused, tried ssh_tunnel.private_key; the server accepts publickey",
            user="no-such-user",
        )

    def test_no_credentials(self):
        self.refused(
            "no credentials: set ssh_tunnel.private_key or ssh_tunnel.password, or start an SSH "
            "agent",
            private_key=None,
            env={"SSH_AUTH_SOCK": ""},
        )

    def check_key(self, error, key, **tunnel):
        result = self.discover(3, private_key=key, **tunnel)
        self.assertEqual(result.stderr, f"CRITICAL ssh_tunnel.private_key {error}\n")

    def test_wrong_or_missing_passphrase(self):
        for form in ((), ("-m", "PEM")):
            key = keygen(self.keys / f"locked{len(form)}", "ecdsa", PASSPHRASE, form)
            self.check_key(
                "cannot be decrypted: check ssh_tunnel.private_key_password",
                str(key),
                private_key_password="secret",
            )
            self.check_key("is encrypted: set ssh_tunnel.private_key_password", str(key))

    def test_invalid_key_is_not_shown(self):
        lines = self.key.read_text().splitlines()
        self.check_key(
            "is not a private key: give the text of one, or the path of its file",
            "\n".join([lines[0], *lines[2:]]),
        )
        self.check_key(
            "is neither the text of a private key nor the path of a file that can be read",
            "\n".join(lines[1:]),
        )


class HostKeyTest(LoginTest):
    def refused(self, text, **tunnel):
        super().refused(text, host_key=None, **tunnel)

    @property
    def shown(self):
        return f"{self.sshd.fingerprint} (ssh-ed25519)"

    def test_known_hosts_file(self):
        for hashed in (False, True):
            self.discover(host_key=None, known_hosts=self.sshd.known_hosts(hashed))

    def test_fingerprint_or_key(self):
        for key in (
            self.sshd.fingerprint,
            self.sshd.fingerprint + "=",
            self.sshd.host_key,
            self.sshd.host_key + " comment",
        ):
            self.discover(host_key=key)

    def test_known_key_type_is_requested(self):
        with Sshd(
            f"HostKey {keygen(self.keys / 'host_rsa', 'rsa')}",
            f"HostKey {keygen(self.keys / 'host_ecdsa', 'ecdsa')}",
        ) as several:
            several.allow(self.key)
            for kind in ("rsa", "ecdsa"):
                key = (self.keys / f"host_{kind}.pub").read_text()
                self.through(several)
                self.discover(host_key=key)
                self.discover(host_key=fingerprint(self.keys / f"host_{kind}.pub"))
                self.discover(host_key=None, known_hosts=several.known_hosts(key=key))

    def test_unknown_host_key(self):
        nowhere = str(self.keys / "nowhere")
        self.refused(
            f"the host key is not known: {self.shown}; add it to {nowhere} or set "
            "ssh_tunnel.host_key to that fingerprint",
            known_hosts=nowhere,
        )

    def test_changed_host_key(self):
        other = (keygen(self.keys / "other").with_suffix(".pub")).read_text()
        for key in (
            other,
            (keygen(self.keys / "other_kind", "ecdsa").with_suffix(".pub")).read_text(),
        ):
            known = self.sshd.known_hosts(key=key)
            self.refused(
                f"the host key has changed: it is now {self.shown}, not the key in {known}; "
                "someone may be intercepting the connection. If the administrator of the server "
                "confirms the new key, replace it there",
                known_hosts=known,
            )

    def test_host_key_differs_from_the_config(self):
        for key in (
            "SHA256:" + 43 * "A",
            keygen(self.keys / "named").with_suffix(".pub").read_text(),
        ):
            result = self.discover(3, host_key=key)
            self.assertEqual(
                result.stderr,
                f"CRITICAL cannot open the SSH tunnel (127.0.0.1:{self.sshd.port}, user "
                f"{self.sshd.user}): the host key does not match ssh_tunnel.host_key: the server "
                f"presents {self.shown}; someone may be intercepting the connection, or the server "
                "has a new key\n",
            )

    def test_any_host_key(self):
        result = self.discover(host_key="any")
        self.assertEqual(
            result.stderr.splitlines()[0],
            f"WARNING the host key of SSH server 127.0.0.1:{self.sshd.port} is not checked because "
            f'ssh_tunnel.host_key is "any": {self.shown}',
        )

    def test_invalid_host_key(self):
        result = self.discover(2, host_key="ssh-ed25519 AAAA")
        self.assertEqual(
            result.stderr,
            "CRITICAL ssh_tunnel.host_key is neither a fingerprint nor a public key\n",
        )


@contextlib.contextmanager
def account(password):
    """A temporary system user; yields its name."""
    name = f"taptest{os.getpid()}"
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True
    ).stdout.strip()
    subprocess.run(
        [
            "useradd",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/bin/sh",
            "--password",
            hashed,
            name,
        ],
        check=True,
        capture_output=True,
    )
    try:
        yield name
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


@unittest.skipUnless(os.geteuid() == 0, "only root can make a user who has a password")
class PasswordTest(LoginTest):
    METHODS = {
        "password": ("PasswordAuthentication yes", "UsePAM no"),
        "keyboard-interactive": ("KbdInteractiveAuthentication yes", "UsePAM yes"),
    }

    def test_password(self):
        with account("secret") as name:
            for method, settings in self.METHODS.items():
                with self.subTest(method), Sshd("PubkeyAuthentication no", *settings) as sshd:
                    self.sshd = sshd
                    self.through(sshd)
                    self.discover(private_key=None, username=name, password="secret")
                    self.refused(
                        f"login refused, tried ssh_tunnel.password; the server accepts {method}",
                        user=name,
                        private_key=None,
                        password="wrong",
                    )

    def test_key_and_password(self):
        with (
            account("secret") as name,
            Sshd(
                "PasswordAuthentication yes",
                "AuthenticationMethods publickey,password",
                f"AuthorizedKeysCommand /bin/cat {self.key}.pub",
                "AuthorizedKeysCommandUser root",
            ) as sshd,
        ):
            self.sshd = sshd
            self.through(sshd, username=name)
            self.discover(password="secret")
            self.refused(
                "login refused, tried ssh_tunnel.private_key; the server accepts password",
                user=name,
            )


class UnreachableTest(LoginTest):
    def test_closed_port(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        result = self.discover(3, port=port)
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot open the SSH tunnel (127.0.0.1:{port}, user {self.sshd.user}): "
            "Connection refused\n",
        )

    def test_unknown_host_name(self):
        result = self.discover(3, host="no-such-host.invalid")
        self.assertRegex(
            result.stderr,
            r"^CRITICAL cannot open the SSH tunnel \(no-such-host\.invalid:\d+, user .*\): .*"
            r"(resolution|not known)\n$",
        )

    def test_unresponsive_server(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.config["connect_timeout"] = 1
            port = silent.getsockname()[1]
            result = self.discover(3, port=port)
        self.assertEqual(
            result.stderr,
            f"CRITICAL cannot open the SSH tunnel (127.0.0.1:{port}, user {self.sshd.user}): "
            "no answer in 1 seconds\n",
        )

    def test_socket_folder_is_rejected(self):
        self.config["host"] = str(self.server.folder)
        result = self.discover(2)
        self.assertEqual(
            result.stderr,
            "CRITICAL ssh_tunnel requires a host name or an address, not a socket directory\n",
        )


if __name__ == "__main__":
    unittest.main()
