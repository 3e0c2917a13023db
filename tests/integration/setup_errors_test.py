"""Each mistake in a setup is reported in one line, as a new user would make it."""

import contextlib
import dataclasses
import re
import socket
import unittest

from support import docs, tap
from support.check import ADVICE
from support.pipeline import until
from support.server import Server, with_old_wording
from support.slots import consume, removed_wal

HBA = "local all all trust\n{extra}host all all 127.0.0.1/32 scram-sha-256\n"
SHOP = """
    CREATE ROLE newcomer LOGIN REPLICATION PASSWORD 'op3n s3same';
    CREATE SCHEMA sales; GRANT USAGE ON SCHEMA sales TO newcomer;
    CREATE TABLE sales.orders (id int PRIMARY KEY, placed timestamptz, note json);
    INSERT INTO sales.orders VALUES (1, '2026-01-31 08:15:00+00', '{}');
    CREATE VIEW sales.totals AS SELECT count(*) AS n FROM sales.orders;
    GRANT SELECT ON ALL TABLES IN SCHEMA sales TO newcomer;
"""
CREATE_SLOT = "SELECT pg_create_logical_replication_slot('stitch_shop', 'wal2json')"
DROP_SLOT = "SELECT pg_drop_replication_slot('stitch_shop')"
CREATE = "pg_create_logical_replication_slot('{0}', 'wal2json')"
ORDERS = "shop-sales-orders"


@dataclasses.dataclass
class Mistake:
    """A mistake and the line with which the run must fail.

    Placeholders such as {where} and {failed} are filled in. With exit code 1 it is the ERROR line
    of the stream, otherwise the last line.
    """

    name: str
    code: int
    line: str
    sql: str = ""  # run in the database by the administrator
    undo: str = ""
    config: dict = dataclasses.field(default_factory=dict)  # None: the key is omitted
    catalog: object = None  # a function that changes it, or its text
    method: str = "FULL_TABLE"
    key: str = None
    state: object = None
    args: tuple = ()
    hba: str = ""  # lines before the others
    before: str = ""  # lines logged before the last one, without INFO lines


def entry(catalog, name="orders"):
    return tap.stream(catalog, name)


def select_view(catalog):
    tap.metadata(entry(catalog, "totals")).update(
        {"selected": True, "replication-method": "LOG_BASED"}
    )


def move_to_another_database(catalog):
    for stream in catalog["streams"]:
        tap.metadata(stream)["database-name"] = "elsewhere"


def forget_method(catalog):
    del tap.metadata(entry(catalog))["replication-method"]


FILES = [
    Mistake(
        "no config file",
        2,
        "none.json: cannot read: No such file or directory",
        args=("--config", "none.json"),
    ),
    Mistake(
        "a comma too many in the config",
        2,
        "config.json: not valid JSON at line 1, column 14",
        config='{"host": "h",}',
    ),
    Mistake("no dbname", 2, "config.json: missing required keys: dbname", config={"dbname": None}),
    Mistake(
        "no host and no user",
        2,
        "config.json: missing required keys: host, user",
        config={"host": None, "user": None},
    ),
    Mistake(
        "a port that is not a number",
        2,
        'config.json: "port" must be a whole number, but is "default"',
        config={"port": "default"},
    ),
    Mistake(
        "a password under a wrong key",
        3,
        "cannot connect ({where}): {to_server} failed: fe_sendauth: no password supplied",
        config={"password": None, "pasword": "op3n s3same"},
        before='WARNING config.json: unknown key "pasword" is ignored; did you mean "password"?\n',
    ),
    Mistake(
        "no catalog file",
        2,
        "none.json: cannot read: No such file or directory",
        catalog="none",
        args=("--catalog", "none.json"),
    ),
    Mistake(
        "a catalog that is none",
        2,
        'catalog.json: not a catalog; it must be an object with a "streams" list',
        catalog="[]",
    ),
    Mistake(
        "a state that is not JSON",
        2,
        "state.json: not valid JSON at line 1, column 1",
        state="STATE",
    ),
    Mistake(
        "a whole STATE message as state",
        2,
        'state.json: is a STATE message; pass only its "value"',
        state='{"type": "STATE", "value": {}}',
    ),
    Mistake(
        "a refresh of a stream that is not selected",
        2,
        "--full-refresh totals: no selected stream has this tap_stream_id or name",
        args=("--full-refresh", "totals"),
    ),
    Mistake(
        "no method",
        2,
        f"Unrecognized replication_method None for stream {ORDERS}: set replication-method in the "
        "stream's metadata, or default_replication_method in the config, to FULL_TABLE, "
        "INCREMENTAL or LOG_BASED",
        catalog=forget_method,
    ),
    Mistake(
        "no replication key",
        2,
        f"stream {ORDERS} is INCREMENTAL but has no replication key: set replication-key in its "
        "metadata",
        method="INCREMENTAL",
    ),
    Mistake(
        "a replication key that is not a column",
        2,
        f"replication key updated of stream {ORDERS} is not one of its columns in " "the catalog",
        method="INCREMENTAL",
        key="updated",
    ),
    Mistake(
        "a view with LOG_BASED",
        2,
        "Logical Replication is NOT supported for views. Please change the replication method for "
        "shop-sales-totals",
        catalog=select_view,
    ),
]

