"""The target of the tests: reads Singer messages from stdin and writes streams to database tables.

    target.py --dsn "host=/tmp/x dbname=copy" --schema public < messages > states

Each stream becomes a table "<schema>"."<stream>" (key jsonb UNIQUE, record jsonb, version bigint).
`key` is the list of key values, null for a stream without key. A STATE is written to stdout once
everything before it is committed, so a tap may resume from it. An incomplete last line, which a
killed tap leaves, is dropped. Invalid input (a RECORD before its SCHEMA, a column that is not in
the SCHEMA) is an error.
"""

import argparse
import decimal
import json
import sys

import psycopg2

BATCH_ROWS = 20000  # rows collected before they are sent to the server, in the same transaction
# Held while a target works on a schema: a killed target must be gone before the next one starts.
LOCK = 7401


def refuse(word):
    raise ValueError(f"{word} is not JSON")


DECODER = json.JSONDecoder(parse_float=decimal.Decimal, parse_constant=refuse)


class Stream:
    """A table and the changes since the last flush: last line per key, and lines without key."""

    def __init__(self, table, schema):
        self.table = table
        self.keys = schema["key_properties"]
        self.columns = set(schema["schema"]["properties"])
        self.lines = {}
        self.keyless = []

    def add(self, message, line):
        record = message["record"]
        unknown = record.keys() - self.columns
        if unknown:
            raise ValueError(f"{self.table}: not in the SCHEMA: {sorted(unknown)}")
        deleted = record.get("_sdc_deleted_at") is not None
        if not self.keys:
            if deleted:
                raise ValueError(f"{self.table}: a delete for a stream without key")
            self.keyless.append(line)
            return
        key = tuple(as_key(record[name]) for name in self.keys)
        self.lines[key] = (line, deleted)

    @property
    def rows(self):
        return len(self.lines) + len(self.keyless)

    def flush(self, cursor):
        if not self.rows:
            return
        key = "jsonb_build_array(%s)" % ", ".join(
            "line -> 'record' -> %s" % quote_literal(name) for name in self.keys
        )
        for rows, statement in (
            (
                [line for line, deleted in self.lines.values() if not deleted],
                f"""
                    INSERT INTO {self.table}
                    SELECT {key}, line -> 'record', (line ->> 'version')::bigint FROM lines
                    ON CONFLICT (key)
                    DO UPDATE SET record = excluded.record, version = excluded.version""",
            ),
            (
                self.keyless,
                f"INSERT INTO {self.table} SELECT NULL, line -> 'record', (line ->> "
                "'version')::bigint FROM lines",
            ),
            (
                [line for line, deleted in self.lines.values() if deleted],
                f"DELETE FROM {self.table} USING lines WHERE key = {key}",
            ),
        ):
            if rows:
                cursor.execute(
                    "WITH lines AS (SELECT line FROM jsonb_array_elements(%s) line) "
                    + statement.replace("%", "%%"),
                    (f"[{','.join(rows)}]",),
                )
        self.lines.clear()
        self.keyless.clear()


class Target:
    """Applies messages in consecutive transactions, each of which ends with a STATE."""

    def __init__(self, dsn, schema="public"):
        self.connection = psycopg2.connect(dsn)
        self.cursor = self.connection.cursor()
        self.schema = quote_identifier(schema)
        self.cursor.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", (LOCK, schema))
        self.cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
        self.connection.commit()
        self.streams = {}

    def close(self):
        """Rolls back everything after the last STATE."""
        self.connection.close()

    def apply(self, lines, confirm):
        """Applies lines (bytes); passes each STATE's value to `confirm` once it is committed."""
        for line in lines:
            if not line.endswith(b"\n"):
                return
            text = line.decode("utf-8")
            message = DECODER.decode(text)
            kind = message["type"]
            if kind == "RECORD":
                stream = self.streams[message["stream"]]
                stream.add(message, text)
                if stream.rows >= BATCH_ROWS:
                    stream.flush(self.cursor)
            elif kind == "STATE":
                self.commit()
                confirm(value_as_written(text))
            elif kind == "SCHEMA":
                self.start_stream(message)
            elif kind == "ACTIVATE_VERSION":
                stream = self.streams[message["stream"]]
                stream.flush(self.cursor)
                self.cursor.execute(
                    f"DELETE FROM {stream.table} WHERE version IS DISTINCT FROM "
                    f"{int(message['version'])}"
                )
            else:
                raise ValueError(f"a message of type {kind}")

    def commit(self):
        for stream in self.streams.values():
            stream.flush(self.cursor)
        self.connection.commit()

    def start_stream(self, message):
        name = message["stream"]
        if name in self.streams:
            self.streams[name].flush(self.cursor)
        table = f"{self.schema}.{quote_identifier(name)}"
        self.cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (key jsonb UNIQUE, record jsonb NOT NULL, version "
            "bigint)"
        )
        self.streams[name] = Stream(table, message)


def as_key(value):
    """A hashable value that is equal where jsonb values are equal."""
    return value if value.__hash__ else json.dumps(value, sort_keys=True, default=str)


def value_as_written(text):
    """The value of a STATE exactly as written: bookmarks must keep their digits."""
    start = text.index("{", text.index('"value"'))
    _, end = DECODER.raw_decode(text, start)
    return text[start:end]


def quote_identifier(name):
    return '"%s"' % name.replace('"', '""')


def quote_literal(text):
    return "'%s'" % text.replace("'", "''")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--schema", default="public")
    parser.add_argument(
        "--keep-unconfirmed",
        action="store_true",
        help="commit at the end of the input too, what follows the last STATE",
    )
    options = parser.parse_args()

    def confirm(state):
        print(state, flush=True)

    target = Target(options.dsn, options.schema)
    target.apply(sys.stdin.buffer, confirm)
    if options.keep_unconfirmed:
        target.commit()
    target.close()


if __name__ == "__main__":
    main()
