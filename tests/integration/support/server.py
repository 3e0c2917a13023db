"""Throwaway PostgreSQL servers. No other module starts one."""

import atexit
import contextlib
import functools
import glob
import os
import pathlib
import pwd
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import psycopg2

SUPERUSER = "tap"
SERVERS = pathlib.Path(__file__).resolve().parents[3] / "scripts" / "servers"
# Messages that were reworded in PostgreSQL 16, with their former wording.
OLD_WORDING = {
    "permission denied to start WAL sender DETAIL: Only roles with the REPLICATION attribute may "
    "start a WAL sender process.": "must be superuser or replication role to start walsender",
    'increase "max_replication_slots"': "increase max_replication_slots",
}
SETTINGS = {"fsync": "off", "timezone": "UTC"}

# Stops the server and removes its folder when our end of the pipe closes: in Server.close(), or
# when this process dies. It detaches from our process tree, so that killing the tree spares it.
REAPER = """
exec 3<&0
{ cat <&3; "$1/pg_ctl" stop -D "$2/data" -m immediate >/dev/null 2>&1; rm -rf "$2"; } &
"""


class Server:
    """A running cluster in a temporary folder, with a superuser `tap` without password.

    It listens on a Unix socket in `folder`, and on 127.0.0.1 unless `tcp` is false. With `primary`
    (another Server) it is a hot standby of that server; with `source` it is a standby that keeps
    the source's current data. scripts/servers fetches a `major` like "9.3" or "18"; the default is
    the installed server.
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
                self.back_up(primary)
            self.configure(
                {
                    **SETTINGS,
                    **self.logical_decoding(),
                    **self.allowed_plugins(),
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

    def permission_denied(self, table):
        """The message of the server for a table that the role may not read."""
        kind = "table" if self.version >= (11,) else "relation"
        return f"permission denied for {kind} {table}"

    def create_reader(self, options=""):
        """Creates the role `reader`, which may read every table."""
        may_read = "IN ROLE pg_read_all_data" if self.version >= (14,) else "SUPERUSER"
        self.sql(f"CREATE ROLE reader LOGIN {options} {may_read}")

    @property
    def data(self):
        return self.folder / "data"

    def configure(self, settings, file="postgresql.conf"):
        """Writes settings that take effect at the next start."""
        with open(self.data / file, "a", encoding="utf-8") as conf:
            for name, value in settings.items():
                conf.write("%s = '%s'\n" % (name, str(value).replace("'", "''")))

    def logical_decoding(self):
        """Settings for logical decoding, and for standbys before 9.4."""
        if self.version < (9, 4):
            return {"wal_level": "hot_standby", "hot_standby": "on"}
        more = (
            {"max_wal_senders": 10, "max_replication_slots": 10, "hot_standby": "on"}
            if self.version < (10,)
            else {}
        )
        return {"wal_level": "logical", **more}

    def allowed_plugins(self):
        """Minor releases since 2026 load only the plugins of this setting; older ones lack it."""
        try:
            self.run("postgres", "-D", self.data, "-C", "output_plugin_libraries")
        except RuntimeError:
            return {}
        return {"output_plugin_libraries": "wal2json, pgoutput, test_decoding"}

    def back_up(self, primary):
        """Makes this server a hot standby of a running one, of version 10 or later.

        Not every major comes with pg_basebackup.
        """
        start, end = (
            ("pg_backup_start('standby', true)", "pg_backup_stop()")
            if self.version >= (15,)
            else ("pg_start_backup('standby', true, false)", "pg_stop_backup(false)")
        )
        with contextlib.closing(primary.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {start}")
            # The server may remove files meanwhile.
            subprocess.run(
                ["cp", "-a", primary.data, self.data], stderr=subprocess.DEVNULL, check=False
            )
            control = "global/pg_control"  # of a standby, it must be the last
            (self.data / control).write_bytes((primary.data / control).read_bytes())
            cursor.execute(f"SELECT labelfile FROM {end}")
            [(label,)] = cursor.fetchall()
        (self.data / "postmaster.pid").unlink()
        for slot in (self.data / "pg_replslot").iterdir():
            shutil.rmtree(slot)
        (self.data / "postmaster.opts").replace(self.data / "backup_label")  # has the right owner
        (self.data / "backup_label").write_text(label)
        self.follow(f"host={primary.folder} port={primary.port} user={SUPERUSER}")

    def copy(self, source):
        """Copies the files of another server and makes this one a standby."""
        source.stop()
        try:
            subprocess.run(["cp", "-a", source.data, self.data], check=True)
        finally:
            source.start()
        self.follow()

    def follow(self, conninfo=None):
        """Makes this server a standby at its next start, with `conninfo` of that primary."""
        primary = {"primary_conninfo": conninfo} if conninfo else {}
        if self.version >= (12,):
            (self.data / "standby.signal").touch()
            self.configure(primary)
        else:
            self.configure({"standby_mode": "on", **primary}, "recovery.conf")

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
        """Stops the server and removes its files."""
        with self.reaper:
            self.reaper.stdin.close()
            self.reaper.stdout.read()  # until it has finished

    def run(self, program, *args):
        """Runs a server program as the owner of the server; returns its output."""
        command = [os.path.join(self.bindir, program), *map(str, args)]
        # A file, not a pipe: a server that pg_ctl starts keeps this output open while it runs.
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
        """Runs statements, several as one transaction; returns the rows of the last one."""
        with (
            contextlib.closing(self.connect(dbname, user)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statements)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name, encoding="UTF8"):
        """Creates an empty database and replaces an existing one of that name."""
        self.drop_database(name)
        quoted = '"%s"' % name.replace('"', '""')
        self.sql(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING '{encoding}'")

    def drop_database(self, name):
        """Drops a database if it exists, and ends its sessions."""
        quoted = '"%s"' % name.replace('"', '""')
        if self.version < (13,):
            self.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'"
                % name.replace("'", "''")
            )
        self.sql(
            f"DROP DATABASE IF EXISTS {quoted}{'' if self.version < (13,) else ' WITH (FORCE)'}"
        )

    def config(self, dbname="postgres", **extra):
        """A config of the tap for a database of this server."""
        return {
            "host": self.host,
            "port": str(self.port),
            "user": SUPERUSER,
            "password": "unused",
            "dbname": dbname,
            **extra,
        }


def with_old_wording(text):
    """The text with server messages worded as before PostgreSQL 16."""
    for new, old in OLD_WORDING.items():
        text = text.replace(new, old)
    return text


@functools.cache
def shared():
    """A server for all tests of this process that need no special server."""
    server = Server()
    atexit.register(server.close)
    return server


def majors():
    """The major versions that TAP_MAJORS lists; `all` means every version of scripts/servers."""
    wanted = os.environ.get("TAP_MAJORS", "9.3 11 18 19")
    if wanted == "all":
        listed = subprocess.check_output([SERVERS, "list"], text=True)
        return re.findall(r"(?m)^([\d.]+):", listed)
    return wanted.split()


def require_server(major):
    """Skips the test if the server cannot be fetched; with TAP_MAJORS=all, raises RuntimeError."""
    try:
        bindir(major)
    except unittest.SkipTest as reason:
        if os.environ.get("TAP_MAJORS") == "all":
            raise RuntimeError(str(reason)) from None
        print(reason, flush=True)
        raise


@functools.cache
def bindir(major=None):
    """The folder of initdb and pg_ctl, which Debian does not put on the PATH.

    Raises SkipTest if `major` cannot be fetched on this machine. TAP_TEST_MAJOR replaces the
    installed version in tests that do not name one.
    """
    major = major or os.environ.get("TAP_TEST_MAJOR")
    if major is not None:
        fetched = subprocess.run(
            [SERVERS, "fetch", major],
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
    """The version of the server in a folder, as (9, 3, 5) or (18, 6); a beta has only its major."""
    text = subprocess.check_output([os.path.join(programs, "postgres"), "--version"], text=True)
    return tuple(map(int, re.search(r"\d+(\.\d+)*", text).group().split(".")))


def as_postgres():
    """Popen arguments that make root run a server as postgres; a server refuses to run as root."""
    return (
        {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    )


def free_port():
    """A free port below 32768, which the kernel does not assign to other sockets meanwhile."""
    while True:
        port = random.SystemRandom().randrange(15000, 32000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def main():
    """Implements `scripts/servers run MAJOR [NAME=VALUE...]`."""
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