LOGIN = [
    Mistake(
        "the wrong port",
        3,
        "cannot connect (127.0.0.1:{free}, database shop, user newcomer): connection to server at "
        '"127.0.0.1", port {free} failed: Connection refused Is the server running on that host '
        "and accepting TCP/IP "
        "connections?",
        config={"port": "{free}"},
    ),
    Mistake(
        "no such host",
        3,
        "cannot connect (no-such-host.invalid:{port}, database shop, user newcomer): could not "
        "translate "
        'host name "no-such-host.invalid" to address: {resolver}',
        config={"host": "no-such-host.invalid"},
    ),
    Mistake(
        "a socket folder without a server",
        3,
        "cannot connect (/nowhere:{port}, database shop, user newcomer): connection to "
        'server on socket "/nowhere/.s.PGSQL.{port}" failed: No such file or directory Is the '
        "server running locally and "
        "accepting connections on that socket?",
        config={"host": "/nowhere"},
    ),
    Mistake(
        "the wrong password",
        3,
        'cannot connect ({where}): {failed}password authentication failed for user "newcomer" '
        "(SQLSTATE 28P01)",
        config={"password": "wrong"},
    ),
    Mistake(
        "an unknown user",
        3,
        "cannot connect (127.0.0.1:{port}, database shop, user nobody): {failed}password "
        'authentication failed for user "nobody" (SQLSTATE 28P01)',
        config={"user": "nobody"},
    ),
    Mistake(
        "a role without LOGIN",
        3,
        'cannot connect ({where}): {failed}role "newcomer" is not permitted to log in (SQLSTATE '
        "28000)",
        "ALTER ROLE newcomer NOLOGIN",
        "ALTER ROLE newcomer LOGIN",
    ),
    Mistake(
        "a role that has expired",
        3,
        'cannot connect ({where}): {failed}password authentication failed for user "newcomer" '
        "(SQLSTATE 28P01)",
        "ALTER ROLE newcomer VALID UNTIL '2020-01-01'",
        "ALTER ROLE newcomer VALID UNTIL 'infinity'",
    ),
    Mistake(
        "an unknown database",
        3,
        "cannot connect (127.0.0.1:{port}, database shopp, user newcomer): {failed}database "
        '"shopp" does not exist (SQLSTATE 3D000)',
        config={"dbname": "shopp"},
        catalog="none",
        args=("--discover",),
    ),
    Mistake(
        "no CONNECT",
        3,
        'cannot connect ({where}): {failed}permission denied for database "shop" DETAIL: User does '
        "not have "
        "CONNECT privilege. (SQLSTATE 42501)",
        "REVOKE CONNECT ON DATABASE shop FROM PUBLIC",
        "GRANT CONNECT ON DATABASE shop TO PUBLIC",
    ),
    Mistake(
        "a database that takes no connections",
        3,
        'cannot connect ({where}): {failed}database "shop" is not currently '
        "accepting connections (SQLSTATE 55000)",
        "ALTER DATABASE shop ALLOW_CONNECTIONS false",
        "ALTER DATABASE shop ALLOW_CONNECTIONS true",
    ),
    Mistake(
        "pg_hba.conf rejects us",
        3,
        'cannot connect ({where}): {failed}pg_hba.conf rejects connection for host "127.0.0.1", '
        'user "newcomer", database "shop", no encryption (SQLSTATE 28000)',
        hba="host shop newcomer 127.0.0.1/32 reject\n",
    ),
    Mistake(
        "no place left for the role",
        3,
        'cannot connect ({where}): {failed}too many connections for role "newcomer" '
        "(SQLSTATE 53300)",
        "ALTER ROLE newcomer CONNECTION LIMIT 0",
        "ALTER ROLE newcomer CONNECTION LIMIT -1",
    ),
    Mistake(
        "no place left in the database",
        3,
        'cannot connect ({where}): {failed}too many connections for database "shop" '
        "(SQLSTATE 53300)",
        "ALTER DATABASE shop CONNECTION LIMIT 0",
        "ALTER DATABASE shop CONNECTION LIMIT -1",
    ),
]

