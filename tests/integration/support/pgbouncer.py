"""A throwaway PgBouncer in front of a server."""

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

from support.pipeline import until
from support.server import as_postgres, free_port


@contextlib.contextmanager
def pgbouncer(server, mode, *settings, users=("tap",)):
    """Yields its port on 127.0.0.1.

    `mode` is `session` or `transaction`; two server connections serve all clients. `settings` are
    additional configuration lines, `users` the users that may log in.
    """
    with tempfile.TemporaryDirectory(prefix="tap-postgres-pgbouncer-") as folder:
        port = free_port()
        known, config = pathlib.Path(folder, "users"), pathlib.Path(folder, "pgbouncer.ini")
        known.write_text("".join(f'"{user}" ""\n' for user in users))
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\nlisten_addr = "
            "127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {known}\n"
            f"pool_mode = {mode}\ndefault_pool_size = 2\nserver_reset_query_always = 0\n"
            + "".join(f"{line}\n" for line in settings)
        )
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for path in (folder, known, config):
                os.chown(path, account.pw_uid, account.pw_gid)
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        process = subprocess.Popen(
            [program, "-q", config],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            **as_postgres(),
        )
        try:
            until(lambda: listens(port), lambda: f"pgbouncer does not listen, {process.poll()}")
            yield port
        finally:
            process.kill()
            process.communicate()


def listens(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
