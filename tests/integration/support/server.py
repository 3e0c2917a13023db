"""Throwaway PostgreSQL servers. Nothing else in this tree starts one."""

import atexit
import contextlib
import functools
import glob
import os
import pathlib
import pwd
import random
import re
import socket
import subprocess
import sys
import tempfile
import unittest

import psycopg2

SUPERUSER = "tap"
# What servers since 16 say in other words than those before.
WORDS = {
    "permission denied to start WAL sender DETAIL: Only roles with the REPLICATION "
    "attribute may start a WAL sender process.": "must be superuser or replication role to start walsender",
    'increase "max_replication_slots"': "increase max_replication_slots",
}
SETTINGS = {"fsync": "off", "timezone": "UTC"}

# Stops the server and removes its folder as soon as our end of the pipe closes: in Server.close(), and also when this
# process dies without a chance to clean up. It leaves our process tree, so that who kills the tree spares it.
REAPER = """
exec 3<&0
{ cat <&3; "$1/pg_ctl" stop -D "$2/data" -m immediate >/dev/null 2>&1; rm -rf "$2"; } &
"""


class Server:
    """A running cluster in a temporary folder, with a superuser `tap` who needs no password.

    It listens on a unix socket in `folder`, and on 127.0.0.1 unless `tcp` is false. With a `primary` (another
    Server) it is its hot standby; with a `source` it is one, too, which stays as the source is now. A `major` like "9.3" or "18" is fetched by scripts/servers; without one it is this
    machine's own.
    """

    def __init__(
        self,
        settings=None,
        tcp=True,
        initdb=("--locale=C", "--encoding=UTF8"),
        primary=None,
        major=None,
        source=None,
    ):
        major = source.major if source else major
        self.major = major
        self.bindir = bindir(major)
        self.version = server_version(self.bindir)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tap-postgres-server-"))
        self.port = free_port()
        self.host = "127.0.0.1" if tcp else str(self.folder)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self.reaper = subprocess.Popen(
            ["sh", "-c", REAPER, "reaper", self.bindir, self.folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            **as_postgres(),
        )
        try:
            if source:
                self.copy(source)
            elif primary is None:
                self.run("initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-N", *initdb)
            else:
                self.run(
                    "pg_basebackup",
                    "-D",
                    self.data,
                    "-h",
                    primary.folder,
                    "-p",
                    primary.port,
                    "-U",
                    SUPERUSER,
                    "--write-recovery-conf",
                    "--checkpoint=fast",
                    "--no-sync",
                )
            self.configure(
                {
                    **SETTINGS,
                    **self.logical_decoding(),
                    **self.plugins_allowed(),
                    "port": self.port,
                    "listen_addresses": "127.0.0.1" if tcp else "",
                    "unix_socket_directories": self.folder,
                    **(settings or {}),
                }
            )
            self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def data(self):
        return self.folder / "data"

    def configure(self, settings):
        """Writes settings that hold from the next start."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            for name, value in settings.items():
                conf.write("%s = '%s'\n" % (name, str(value).replace("'", "''")))

    def logical_decoding(self):
        """What logical decoding needs, or a standby before 9.4; from 10 on the rest is the default."""
        if self.version < (9, 4):
            return {"wal_level": "hot_standby", "hot_standby": "on"}
        more = (
            {"max_wal_senders": 10, "max_replication_slots": 10, "hot_standby": "on"}
            if self.version < (10,)
            else {}
        )
        return {"wal_level": "logical", **more}

    def plugins_allowed(self):
        """Servers since the minor releases of 2026 load no plugin that this setting does not name; others have no such."""
        try:
            self.run("postgres", "-D", self.data, "-C", "output_plugin_libraries")
        except RuntimeError:
            return {}
        return {"output_plugin_libraries": "wal2json, pgoutput, test_decoding"}

    def copy(self, source):
        """Copies the files of another server and makes them a standby's. pg_basebackup does not come with each major."""
        source.stop()
        try:
            subprocess.run(["cp", "-a", source.data, self.data], check=True)
        finally:
            source.start()
        if self.version >= (12,):
            (self.data / "standby.signal").touch()
        else:
            (self.data / "recovery.conf").write_text("standby_mode = on\n")

    def start(self):
        log = self.folder / "log"
        try:
            self.run("pg_ctl", "start", "-w", "-D", self.data, "-l", log)
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text()[-3000:]}") from None

    def stop(self, mode="fast"):
        self.run("pg_ctl", "stop", "-w", "-D", self.data, "-m", mode)

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def close(self):
        """Stops the server and removes all that it has written."""
        with self.reaper:
            self.reaper.stdin.close()
            self.reaper.stdout.read()  # until it is done

    def run(self, program, *args):
        """Runs one of the server's programs as the server's owner; returns what it printed."""
        command = [os.path.join(self.bindir, program), *map(str, args)]
        # A file, not a pipe: the server that pg_ctl starts keeps this output open for as long as it lives.
        with tempfile.TemporaryFile() as output:
            code = subprocess.call(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                **as_postgres(),
            )
            output.seek(0)
            text = output.read().decode(errors="replace")
        if code != 0:
            raise RuntimeError(f"{' '.join(command)}: exit code {code}\n{text}")
        return text

    def connect(self, dbname="postgres", user=SUPERUSER):
        """A psycopg2 connection in autocommit mode."""
        connection = psycopg2.connect(
            host=str(self.folder), port=self.port, user=user, dbname=dbname
        )
        connection.autocommit = True
        return connection

    def sql(self, statements, dbname="postgres", user=SUPERUSER):
        """Runs statements, each in its own transaction if there is one only; returns the last one's rows."""
        with (
            contextlib.closing(self.connect(dbname, user)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statements)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name, encoding="UTF8"):
        """Makes an empty database, in place of an earlier one of that name."""
        quoted = '"%s"' % name.replace('"', '""')
        if self.version < (13,):
            self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'"
                % name.replace("'", "''")
            )
        self.sql(
            f"DROP DATABASE IF EXISTS {quoted}{'' if self.version < (13,) else ' WITH (FORCE)'}"
        )
        self.sql(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING '{encoding}'")

    def config(self, dbname="postgres", **extra):
        """The tap's config for a database of this server."""
        return {
            "host": self.host,
            "port": str(self.port),
            "user": SUPERUSER,
            "password": "unused",
            "dbname": dbname,
            **extra,
        }


def in_older_words(text):
    """A server's complaint as servers before 16 have it: tests know these."""
    for new, old in WORDS.items():
        text = text.replace(new, old)
    return text


@functools.cache
def shared():
    """A server for all tests of this process that need nothing special of it."""
    server = Server()
    atexit.register(server.close)
    return server


@functools.cache
def bindir(major=None):
    """Where a server's initdb and pg_ctl are: Debian does not put them on the PATH.

    SkipTest if `major` cannot be fetched on this machine.
    """
    if major is not None:
        script = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "servers"
        fetched = subprocess.run(
            [script, "fetch", major],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if fetched.returncode != 0:
            raise unittest.SkipTest(f"no PostgreSQL {major} ({fetched.stderr.strip()[-500:]})")
        return os.path.join(fetched.stdout.strip(), "bin")
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if found:
        return os.path.dirname(found[-1])
    return subprocess.check_output(["pg_config", "--bindir"], text=True).strip()


@functools.cache
def server_version(programs):
    """Like (9, 3, 5) or (18, 6): of the server whose programs are there. A release candidate has only its major."""
    text = subprocess.check_output([os.path.join(programs, "postgres"), "--version"], text=True)
    return tuple(map(int, re.search(r"\d+(\.\d+)*", text).group().split(".")))


def as_postgres():
    """How root runs a server, which refuses to be run by root."""
    return (
        {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    )


def free_port():
    """One that the kernel gives to nobody in the meantime, as it does with those from 32768 on."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def main():
    """scripts/servers run MAJOR [NAME=VALUE...]"""
    try:
        with Server(
            major=sys.argv[1], settings=dict(setting.split("=", 1) for setting in sys.argv[2:])
        ) as server:
            print(f"postgresql://{SUPERUSER}@{server.host}:{server.port}/postgres", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                sys.stdin.read()
    except (RuntimeError, unittest.SkipTest) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