STREAMS = [
    Mistake(
        "no USAGE on the schema",
        1,
        "permission denied for schema sales (SQLSTATE 42501)",
        "REVOKE USAGE ON SCHEMA sales FROM newcomer",
        "GRANT USAGE ON SCHEMA sales TO newcomer",
    ),
    Mistake(
        "no SELECT on the table",
        1,
        "permission denied for table orders (SQLSTATE 42501)",
        "REVOKE SELECT ON sales.orders FROM newcomer",
        "GRANT SELECT ON sales.orders TO newcomer",
    ),
    Mistake(
        "SELECT on some columns only",
        1,
        "permission denied for table orders (SQLSTATE 42501)",
        "REVOKE SELECT ON sales.orders FROM newcomer; GRANT SELECT (id, placed) ON sales.orders "
        "TO newcomer",
        "GRANT SELECT ON sales.orders TO newcomer",
    ),
    Mistake(
        "the table is gone",
        1,
        'table "sales"."orders" is not in the database ({where}): run discovery again, or remove '
        "the stream from the catalog",
        "ALTER TABLE sales.orders RENAME TO gone",
        "ALTER TABLE sales.gone RENAME TO orders",
    ),
    Mistake(
        "the key column is gone",
        1,
        "key column id is no longer in the table: run discovery again",
        "ALTER TABLE sales.orders RENAME id TO number",
        "ALTER TABLE sales.orders RENAME number TO id",
    ),
    Mistake(
        "the replication key is gone",
        1,
        "replication key placed is no longer in the table: run discovery again and choose "
        "another replication-key",
        "ALTER TABLE sales.orders RENAME placed TO at",
        "ALTER TABLE sales.orders RENAME at TO placed",
        method="INCREMENTAL",
        key="placed",
    ),
    Mistake(
        "a replication key without an order",
        1,
        "replication key note is json, a type that cannot be a bookmark: choose another "
        "replication-key, or FULL_TABLE",
        method="INCREMENTAL",
        key="note",
    ),
    Mistake(
        "a catalog of another database",
        1,
        "cannot connect (127.0.0.1:{port}, database elsewhere, user newcomer): "
        '{failed}database "elsewhere" does not exist (SQLSTATE 3D000)',
        catalog=move_to_another_database,
    ),
]

