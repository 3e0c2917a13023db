"""Settings of a role or a database change no record."""

import json
import re
import unittest

from support.pipeline import until
from support.server import Server
from support.wal_case import WalTest

SETTINGS = {
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'iso_8601'",
    "TimeZone": "'Asia/Kathmandu'",
    "array_nulls": "off",
    "backslash_quote": "off",
    "bytea_output": "'escape'",
    "client_encoding": "'LATIN1'",
    "client_min_messages": "error",
    "cpu_tuple_cost": "1000",
    "default_table_access_method": "heap",
    "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "enable_bitmapscan": "off",
    "enable_indexscan": "off",
    "enable_seqscan": "off",
    "enable_sort": "off",
    "enable_tidscan": "off",
    "escape_string_warning": "on",
    "exit_on_error": "on",
    "extra_float_digits": "-15",
    "idle_in_transaction_session_timeout": "'1s'",
    "idle_session_timeout": "'1s'",
    "jit_above_cost": "0",
    "lc_messages": "'C'",
    "lock_timeout": "'1s'",
    "max_parallel_workers_per_gather": "4",
    "min_parallel_table_scan_size": "0",
    "parallel_setup_cost": "0",
    "parallel_tuple_cost": "0",
    "quote_all_identifiers": "on",
    "random_page_cost": "1000000",
    "search_path": "'nowhere'",
    "standard_conforming_strings": "off",
    "statement_timeout": "'1s'",
    "synchronize_seqscans": "on",
    "transaction_timeout": "'1s'",
    "transform_null_equals": "on",
    "xmlbinary": "'hex'",
    "xmloption": "'document'",
}
VALUES = {
    "at": ("timestamptz", "'2020-07-01 12:00:00.5+02'"),
    "bits": ("bit(3)", "'101'"),
    "bytes": ("bytea", r"'\x00ff5c'"),
    "day": ("date", "'2020-07-01'"),
    "double": ("float8", "0.1::float8 + 0.2"),
    "doubles": ("float8[]", "ARRAY[0.1::float8 + 0.2, NULL]"),
    "document": ("xml", "'<a/>text'"),
    "euro": ("text", "'10 €'"),
    "json": ("jsonb", """'{"a": [1, null]}'"""),
    "local": ("timestamp", "'2020-07-01 12:00:00'"),
    "nulls": ("text[]", "ARRAY[NULL, 'NULL', 'a\\b']"),
    "period": ("tstzrange", "'[2020-07-01 12:00+02,)'"),
    "span": ("interval", "'1 year 2 days 03:04:05.6'"),
    "spans": ("interval[]", "ARRAY['-1 day'::interval]"),
    "type": ("regtype", "'int'"),
    "word": ("text", "NULL"),
    "zoned": ("timetz", "'12:00+02'"),
}
WHERE = r"""nulls = '{NULL,"NULL","a\\b"}' AND (word = NULL) IS NULL AND 'a\b' LIKE 'a\\b'"""


class HostileSettingsTest(WalTest):
    database = "hostile"

    def setUp(self):
        super().setUp()
        columns = ", ".join(f"{name} {kind}" for name, (kind, _) in VALUES.items())
        values = ", ".join(value for _, value in VALUES.values())
        self.sql(
            f"CREATE TABLE {{s}}.t (id int PRIMARY KEY, {columns}); "
            f"INSERT INTO {{s}}.t SELECT i, {values} FROM generate_series(1, 3000) i"
        )
        self.addCleanup(self.server.sql, f"ALTER DATABASE {self.database} RESET ALL")

    def make_hostile(self):
        known = {name for (name,) in self.server.sql("SELECT lower(name) FROM pg_settings")}
        for name, value in SETTINGS.items():
            if name.lower() in known:
                self.server.sql(f"ALTER DATABASE {self.database} SET {name} = {value}")

    def records(self, result):
        """The records, sorted; numbers are text, so that each digit counts."""
        texts = re.findall(r'"record":(\{.*\}),"version"', result.stdout.decode())
        records = [json.loads(text, parse_float=str, parse_int=str) for text in texts]
        return sorted(records, key=lambda record: int(record["id"]))

    def test_every_method_sends_the_same_records(self):
        methods = {
            "FULL_TABLE": self.catalog("t"),
            "INCREMENTAL": self.catalog("t", method="INCREMENTAL", key="at"),
        }
        expected = self.records(self.sync(methods["FULL_TABLE"]))
        self.initial_snapshot("t")
        self.sql("UPDATE {s}.t SET id = id WHERE id <= 10")
        self.make_hostile()
        config = {"where": {f"{self.schema}.t": WHERE}, "state_every_rows": 100}
        for method, catalog in methods.items():
            for extra in ({}, config, {"parallel": 2}):
                with self.subTest(method, extra=extra):
                    result = self.sync(catalog, **extra)
                    self.assertEqual(self.records(result), expected)
        self.assertEqual(self.records(self.sync(self.selected)), expected)
        changes = self.records(self.sync(self.selected, self.state))
        self.assertEqual(changes, [{**row, "_sdc_deleted_at": None} for row in expected[:10]])

    def test_timeout_of_the_role_does_not_end_the_first_queries_of_a_session(self):
        """Each query of the catalog is compiled, which takes longer than the timeout."""
        self.initial_snapshot("t")
        self.sql("UPDATE {s}.t SET id = id WHERE id <= 10")
        for setting in ("statement_timeout = '40ms'", "exit_on_error = on"):
            self.server.sql(f"ALTER DATABASE {self.database} SET {setting}")
        for cost in ("jit_above_cost", "jit_inline_above_cost", "jit_optimize_above_cost"):
            self.server.sql(f"ALTER DATABASE {self.database} SET {cost} = 0")
        result = self.sync(self.selected, self.state)
        self.assertEqual([record["id"] for record in result.records()], list(range(1, 11)))


class SerializableStandbyTest(WalTest):
    database = "hostile_standby"
    settings = {"max_wal_senders": 8}

    def test_standby_with_serializable_transactions(self):
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY); INSERT INTO {s}.t VALUES (1), (2)")
        self.sql(f"ALTER DATABASE {self.database} SET default_transaction_isolation = serializable")
        with Server(primary=self.server) as standby:
            [(end,)] = self.sql("SELECT pg_current_wal_insert_lsn()")
            until(
                lambda: standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}'") == [(True,)],
                "the standby is behind",
            )
            copies = {"host": standby.host, "port": str(standby.port)}
            for catalog in (self.catalog("t"), self.catalog("t", method="INCREMENTAL", key="id")):
                self.assertEqual(len(self.sync(catalog, **copies).records()), 2)
            secondary = {"secondary_host": standby.host, "secondary_port": str(standby.port)}
            self.initial_snapshot("t", use_secondary=True, **secondary)
            self.sql("INSERT INTO {s}.t VALUES (3)")
            self.check_followed("t")


if __name__ == "__main__":
    unittest.main()
