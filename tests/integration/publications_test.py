"""Publications: what `slot create` and runs create, what they refuse, and what `check` reports."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

from support import tap
from support.check import ADVICE, about, run_check
from support.pipeline import until
from support.plugins import require_wal2json
from support.slots import ONE_TABLE, SlotTest, as_text

# Every kind of table that publications treat in its own way. The schema is the search path.
TABLES = """
    CREATE TABLE keyed (id int PRIMARY KEY, v int);
    CREATE TABLE indexed (id int NOT NULL UNIQUE, v int);
    ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_id_key;
    CREATE TABLE entire (id int, v int);
    ALTER TABLE entire REPLICA IDENTITY FULL;
    CREATE TABLE keyless (id int, v int);
    CREATE TABLE nothing (id int PRIMARY KEY, v int);
    ALTER TABLE nothing REPLICA IDENTITY NOTHING;
    CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE, v int);
    CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, v int);
    CREATE TABLE parent (id int PRIMARY KEY, v int);
    CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
    CREATE TABLE stray () INHERITS (parent);
    CREATE TABLE root (id int PRIMARY KEY, v int) PARTITION BY LIST (id);
    CREATE TABLE root_1 PARTITION OF root FOR VALUES IN (1);
    CREATE TABLE root_2 PARTITION OF root FOR VALUES IN (2) PARTITION BY LIST (id);
    CREATE TABLE root_2_2 PARTITION OF root_2 FOR VALUES IN (2);
    CREATE TABLE mixed (id int, v int) PARTITION BY LIST (id);
    CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
    ALTER TABLE mixed_1 ADD PRIMARY KEY (id);
    CREATE TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2);
    CREATE TABLE "Odd ""name" (id int PRIMARY KEY, v int);
