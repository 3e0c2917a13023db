"""Messages of log-based streams, compared exactly."""

import datetime
import re
import unittest

from support import tap
from support.wal_case import WalTest, changes, warnings
from support.proxy import Proxy
from support.plugins import PLUGIN, for_wal2json

BOTH = (1, 2)  # format-version of wal2json


class WalRecordsTest(WalTest):
    database = "wal_records"

    def messages(self, result):
        """The lines, without times and versions of the run."""
        text = result.stdout.decode()
        text = re.sub(r'"version":\d{13}\b', '"version":V', text)
        text = re.sub(
            r'"time_extracted":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"',
            '"time_extracted":"T"',
            text,
        )
        text = re.sub(r'"publications":\{"\d+":\[\d+\]\}', '"publications":P', text)
        text = re.sub(r'"lsn":\d+', '"lsn":L', text)
        text = re.sub(r'"table_oid":\d+', '"table_oid":O', text)
        text = re.sub(r'"timeline":"\d+/1"', '"timeline":"S/1"', text)
        return text.splitlines()

    def test_insert_update_delete(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, n numeric, a text); INSERT INTO {s}.t VALUES "
            "(1, 1.10, 'one')"
        )
        self.initial_snapshot()
        self.sql(
            """INSERT INTO {s}.t VALUES (2, 2.50, E'tab\\t"q" é');
               UPDATE {s}.t SET a = NULL WHERE id = 1"""
        )
        self.sql("DELETE FROM {s}.t WHERE id = 2")
        result = self.check_followed("t")
        schema, inserted, updated, deleted, state = self.messages(result)
        number = '{"type":["integer"],"minimum":-2147483648,"maximum":2147483647}'
        self.assertEqual(
            schema,
            '{"type":"SCHEMA","stream":"t","schema":{"type":"object","properties":{"id":'
            + number
            + ',"n":{"type":["null","number"]},"a":{"type":["null","string"]},'
            '"_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}},'
            '"key_properties":["id"],"bookmark_properties":["lsn"]}',
        )
        record = '{"type":"RECORD","stream":"t","record":{%s},"version":V,"time_extracted":"T"}'
        self.assertEqual(
            inserted, record % r'"id":2,"n":2.50,"a":"tab\t\"q\" é","_sdc_deleted_at":null'
        )
        self.assertEqual(updated, record % '"id":1,"n":1.10,"a":null,"_sdc_deleted_at":null')
        self.assertRegex(
            deleted,
            re.escape(record).replace(
                "%s", r'"id":2,"_sdc_deleted_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00"'
            ),
        )
        self.assertEqual(
            state,
            '{"type":"STATE","value":{"bookmarks":{"%s":{"last_replication_method":"LOG_BASED",'
            '%s"version":V,"xmin":null,"lsn":L,"timeline":"S/1","table_oid":O,'
            '"partitions":[]}},'
            '"currently_syncing":null}}'
            % (self.id_of("t"), '"publications":P,' if PLUGIN == "pgoutput" else ""),
        )

    def test_both_wal2json_formats_agree(self):
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, n numeric, a text, flag boolean, list int[],
                 data jsonb);
                    CREATE TABLE {s}.whole (a int, b bytea);
                    ALTER TABLE {s}.whole REPLICA IDENTITY FULL"""
        )
        self.initial_snapshot("t")
        self.sql(
            """BEGIN; INSERT INTO {s}.t
                 SELECT i, i / 10.0, 'x' || i, i % 2 = 0, ARRAY[i, NULL], '{"a": 1.50}'
                             FROM generate_series(1, 20) i;
                    INSERT INTO {s}.whole VALUES (1, '\\x00ff'), (NULL, NULL);
                    UPDATE {s}.whole SET a = 2;
                    UPDATE {s}.t SET id = id + 100 WHERE id > 15; DELETE FROM {s}.t WHERE id < 5;
                    DELETE FROM {s}.whole;
                    COMMIT; UPDATE {s}.t SET a = NULL"""
        )
        one, two = (
            self.sync(self.selected, self.state, wal2json_message_format=str(form)) for form in BOTH
        )
        self.assertEqual(one.records(), two.records())
        # The server may write WAL of its own between the two runs, so that the positions differ.
        self.assertEqual(self.messages(one)[-1], self.messages(two)[-1])
        self.assertEqual(len(one.records()), 20 + 5 * 2 + 4 + 16)
        self.check_followed("t")

    def test_delete_time_is_the_commit_time(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1), (2)")
        self.initial_snapshot()
        (before,) = self.sql("SELECT clock_timestamp()")[0]
        cursor = self.session().cursor()
        cursor.execute(f"BEGIN; DELETE FROM {self.schema}.t WHERE id = 1")
        (between,) = self.sql("SELECT clock_timestamp()")[0]
        cursor.execute("COMMIT")
        (after,) = self.sql("SELECT clock_timestamp()")[0]
        for form in BOTH:
            [record] = self.sync(self.selected, self.state, wal2json_message_format=form).records()
            at = datetime.datetime.fromisoformat(record["_sdc_deleted_at"])
            self.assertTrue(before < between < at < after, (before, between, at, after))

    def test_no_changes(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1)")
        self.initial_snapshot()
        before = self.lsn(self.state, "t")
        self.sql("CREATE TABLE {s}.other (id int); INSERT INTO {s}.other VALUES (1)")
        result = self.check_followed("t")
        self.assertEqual(result.types, ["SCHEMA", "STATE"])
        self.assertGreater(self.lsn(self.state, "t"), before)
        self.assertEqual(warnings(result), [])
        self.assertRegex(
            result.stderr,
            r"INFO WAL of database wal_records: 0 records up to [0-9A-F]+/[0-9A-F]+ in 0\.\d\d s\n",
        )

    def test_nothing_is_sent_twice(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot()
        for form in BOTH:
            self.sql(f"INSERT INTO {{s}}.t VALUES ({form})")
            self.assertEqual(
                changes(self.follow(wal2json_message_format=form)),
                [{"id": form, "_sdc_deleted_at": None}],
            )
            self.assertEqual(self.follow(wal2json_message_format=form).types, ["SCHEMA", "STATE"])

    def test_key_change_is_delete_and_insert(self):
        self.sql(
            "CREATE TABLE {s}.t (a int, b text, n int, PRIMARY KEY (b, a));"
            "INSERT INTO {s}.t VALUES (1, 'x', 1), (2, 'y', 2)"
        )
        self.initial_snapshot()
        self.sql("UPDATE {s}.t SET a = 3 WHERE a = 1; UPDATE {s}.t SET n = 5, a = a")
        result = self.check_followed("t")
        self.assertEqual(
            changes(result),
            [
                {"a": 1, "b": "x", "_sdc_deleted_at": "D"},
                {"a": 3, "b": "x", "n": 1, "_sdc_deleted_at": None},
                {"a": 2, "b": "y", "n": 5, "_sdc_deleted_at": None},
                {"a": 3, "b": "x", "n": 5, "_sdc_deleted_at": None},
            ],
        )

    def test_generated_columns(self):
        self.require_version(12, "generated columns exist")
        self.sql(
            """CREATE TABLE {s}.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int,
                      twice int GENERATED ALWAYS AS (a * 2) STORED, at serial);
                    INSERT INTO {s}.t (a) VALUES (1)"""
        )
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t (a) VALUES (2); UPDATE {s}.t SET a = 10 WHERE a = 1")
        result = self.check_followed("t")
        self.assertEqual([record["twice"] for record in result.records()], [4, 20])

    def test_unselected_columns_are_omitted(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, secret text, a text); ALTER TABLE {s}.t "
            "REPLICA IDENTITY FULL;"
            "INSERT INTO {s}.t VALUES (1, 's', 'a')"
        )
        self.initial_snapshot()
        tap.metadata(tap.stream(self.selected, "t"), "secret")["selected"] = False
        self.sql(
            "INSERT INTO {s}.t VALUES (2, 's', 'b'); UPDATE {s}.t SET secret = 'x', id = 3 WHERE "
            "id = 2;"
            "DELETE FROM {s}.t WHERE id = 1"
        )
        result = self.follow()
        self.assertEqual(
            changes(result),
            [
                {"id": 2, "a": "b", "_sdc_deleted_at": None},
                {"id": 2, "a": "b", "_sdc_deleted_at": "D"},
                {"id": 3, "a": "b", "_sdc_deleted_at": None},
                {"id": 1, "a": "a", "_sdc_deleted_at": "D"},
            ],
        )
        self.assertEqual(
            list(result.schemas()["t"]["schema"]["properties"]), ["id", "a", "_sdc_deleted_at"]
        )
        self.assertEqual(warnings(result), [])

    def test_order_within_a_transaction(self):
        self.sql("CREATE TABLE {s}.a (id int PRIMARY KEY); CREATE TABLE {s}.b (id int PRIMARY KEY)")
        self.initial_snapshot()
        self.sql(
            "BEGIN; INSERT INTO {s}.b VALUES (1); INSERT INTO {s}.a VALUES (2); INSERT INTO {s}.b "
            "VALUES (3);"
            "DELETE FROM {s}.b WHERE id = 1; INSERT INTO {s}.a VALUES (4); COMMIT"
        )
        result = self.check_followed("a", "b")
        self.assertEqual(
            [(m["stream"], m["record"]["id"]) for m in result.of_type("RECORD")],
            [("b", 1), ("a", 2), ("b", 3), ("b", 1), ("a", 4)],
        )
        self.assertEqual(result.types[:2], ["SCHEMA", "SCHEMA"])

    def test_debug_lsn(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (0)")
        self.initial_snapshot(debug_lsn=True)
        (start,) = self.sql("SELECT pg_current_wal_lsn() - '0/0'")[0]
        self.sql(
            "INSERT INTO {s}.t VALUES (1); INSERT INTO {s}.t VALUES (2); DELETE FROM {s}.t WHERE "
            "id = 0"
        )
        result = self.check_followed("t")
        self.assertEqual(
            result.schemas()["t"]["schema"]["properties"]["_sdc_lsn"], {"type": ["null", "string"]}
        )
        found = [record["_sdc_lsn"] for record in result.records()]
        self.assertTrue(all(isinstance(lsn, str) for lsn in found), found)
        numbers = [int(start), *map(int, found), self.lsn(self.state, "t")]
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(len(set(found)), 3)

    def test_record_sequence_grows(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot(record_sequence=True)
        (before,) = self.sql("SELECT extract(epoch FROM clock_timestamp()) * 1000")[0]
        self.sql(
            "INSERT INTO {s}.t SELECT generate_series(1, 500); DELETE FROM {s}.t WHERE id < 100"
        )
        result = self.check_followed("t")
        found = [message["sequence"] for message in result.of_type("RECORD")]
        self.assertEqual(found, sorted(set(found)))
        self.assertGreaterEqual(found[0], int(before))
        self.assertEqual(
            list(result.of_type("RECORD")[0]),
            ["type", "stream", "record", "sequence", "version", "time_extracted"],
        )

    def test_names_that_need_escaping(self):
        names = [
            "with space",
            "dot.ted",
            "com,ma",
            "st*r",
            'quo"te',
            "it's",
            "CapitalS",
            "Größe 日本 😀",
            "back\\slash",
            "*",
            "a.b,c.d",
            "(paren)",
            "tab\there",
            "$1 %s {}",
            " lead",
            "trail ",
            "-- x",
            "\\",
            "\\,",
        ]
        quoted = ['"%s"' % name.replace('"', '""') for name in names]
        self.sql(
            "CREATE TABLE {s}.nobodys (id int PRIMARY KEY);"
            + ";".join(
                f"CREATE TABLE {{s}}.{name} (id int PRIMARY KEY, {name} int)" for name in quoted
            )
        )
        self.initial_snapshot(*[self.id_of(name) for name in names])
        self.sql(
            "INSERT INTO {s}.nobodys VALUES (1);"
            + ";".join(f"INSERT INTO {{s}}.{name} VALUES (1, 2)" for name in quoted)
        )
        for form in BOTH:
            result = self.sync(self.selected, self.state, wal2json_message_format=form)
            self.assertEqual(
                {m["stream"]: m["record"] for m in result.of_type("RECORD")},
                {name: {"id": 1, name: 2, "_sdc_deleted_at": None} for name in names},
            )
        self.assertEqual(warnings(result), [])

    def test_schema_name_that_needs_escaping(self):
        odd = 'o.d, "s*h'
        quoted = '"%s"' % odd.replace('"', '""')
        self.addCleanup(self.sql, f"DROP SCHEMA {quoted} CASCADE")
        self.sql(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.t (id int PRIMARY KEY)")
        del self.config["filter_schemas"]
        self.selected = self.catalog(f"{self.database}-{odd}-t", method="LOG_BASED")
        self.follow()
        self.sql(f"INSERT INTO {quoted}.t VALUES (1)")
        self.assertEqual(changes(self.follow()), [{"id": 1, "_sdc_deleted_at": None}])

    def test_states_between_many_changes(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY)")
        self.initial_snapshot(state_every_rows=100)
        self.sql(
            ";".join(
                f"INSERT INTO {{s}}.t SELECT generate_series({i * 40}, {i * 40 + 39})"
                for i in range(20)
            )
        )
        # Several statements in one string are one transaction, which contains no STATE.
        self.assertEqual(len(self.check_followed("t").states), 1)
        cursor = self.session().cursor()
        for i in range(20, 40):
            cursor.execute(
                f"INSERT INTO {self.schema}.t SELECT generate_series({i * 40}, {i * 40 + 39})"
            )
        result = self.check_followed("t")
        found = [self.lsn(state, "t") for state in result.states]
        self.assertEqual(found, sorted(set(found)))
        self.assertEqual(len(found), 20 // 3 + 1)  # after every third transaction, and at the end

    @for_wal2json
    def test_unparsable_payload_is_reported_with_its_lsn(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, a text)")
        self.initial_snapshot()
        self.sql("INSERT INTO {s}.t VALUES (1, 'good')")
        self.sql("INSERT INTO {s}.t VALUES (2, 'bad')")
        self.sql("INSERT INTO {s}.t VALUES (3, 'behind it')")
        for form, good, bad in ((1, b'"bad"]', b'"bad",'), (2, b'"bad"}', b'"bad";')):
            with self.subTest(form), Proxy(self.server.port) as proxy:
                proxy.replace(good, bad)
                result = self.sync(
                    self.selected,
                    self.state,
                    expect=1,
                    host="127.0.0.1",
                    port=proxy.port,
                    wal2json_message_format=form,
                )
                self.assertEqual(changes(result), [{"id": 1, "a": "good", "_sdc_deleted_at": None}])
                self.assertRegex(
                    result.stderr.splitlines()[-1],
                    r"^CRITICAL cannot decode the wal2json message at WAL position "
                    r"[0-9A-F]+/[0-9A-F]+ \(\d+ bytes\): .+; nothing after it was read; please "
                    r"report this with the versions of PostgreSQL and wal2json$",
                )
        self.assertEqual([record["id"] for record in self.check_followed("t").records()], [1, 2, 3])


if __name__ == "__main__":
    unittest.main()
