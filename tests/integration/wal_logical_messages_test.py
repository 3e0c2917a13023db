"""Logical messages in WAL (pg_logical_emit_message) never stop a stream."""

import unittest

from support.wal_case import WalTest, changes, warnings

# Prefix and content: characters that JSON escapes, text that looks like JSON, bytes that are not
# text.
MESSAGES = [
    ("'heartbeat'", "'beat'"),
    ("''", "''"),
    ("E'a \"quoted\" \\\\ prefix'", "E'line\\nand \"quote\" \\\\ and tab\\t'"),
    ("'brackets'", "'{\"change\":['"),
    ("'comma'", "'[,{'"),
    ("'end'", "']}'"),
    ("'binary'", "'\\xff00fe225c7d'::bytea"),
    ("'cut character'", "'\\xf09f98'::bytea"),
    ("'long'", "repeat('x', 100000)"),
]


class LogicalMessagesTest(WalTest):
    database = "wal_logical_messages"

    def check_messages(self, **extra):
        """Emits messages in and between transactions: changes are sent and the slot advances."""
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, v text); CREATE TABLE {s}.unselected (id int "
            "PRIMARY KEY)"
        )
        self.initial_snapshot("t")
        expected = []
        for number, (prefix, content) in enumerate(MESSAGES):
            for flag in ("false", "true"):
                emit = f"SELECT pg_logical_emit_message({flag}, {prefix}, {content})"
                base = 100 * number + (50 if flag == "true" else 0)
                # At the end of a transaction, alone after several changes, alone after one, inside,
                # first.
                self.sql(f"INSERT INTO {{s}}.t VALUES ({base}, 'a'), ({base + 1}, 'b'); {emit}")
                self.sql(emit)
                self.sql(f"INSERT INTO {{s}}.t VALUES ({base + 2}, 'c')")
                self.sql(emit)
                self.sql(f"INSERT INTO {{s}}.unselected VALUES ({base}), ({base + 1})")
                self.sql(emit)
                self.sql(
                    f"{emit}; INSERT INTO {{s}}.t VALUES ({base + 3}, 'd'); {emit}; INSERT INTO "
                    f"{{s}}.t VALUES ({base + 4}, 'e')"
                )
                expected += [base + i for i in range(5)]
        result = self.check_followed("t", **extra)
        self.assertEqual([record["id"] for record in changes(result, "t")], expected)
        self.assertEqual(warnings(result), [])
        self.assertEqual(changes(self.follow(**extra)), [])

    def test_format_1(self):
        self.check_messages(wal2json_message_format=1)

    def test_format_2(self):
        self.check_messages(wal2json_message_format=2)

    def test_rolled_back_transaction(self):
        """A non-transactional message stays in WAL after a rollback."""
        self.sql("CREATE TABLE {s}.t (id int PRIMARY KEY, v text)")
        self.initial_snapshot("t")
        self.sql("INSERT INTO {s}.t VALUES (1, 'a'), (2, 'b')")
        session = self.session()
        session.autocommit = False
        session.cursor().execute(
            f"INSERT INTO {self.schema}.t VALUES (3, 'c'), (4, 'd');"
            "SELECT pg_logical_emit_message(false, 'p', 'c')"
        )
        session.rollback()
        self.sql("INSERT INTO {s}.t VALUES (5, 'e')")
        result = self.check_followed("t", wal2json_message_format=1)
        self.assertEqual([record["id"] for record in changes(result)], [1, 2, 5])


if __name__ == "__main__":
    unittest.main()