REFUSED_PLUGIN = (
    'library "wal2json" may not be used as an output plugin; If it is safe for all REPLICATION '
    'users to use this library as an output plugin, add it to "output_plugin_libraries" and reload '
    "the server configuration. "
    "(SQLSTATE 42501)"
)
LOG = [
    Mistake(
        "no slot",
        4,
        "no replication slot stitch_shop or stitch with wal2json in database shop: create it with "
        f"{CREATE_SLOT} or set create_replication_slot to true",
        DROP_SLOT,
        CREATE_SLOT,
        method="LOG_BASED",
    ),
    Mistake(
        "a slot of another plugin",
        4,
        "replication slot other uses the plugin pgoutput, not wal2json: set replication_slot to "
        "another slot, or create one"
        ": SELECT " + CREATE.format("other_wal2json"),
        "SELECT pg_create_logical_replication_slot('other', 'pgoutput')",
        "SELECT pg_drop_replication_slot('other')",
        method="LOG_BASED",
        config={"replication_slot": "other"},
    ),
    Mistake(
        "a slot of another database",
        4,
        "replication slot stitch_shop belongs to database shop, not postgres: a slot reads "
        "one database; set replication_slot to a slot of postgres, or create one: SELECT "
        + CREATE.format("stitch_postgres"),
        method="LOG_BASED",
        config={"replication_slot": "stitch_shop", "dbname": "postgres"},
        catalog=lambda c: tap.metadata(entry(c)).update({"database-name": "postgres"}),
    ),
    Mistake(
        "a role that may not replicate",
        4,
        "cannot connect ({where}): {failed}must be superuser or replication role to start "
        "{walsender} (SQLSTATE 42501): give the role the right to replicate: ALTER ROLE "
        '"newcomer" REPLICATION',
        "ALTER ROLE newcomer NOREPLICATION",
        "ALTER ROLE newcomer REPLICATION",
        method="LOG_BASED",
    ),
    Mistake(
        "a slot that has moved on",
        4,
        f"the state of stream {ORDERS} is at 0/10, but replication slot stitch_shop has advanced to"
        " {confirmed} (it was recreated, or read without this stream): the changes in between "
        f"are lost; restart the stream with --full-refresh {ORDERS}",
        method="LOG_BASED",
        state={"lsn": 16},
    ),
    Mistake(
        "a state of another server",
        4,
        f"the state of stream {ORDERS} is at 100/0, but the server's WAL ends at {{end}}: this is "
        "another server, it was restored from a backup, or it was promoted without these changes; "
        f"restart the stream with --full-refresh {ORDERS}",
        method="LOG_BASED",
        state={"lsn": 2**40},
    ),
]


