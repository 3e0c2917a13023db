"""A test case for replication slots."""

import contextlib

import psycopg2.extras

from support import tap
from support.case import SchemaTest
from support.check import ADVICE
from support.pipeline import until
from support.plugins import PLUGIN, PUBLICATION, create_slot
from support.server import with_old_wording

ONE_TABLE = """
    CREATE TABLE {s}.t (id int PRIMARY KEY, pad text);
    INSERT INTO {s}.t SELECT i, 'copied' FROM generate_series(1, 3) i;
"""


def as_text(lsn):
    """An LSN in the notation of the server and of the tap's log."""
    return "%X/%X" % (lsn >> 32, lsn & 0xFFFFFFFF)


def removed_wal(server):
    """Cause and prevention in the error for removed WAL; servers report the cause since 17."""
    if server.version >= (17,):
        return (
            "the server has removed WAL that it needed, since it kept more than "
            "max_slot_wal_keep_size",
            "raise max_slot_wal_keep_size or run the tap more often",
        )
    return (
        "the server has removed WAL that it needed",
        "raise max_slot_wal_keep_size, if it is set, or run the tap more often",
    )


@contextlib.contextmanager
def consume(server, database, slot, application="another program"):
    """Reads a slot as another consumer that ignores the data; yields its backend's PID."""
    connection = psycopg2.connect(
        host=str(server.folder),
        port=server.port,
        user="tap",
        dbname=database,
        application_name=application,
        connection_factory=psycopg2.extras.LogicalReplicationConnection,
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        [(plugin,)] = server.sql(
            f"SELECT plugin::text FROM pg_replication_slots WHERE slot_name = '{slot}'"
        )
        options = {"proto_version": 1, "publication_names": PUBLICATION}
        cursor.start_replication(
            slot, decode=False, options=options if plugin == "pgoutput" else None
        )
        active = (
            f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"
        )
        [(pid,)] = until(lambda: server.sql(active), "the slot is not active")
        yield pid


class SlotTest(SchemaTest):
    """make_slot() creates the test's slot `self.slot`, which the config names."""

    database = "slots"

    def setUp(self):
        super().setUp()
        self.slot = self.schema
        self.config["replication_slot"] = self.slot
        self.config["logical_decoding_plugin"] = PLUGIN

    def make_slot(self, name=None, plugin=PLUGIN, database=None):
        name = name or self.slot
        create_slot(self, name, plugin, database)
        self.addCleanup(self.drop_slot, name)

    def drop_slot(self, name=None):
        """Waits for the slot to become inactive: the server notices a killed tap after a moment."""
        name = name or self.slot
        until(lambda: not self.is_active(name), f"slot {name} is in use")
        self.sql(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name "
            f"= '{name}'"
        )

    def is_active(self, name=None):
        return self.sql(
            f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{name or self.slot}' "
            "AND active"
        )

    def end_reader(self):
        """Ends the session that reads the slot, and waits until it has ended."""
        [(pid,)] = self.sql(
            f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{self.slot}'"
        )
        self.sql(f"SELECT pg_terminate_backend({pid})")
        until(
            lambda: not self.sql(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"),
            "the session has not ended",
        )

    def confirmed(self, name=None):
        """The slot's confirmed flush LSN as a number, as in a state."""
        [(position,)] = self.sql(
            "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots"
            f" WHERE slot_name = '{name or self.slot}'"
        )
        return position

    def end_of_wal(self):
        [(position,)] = self.sql("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
        return position

    def slots(self):
        return [
            name
            for name, in self.sql(
                "SELECT slot_name::text FROM pg_replication_slots ORDER BY slot_name"
            )
        ]

    def catalog(self, *names, method="LOG_BASED", key=None):
        return super().catalog(*names, method=method, key=key)

    def lsn(self, state, table="t"):
        return self.bookmark(state, table)["lsn"]

    def initial_snapshot(self, catalog=None, **extra):
        """Runs the initial snapshot of a new table; returns the catalog and the state."""
        if catalog is None:
            self.sql(ONE_TABLE)
            catalog = self.catalog("t")
        return catalog, self.sync(catalog, **extra).last_state

    def refused(self, text, catalog, state=None, *, before="", **extra):
        """Fails unless the run fails with `text` before it writes anything."""
        result = self.sync(catalog, state, expect=4, **extra)
        self.assertEqual(
            (with_old_wording(result.stderr), result.stdout),
            (f"{before}CRITICAL {text}{ADVICE}\n", b""),
        )

    def moved_slot_error(self, state):
        """The error for a slot that has advanced past the state of t."""
        return (
            f"the state of stream {self.id_of('t')} is at {as_text(self.lsn(state))}, but "
            f"replication slot {self.slot} has advanced to {as_text(self.confirmed())} (it was "
            "recreated, or read without this stream): the changes in between are lost; restart "
            f"the stream with --full-refresh {self.id_of('t')}"
        )

    def recreate_advice(self, prevention):
        """The advice for a lost slot."""
        return (
            f"drop it with SELECT pg_drop_replication_slot('{self.slot}'), create it again with "
            f"SELECT pg_create_logical_replication_slot('{self.slot}', '{PLUGIN}'), then run with "
            f"--full-refresh; to prevent this, {prevention}"
        )

    def lost(self, cause, prevention):
        """The error for a lost slot."""
        return f"replication slot {self.slot} is lost: {cause}: {self.recreate_advice(prevention)}"

    def remove_wal(self):
        """Writes WAL until the slot is lost; requires a low max_slot_wal_keep_size."""

        def is_lost():
            self.sql("CREATE TABLE more (); DROP TABLE more; SELECT pg_switch_wal()")
            self.sql("CHECKPOINT")
            return self.sql(
                f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{self.slot}' AND "
                "wal_status = 'lost'"
            )

        until(is_lost, "the slot is not lost")

    def slot_command(self, action, state=None, expect=0, **extra):
        return tap.run({**self.config, **extra}, "slot", action, state=state, expect=expect)

    def consumer(self, name=None, application="another program"):
        return consume(self.server, self.database, name or self.slot, application)
