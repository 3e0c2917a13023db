"""A real SSH server on loopback, with its own configuration, keys and port."""

import contextlib
import functools
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from support.pipeline import until
from support.server import free_port

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Sshd:
    """Accepts the user that runs the tests, with the keys in `folder/authorized_keys`.

    `settings` are lines of sshd_config that override the usual ones.
    """

    def __init__(self, *settings, host_key="ed25519"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tap-postgres-sshd-"))
        self.port = free_port()
        self.user = getpass.getuser()
        self.settings = settings
        self.process = None
        keygen(self.folder / "host_key", kind=host_key)
        (self.folder / "authorized_keys").touch(mode=0o600)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        if os.geteuid() == 0:
            # sshd's privilege separation directory
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            "\n".join(
                [
                    *self.settings,
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {self.folder}/host_key",
                    f"AuthorizedKeysFile {self.folder}/authorized_keys",
                    f"PidFile {self.folder}/pid",
                    "StrictModes no",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin yes",
                    "LogLevel VERBOSE",
                    *no_penalties(),
                    "",
                ]
            )
        )
        with open(self.folder / "log", "ab") as log:
            # A separate session keeps its children apart from others.
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", config],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self.answers, lambda: f"sshd does not start: {self.log}")

    def answers(self):
        assert self.process.poll() is None, f"sshd has ended: {self.log}"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe,
        ):
            return probe.recv(4)

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def sessions(self):
        """The PIDs of the processes that serve a connection each."""
        return children(self.process.pid)

    def drop(self):
        """Closes existing connections; new ones are still accepted."""
        for pid in self.sessions():
            for each in [*children(pid), pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)

    def stop(self):
        """Stops the server and closes all connections."""
        if self.process:
            pids = self.sessions()
            self.drop()
            until(
                lambda: not set(pids) & set(self.sessions()),
                "sshd still has sessions",
            )
            self.process.terminate()
            self.process.wait()
            self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def allow(self, key, options=""):
        """Authorizes a key, given the path of the private key."""
        with open(self.folder / "authorized_keys", "a", encoding="ascii") as keys:
            keys.write(f"{options} {public(key)}".lstrip() + "\n")

    @property
    def host_key(self):
        """The server's public key, `ssh-ed25519 AAAA...`."""
        return public(self.folder / "host_key")

    @property
    def fingerprint(self):
        return fingerprint(self.folder / "host_key.pub")

    def known_hosts(self, hashed=False, key=None):
        """Writes a known_hosts file with the server's key, or another one; returns its path."""
        path = self.folder / "known_hosts"
        path.write_text(f"[127.0.0.1]:{self.port} {key or self.host_key}\n", encoding="ascii")
        if hashed:
            subprocess.run(["ssh-keygen", "-H", "-f", path], check=True, capture_output=True)
        return str(path)

    def tunnel(self, key=None, **extra):
        """The tap's `ssh_tunnel` setting for this server, with its host key."""
        if key is not None:
            extra["private_key"] = str(key)
        return {"host": "127.0.0.1", "port": self.port, "host_key": self.fingerprint, **extra}


@functools.cache
def no_penalties():
    """The setting without which OpenSSH 9.8 and later delay logins after a failed one."""
    setting = "PerSourcePenalties no"
    known = subprocess.run(
        [SSHD, "-G", "-f", "/dev/null", "-o", setting.replace(" ", "=")],
        capture_output=True,
        check=False,
    )
    return [setting] if known.returncode == 0 else []


def children(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [
            int(each)
            for each in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    return []


def keygen(path, kind="ed25519", passphrase="", form=()):
    """Creates a key pair; returns the path of the private key."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", *form, "-f", path],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def fingerprint(public_key):
    return subprocess.check_output(["ssh-keygen", "-l", "-f", public_key], text=True).split()[1]


def public(key):
    return " ".join(pathlib.Path(f"{key}.pub").read_text(encoding="ascii").split()[:2])


@contextlib.contextmanager
def agent(*keys):
    """Runs an SSH agent that holds the keys; yields its environment variables."""
    with tempfile.TemporaryDirectory(prefix="tap-postgres-agent-") as folder:
        address = os.path.join(folder, "socket")
        running = subprocess.Popen(["ssh-agent", "-D", "-a", address], stdout=subprocess.DEVNULL)
        try:
            until(lambda: os.path.exists(address), "the agent does not start")
            variables = {"SSH_AUTH_SOCK": address}
            for key in keys:
                subprocess.run(
                    ["ssh-add", "-q", key],
                    env={**os.environ, **variables},
                    check=True,
                    stdin=subprocess.DEVNULL,
                )
            yield variables
        finally:
            running.terminate()
            running.wait()