class SetupErrorCase(unittest.TestCase):
    """Subclasses call use(). The correct setup syncs the table sales.orders."""

    known_messages = docs.known_messages()

    def use(self, server):
        self.server = server
        self.config = server.config(
            "shop",
            user="newcomer",
            password="op3n s3same",
            filter_dbs="shop",
            logical_decoding_plugin="wal2json",
        )
        self.discovered = tap.discover(self.config)

    def write_pg_hba(self, extra=""):
        (self.server.data / "pg_hba.conf").write_text(HBA.format(extra=extra))
        self.server.sql("SELECT pg_reload_conf()")

    def placeholders(self):
        """The values of placeholders."""
        port = self.server.port
        to_server = f'connection to server at "127.0.0.1", port {port}'
        with socket.create_server(("127.0.0.1", 0)) as listener:
            free = listener.getsockname()[1]
        slots = self.server.sql(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = "
            "'stitch_shop'"
        )
        return {
            "port": port,
            "free": free,
            "where": f"127.0.0.1:{port}, database shop, user newcomer",
            "to_server": to_server,
            "failed": f"{to_server} failed: FATAL: ",
            "confirmed": slots[0][0] if slots else "-",
        }

    def run_with(self, mistake):
        """Makes the mistake and runs the tap."""
        known = self.placeholders()
        config = mistake.config
        if isinstance(config, dict):
            changed = {
                **self.config,
                **{key: value and value.format(**known) for key, value in config.items()},
            }
            config = {key: value for key, value in changed.items() if value is not None}
        catalog = tap.select(self.discovered, "orders", method=mistake.method, key=mistake.key)
        if callable(mistake.catalog):
            mistake.catalog(catalog)
        elif mistake.catalog is not None:
            catalog = None if mistake.catalog == "none" else mistake.catalog
        state = mistake.state
        if isinstance(state, dict):
            state = {
                "bookmarks": {
                    ORDERS: {"version": 1, "last_replication_method": "LOG_BASED", **state}
                }
            }
        with contextlib.ExitStack() as undo:
            if mistake.hba:
                self.write_pg_hba(mistake.hba)
                undo.callback(self.write_pg_hba)
            if mistake.sql:
                # Fix a database that accepts no connections from another database.
                database = "postgres" if "DATABASE" in mistake.sql else "shop"
                undo.callback(self.server.sql, mistake.undo, database)
                self.server.sql(mistake.sql, database)
            if mistake.hba:
                until(
                    lambda: self.server.sql(
                        "SELECT 1 FROM pg_hba_file_rules WHERE auth_method = 'reject'"
                    ),
                    "pg_hba.conf",
                )
            return known, tap.run(
                config, *mistake.args, catalog=catalog, state=state, expect=mistake.code
            )

    def check(self, mistake, known, result):
        logged = [
            line
            for line in with_old_wording(result.stderr).splitlines()
            if not line.startswith("INFO ")
        ]
        pattern = re.escape(mistake.line)
        for name, value in {**known, "resolver": None, "walsender": None, "end": None}.items():
            replacement = {
                "resolver": "[^;]+",
                "walsender": "a? ?walsender",
                "end": "[0-9A-F]+/[0-9A-F]+",
            }.get(name) or re.escape(str(value))
            pattern = pattern.replace(re.escape("{%s}" % name), replacement)
        advice = re.escape(ADVICE if mistake.code != 2 else "")
        if mistake.code == 1:
            expected = (
                rf"ERROR stream {ORDERS}: {pattern}{advice}\nCRITICAL 1 of \d streams failed: "
                rf"{ORDERS}"
            )
        else:
            expected = f"{re.escape(mistake.before)}CRITICAL {pattern}{advice}"
        self.assertRegex("\n".join(logged), rf"\A{expected}\Z", result)
        self.assertEqual(result.types, [])  # no message is complete
        self.check_is_documented(
            logged[-1] if mistake.code != 1 else logged[0].removeprefix("ERROR ")
        )

    def check_is_documented(self, line):
        line = line.removeprefix("CRITICAL ")
        self.assertTrue(
            any(re.search(message, line) for message in self.known_messages),
            f"docs/troubleshooting.md has no row for {line}",
        )

    def check_all(self, mistakes):
        for mistake in mistakes:
            with self.subTest(mistake.name):
                self.check(mistake, *self.run_with(mistake))


def shop(settings):
    """Creates a server with everything that the correct setup needs."""
    server = Server(settings)
    server.create_database("shop")
    server.sql(SHOP, "shop")
    if server.sql("SHOW wal_level") == [("logical",)]:
        server.sql(CREATE_SLOT, "shop")
    return server


