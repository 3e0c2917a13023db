"""`tap-postgres check`: findings on the server and on the connection."""

import socket
import subprocess
import unittest

from support import tap
from support.check import about, run_check
from support.pgbouncer import pgbouncer
from support.pipeline import until
from support.server import Server, as_postgres
from support.sshd import keygen
from support.tunnel_case import TunnelTest

HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


class LoginTest(unittest.TestCase):
    """A failed connection is the only finding. Its fix is applied and works."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.sql("CREATE ROLE newcomer LOGIN PASSWORD 'op3n s3same'")
        (cls.server.data / "pg_hba.conf").write_text(HBA)
        cls.server.sql("SELECT pg_reload_conf()")
        cls.config = cls.server.config(
            user="newcomer", password="op3n s3same", filter_dbs="postgres"
        )

    def check_refused(self, words, remedy, dbname="postgres", user="newcomer", **config):
        before = (
            f"error cannot connect (127.0.0.1:{self.server.port}, database {dbname}, user {user}): "
            "connection to server at "
            f'"127.0.0.1", port {self.server.port} failed: FATAL: '
        )
        findings = run_check({**self.config, "dbname": dbname, "user": user, **config}, expect=3)
        self.assertEqual([f["level"] for f in findings], ["error"])
        self.assertEqual(
            about(findings, f"connection to database {dbname}"), [f"{before}{words}; {remedy}"]
        )

    def check_fix(self, sql):
        self.server.sql(sql)
        self.assertEqual(
            about(run_check(self.config, expect=1), "connection to database postgres"),
            [f"ok 127.0.0.1:{self.server.port}, database postgres, user newcomer"],
        )

    def test_no_server(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertEqual(
            about(
                run_check({**self.config, "port": port}, expect=3),
                "connection to database postgres",
            ),
            [
                f"error cannot connect (127.0.0.1:{port}, database postgres, user newcomer): "
                'connection to server at "127.0.0.1", port '
                f"{port} failed: Connection refused Is the server running on that host and "
                "accepting TCP/IP connections?; the server must be reachable from this machine: "
                "host and "
                "port in the config; on the server listen_addresses, firewall, security group"
            ],
        )

    def test_unresponsive_server(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            [found] = about(
                run_check({**self.config, "port": port, "connect_timeout": 1}, expect=3),
                "connection to database postgres",
            )
        self.assertIn(
            "): no answer in 1 seconds; the server must be reachable from this machine: ", found
        )

    def test_wrong_password(self):
        self.check_refused(
            'password authentication failed for user "newcomer" (SQLSTATE 28P01)',
            "the role's current "
            "password: password in the config; ALTER ROLE \"newcomer\" PASSWORD '...' VALID UNTIL "
            "'infinity'; for the "
            'tokens of Amazon RDS and Aurora GRANT rds_iam TO "newcomer"',
            password="wrong",
        )

    def test_expired_and_expiring_password(self):
        self.server.sql("ALTER ROLE newcomer VALID UNTIL '2020-01-01'")
        self.check_refused(
            'password authentication failed for user "newcomer" (SQLSTATE 28P01)',
            "the role's current "
            "password: password in the config; ALTER ROLE \"newcomer\" PASSWORD '...' VALID UNTIL "
            "'infinity'; for the "
            'tokens of Amazon RDS and Aurora GRANT rds_iam TO "newcomer"',
        )
        self.server.sql(
            "DO $$ BEGIN EXECUTE format('ALTER ROLE newcomer VALID UNTIL %L', now() + interval '1 "
            "day'); END $$"
        )
        [(day,)] = self.server.sql("SELECT (now() + interval '1 day')::date::text")
        fix = "ALTER ROLE \"newcomer\" VALID UNTIL 'infinity'"
        self.assertEqual(
            about(run_check(self.config, expect=1), "login"),
            [f'warning the password of "newcomer" expires on {day}; {fix}'],
        )
        self.check_fix(fix)
        self.assertEqual(about(run_check(self.config, expect=1), "login"), [])

    def test_role_without_login(self):
        self.server.sql("ALTER ROLE newcomer NOLOGIN")
        self.check_refused(
            'role "newcomer" is not permitted to log in (SQLSTATE 28000)',
            "a role with LOGIN, and a pg_hba.conf "
            'entry that accepts it from this machine: CREATE ROLE "newcomer" LOGIN PASSWORD '
            "'...', or ALTER ROLE "
            '"newcomer" LOGIN; '
            'self-hosted: a line `host "postgres" "newcomer" <this machine>/32 scram-sha-256` in '
            'pg_hba.conf, then SELECT pg_reload_conf(); Amazon RDS and Aurora: "sslmode": '
            '"require" in the config if rds.force_ssl is 1, '
            "and for a role with rds_iam a fresh token by password_command",
        )
        self.check_fix('ALTER ROLE "newcomer" LOGIN')

    def test_unknown_database(self):
        self.check_refused(
            'database "none" does not exist (SQLSTATE 3D000)',
            "an existing database: dbname in the config, " "database-name in the catalog",
            dbname="none",
        )

    def test_no_connect_privilege(self):
        self.server.sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        fix = 'GRANT CONNECT ON DATABASE "postgres" TO "newcomer"'
        self.check_refused(
            'permission denied for database "postgres" DETAIL: User does not have CONNECT '
            "privilege. (SQLSTATE 42501)",
            f"the CONNECT privilege: {fix}",
        )
        self.check_fix(fix)

    def test_database_without_connections(self):
        self.server.sql("CREATE DATABASE closed ALLOW_CONNECTIONS false")
        self.addCleanup(self.server.sql, "DROP DATABASE closed")
        self.check_refused(
            'database "closed" is not currently accepting connections (SQLSTATE 55000)',
            'ALTER DATABASE "closed" ALLOW_CONNECTIONS true',
            dbname="closed",
        )

    def test_no_free_connection(self):
        self.server.sql("ALTER ROLE newcomer CONNECTION LIMIT 0")
        self.check_refused(
            'too many connections for role "newcomer" (SQLSTATE 53300)',
            'a free connection: ALTER ROLE "newcomer" '
            'CONNECTION LIMIT -1, ALTER DATABASE "postgres" CONNECTION LIMIT -1, or raise '
            "max_connections",
        )
        self.check_fix('ALTER ROLE "newcomer" CONNECTION LIMIT -1')


class TunnelFaultsTest(TunnelTest):
    """A failed tunnel is the only finding."""

    database = "check_tunnel"

    def check_refused(self, found, code=3, **tunnel):
        changed = {**self.config["ssh_tunnel"], **tunnel}
        config = {
            **self.config,
            "ssh_tunnel": {name: value for name, value in changed.items() if value is not None},
        }
        self.sql("CREATE TABLE IF NOT EXISTS {s}.t (id int PRIMARY KEY)")
        for catalog in (None, tap.select(tap.discover(self.direct))):
            findings = run_check(config, catalog=catalog, expect=code)
            self.assertEqual(
                [f for f in findings if f["subject"] != "catalog"],
                [
                    {
                        "level": "error",
                        "subject": "connection to database check_tunnel",
                        "found": found,
                        "needed": "",
                        "fix": "",
                    }
                ],
            )
        result = tap.run(config, "check", expect=code)
        self.assertEqual(
            (result.stdout.decode(), result.stderr),
            (f"error   connection to database check_tunnel: {found}\n", ""),
        )

    def refusal(self, why):
        return (
            f"cannot open the SSH tunnel (127.0.0.1:{self.sshd.port}, user {self.sshd.user}): {why}"
        )

    def test_invalid_key(self):
        self.check_refused(
            "ssh_tunnel.private_key is neither the text of a private key nor the path of a file "
            "that can be read",
            private_key="no key",
        )

    def test_unknown_host_key(self):
        nowhere = str(self.keys / "nowhere")
        self.check_refused(
            self.refusal(
                f"the host key is not known: {self.sshd.fingerprint} (ssh-ed25519); add it to "
                f"{nowhere} or set ssh_tunnel.host_key to that fingerprint"
            ),
            host_key=None,
            known_hosts=nowhere,
        )

    def test_login_rejected(self):
        key = keygen(self.keys / "unknown")
        self.check_refused(
            self.refusal(
                "login refused, tried ssh_tunnel.private_key; the server accepts publickey"
            ),
            private_key=str(key),
        )

    def test_unreachable_database_host(self):
        self.assertEqual(
            about(
                run_check({**self.config, "host": "/tmp"}, expect=2),
                "connection to database check_tunnel",
            ),
            ["error ssh_tunnel requires a host name or an address, not a socket directory"],
        )

    def test_working_tunnel(self):
        self.sql("CREATE TABLE {s}.t ()")
        self.assertEqual(
            about(run_check(self.config), "connection to database check_tunnel"),
            [
                (
                    f"ok 127.0.0.1:{self.server.port}, database check_tunnel, user tap, through "
                    f"SSH 127.0.0.1:{self.sshd.port}"
                )
            ],
        )


class ServerTest(unittest.TestCase):
    def use(self, settings=None, **extra):
        self.server = Server(settings, **extra)
        self.addCleanup(self.server.close)
        if "primary" not in extra:
            self.server.sql(
                "CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE reader LOGIN IN ROLE "
                "pg_read_all_data"
            )
        self.config = self.server.config(user="reader", filter_dbs="postgres")

    def about(self, subject, expect=0, method="FULL_TABLE", **extra):
        self.config.update(extra)
        catalog = tap.select(tap.discover(self.config), "t", method=method)
        return about(run_check(self.config, catalog=catalog, expect=expect), subject)

    def test_short_server_timeouts(self):
        self.use(
            {
                "statement_timeout": "1s",
                "idle_in_transaction_session_timeout": "1s",
                "idle_session_timeout": "1s",
            }
        )
        self.server.sql("ALTER ROLE reader SET lock_timeout = '5s'")
        # Runs set their own timeouts.
        self.assertEqual(self.about("timeouts"), ["ok none that would interrupt a run"])
        self.server.sql(
            "ALTER ROLE reader SET tcp_user_timeout = '1min'; ALTER ROLE reader SET "
            "wal_sender_timeout = '2s'"
        )
        found = self.about("timeouts")
        self.assertEqual(
            found,
            [
                "warning tcp_user_timeout is 60000ms: a run whose target blocks for "
                "that long loses its connection; set it for the role: "
                'ALTER ROLE "reader" SET tcp_user_timeout = 0',
                "warning wal_sender_timeout is 2000ms: a log-based run that cannot reply "
                'for that long is disconnected; set it for the role: ALTER ROLE "reader" SET '
                "wal_sender_timeout = '60s'",
            ],
        )
        self.server.sql(";".join(line.split("role: ")[1] for line in found))
        self.assertEqual(self.about("timeouts"), ["ok none that would interrupt a run"])

    def test_config_timeouts(self):
        self.use()
        config = {
            "statement_timeout": "5min",
            "lock_timeout": 2000,
            "idle_in_transaction_session_timeout": "30s",
        }
        self.assertEqual(
            self.about("timeouts", **config),
            [
                "warning idle_in_transaction_session_timeout is 30000ms: a copy whose "
                "target blocks "
                "for that long can lose its connection; set it in the config: "
                '"idle_in_transaction_session_timeout": "0"',
                "warning lock_timeout is 2000ms: a stream whose table is locked for longer fails; "
                "set it in the config: "
                '"lock_timeout": "5min"',
                "warning statement_timeout is 300000ms: a copy that takes longer is canceled; set "
                "it in the config: "
                '"statement_timeout": "0"',
            ],
        )
        self.assertEqual(
            self.about(
                "timeouts",
                statement_timeout="2h",
                lock_timeout="5min",
                idle_in_transaction_session_timeout="0",
            ),
            ["ok none that would interrupt a run"],
        )

    def test_standby_that_cancels_queries(self):
        self.use()
        primary = self.server
        self.use({"max_standby_streaming_delay": "30s"}, primary=primary)
        self.assertRegex(self.about("server")[0], r"\Aok PostgreSQL 1.*, a standby\Z")
        self.assertEqual(
            self.about("standby"),
            [
                "warning max_standby_streaming_delay is 30s, max_standby_archive_delay 30s, "
                "hot_standby_feedback off: a query that blocks replay for "
                "longer is canceled and retried; let replay on the standby wait during an initial "
                "snapshot, so that the standby falls behind, or let the primary keep the rows, so "
                "that its tables grow meanwhile: "
                "ALTER SYSTEM SET "
                "max_standby_streaming_delay = -1; ALTER SYSTEM SET max_standby_archive_delay = "
                "-1; SELECT pg_reload_conf(), or hot_standby_feedback = on"
            ],
        )
        if self.server.version < (16,):  # see standby_decoding_test for later ones
            self.assertEqual(
                self.about("WAL of database postgres", 4, "LOG_BASED"),
                [
                    "error log-based replication reads the primary, but this server is a standby; "
                    "set host to the primary (Aurora: the cluster's writer endpoint)"
                ],
            )
        for setting in (
            "ALTER SYSTEM SET max_standby_streaming_delay = -1",
            "ALTER SYSTEM SET max_standby_archive_delay = -1",
        ):
            self.server.sql(setting)
        self.server.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.server.sql("SHOW max_standby_archive_delay") == [("-1",)],
            "the setting has not been applied",
        )
        self.assertEqual(
            self.about("standby"),
            [
                (
                    "ok max_standby_streaming_delay is -1, max_standby_archive_delay -1, "
                    "hot_standby_feedback off"
                )
            ],
        )

    def test_secondary_host(self):
        self.use()
        primary = self.server
        self.use(
            {"max_standby_streaming_delay": "30s", "rds.logical_replication": "on"}, primary=primary
        )
        standby, self.config = self.server, primary.config(user="reader", filter_dbs="postgres")
        self.config.update(
            use_secondary=True, secondary_host="127.0.0.1", secondary_port=standby.port
        )
        catalog = tap.select(tap.discover(self.config), "t")

        def found(expect=0, subject="secondary_host", catalog=catalog, **extra):
            return about(
                run_check({**self.config, **extra}, catalog=catalog, expect=expect), subject
            )

        where = "127.0.0.1:{}, database postgres, user reader"
        self.assertEqual(
            found(subject="connection to secondary_host"), [f"ok {where.format(standby.port)}"]
        )
        self.assertEqual(
            found(subject="tls of secondary_host"),
            ["ok not encrypted, but local to this machine"],
        )
        self.assertEqual(
            found(),
            [
                "warning max_standby_streaming_delay is 30s, max_standby_archive_delay 30s, "
                "hot_standby_feedback off: a query that blocks replay for "
                "longer is canceled and retried; let replay on the standby wait during an initial "
                "snapshot, so that the standby falls behind, or let the primary keep the rows, so "
                "that its tables grow meanwhile: set "
                "max_standby_streaming_delay and max_standby_archive_delay to -1 (Aurora: "
                "the maximum), or hot_standby_feedback to 1, in its parameter group"
            ],
        )
        none = (
            f"the server of secondary_host ({where.format(primary.port)}) is not a standby; set "
            "secondary_host to a standby, or use_secondary to false"
        )
        self.assertEqual(found(secondary_port=primary.port), [f"warning {none}"])
        log_based = tap.select(catalog, "t", method="LOG_BASED")
        # The standby has no slot.
        self.assertEqual(
            found(4, secondary_port=primary.port, catalog=log_based), [f"error {none}"]
        )
        standby.stop()
        [lost] = found(3, "connection to secondary_host")
        self.assertRegex(
            lost,
            rf"\Aerror cannot connect \({where.format(standby.port)}\): .*; the server must be "
            r"reachable from this machine: host "
            "and port, secondary_host and secondary_port in the config; on the "
            "server listen_addresses, firewall, "
            r"security group\Z",
        )
        self.assertEqual(
            [
                f["level"]
                for f in run_check(self.config, catalog=catalog, expect=3)
                if f["subject"] == "server"
            ],
            ["ok"],
        )

    def test_rds(self):
        """RDS is recognized by its settings, roles and functions, which this server imitates."""
        self.use(
            {
                "rds.logical_replication": "off",
                "wal_level": "replica",
                "allow_system_table_mods": "on",
            }
        )
        self.server.sql("CREATE ROLE rds_superuser; CREATE ROLE rds_replication")
        [(version,)] = self.server.sql("SHOW server_version")
        self.assertEqual(
            self.about("server"), [f"ok PostgreSQL {version} of Amazon RDS, a primary"]
        )
        self.assertEqual(
            self.about("WAL of database postgres", 4, "LOG_BASED"),
            [
                "error log-based replication needs wal_level=logical, the server has replica; set "
                "rds.logical_replication to 1 in its parameter group and reboot it"
            ],
        )
        [right] = self.about("replication", 4, "LOG_BASED")
        self.assertRegex(
            right,
            r"\Aerror cannot connect .*; give the role the right to replicate: GRANT "
            r'rds_replication TO "reader"\Z',
        )
        self.server.sql(
            "CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS $$ SELECT "
            "'15.4.1' $$"
        )
        self.assertEqual(
            self.about("server"), [f"ok PostgreSQL {version} of Amazon Aurora, a primary"]
        )

    def test_rds_parameter_group(self):
        self.use(
            {
                "rds.logical_replication": "off",
                "wal_level": "replica",
                "max_replication_slots": 0,
                "max_wal_senders": 0,
            }
        )
        for subject, remedy in (
            (
                "free slots",
                "warning 0 of 0 replication slots are in use: changes during initial snapshots "
                "will be sent twice; raise max_replication_slots (requires a restart), "
                "or drop an inactive slot: set max_replication_slots to 5 in its parameter group "
                "and reboot it",
            ),
            (
                "free senders",
                "error 0 of 0 WAL senders are in use; raise max_wal_senders (requires a "
                "restart): set "
                "max_wal_senders to 5 in its parameter group and reboot it",
            ),
            (
                "max_slot_wal_keep_size",
                "note it is -1: an inactive slot retains WAL until the disk is full; a "
                "limit that covers a few days without a run: set max_slot_wal_keep_size "
                "to 51200 (megabytes) in its parameter group",
            ),
        ):
            self.assertEqual(self.about(subject, 4, "LOG_BASED"), [remedy])

    def use_tls(self):
        self.use()
        subprocess.run(
            [
                "openssl",
                "req",
                "-new",
                "-x509",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-days",
                "2",
                "-out",
                "server.crt",
                "-keyout",
                "server.key",
            ],
            cwd=self.server.data,
            check=True,
            capture_output=True,
            **as_postgres(),
        )
        certificate = (self.server.data / "server.crt").read_text()
        self.server.sql("ALTER SYSTEM SET ssl = on")
        self.server.sql("SELECT pg_reload_conf()")
        until(lambda: self.server.sql("SHOW ssl") == [("on",)], "TLS has not been enabled")
        return certificate

    def test_tls_behind_a_pooler(self):
        self.use_tls()
        with pgbouncer(self.server, "session", "server_tls_sslmode = require") as port:
            config = self.server.config(port=str(port), filter_dbs="postgres")
            catalog = tap.select(tap.discover(config), "t")
            self.assertEqual(
                about(run_check(config, catalog=catalog), "tls"),
                ["ok not encrypted, but local to this machine"],
            )
            # The pooler's connection to the server is encrypted, which check must not report.
            self.assertEqual(
                self.server.sql(
                    "SELECT count(*) > 0 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE "
                    "ssl AND backend_type = 'client backend'"
                ),
                [(True,)],
            )

    def test_tls(self):
        certificate = self.use_tls()
        used = "TLSv1.3, TLS_AES_256_GCM_SHA384"
        self.assertEqual(
            self.about("tls", sslmode="require"),
            [
                f"note {used}, but the server's certificate is not verified; verify it: "
                '"sslmode": '
                '"verify-full" and "sslrootcert" in the config'
            ],
        )
        findings = run_check(
            {
                **self.config,
                "host": "localhost",
                "sslmode": "verify-full",
                "sslrootcert": "root.crt",
            },
            files={"root.crt": certificate},
        )
        self.assertEqual(
            about(findings, "tls"), [f"ok {used}, the server's certificate is verified"]
        )


if __name__ == "__main__":
    unittest.main()