"""
SELECTED = [
    "keyed",
    "indexed",
    "entire",
    "keyless",
    "nothing",
    "deferred",
    "unlogged",
    "parent",
    "root",
    "mixed",
    'Odd "name',
]
# Where the server accepts UPDATE and DELETE with all tables in one publication or another.
WRITABLE = [*SELECTED, "child", "stray", "root_1", "root_2", "root_2_2", "mixed_1", "mixed_2"]


class PublicationTest(SlotTest):
    """The config names the publication `self.publication`."""

    database = "publications"

    def setUp(self):
        super().setUp()
        self.publication = f"{self.schema}_p"
        self.inserts = f"{self.publication}_inserts"
        self.config.update(publication_name=self.publication, logical_decoding_plugin="auto")
        self.addCleanup(self.drop_all)

    def options_of_new(self, publish=""):
        """The WITH clause of a publication that the tap creates, with a space before it."""
        if publish and self.server.version < (11,):
            publish = publish.replace(", truncate", "")
        options = [f"publish = '{publish}'"] * bool(publish)
        if self.server.version >= (13,):
            options.append("publish_via_partition_root = true")
        if self.server.version >= (18,):
            options.append("publish_generated_columns = stored")
        return f" WITH ({', '.join(options)})" if options else ""

    def drop_all(self):
        for name in self.slots():
            if name in (self.slot, f"{self.slot[:54]}_pgoutput"):
                self.drop_slot(name)
        for (name,) in self.sql("SELECT pubname FROM pg_publication"):
            self.sql(f'DROP PUBLICATION "{name}"')

    def make_slot(self, name=None, plugin="pgoutput", database=None):
        """Creates a slot without a publication; drop_all() drops it."""
        if plugin == "wal2json":
            require_wal2json(self)
        self.sql(f"SELECT pg_create_logical_replication_slot('{name or self.slot}', '{plugin}')")

    def in_schema(self, statements):
        self.sql("SET search_path = {s}; " + statements)

    def create(self, catalog=None, state=None, expect=0, **extra):
        return tap.run(
            {**self.config, **extra}, "slot", "create", catalog=catalog, state=state, expect=expect
        )

    def members(self, publication=None):
        """The tables that were added to a publication by name."""
        return [
            name
            for name, in self.sql(
                "SELECT c.relname::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid ="
                f" r.prpubid JOIN pg_class c ON c.oid = r.prrelid WHERE p.pubname ="
                f" '{publication or self.publication}' ORDER BY c.relname"
            )
        ]

    def options(self, publication):
        """Actions, publish_via_partition_root and publish_generated_columns."""
        [row] = self.sql(
            "SELECT to_jsonb(p) - 'oid' - 'pubname' - 'pubowner' FROM pg_publication p WHERE"
            f" pubname = '{publication}'"
        )
        return row[0]

    def table(self, name):
        return f'"{self.schema}"."{name}"'

    def update_all(self, tables):
        """Changes every table as an application does."""
        for name in tables:
            quoted = name.replace('"', '""')
            self.sql(f'UPDATE {{s}}."{quoted}" SET v = v + 1')
            self.sql(f'DELETE FROM {{s}}."{quoted}" WHERE v > 100')

    def not_inherited(self, table):
        """The warning that new partitions would have no replica identity, without the remedy."""
        return (
            f"updates and deletes of {self.table(table)} are not published, because partitions "
            "that are created later do not inherit a replica identity, so that the server would "
            "refuse their UPDATE and DELETE"
        )

    def unidentified(self, table):
        """The warning that a table has no usable replica identity, without the remedy."""
        return (
            f"updates and deletes of {self.table(table)} are not published, because it has no "
            "usable replica identity"
        )

    def publish_updates(self, table, identity="FULL", *partitions):
        """The remedy of the two warnings."""
        statements = [
            f"ALTER TABLE {self.table(each)} REPLICA IDENTITY {identity}"
            for each in partitions or [table]
        ]
        if identity == "DEFAULT":
            statements.insert(0, f"ALTER TABLE {self.table(table)} ADD PRIMARY KEY (...)")
        return (
            ("give it a primary key: " if identity == "DEFAULT" else "")
            + "; ".join(["BEGIN", *statements])
            + f'; ALTER PUBLICATION "{self.publication}" ADD TABLE {self.table(table)}; COMMIT'
        )

    def full_refresh(self, table, slot=None):
        """What restarts the stream of a table whose changes are missing."""
        return (
            f"--full-refresh {self.id_of(table)}, because replication slot {slot or self.slot} "
            "keeps WAL until then"
        )

    def run_fix(self, remedy):
        """Runs the SQL of a remedy as a user does who has chosen `id` as the primary key."""
        self.sql("BEGIN" + remedy.partition("BEGIN")[2].replace("(...)", "(id)"))

    def findings(self, catalog, subject, state=None, expect=0, **extra):
        found = run_check({**self.config, **extra}, catalog=catalog, state=state, expect=expect)
        return about(found, subject)


class CreationTest(PublicationTest):
    def test_tables_without_replica_identity_publish_only_inserts(self):
        self.require_version(11, "partitioned tables have primary keys")
        self.in_schema(TABLES)
        result = self.create(self.catalog(*SELECTED))
        t = self.table
        # Before 13 partitions are published one by one, and new ones have to be added.
        by_root = self.server.version >= (13,)
        full = ["child", "root"] if by_root else ["child", "root_1", "root_2_2"]
        part, inserted_part = ([], "mixed") if by_root else (["mixed_1"], "mixed_2")
        inserted = ["deferred", "keyless", inserted_part, "nothing", "stray"]
        key_of_mixed = self.publish_updates("mixed", "DEFAULT", "mixed_2")
        self.assertEqual(
            result.stderr,
            f'INFO changed publications: CREATE PUBLICATION "{self.publication}" FOR TABLE '
            + ", ".join(
                [*map(t, ['Odd ""name', "entire", "indexed", "keyed", *part])]
                + ["ONLY " + t("parent"), *map(t, full)]
            )
            + f"{self.options_of_new()}\n"
            f'INFO changed publications: CREATE PUBLICATION "{self.inserts}" FOR TABLE '
            + ", ".join(map(t, inserted))
            + f"{self.options_of_new('insert, truncate')}\n"
            + "".join(
                f"WARNING stream {self.id_of(name)}: {found}: {remedy}\n"
                for name, found, remedy in [
                    ("deferred", self.unidentified("deferred"), self.publish_updates("deferred")),
                    ("keyless", self.unidentified("keyless"), self.publish_updates("keyless")),
                    ("mixed", self.not_inherited("mixed"), key_of_mixed)
                    if by_root
                    else ("mixed", self.unidentified("mixed_2"), self.publish_updates("mixed_2")),
                    ("nothing", self.unidentified("nothing"), self.publish_updates("nothing")),
                    ("parent", self.unidentified("stray"), self.publish_updates("stray")),
                ]
            )
            + f"INFO creating replication slot {self.slot}: this waits for open transactions to "
            f"end\nINFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n",
        )
        self.assertEqual(
            self.members(),
            sorted(['Odd "name', "entire", "indexed", "keyed", "parent", *part, *full]),
        )
        self.assertEqual(self.members(self.inserts), inserted)
        self.update_all(WRITABLE)
        self.assertEqual(
            self.sql(f"SELECT plugin FROM pg_replication_slots WHERE slot_name = '{self.slot}'"),
            [("pgoutput",)],
        )
        again = self.create(self.catalog(*SELECTED))
        self.assertNotIn("changed publications", again.stderr)

    def test_options(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.create(self.catalog("t"))
        expected = {"pubinsert": True, "puballtables": False}
        if self.server.version >= (11,):
            expected["pubtruncate"] = True
        if self.server.version >= (13,):
            expected["pubviaroot"] = True
        if self.server.version >= (18,):
            expected["pubgencols"] = "s"
        for publication, updates in ((self.publication, True), (self.inserts, False)):
            found = self.options(publication)
            self.assertEqual(
                {name: found[name] for name in (*expected, "pubupdate", "pubdelete")},
                {**expected, "pubupdate": updates, "pubdelete": updates},
            )
        # Both exist from the start: a publication that is younger than the slot cannot be read.
        self.assertEqual((self.members(), self.members(self.inserts)), (["t"], []))

    def test_partition_that_is_a_stream_of_its_own(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.create(self.catalog("root", "root_2"))
        self.assertEqual(self.members(), ["root"])
        self.assertFalse(self.options(self.publication)["pubviaroot"])
        self.update_all(["root", "root_1", "root_2", "root_2_2"])

    def test_partitions_do_not_inherit_a_replica_identity(self):
        """The server would refuse UPDATE and DELETE of a partition that is created later."""
        self.require_version(13, "partitioned tables are published")
        self.in_schema(
            """
            CREATE TABLE t (id int NOT NULL, v int) PARTITION BY LIST (id);
            CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
            ALTER TABLE t1 ADD PRIMARY KEY (id);
            CREATE TABLE u (id int NOT NULL, v int) PARTITION BY LIST (id);
            CREATE UNIQUE INDEX u_id ON u (id);
            ALTER TABLE u REPLICA IDENTITY USING INDEX u_id;
            CREATE TABLE full_ (id int PRIMARY KEY, v int) PARTITION BY LIST (id);
            ALTER TABLE full_ REPLICA IDENTITY FULL
            """
        )
        catalog = self.catalog("t", "u", "full_")
        result = self.create(catalog)
        self.assertEqual((self.members(), self.members(self.inserts)), (["full_"], ["t", "u"]))
        self.in_schema(
            "; ".join(
                f"CREATE TABLE {name}2 PARTITION OF {name} FOR VALUES IN (2)"
                for name in ("t", "u", "full_")
            )
        )
        self.sql("INSERT INTO {s}.t VALUES (2); INSERT INTO {s}.u VALUES (2)")
        self.update_all(["t", "t1", "t2", "u", "u2", "full_", "full_2"])
        for name in ("t", "u"):
            found = self.not_inherited(name)
            self.assertIn(f"WARNING stream {self.id_of(name)}: {found}: give it a ", result.stderr)
            self.assertEqual(
                self.findings(catalog, f"stream {self.id_of(name)}", expect=None)[-1],
                f"warning {found}; {self.publish_updates(name, 'DEFAULT', f'{name}2')}",
            )
        # Someone publishes the updates all the same.
        self.sql(f'ALTER PUBLICATION "{self.publication}" ADD TABLE {{s}}.t')
        with self.assertRaisesRegex(Exception, "cannot update table"):
            self.update_all(["t2"])
        self.assertIn(
            f"note partitions of {self.table('t')} do not inherit a replica identity, and the "
            "server refuses UPDATE and DELETE of a published table without one; give it a primary "
            "key, or each new partition a replica identity when it is created",
            self.findings(catalog, f"stream {self.id_of('t')}", expect=None),
        )
        self.run_fix(self.publish_updates("u", "DEFAULT", "u2"))
        self.sql("CREATE TABLE {s}.u3 PARTITION OF {s}.u FOR VALUES IN (3)")
        self.update_all(["u", "u2", "u3"])
        self.assertNotIn(self.not_inherited("u"), self.create(catalog).stderr)

    def test_existing_publication_is_extended(self):
        self.require_version(11, "partitioned tables have primary keys")
        self.in_schema(TABLES)
        self.sql(f"CREATE PUBLICATION {self.publication} FOR TABLE {{s}}.keyed")
        result = self.create(self.catalog("keyed", "entire"))
        self.assertIn(
            f'INFO changed publications: ALTER PUBLICATION "{self.publication}" ADD TABLE '
            f"{self.table('entire')}\n",
            result.stderr,
        )
        self.assertEqual(self.members(), ["entire", "keyed"])

    def test_names_of_63_bytes(self):
        self.sql(ONE_TABLE)
        name = "ü" * 31
        self.create(self.catalog("t"), publication_name=name)
        self.assertEqual(
            self.sql("SELECT pubname::text FROM pg_publication ORDER BY length(pubname)"),
            [(name,), ("ü" * 27 + "_inserts",)],
        )

    def test_two_at_once(self):
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        processes = []
        for number in range(4):
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            config = {**self.config, "replication_slot": f"{self.slot}_{number}"}
            self.addCleanup(self.drop_slot, f"{self.slot}_{number}")
            command = tap.prepare(folder.name, config, "slot", "create", catalog=catalog)
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=folder.name,
                    env=tap.clean_environment(),
                    stderr=subprocess.PIPE,
                )
            )
        for process in processes:
            _, log = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, log.decode())
        self.assertEqual(self.members(), ["t"])

    def test_nothing_is_created_without_a_slot(self):
        """What the server would refuse for the slot is known before publications are created."""
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        result = self.create(catalog, expect=4, replication_slot="Of Shop")
        self.assertEqual(
            result.stderr,
            "CRITICAL replication_slot Of Shop is not a name of a replication slot: use only "
            f"lower-case letters a to z, digits and underscores{ADVICE}\n",
        )
        self.sql(
            "DROP ROLE IF EXISTS owner; CREATE ROLE owner LOGIN; ALTER TABLE {s}.t OWNER TO owner"
        )
        self.addCleanup(self.sql, "DROP OWNED BY owner; DROP ROLE owner")
        self.sql(f"GRANT CREATE ON DATABASE {self.database} TO owner")
        self.sql("GRANT USAGE ON SCHEMA {s} TO owner")
        result = self.create(catalog, expect=4, user="owner")
        self.assertIn(
            'give the role the right to replicate: ALTER ROLE "owner" REPLICATION', result.stderr
        )
        self.sql(f"SELECT pg_create_physical_replication_slot('{self.slot}')")
        result = self.create(catalog, expect=4)
        self.assertEqual(
            result.stderr,
            f"CRITICAL replication slot {self.slot} exists already: it is a physical slot, or "
            "belongs to another plugin or database: set replication_slot to another name"
            f"{ADVICE}\n",
        )
        self.drop_slot()
        self.assertEqual(self.sql("SELECT pubname FROM pg_publication"), [])

    def test_slot_that_is_being_created(self):
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        session = self.session().cursor()
        session.execute("BEGIN; SELECT txid_current()")
        running = self.start(catalog, create_replication_slot=True)
        [(pid,)] = until(self.is_active, "the slot is not being created")
        self.assertEqual(
            self.create(catalog, expect=4).stderr,
            f"CRITICAL replication slot {self.slot} is being created by PID {pid}, which waits for "
            "open transactions to end: run again once it exists, or stop its creation: SELECT "
            f"pg_terminate_backend({pid}){ADVICE}\n",
        )
        session.execute("COMMIT")
        running.read_rest()
        self.assertEqual(running.wait(), 0, running)

    def test_role_that_does_not_own_the_tables(self):
        self.sql(ONE_TABLE)
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION")
        self.addCleanup(self.sql, "DROP OWNED BY reader; DROP ROLE reader")
        self.sql("GRANT USAGE ON SCHEMA {s} TO reader; GRANT SELECT ON {s}.t TO reader")
        catalog = self.catalog("t")
        statements = (
            f'CREATE PUBLICATION "{self.publication}" FOR TABLE {self.table("t")}'
            f'{self.options_of_new()}; CREATE PUBLICATION "{self.inserts}"'
            f"{self.options_of_new('insert, truncate')}"
        )
        where = f"127.0.0.1:{self.server.port}, database {self.database}, user reader"
        refusal = (
            f"CRITICAL cannot create or extend publications ({where}): permission denied for "
            f"database {self.database} (SQLSTATE 42501): a superuser, or the owner of the tables "
            f"with the right to create publications, must run: {statements}"
        )
        result = self.create(catalog, user="reader", expect=4)
        self.assertEqual(result.stderr, f"{refusal}{ADVICE}\n")
        self.make_slot(plugin="wal2json")
        result = self.create(catalog, user="reader", expect=4)
        self.assertEqual(
            result.stderr,
            f"{refusal}; or set logical_decoding_plugin to wal2json, since slot {self.slot} needs "
            f"no publication{ADVICE}\n",
        )
        for statement in statements.split("; "):
            self.sql(statement)
        self.create(catalog, user="reader")
        self.assertEqual(self.slots().count(f"{self.slot}_pgoutput"), 1)


class LaterTableTest(PublicationTest):
    """The slot exists when a table is selected."""

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); CREATE TABLE {s}.u (id int PRIMARY KEY)")
        self.create(self.catalog("t"))
        self.both = self.catalog("t", "u")

    def position(self, table):
        return {self.id_of(table): {"lsn": 1, "last_replication_method": "LOG_BASED"}}

    def test_table_of_a_new_stream_is_added(self):
        result = self.create(self.both, state={"bookmarks": self.position("t")})
        self.assertEqual(
            result.stderr,
            f'INFO changed publications: ALTER PUBLICATION "{self.publication}" ADD TABLE '
            f"{self.table('u')}\n"
            f"INFO replication slot {self.slot} is ready at {as_text(self.confirmed())}\n",
        )
        self.assertEqual(self.members(), ["t", "u"])

    def test_table_whose_changes_are_needed_is_refused(self):
        refusal = (
            f"publication {self.publication} does not publish {self.table('u')}: changes that its "
            f"streams need are missing; publish it, then run with {self.full_refresh('u')}: "
            f'ALTER PUBLICATION "{self.publication}" ADD TABLE '
            f"{self.table('u')}"
        )
        state = {"bookmarks": {**self.position("t"), **self.position("u")}}
        for known in (state, None):  # without a state, any stream may have a position
            result = self.create(self.both, state=known, expect=4)
            self.assertEqual(result.stderr, f"CRITICAL {refusal}{ADVICE}\n")
        interrupted = {"bookmarks": {self.id_of("u"): {"version": 1, "copy": {"lsn": 1}}}}
        result = self.create(self.both, state=interrupted, expect=4)
        self.assertEqual(result.stderr, f"CRITICAL {refusal}{ADVICE}\n")
        self.assertEqual(self.members(), ["t"])
        self.assertEqual(
            self.findings(self.both, f"publication {self.publication}", state, expect=4),
            ["error " + refusal.replace(": ", "; ", 1)],
        )

    def test_open_transactions_are_waited_for(self):
        """pgoutput does not send changes made before their table was published."""
        state = self.sync(self.catalog("t")).last_state
        session = self.session()
        session.autocommit = False
        with session.cursor() as cursor:
            cursor.execute(f"INSERT INTO {self.schema}.u VALUES (1)")
        running = self.start(self.both, state, create_replication_slot=True)
        until(lambda: self.members() == ["t", "u"], "u is not published")
        self.sql("INSERT INTO {s}.u VALUES (2)")
        self.assertIsNone(running.process.poll())
        session.commit()
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        ids = {message["record"]["id"] for message in messages if message["type"] == "RECORD"}
        self.assertEqual(ids, {1, 2})

    def test_open_transactions_past_the_snapshot(self):
        """They are newer than the last one that has ended."""
        state = self.sync(self.catalog("t")).last_state
        publishing, writing = self.session(), self.session()
        for session in (publishing, writing):
            session.autocommit = False
        with publishing.cursor() as cursor:
            cursor.execute(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.schema}.u")
        with writing.cursor() as cursor:
            cursor.execute(f"INSERT INTO {self.schema}.u VALUES (1)")
        publishing.commit()
        running = self.start(self.both, state)
        running.wait_for_log("waiting for open transactions")
        writing.commit()
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
        self.assertEqual(ids, [1])

    def test_insert_only_publication_is_younger(self):
        """WAL older than the publication could not be read any more."""
        self.sql(f"DROP PUBLICATION {self.inserts}; CREATE TABLE {{s}}.v (id int)")
        catalog = self.catalog("t", "v")
        state = {"bookmarks": self.position("t")}
        v = self.table("v")
        refusal = (
            f"publication {self.publication} does not publish {v}: {v} has no replica identity, "
            f"and publication {self.inserts}, which would publish its inserts, must be older than "
            f"replication slot {self.slot}: give the table a replica identity: ALTER TABLE {v} "
            "REPLICA IDENTITY FULL"
        )
        result = self.create(catalog, state=state, expect=4)
        self.assertEqual(result.stderr, f"CRITICAL {refusal}{ADVICE}\n")
        self.sql("ALTER TABLE {s}.v REPLICA IDENTITY FULL")
        self.create(catalog, state=state)
        self.assertEqual(self.members(), ["t", "v"])

    def test_replica_identity_that_is_added_later(self):
        self.in_schema("CREATE TABLE keyless (id int, v int)")
        catalog = self.catalog("t", "keyless")
        self.create(catalog, state={"bookmarks": self.position("t")})
        self.assertEqual(self.members(self.inserts), ["keyless"])
        state = {"bookmarks": {**self.position("t"), **self.position("keyless")}}
        keyless = self.table("keyless")
        fix = self.publish_updates("keyless")
        subject = f"stream {self.id_of('keyless')}"
        warnings = [
            found
            for found in self.findings(catalog, subject, state, expect=None)
            if found.startswith("warning")
        ]
        self.assertEqual(warnings, [f"warning {self.unidentified('keyless')}; {fix}"])
        result = self.sync(catalog, self.sync(catalog).last_state)
        self.assertEqual(
            [line for line in result.stderr.splitlines() if "WARNING" in line],
            [f"WARNING {subject}: {self.unidentified('keyless')}: {fix}"],
        )
        self.sql("ALTER TABLE {s}.keyless REPLICA IDENTITY FULL")
        refusal = (
            f"publication {self.publication} does not publish all inserts, updates and deletes of "
            f"{keyless}: changes that its streams need are missing; publish it, then run with "
            f"{self.full_refresh('keyless')}: ALTER PUBLICATION "
            f'"{self.publication}" ADD TABLE {keyless}'
        )
        result = self.create(catalog, state=state, expect=4)
        self.assertEqual(result.stderr, f"CRITICAL {refusal}{ADVICE}\n")
        self.sql("ALTER TABLE {s}.keyless REPLICA IDENTITY DEFAULT")
        self.sql(fix.removeprefix("BEGIN; ").removesuffix("; COMMIT"))
        self.create(catalog, state=state)
        self.update_all(["keyless"])
        self.assertEqual(
            (self.members(), self.members(self.inserts)), (["keyless", "t"], ["keyless"])
        )


class MissingPublicationTest(PublicationTest):
    def setUp(self):
        super().setUp()
        self.sql(ONE_TABLE + "CREATE TABLE {s}.log (id int)")
        self.selected = self.catalog("t", "log")
        self.statements = (
            f'CREATE PUBLICATION "{self.publication}" FOR TABLE {self.table("t")}'
            f'{self.options_of_new()}; CREATE PUBLICATION "{self.inserts}" FOR TABLE '
            f"{self.table('log')}{self.options_of_new('insert, truncate')}"
        )

    def check_refused(self, problem, catalog, **extra):
        """The problem is (found, remedy): one text of `slot create`, one finding of `check`."""
        result = self.create(catalog, expect=4, **extra)
        self.assertEqual(result.stderr, f"CRITICAL {': '.join(problem)}{ADVICE}\n")
        expect = 4 if catalog else 0
        self.assertEqual(
            self.findings(catalog, f"publication {self.publication}", expect=expect, **extra),
            [f"{'error' if catalog else 'note'} {'; '.join(problem)}"],
        )
        self.assertNotIn(self.slot, self.slots())

    def test_without_catalog(self):
        self.check_refused(
            (
                f"no publication {self.publication} in database publications",
                "run tap-postgres slot create with --catalog, or create it for the tables to sync "
                f'with CREATE PUBLICATION "{self.publication}" FOR TABLE ...',
            ),
            None,
        )
        self.sql(f"CREATE PUBLICATION {self.publication} FOR TABLE {{s}}.t")
        self.create()
        self.assertIn(self.slot, self.slots())

    def test_without_the_right_to_create(self):
        self.check_refused(
            (
                f"no publication {self.publication} in database publications",
                f"create it with {self.statements}, or set create_publication to true",
            ),
            self.selected,
            create_publication=False,
        )
        for statement in self.statements.split("; "):
            self.sql(statement)
        result = self.create(self.selected, create_publication=False)
        self.assertNotIn("changed", result.stderr)
        self.update_all([])
        self.sql("UPDATE {s}.log SET id = 2; UPDATE {s}.t SET pad = ''")

    def test_tables_are_not_published(self):
        self.sql(f"CREATE PUBLICATION {self.publication}")
        inserts = self.statements.split("; ")[1]
        self.check_refused(
            (
                f'publication {self.publication} does not publish {self.table("log")}, '
                f"{self.table('t')}",
                f'ALTER PUBLICATION "{self.publication}" ADD TABLE {self.table("t")}; {inserts}, '
                "or set create_publication to true",
            ),
            self.selected,
            create_publication=False,
        )
        self.assertEqual(
            self.findings(
                self.selected,
                f"publication {self.publication}",
                expect=4,
                create_publication=True,
            ),
            [f'note the run adds {self.table("log")}, {self.table("t")} to it'],
        )

    def test_check_announces_the_creation(self):
        self.assertEqual(
            self.findings(
                self.selected,
                f"publication {self.publication}",
                create_replication_slot=True,
            ),
            ["note it does not exist; the run creates it"],
        )
        self.assertEqual(self.sql("SELECT * FROM pg_publication"), [])

    def test_one_of_several(self):
        self.sql(f"CREATE PUBLICATION {self.publication} FOR TABLE {{s}}.t")
        result = self.create(
            self.catalog("t"), expect=4, publication_name=f"{self.publication}, other"
        )
        self.assertEqual(
            result.stderr,
            "CRITICAL no publication other in database publications: create it, or remove it from "
            f"publication_name{ADVICE}\n",
        )
        self.sql("CREATE PUBLICATION other FOR TABLE {s}.log WITH (publish = 'insert')")
        self.create(self.selected, publication_name=f"{self.publication}, other")
        self.assertEqual((self.members(), self.members("other")), (["t"], ["log"]))

    def test_slot_is_older(self):
        self.make_slot()
        recreate = (
            f"SELECT pg_drop_replication_slot('{self.slot}'); "
            f"SELECT pg_create_logical_replication_slot('{self.slot}', 'pgoutput')"
        )
        result = self.create(self.selected, expect=4)
        self.assertEqual(
            result.stderr,
            f"CRITICAL no publication {self.publication} in database publications: it must be "
            f"older than replication slot {self.slot}: create both again, then restart the "
            f"log-based streams with --full-refresh: {self.statements}; {recreate}{ADVICE}\n",
        )
        for statement in f"{self.statements}; {recreate}".split("; "):
            self.sql(statement)
        self.create(self.selected)
        self.assertEqual(
            self.findings(self.selected, f"publication {self.publication}"),
            ["ok it publishes all changes of 2 log-based streams"],
        )

    def test_catalog_without_log_based_streams(self):
        catalog = self.catalog("t", method="FULL_TABLE")
        result = self.create(catalog, expect=2)
        self.assertEqual(
            result.stderr,
            "CRITICAL catalog.json: no LOG_BASED stream of database publications is selected\n",
        )


class FindingsTest(PublicationTest):
    """Publications that the tap has not made."""

    def setUp(self):
        super().setUp()
        self.in_schema(
            "CREATE TABLE t (id int PRIMARY KEY, v int, w int); CREATE TABLE log (id int, v int)"
        )
        self.t, self.log = self.table("t"), self.table("log")

    def publish(self, rest, name=None):
        self.in_schema(f"CREATE PUBLICATION {name or self.publication} {rest}")

    def of_stream(self, table, state=None, expect=0, **extra):
        """Findings on the stream of a table, without those about missing keys."""
        subject = f"stream {self.id_of(table)}"
        found = self.findings(self.catalog(table), subject, state, expect=expect, **extra)
        return [text for text in found if "no key" not in text and "not in WAL" not in text]

    def of_publication(self, *tables, expect=0, **extra):
        return self.findings(
            self.catalog(*tables), f"publication {self.publication}", expect=expect, **extra
        )

    def test_different_row_filters(self):
        self.require_version(15, "row filters exist")
        self.publish("FOR TABLE t WHERE (id > 10)")
        self.publish("FOR TABLE t WHERE (id > 20)", "other")
        self.config["publication_name"] = f"{self.publication},other"
        fix = (
            f'BEGIN; ALTER PUBLICATION "{self.publication}" DROP TABLE {self.t}; '
            f'ALTER PUBLICATION "{self.publication}" ADD TABLE {self.t}; COMMIT'
        )
        found = f"publication {self.publication} publishes only the rows of {self.t} with (id > 10)"
        ok = "ok LOG_BASED, 3 columns, key id"
        self.assertEqual(
            self.of_stream("t", expect=4), [ok, f"error {found}; publish all rows: {fix}"]
        )
        result = self.create(self.catalog("t"), expect=4)
        self.assertEqual(result.stderr, f"CRITICAL {found}: publish all rows: {fix}{ADVICE}\n")
        self.make_slot()
        state = {"bookmarks": {self.id_of("t"): {"lsn": 1}}}
        self.assertEqual(
            self.of_stream("t", state, expect=4),
            [
                ok,
                f"error {found}; publish all rows, then run with {self.full_refresh('t')}: {fix}",
            ],
        )
        self.sql(fix.removeprefix("BEGIN; ").removesuffix("; COMMIT"))
        self.assertEqual(self.of_stream("t"), [ok])

    def test_row_filter_beside_all_rows(self):
        self.require_version(15, "row filters exist")
        self.publish("FOR TABLE t WHERE (id > 10)")
        self.publish("FOR TABLE t", "other")
        self.assertEqual(
            self.of_stream("t", expect=4, publication_name=f"{self.publication},other"),
            ["ok LOG_BASED, 3 columns, key id"],
        )

    def test_missing_actions(self):
        self.publish("FOR TABLE t WITH (publish = 'insert, delete')")
        found = (
            f"publication {self.publication} does not publish all inserts, updates and deletes of "
            f"{self.t}"
        )
        truncate = ", truncate" if self.server.version >= (11,) else ""
        self.assertEqual(
            self.of_publication("t", expect=4)[0],
            f"error {found}: publication {self.publication} does not publish inserts, updates and "
            "deletes of tables that are added to it; publish them: ALTER PUBLICATION "
            f"\"{self.publication}\" SET (publish = 'insert, update, delete{truncate}')",
        )
        # What would stop the application is not suggested.
        self.publish("FOR TABLE log WITH (publish = 'insert')", "other")
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {{s}}.log")
        self.assertEqual(
            self.of_publication("t", expect=4)[0],
            f"error {found}: publication {self.publication} does not publish inserts, updates and "
            "deletes of tables that are added to it; set publication_name to another publication",
        )

    def test_missing_actions_beside_a_column_list(self):
        """The server would refuse UPDATE of a table whose key is outside the column list."""
        self.require_version(15, "column lists exist")
        self.in_schema("CREATE TABLE o (id int PRIMARY KEY, v int); INSERT INTO o VALUES (1, 1)")
        self.publish("FOR TABLE o (v) WITH (publish = 'insert')")
        [found] = self.of_publication("t", expect=4)
        self.assertTrue(
            found.endswith(
                "tables that are added to it; set publication_name to another publication"
            ),
            found,
        )
        self.update_all(["o"])

    def test_updates_of_a_stream_stay_published(self):
        self.publish("FOR TABLE t")
        self.publish("FOR TABLE t", self.inserts)
        [found] = self.of_publication("t", "log", expect=4)
        self.assertTrue(
            found.endswith(
                "no replica identity; move the tables whose updates it publishes to "
                "another publication"
            ),
            found,
        )

    def test_truncate_is_not_published(self):
        self.require_version(11, "pgoutput sends TRUNCATE")
        self.publish("FOR TABLE t WITH (publish = 'insert, update, delete')")
        fix = (
            f'ALTER PUBLICATION "{self.publication}" SET (publish = '
            "'insert, update, delete, truncate')"
        )
        found = "it does not publish TRUNCATE: rows of truncated tables stay in the target"
        self.assertEqual(self.of_publication("t", expect=4), [f"warning {found}; {fix}"])
        self.assertIn(
            f"WARNING publication {self.publication}: {found}: {fix}\n",
            self.create(self.catalog("t")).stderr,
        )
        self.drop_slot()
        self.sql(fix)
        self.assertEqual(
            self.of_publication("t", expect=4),
            ["ok it publishes all changes of 1 log-based streams"],
        )

    def test_column_list(self):
        self.require_version(15, "column lists exist")
        self.publish("FOR TABLE t (id, v)")
        self.assertEqual(
            self.of_stream("t", expect=4)[-1],
            f"warning columns w are not in the column list of publication {self.publication}: they "
            "are read from the table after each change; publish all columns: BEGIN; ALTER "
            f'PUBLICATION "{self.publication}" DROP TABLE {self.t}; ALTER PUBLICATION '
            f'"{self.publication}" ADD TABLE {self.t}; COMMIT',
        )
        self.publish("FOR TABLE t", "other")
        self.assertEqual(
            self.of_stream("t", expect=4, publication_name=f"{self.publication},other"),
            [
                "ok LOG_BASED, 3 columns, key id",
                f"error publications {self.publication}, other publish different columns of "
                f"{self.t}, which the server refuses; publish the same columns in both: BEGIN; "
                f'ALTER PUBLICATION "{self.publication}" DROP TABLE {self.t}; ALTER PUBLICATION '
                f'"{self.publication}" ADD TABLE {self.t}; COMMIT',
            ],
        )

    def test_changes_under_the_name_of_the_root(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.publish("FOR TABLE root WITH (publish_via_partition_root = true)")
        root, part = self.table("root"), self.table("root_2")
        fix = f'ALTER PUBLICATION "{self.publication}" SET (publish_via_partition_root = false)'
        self.assertEqual(
            self.of_stream("root_2", expect=4)[-1],
            f"error publication {self.publication} sends changes of {part} under the name of "
            f"{root}, so that stream {self.id_of('root_2')} receives none; deselect the stream, or "
            f"publish partitions under their own names: {fix}",
        )
        self.create(self.catalog("root"))
        result = self.create(self.catalog("root", "root_2"), expect=4)
        self.assertIn(f", and run with {self.full_refresh('root_2')}: {fix}", result.stderr)
        self.sql(fix)
        self.create(self.catalog("root", "root_2"))

    def test_adding_a_root_would_rename_the_changes_of_a_stream(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.publish("FOR TABLE root_2 WITH (publish_via_partition_root = true)")
        catalog = self.catalog("root", "root_2")
        result = self.create(catalog, expect=4)
        self.assertEqual(
            result.stderr,
            f"CRITICAL publication {self.publication} does not publish {self.table('root')}: "
            f"publication {self.publication} sends changes of {self.table('root_2')} under the "
            f"name of {self.table('root')}, so that stream {self.id_of('root_2')} receives none: "
            "deselect the stream, or publish partitions under their own names: ALTER PUBLICATION "
            f'"{self.publication}" SET (publish_via_partition_root = false){ADVICE}\n',
        )

    def test_new_partitions_are_not_published(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.publish("FOR TABLE root_1, root_2")
        self.assertEqual(
            self.of_stream("root", expect=4)[-1],
            f"warning partitions of {self.table('root')} that are created later are not "
            f'published; ALTER PUBLICATION "{self.publication}" ADD TABLE {self.table("root")}',
        )

    def test_root_with_another_replica_identity(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.sql("ALTER TABLE {s}.mixed_2 ADD PRIMARY KEY (id)")
        self.publish("FOR TABLE mixed WITH (publish_via_partition_root = true)")
        self.assertEqual(
            self.of_stream("mixed", expect=4)[-1],
            f"warning publication {self.publication} sends changes of {self.table('mixed_1')} "
            f"under the name of {self.table('mixed')}, which has another replica identity, so that "
            "deletes may lack the key; publish partitions under their own names: ALTER PUBLICATION "
            f'"{self.publication}" SET (publish_via_partition_root = false)',
        )

    def check_blocked(self, publication, tables, fix, needed=""):
        """The source refuses UPDATE until the fix of the finding is carried out."""
        self.publish(publication)
        with self.assertRaises(Exception) as refused:
            self.update_all(tables)
        self.assertIn("cannot update table", str(refused.exception))
        name = self.table(tables[-1])
        [found] = [
            text
            for text in self.of_stream(tables[0], expect=4)
            if "refuses UPDATE" in text and text.startswith("error")
        ]
        self.assertEqual(
            found,
            f"error the server refuses UPDATE and DELETE of {name}, because publication "
            f"{self.publication} publishes them and {needed}{fix}",
        )
        for statement in fix.removeprefix("BEGIN; ").removesuffix("; COMMIT").split("; "):
            self.sql(statement)
        self.update_all(tables)

    def test_application_cannot_update_a_table(self):
        create = (
            f'CREATE PUBLICATION "{self.inserts}" FOR TABLE {self.log}'
            f"{self.options_of_new('insert, truncate')}"
        )
        self.check_blocked(
            "FOR TABLE log, t",
            ["log"],
            f'BEGIN; {create}; ALTER PUBLICATION "{self.publication}" DROP TABLE {self.log}; '
            "COMMIT",
            needed="it has no replica identity; publish only its inserts: ",
        )
        self.assertEqual((self.members(), self.members(self.inserts)), (["t"], ["log"]))
        self.assertEqual(
            self.of_publication("t", "log", expect=4),
            ["ok it publishes all changes of 2 log-based streams"],
        )

    def test_application_cannot_update_a_table_of_all_tables(self):
        self.check_blocked(
            "FOR ALL TABLES",
            ["log"],
            f"ALTER TABLE {self.log} REPLICA IDENTITY FULL",
            needed="it has no replica identity; ",
        )

    def test_application_cannot_update_a_partition(self):
        self.require_version(13, "partitioned tables are published")
        self.in_schema(TABLES)
        self.check_blocked(
            "FOR TABLE mixed",
            ["mixed", "mixed_2"],
            f"ALTER TABLE {self.table('mixed_2')} REPLICA IDENTITY FULL",
            needed="it has no replica identity; ",
        )

    def test_application_cannot_update_because_of_a_column_list(self):
        self.require_version(15, "column lists exist")
        self.check_blocked(
            "FOR TABLE t (v)",
            ["t"],
            f'BEGIN; ALTER PUBLICATION "{self.publication}" DROP TABLE {self.t}; '
            f'ALTER PUBLICATION "{self.publication}" ADD TABLE {self.t}; COMMIT',
            needed="its replica identity is not in the column list; publish all columns: ",
        )

    def test_full_identity_is_not_advised_beside_a_column_list(self):
        """The server would refuse UPDATE of log, because of a publication for another program."""
        self.require_version(15, "column lists exist")
        catalog = self.catalog("log")
        self.publish("FOR TABLE t")
        self.publish("FOR TABLE log WITH (publish = 'insert, truncate')", self.inserts)
        self.make_slot()
        subject = f"stream {self.id_of('log')}"
        state = self.sync(catalog).last_state
        found = self.unidentified("log")
        self.assertIn(
            f"warning {found}; {self.publish_updates('log')}", self.findings(catalog, subject)
        )
        self.publish("FOR TABLE log (id)", "other")
        remedy = self.publish_updates("log", "DEFAULT")
        self.assertIn(f"warning {found}; {remedy}", self.findings(catalog, subject))
        self.assertIn(f"WARNING {subject}: {found}: {remedy}\n", self.sync(catalog, state).stderr)
        self.sql(f"ALTER TABLE {self.log} REPLICA IDENTITY FULL")
        with self.assertRaisesRegex(Exception, "cannot update table"):
            self.update_all(["log"])
        self.run_fix(remedy)
        self.update_all(["log"])

    def test_application_cannot_update_other_tables(self):
        self.publish("FOR TABLE t, log")
        self.assertEqual(
            self.of_publication("t", expect=4),
            [
                f"warning the server refuses UPDATE and DELETE of {self.log}, because it publishes "
                "them and their replica identity is missing or not published; give them a replica "
                f"identity: ALTER TABLE {self.log} REPLICA IDENTITY FULL"
            ],
        )

    def test_run_warns_of_a_table_that_the_application_cannot_update(self):
        self.publish("FOR ALL TABLES")
        self.assertIn(
            f"WARNING stream {self.id_of('log')}: the server refuses UPDATE and DELETE of "
            f"{self.log}, because publication {self.publication} publishes them and it has no "
            f"replica identity: ALTER TABLE {self.log} REPLICA IDENTITY FULL\n",
            self.create(self.catalog("log")).stderr,
        )

    def test_publication_that_is_younger_than_the_slot(self):
        self.make_slot()
        self.publish("FOR TABLE t")
        self.assertEqual(
            self.of_publication("t"),
            [
                f"warning it may have been created after replication slot {self.slot}, which then "
                "lacks older changes; unless it was only altered, create the slot again and run "
                "with --full-refresh"
            ],
        )

    def test_empty_publication_that_is_younger_than_the_slot(self):
        """Dropping it loses nothing, unlike skipping the changes before it."""
        self.publish("FOR TABLE t")
        self.make_slot()
        catalog = self.catalog("t")
        state = self.sync(catalog).last_state
        self.sql("INSERT INTO {s}.t VALUES (1)")
        self.publish("WITH (publish = 'insert')", self.inserts)
        drop = f'drop it, since it publishes no table: DROP PUBLICATION "{self.inserts}"'
        self.assertEqual(
            self.findings(catalog, f"publication {self.inserts}", state),
            [
                f"warning it may have been created after replication slot {self.slot}, which then "
                f"lacks older changes; unless it was only altered, {drop}"
            ],
        )
        if self.server.version < (18,):  # 18 ignores a missing publication
            result = self.sync(catalog, state, expect=4)
            self.assertIn(
                f"in replication slot {self.slot}, which cannot be read without it; {drop}",
                result.stderr,
            )
        self.sql(drop.partition(": ")[2])
        self.assertEqual(len(self.sync(catalog, state).records()), 1)

    def test_publications_do_not_matter_to_wal2json(self):
        self.make_slot(plugin="wal2json")
        subject = f"publication {self.publication}"
        self.assertEqual(self.findings(self.catalog("t"), subject), [])
        self.assertEqual(
            self.findings(self.catalog("t"), subject, logical_decoding_plugin="wal2json"), []
        )
        [found] = self.findings(
            self.catalog("t"), subject, expect=4, logical_decoding_plugin="pgoutput"
        )
        self.assertIn(f"error no publication {self.publication} in ", found)


class StreamErrorTest(PublicationTest):
    """A fault in what is published of one table fails its stream only."""

    def setUp(self):
        super().setUp()
        self.in_schema(
            "CREATE TABLE t (id int PRIMARY KEY, v int); CREATE TABLE u (id int PRIMARY KEY, v int)"
        )
        self.t, self.u = self.table("t"), self.table("u")
        self.both = self.catalog("t", "u")

    def publish(self, rest):
        self.in_schema(f"CREATE PUBLICATION {self.publication} {rest}")

    def copy(self, catalog=None):
        """Makes the slot and the initial snapshots; returns the state."""
        self.create(catalog or self.both)
        return self.sync(catalog or self.both).last_state

    def check_only_u_fails(self, state, text, catalog=None):
        """Both tables get a row, and the run reads that of t. Returns the new state."""
        self.sql("INSERT INTO {s}.t SELECT max(id) + 1 FROM {s}.t")
        self.sql("INSERT INTO {s}.u (v) SELECT 1" if catalog else "INSERT INTO {s}.u VALUES (1)")
        result = self.sync(catalog or self.both, state, expect=1)
        self.assertIn(f"ERROR stream {self.id_of('u')}: {text}{ADVICE}\n", result.stderr)
        self.assertTrue(
            result.stderr.endswith(f"CRITICAL 1 of 2 streams failed: {self.id_of('u')}\n"),
            result.stderr,
        )
        self.assertEqual([record["_sdc_deleted_at"] for record in result.records("t")], [None])
        self.assertEqual(result.records("u"), [])
        self.assertEqual(self.lsn(result.last_state, "u"), self.lsn(state, "u"))
        self.assertGreater(self.lsn(result.last_state, "t"), self.lsn(state, "t"))
        # The slot keeps the WAL that the stream needs, however often the others are read.
        for _ in range(2):
            result = self.sync(catalog or self.both, result.last_state, expect=1)
            self.assertLessEqual(self.confirmed(), self.lsn(state, "u"))
        return result.last_state

    def test_table_that_is_no_longer_published(self):
        self.sql("INSERT INTO {s}.t VALUES (1)")
        state = self.copy()
        fix = f'ALTER PUBLICATION "{self.publication}" ADD TABLE {self.u}'
        self.sql(f"ALTER PUBLICATION {self.publication} DROP TABLE {self.u}")
        state = self.check_only_u_fails(
            state,
            f"publication {self.publication} does not publish {self.u}: changes that its streams "
            f"need are missing; publish it, then run with {self.full_refresh('u')}: {fix}",
        )
        self.assertEqual(
            self.findings(self.both, f"publication {self.publication}", state, expect=1),
            [
                f"error publication {self.publication} does not publish {self.u}; changes that its "
                f"streams need are missing; publish it, then run with {self.full_refresh('u')}: "
                f"{fix}"
            ],
        )
        self.sql(fix)
        result = self.sync(self.both, state, "--full-refresh", self.id_of("u"))
        self.assertEqual(len(result.records("u")), 1)

    def test_different_row_filters(self):
        self.require_version(15, "row filters exist")
        self.publish("FOR TABLE t, u WHERE (id > 10)")
        self.sql("CREATE PUBLICATION other FOR TABLE {s}.u WHERE (id > 20)")
        self.config["publication_name"] = f"{self.publication},other"
        self.make_slot()
        state = self.sync(self.catalog("t")).last_state
        result = self.sync(self.both, state, expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: publication {self.publication} publishes only the "
            f"rows of {self.u} with (id > 10): publish all rows: ",
            result.stderr,
        )
        self.assertNotIn("lsn", self.bookmark(result.last_state, "u"))

    def test_new_table_of_another_owner(self):
        """The role cannot add it to the publication."""
        state = self.copy(self.catalog("t"))
        self.sql("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN REPLICATION")
        self.addCleanup(self.sql, "DROP OWNED BY reader; DROP ROLE reader")
        self.sql("GRANT USAGE ON SCHEMA {s} TO reader; GRANT SELECT ON {s}.t, {s}.u TO reader")
        self.sql("INSERT INTO {s}.t VALUES (1)")
        result = self.sync(self.both, state, expect=1, user="reader", create_replication_slot=True)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: cannot create or extend publications", result.stderr
        )
        self.assertIn(
            f'must run: ALTER PUBLICATION "{self.publication}" ADD TABLE {self.u}{ADVICE}\n',
            result.stderr,
        )
        self.assertEqual(len(result.records("t")), 1)

    def check_gap(self, state, text, slot=None):
        """Only --full-refresh makes the stream of u readable again, and the first one does."""
        slot = slot or self.slot
        for _ in range(2):
            result = self.sync(self.both, state, expect=1)
            self.assertIn(
                f"ERROR stream {self.id_of('u')}: changes of {self.u} {text}: run with "
                f"{self.full_refresh('u', slot)}{ADVICE}\n",
                result.stderr,
            )
            self.assertEqual(result.records("u"), [])
            state = result.last_state
            text = "are missing, because they were not published during an earlier run"
        self.assertEqual(
            self.findings(self.both, f"stream {self.id_of('u')}", state, expect=1)[-1],
            f"error changes of {self.u} {text}; run with {self.full_refresh('u', slot)}",
        )
        state = self.sync(self.both, state, "--full-refresh", self.id_of("u")).last_state
        self.sql("INSERT INTO {s}.u SELECT max(id) + 1 FROM {s}.u")
        result = self.sync(self.both, state)
        self.assertEqual(len(result.records("u")), 1)

    def test_table_that_was_not_published_for_a_while(self):
        state = self.copy()
        self.sql(f"ALTER PUBLICATION {self.publication} DROP TABLE {self.u}")
        self.sql("INSERT INTO {s}.u VALUES (1)")
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        self.check_gap(
            state,
            f"may be missing, because it was added to publication {self.publication} after the "
            "last run",
        )

    def test_run_before_the_full_refresh(self):
        state = self.copy()
        self.sql(f"ALTER PUBLICATION {self.publication} DROP TABLE {self.u}")
        self.sql("INSERT INTO {s}.u VALUES (1)")
        state = self.sync(self.both, state, expect=1).last_state
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        self.check_gap(state, "are missing, because they were not published during an earlier run")

    def test_actions_that_were_not_published_for_a_while(self):
        state = self.copy()
        self.sql("CREATE TABLE {s}.log (id int)")  # keeps the run going
        both = self.catalog("u", "log")
        state = self.sync(both, state, create_publication=True).last_state
        self.sql(f"ALTER PUBLICATION {self.publication} SET (publish = 'insert, delete')")
        self.sql("INSERT INTO {s}.u VALUES (1)")
        state = self.sync(both, state, expect=1).last_state
        self.sql(f"ALTER PUBLICATION {self.publication} SET (publish = 'insert, update, delete')")
        result = self.sync(both, state, expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: changes of {self.u} are missing, ", result.stderr
        )

    def test_table_that_was_not_published_while_it_had_another_name(self):
        state = self.copy()
        self.sql("ALTER TABLE {s}.u RENAME TO w")
        state = self.sync(self.both, state, expect=1).last_state
        self.sql(f"ALTER PUBLICATION {self.publication} DROP TABLE {self.table('w')}")
        self.sql("INSERT INTO {s}.w VALUES (1)")
        self.sql("ALTER TABLE {s}.w RENAME TO u")
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        self.check_gap(
            state,
            f"may be missing, because it was added to publication {self.publication} after the "
            "last run",
        )

    def begin_move(self):
        """Returns the state of a run that reads the slot of wal2json, next to that of pgoutput."""
        self.make_slot(plugin="wal2json")
        state = self.sync(self.both).last_state
        self.create(self.catalog("t"))
        self.sql("INSERT INTO {s}.u VALUES (1)")
        result = self.sync(self.both, state)
        self.assertEqual(len(result.records("u")), 1)
        self.sql("INSERT INTO {s}.u VALUES (2)")
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        return state, result.last_state

    def test_table_that_is_published_during_the_move_from_wal2json(self):
        """The old slot has the changes before that, the new one those after it."""
        state, _ = self.begin_move()
        self.sql("INSERT INTO {s}.u VALUES (3)")
        result = self.sync(self.both, state)
        self.assertEqual([record["id"] for record in result.records("u")], [1, 2, 3])
        self.sql("INSERT INTO {s}.u VALUES (4)")
        result = self.sync(self.both, result.last_state)
        self.assertIn(f"replication slot {self.slot}_pgoutput replaces", result.stderr)
        self.assertEqual([record["id"] for record in result.records("u")], [4])

    def test_table_that_is_published_too_late_for_the_move_from_wal2json(self):
        _, state = self.begin_move()
        slot = f"{self.slot[:54]}_pgoutput"  # 63 bytes
        self.assertIn(slot, self.slots())
        self.check_gap(
            state, "are missing, because they were not published during an earlier run", slot
        )

    def test_table_that_is_published_in_part_during_the_move_from_wal2json(self):
        """The state records it, although the run itself does not need the publication."""
        self.publish("FOR TABLE t, u WITH (publish = 'insert')")
        self.make_slot(plugin="wal2json")
        state = self.sync(self.both).last_state
        self.make_slot(f"{self.slot[:54]}_pgoutput")
        self.sql("INSERT INTO {s}.u VALUES (1)")
        state = self.sync(self.both, state).last_state
        self.assertEqual(self.bookmark(state, "u")["publications"], [])
        self.sql(f"ALTER PUBLICATION {self.publication} SET (publish = 'insert, update, delete')")
        result = self.sync(self.both, state, expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: changes of {self.u} are missing, because they were "
            "not published during an earlier run",
            result.stderr,
        )

    def test_open_transaction_during_the_move_from_wal2json(self):
        """It may have changed a table before that was published. The run does not wait for it."""
        self.publish("FOR TABLE t, u")
        self.make_slot(plugin="wal2json")
        state = self.sync(self.both).last_state
        self.make_slot(f"{self.slot[:54]}_pgoutput")
        session = self.session().cursor()
        session.execute("BEGIN; SELECT txid_current()")
        for number in range(2):
            self.sql(f"INSERT INTO {{s}}.u VALUES ({number})")
            result = self.sync(self.both, state)
            self.assertEqual([record["id"] for record in result.records("u")], [number])
            self.assertIn("INFO transactions are open that may have changed", result.stderr)
            state = result.last_state
            self.assertNotIn("publications", self.bookmark(state, "u"))
        self.assertIn(
            f"INFO reading replication slot {self.slot} until the state records which tables are "
            f"published; from then on slot {self.slot[:54]}_pgoutput is read\n",
            result.stderr,
        )
        session.execute("COMMIT")
        state = self.sync(self.both, state).last_state
        result = self.sync(self.both, state)
        self.assertIn(f"replication slot {self.slot[:54]}_pgoutput replaces", result.stderr)

    def test_asynchronous_commit_during_the_move_from_wal2json(self):
        """Other sessions see the commit before its WAL is flushed, where the run would end."""
        self.publish("FOR TABLE t")
        self.make_slot(plugin="wal2json")
        state = self.sync(self.both).last_state
        self.make_slot(f"{self.slot[:54]}_pgoutput")
        [(wal_writer,)] = self.sql(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
        )
        session = self.session().cursor()
        session.execute(
            f"BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO {self.schema}.u VALUES (1)"
        )
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        os.kill(wal_writer, signal.SIGSTOP)
        self.addCleanup(os.kill, wal_writer, signal.SIGCONT)
        session.execute("COMMIT")
        running = self.start(self.both, state)
        until(
            lambda: running.process.poll() is not None or self.is_active(), "the slot is not read"
        )
        os.kill(wal_writer, signal.SIGCONT)
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0, running)
        [state] = [message["value"] for message in messages if message["type"] == "STATE"][-1:]
        later = self.sync(self.both, state)
        self.assertIn(f"replication slot {self.slot[:54]}_pgoutput replaces", later.stderr)
        messages += later.messages
        ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
        self.assertEqual(ids, [1])

    def test_actions_that_were_published_elsewhere(self):
        """The entry of the other publication is still there, but it has only the inserts."""
        self.publish("FOR TABLE t, u WITH (publish = 'insert')")
        other = f"{self.publication}_2"
        self.in_schema(
            f"CREATE PUBLICATION {other} FOR TABLE t, u WITH (publish = 'update, delete')"
        )
        self.config["publication_name"] = f"{self.publication},{other}"
        self.make_slot()
        state = self.sync(self.both).last_state
        state = self.sync(self.both, state).last_state
        self.sql("INSERT INTO {s}.u VALUES (1)")
        self.sql(f"ALTER PUBLICATION {other} DROP TABLE {self.u}")
        self.sql(f"ALTER PUBLICATION {other} ADD TABLE {self.u}")
        self.check_gap(
            state, f"may be missing, because it was added to publication {other} after the last run"
        )

    def test_publishing_only_inserts_in_two_steps(self):
        """In one transaction it looks like a table that was not published for a while."""
        self.in_schema("CREATE TABLE log (id int, v int)")
        self.publish("FOR TABLE t, log")
        self.in_schema(f"CREATE PUBLICATION {self.inserts} WITH (publish = 'insert')")
        self.make_slot()
        catalog, log = self.catalog("t", "log"), self.table("log")
        state = self.sync(catalog).last_state
        add = f'ALTER PUBLICATION "{self.inserts}" ADD TABLE {log}'
        drop = f'ALTER PUBLICATION "{self.publication}" DROP TABLE {log}'
        self.assertIn(
            f"error the server refuses UPDATE and DELETE of {log}, because publication "
            f"{self.publication} publishes them and it has no replica identity; publish only its "
            f"inserts: {add}; once a run has read both publications, {drop}",
            self.findings(catalog, f"stream {self.id_of('log')}", state, expect=4),
        )
        for number, statement in enumerate((add, drop)):
            self.sql(statement)
            self.sql(f"INSERT INTO {{s}}.log VALUES ({number})")
            result = self.sync(catalog, state)
            self.assertEqual([record["id"] for record in result.records("log")], [number])
            state = result.last_state

    def test_no_stream_is_left(self):
        state = self.copy(self.catalog("u"))
        self.sql(f"ALTER PUBLICATION {self.publication} DROP TABLE {self.u}")
        result = self.sync(self.catalog("u"), state, expect=1)
        [state] = result.states  # so that the next run knows of the gap
        self.sql(f"ALTER PUBLICATION {self.publication} ADD TABLE {self.u}")
        result = self.sync(self.catalog("u"), json.dumps(state), expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: changes of {self.u} are missing, because they were "
            "not published during an earlier run",
            result.stderr,
        )
        self.assertEqual(result.stdout, b"")

    def check_key(self, problem, catalog=None, expect=1):
        """A run fails the stream of u, and `check`, with the exit code `expect`, reports it."""
        self.make_slot()
        state = self.sync(self.catalog("t")).last_state
        self.sql("INSERT INTO {s}.u (v) VALUES (1)")
        result = self.sync(catalog or self.both, state, expect=1)
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: {': '.join(problem)}{ADVICE}\n", result.stderr
        )
        self.assertEqual(result.records(), [])
        self.assertEqual(
            self.findings(catalog or self.both, f"stream {self.id_of('u')}", state, expect)[-1],
            f"error {'; '.join(problem)}",
        )

    def test_generated_key(self):
        self.require_version(12, "generated columns exist")
        self.in_schema(
            "DROP TABLE u;"
            "CREATE TABLE u (v int, id int GENERATED ALWAYS AS (v) STORED PRIMARY KEY)"
        )
        self.publish("FOR TABLE t, u")
        found = (
            f"publication {self.publication} does not publish key column id of {self.u}, so that "
            "records would have no key"
        )
        if self.server.version >= (18,):
            fix = f'publish it: ALTER PUBLICATION "{self.publication}" SET ('
            self.check_key(
                (found, fix + "publish_generated_columns = stored)"),
                self.catalog("t", "u"),
                expect=4,  # the server also refuses UPDATE of u
            )
        else:
            self.check_key(
                (
                    found,
                    "it is a generated column: set the stream's replication-method to FULL_TABLE, "
                    "or set logical_decoding_plugin to wal2json, if the server has it",
                ),
                self.catalog("t", "u"),
            )

    def test_key_outside_the_column_list(self):
        self.require_version(15, "column lists exist")
        self.in_schema("ALTER TABLE u ALTER id SET DEFAULT 1")
        self.publish("FOR TABLE t, u (v)")
        self.check_key(
            (
                f"publication {self.publication} does not publish key column id of {self.u}, so "
                "that records would have no key",
                f'publish all columns: BEGIN; ALTER PUBLICATION "{self.publication}" DROP TABLE '
                f'{self.u}; ALTER PUBLICATION "{self.publication}" ADD TABLE {self.u}; COMMIT',
            ),
            expect=4,  # the server also refuses UPDATE of u
        )

    def test_key_outside_an_earlier_column_list(self):
        """WAL is decoded with the column list as of each change."""
        self.require_version(15, "column lists exist")
        state = self.copy()
        swap = (
            f"BEGIN; ALTER PUBLICATION {self.publication} DROP TABLE {{s}}.u; ALTER PUBLICATION "
            f"{self.publication} ADD TABLE {{s}}.u"
        )
        self.sql(f"{swap} (v); COMMIT")
        self.sql("INSERT INTO {s}.u VALUES (1, 1)")
        self.sql(f"{swap}; COMMIT")
        state = json.loads(state)
        del state["bookmarks"][self.id_of("u")]["publications"]  # as of an earlier release
        state = json.dumps(state)
        result = self.sync(self.both, state, expect=1)
        self.assertEqual(result.records(), [])
        self.assertIn(
            f"ERROR stream {self.id_of('u')}: a change in WAL does not have key column id: it was "
            "not published, or not part of the table, when the change was made; once it is "
            f"published, run with --full-refresh {self.id_of('u')}{ADVICE}\n",
            result.stderr,
        )
        self.assertEqual(self.lsn(result.last_state, "u"), self.lsn(state, "u"))


class Version18Test(PublicationTest):
    database = "publications_18"
    major = "18"

    def test_generated_columns(self):
        """A virtual column in a replica identity cannot be published, so updates cannot be."""
        self.in_schema(
            """
            CREATE TABLE stored (id int, v int, s int GENERATED ALWAYS AS (v) STORED);
            ALTER TABLE stored REPLICA IDENTITY FULL;
            CREATE TABLE key (v int, s int GENERATED ALWAYS AS (v) STORED PRIMARY KEY);
            CREATE TABLE entire (id int, v int, s int GENERATED ALWAYS AS (v) VIRTUAL);
            ALTER TABLE entire REPLICA IDENTITY FULL;
            CREATE TABLE keyed (id int PRIMARY KEY, v int, s int GENERATED ALWAYS AS (v) VIRTUAL)
            """
        )
        tables = ["entire", "key", "keyed", "stored"]
        catalog = self.catalog(*tables)
        self.create(catalog)
        self.assertEqual(self.members(), ["key", "keyed", "stored"])
        self.assertEqual(self.members(self.inserts), ["entire"])
        self.assertEqual(self.options(self.publication)["pubgencols"], "s")
        self.sql("INSERT INTO {s}.stored VALUES (1, 1); INSERT INTO {s}.entire VALUES (1, 1)")
        self.update_all(tables)
        subject = f"stream {self.id_of('entire')}"
        self.assertEqual(
            self.findings(catalog, subject)[-1],
            f"warning {self.unidentified('entire')}; {self.publish_updates('entire', 'DEFAULT')}",
        )
        self.run_fix(self.publish_updates("entire", "DEFAULT"))
        self.update_all(tables)

    def test_generated_columns_are_not_published(self):
        self.in_schema(
            """
            CREATE TABLE stored (id int, v int, s int GENERATED ALWAYS AS (v) STORED);
            ALTER TABLE stored REPLICA IDENTITY FULL;
            CREATE TABLE entire (id int, v int, s int GENERATED ALWAYS AS (v) VIRTUAL);
            ALTER TABLE entire REPLICA IDENTITY FULL;
            CREATE TABLE keyed (id int PRIMARY KEY, s int GENERATED ALWAYS AS (id) STORED)
            """
        )
        self.in_schema(f"CREATE PUBLICATION {self.publication} FOR TABLE stored, entire, keyed")
        catalog = self.catalog("stored", "entire", "keyed")
        blocked = "error the server refuses UPDATE and DELETE of "
        publishes = f"because publication {self.publication} publishes them and its replica "
        fix = f'ALTER PUBLICATION "{self.publication}" SET (publish_generated_columns = stored)'

        def of(table):
            return self.findings(catalog, f"stream {self.id_of(table)}", expect=4)

        self.assertIn(
            f"{blocked}{self.table('stored')}, {publishes}identity contains a generated column "
            f"that is not published; publish it: {fix}",
            of("stored"),
        )
        self.assertIn(
            f"{blocked}{self.table('entire')}, {publishes}identity contains a virtual generated "
            f'column; publish only its inserts: BEGIN; CREATE PUBLICATION "{self.inserts}" FOR '
            f"TABLE {self.table('entire')} WITH (publish = 'insert, truncate', "
            "publish_via_partition_root = true, publish_generated_columns = stored); ALTER "
            f'PUBLICATION "{self.publication}" DROP TABLE {self.table("entire")}; COMMIT',
            of("entire"),
        )
        self.assertEqual(
            of("keyed")[-1],
            "note generated columns s are not published: they are read from the table after each "
            f"change; publish them: {fix}",
        )
        self.sql(fix)
        self.update_all(["stored"])
        self.assertEqual(of("keyed"), ["ok LOG_BASED, 2 columns, key id"])

    def test_full_identity_is_not_advised_beside_a_virtual_column(self):
        self.in_schema(
            "CREATE TABLE log (id int, s int GENERATED ALWAYS AS (id) VIRTUAL);"
            f"CREATE PUBLICATION {self.publication} FOR ALL TABLES"
        )
        found = [
            text
            for text in self.findings(self.catalog("log"), f"stream {self.id_of('log')}", expect=4)
            if "not in WAL" in text or "refuses UPDATE" in text
        ]
        log = self.table("log")
        self.assertEqual(
            found,
            [
                f"warning updates and deletes of {log} are not in WAL, because it has no replica "
                "identity; give it a primary key, then run once with --full-refresh "
                f"{self.id_of('log')}",
                f"error the server refuses UPDATE and DELETE of {log}, because publication "
                f"{self.publication} publishes them and it has no replica identity; give it a "
                "primary key",
            ],
        )
        self.sql("ALTER TABLE {s}.log REPLICA IDENTITY FULL")
        with self.assertRaisesRegex(Exception, "cannot update table"):
            self.sql("UPDATE {s}.log SET id = 1")

    def test_failover_slot(self):
        self.sql(ONE_TABLE)
        for plugin in ("pgoutput", "wal2json"):
            self.create(self.catalog("t"), failover_slot=True, logical_decoding_plugin=plugin)
            self.assertEqual(
                self.sql(
                    "SELECT plugin, failover FROM pg_replication_slots WHERE slot_name = "
                    f"'{self.slot}'"
                ),
                [(plugin, True)],
            )
            self.drop_slot()

    def test_remedies_create_failover_slots(self):
        self.sql(ONE_TABLE)
        catalog = self.catalog("t")
        self.config["failover_slot"] = True
        self.in_schema(f"CREATE PUBLICATION {self.publication} FOR TABLE t")

        def creating(name):
            return (
                f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput', failover => true)"
            )

        def refused():
            result = tap.run(self.config, catalog=catalog, expect=4)
            return result.stderr.removeprefix("CRITICAL ").removesuffix(f"{ADVICE}\n")

        self.assertEqual(
            refused(),
            f"no replication slot {self.slot} with pgoutput in database {self.database}: create it "
            f"with {creating(self.slot)} or set create_replication_slot to true",
        )
        self.make_slot(plugin="test_decoding")
        self.assertEqual(
            refused(),
            f"replication slot {self.slot} uses the plugin test_decoding, not pgoutput: set "
            f"replication_slot to another slot, or create one: {creating(f'{self.slot}_pgoutput')}",
        )
        self.drop_slot()
        self.make_slot()
        self.sql(f"DROP PUBLICATION {self.publication}")
        found = refused()
        self.assertEqual(
            found,
            f"no publication {self.publication} in database {self.database}: it must be older than "
            f"replication slot {self.slot}: create both again, then restart the log-based streams "
            f'with --full-refresh: CREATE PUBLICATION "{self.publication}" FOR TABLE '
            f"{self.table('t')}{self.options_of_new()}; CREATE PUBLICATION "
            f'"{self.inserts}"{self.options_of_new("insert, truncate")}; SELECT '
            f"pg_drop_replication_slot('{self.slot}'); {creating(self.slot)}",
        )
        for statement in found.split("--full-refresh: ")[1].split("; "):
            self.sql(statement)
        self.assertEqual(
            self.sql(f"SELECT failover FROM pg_replication_slots WHERE slot_name = '{self.slot}'"),
            [(True,)],
        )
        del self.config["failover_slot"]  # it stays one
        self.sql(f"DROP PUBLICATION {self.publication}")
        self.assertEqual(refused().split("; ")[-1], creating(self.slot))


class Version18CreationTest(CreationTest):
    database = "publications_18"
    major = "18"

    test_tables_without_replica_identity_publish_only_inserts = None


if __name__ == "__main__":
    unittest.main()