class SetupErrorsTest(SetupErrorCase):
    @classmethod
    def setUpClass(cls):
        cls.one = shop({})
        cls.addClassCleanup(cls.one.close)

    def setUp(self):
        self.use(self.one)
        self.write_pg_hba()

    def test_files(self):
        self.check_all(FILES)

    def test_login(self):
        self.check_all(LOGIN)

    def test_streams(self):
        self.check_all(STREAMS)

    def test_log_based(self):
        self.check_all(LOG)

    def test_slot_in_use(self):
        with consume(self.server, "shop", "stitch_shop", "nightly export") as pid:
            mistake = Mistake(
                "",
                4,
                f"replication slot stitch_shop is in use by PID {pid} (application nightly "
                "export): two runs must not read one slot: wait for that process to finish, or "
                f"stop it with SELECT pg_terminate_backend({pid})",
                method="LOG_BASED",
            )
            self.check(mistake, *self.run_with(mistake))

    def test_plugin_not_listed(self):
        if not self.server.allowed_plugins():
            self.skipTest("this server loads any plugin")
        self.server.sql("ALTER SYSTEM SET output_plugin_libraries = 'pgoutput'")
        self.addCleanup(self.server.sql, "SELECT pg_reload_conf()")
        self.addCleanup(self.server.sql, "ALTER SYSTEM RESET output_plugin_libraries")
        self.server.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.server.sql("SHOW output_plugin_libraries") == [("pgoutput",)],
            "the setting has not been applied",
        )
        mistake = Mistake(
            "",
            4,
            f"replication slot new ({{where}}): {REFUSED_PLUGIN}: add wal2json to the setting "
            "output_plugin_libraries: ALTER SYSTEM SET output_plugin_libraries = <output of SHOW "
            "output_plugin_libraries>, 'wal2json', then SELECT pg_reload_conf()",
            method="LOG_BASED",
            config={"replication_slot": "new", "create_replication_slot": "true"},
        )
        self.check(mistake, *self.run_with(mistake))

    def test_nothing_to_discover(self):
        self.server.sql("REVOKE SELECT ON ALL TABLES IN SCHEMA sales FROM newcomer", "shop")
        self.addCleanup(
            self.server.sql, "GRANT SELECT ON ALL TABLES IN SCHEMA sales TO newcomer", "shop"
        )
        result = tap.run(self.config, "--discover", expect=1)
        line = (
            "0 tables were discovered across the entire cluster: grant newcomer USAGE on a schema "
            f"and SELECT on its tables, or widen filter_dbs and filter_schemas{ADVICE}"
        )
        self.assertEqual(
            (result.stdout, result.stderr),
            (b"", f"INFO discovered 0 tables in database shop\nCRITICAL {line}\n"),
        )
        self.check_is_documented(line)


class OtherServersTest(SetupErrorCase):
    """Mistakes in the setup of the whole server."""

    def start(self, settings):
        server = shop(settings)
        self.addCleanup(server.close)
        self.use(server)

    def check_log_based(self, line):
        mistake = Mistake("", 4, line, method="LOG_BASED")
        self.check(mistake, *self.run_with(mistake))

    def test_wal_level_is_replica(self):
        self.start({"wal_level": "replica"})
        self.check_log_based(
            "log-based replication needs wal_level=logical, the server has replica: ALTER SYSTEM "
            "SET wal_level = 'logical', then restart it"
        )

    def test_rds_without_logical_replication(self):
        self.start({"wal_level": "replica", "rds.logical_replication": "off"})
        self.check_log_based(
            "log-based replication needs wal_level=logical, the server has replica: set "
            "rds.logical_replication to 1 in its parameter group and reboot it"
        )

    def test_standby(self):
        self.start({})
        if self.server.version >= (16,):
            self.skipTest("a standby is decoded since version 16")
        standby = Server(primary=self.server)
        self.addCleanup(standby.close)
        self.use(standby)
        self.check_log_based(
            "log-based replication reads the primary, but this server is a standby: set host to "
            "the primary (Aurora: the cluster's writer endpoint)"
        )

    def test_lost_slot(self):
        self.start(
            {"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}
        )

        def lost():
            self.server.sql("CREATE TABLE more (); DROP TABLE more; SELECT pg_switch_wal()")
            self.server.sql("CHECKPOINT")
            return self.server.sql("SELECT 1 FROM pg_replication_slots WHERE wal_status = 'lost'")

        until(lost, "the slot is not lost")
        cause, prevention = removed_wal(self.server)
        self.check_log_based(
            f"replication slot stitch_shop is lost: {cause}: drop it with {DROP_SLOT}, create it "
            f"again with {CREATE_SLOT}, then run with --full-refresh; to prevent this, {prevention}"
        )


if __name__ == "__main__":
    unittest.main()
