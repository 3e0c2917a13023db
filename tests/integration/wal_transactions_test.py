"""Transactions are sent completely and in commit order; rolled-back work is not sent."""

import atexit
import functools
import subprocess
import time
import unittest

from support.wal_case import WalTest
from support.pipeline import PATIENCE
from support.server import Server

BOTH = (1, 2)  # format-version of wal2json


@functools.cache
def with_prepared_transactions():
    server = Server({"max_prepared_transactions": "10"})
    atexit.register(server.close)
    return server


class WalTransactionsTest(WalTest):
    database = "wal_transactions"

    @classmethod
    def setUpClass(cls):
        cls.server = with_prepared_transactions()
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a text); INSERT INTO {s}.t VALUES (0, 'zero')"
        )
        self.initial_snapshot()

    def ids(self, result):
        return [record["id"] for record in result.records("t")]

    def open(self, statements):
        """Starts a transaction that has written and stays open."""
        cursor = self.session().cursor()
        cursor.execute(f"SET search_path TO {self.schema}")
        cursor.execute("BEGIN")
        cursor.execute(statements)
        return cursor

    def test_transaction_open_across_runs(self):
        for form in BOTH:
            with self.subTest(form=form):
                a = self.open(
                    f"INSERT INTO t VALUES ({form}1, 'a'); UPDATE t SET a = 'by a' WHERE id = 0"
                )
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}2, 'b')")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 2],
                )
                a.execute(f"INSERT INTO t VALUES ({form}3, 'a')")
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}4, 'b')")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 4],
                )
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)), []
                )
                a.execute("COMMIT")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 1, 0, form * 10 + 3],
                )
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)), []
                )

    def test_commit_order(self):
        a, b, c = (self.open(f"INSERT INTO t VALUES ({i})") for i in (1, 2, 3))
        for cursor, number in ((c, 30), (a, 10), (b, 20)):
            cursor.execute(f"INSERT INTO t VALUES ({number})")
        for cursor in (b, c, a):
            cursor.execute("COMMIT")
        self.assertEqual(self.ids(self.check_followed("t")), [2, 20, 3, 30, 1, 10])

    def test_state_between_interleaved_transactions(self):
        a, b = self.open("INSERT INTO t VALUES (1)"), self.open("INSERT INTO t VALUES (2)")
        b.execute("COMMIT")
        a.execute("INSERT INTO t VALUES (3)")
        a.execute("COMMIT")
        result = self.sync(self.selected, self.state, state_every_rows=1)
        self.assertEqual(self.ids(result), [2, 1, 3])
        self.assertEqual(
            [self.ids(self.sync(self.selected, state)) for state in result.state_texts],
            [[1, 3], []],
        )

    def test_rollback(self):
        self.open("INSERT INTO t VALUES (1); TRUNCATE t").execute("ROLLBACK")
        self.assertEqual(self.check_followed("t").types, ["SCHEMA", "STATE"])

    def test_rollback_to_savepoint(self):
        cursor = self.open("INSERT INTO t VALUES (1)")
        for statement in (
            "SAVEPOINT x",
            "INSERT INTO t VALUES (2)",
            "SAVEPOINT y",
            "INSERT INTO t VALUES (3)",
            "ROLLBACK TO x",
            "INSERT INTO t VALUES (4)",
            "SAVEPOINT z",
            "INSERT INTO t VALUES (5)",
            "RELEASE z",
            "COMMIT",
        ):
            cursor.execute(statement)
        for form in BOTH:
            self.assertEqual(
                self.ids(self.sync(self.selected, self.state, wal2json_message_format=form)),
                [1, 4, 5],
            )
        self.check_followed("t")

    def test_prepared_transaction(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.open(f"INSERT INTO t VALUES ({form}1)").execute(
                    f"PREPARE TRANSACTION '{self.schema}'"
                )
                self.open(f"INSERT INTO t VALUES ({form}2)").execute(
                    f"PREPARE TRANSACTION '{self.schema}_gone'"
                )
                self.sql(f"INSERT INTO {{s}}.t VALUES ({form}3)")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 3],
                )
                self.sql(f"COMMIT PREPARED '{self.schema}'")
                self.sql(f"ROLLBACK PREPARED '{self.schema}_gone'")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 1],
                )
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)), []
                )

    def test_logical_messages_are_skipped(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.sql("SELECT pg_logical_emit_message(false, 'p', 'outside')")
                self.sql("SELECT pg_logical_emit_message(true, 'p', 'alone')")
                self.open(
                    f"""INSERT INTO t VALUES ({form}1);
                    SELECT pg_logical_emit_message(false, 'ü"', 'not of the transaction "\\ }}]'),
                           pg_logical_emit_message(true, '', ''), pg_logical_emit_message(true,
                             'change', E'of it\\n');
                    INSERT INTO t VALUES ({form}2)"""
                ).execute("COMMIT")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)),
                    [form * 10 + 1, form * 10 + 2],
                )
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)), []
                )

    def test_binary_logical_messages_are_skipped(self):
        for form in BOTH:
            with self.subTest(form=form):
                self.sql(r"SELECT pg_logical_emit_message(false, 'p', '\xff00fe5c22'::bytea)")
                self.open(
                    rf"INSERT INTO t VALUES ({form}); SELECT pg_logical_emit_message(true, 'p', "
                    r"'\x80ff00'::bytea)"
                ).execute("COMMIT")
                self.assertEqual(
                    self.ids(self.check_followed("t", wal2json_message_format=form)), [form]
                )

    def test_interrupted_transaction_is_resent(self):
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
        (end,) = self.sql("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint")[0]
        for form in BOTH:
            running = self.start(self.selected, self.state, wal2json_message_format=form)
            running.read_until(lambda message: message["type"] == "RECORD")
            running.signal(15)
            *_, last = running.read_rest()
            self.assertEqual(running.wait(), 128 + 15)
            self.assertEqual(last["type"], "STATE")
            self.assertLess(self.lsn(last["value"], "t"), end)
            self.state = last["value"]
        self.assertEqual(self.ids(self.check_followed("t")), list(range(1, 20001)))

    def test_later_commits_are_left_to_the_next_run(self):
        """The run ends at the end of WAL of its start, although more is written constantly."""
        self.sql("INSERT INTO {s}.t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
        running = self.start(self.selected, self.state)
        running.read_until(lambda message: message["type"] == "RECORD")
        self.sql("INSERT INTO {s}.t VALUES (30000)")
        messages = running.read_rest()
        self.assertEqual(running.wait(), 0)
        self.assertEqual(sum(message["type"] == "RECORD" for message in messages), 20000 - 1)
        self.assertEqual(self.ids(self.sync(self.selected, messages[-1]["value"])), [30000])

    def test_following_sends_changes_at_once(self):
        for form in BOTH:
            with self.subTest(form=form):
                running = self.start(
                    self.selected, self.state, break_at_end_lsn=False, wal2json_message_format=form
                )
                for i in range(5):
                    self.sql(f"INSERT INTO {{s}}.t VALUES ({form}{i})")
                    found = running.read_until(lambda message: message["type"] == "RECORD")
                    self.assertEqual(found[-1]["record"]["id"], form * 10 + i)
                running.signal(2)
                *_, last = running.read_rest()
                self.assertEqual(running.wait(), 128 + 2)
                self.state = last["value"]
                self.assertEqual(self.ids(self.follow(wal2json_message_format=form)), [])

    def test_time_limit_on_a_busy_server(self):
        """Transactions of 64 messages, so that the time limit also falls into a transaction."""
        running = self.start(
            self.selected,
            self.state,
            stdout=subprocess.DEVNULL,
            break_at_end_lsn=False,
            max_run_seconds=2,
        )
        patience = time.monotonic() + PATIENCE
        cursor, i = self.session().cursor(), 100
        while running.process.poll() is None:
            cursor.execute(f"INSERT INTO {self.schema}.t SELECT generate_series({i}, {i + 61})")
            i += 62
            self.assertLess(time.monotonic(), patience, "the run does not end")
        self.assertEqual(running.wait(), 0)


if __name__ == "__main__":
    unittest.main()
