#!/usr/bin/env python3
"""Records seed inputs for the fuzz targets from a server that it starts.

Usage: record_corpus.py FOLDER. Each target gets a folder of files in FOLDER; the targets' sources
describe their format.
"""

import hashlib
import io
import pathlib
import struct
import sys

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
# pylint: disable=wrong-import-position
from support.server import Server  # noqa: E402

# As src/pg/session_settings.cpp sets them.
SESSION = """
SET client_encoding = 'UTF8';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
SET timezone = 'UTC';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
"""

TYPES = """
CREATE EXTENSION hstore;
CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('ok', 'q"uo,te', '{}', '');
CREATE TYPE pair AS (number int, word text);
CREATE TYPE timerange AS RANGE (subtype = time);
CREATE TYPE zonedrange AS RANGE (subtype = timetz);
CREATE TYPE spanrange AS RANGE (subtype = interval);
CREATE TYPE inetrange AS RANGE (subtype = inet);
CREATE TYPE bitsrange AS RANGE (subtype = varbit);
"""

# Each is a value of every type that accepts it.
LITERALS = [
    "",
    "0",
    "-1",
    "1",
    "1.50",
    "-0.000001",
    "1e-20",
    "12345678901234567890.123456789",
    "1e300",
    "NaN",
    "-Infinity",
    "infinity",
    "t",
    "a",
    "ok",
    'a \\ "q" \n é 😀',
    "NULL",
    "{}",
    "{1,NULL}",
    "0/16B374D8",
    "16/1F",
    "1:1:",
    "10:20:10,14,15",
    "(1,2)",
    "(4294967295,65535)",
    "(1,2),(3,4)",
    "[1,2)",
    "(,5]",
    "(1.1,2.2)",
    "empty",
    "{[1,2),[5,)}",
    "[2000-01-01,2001-01-01 03:04:05.6)",
    "(-infinity,infinity)",
    "[00:00,24:00]",
    "[10.0.0.1,10.0.0.2)",
    "[101,111)",
    "08:00:2b:01:02:03",
    "08:00:2b:01:02:03:04:05",
    "10.1.2.0/24",
    "::1",
    "2001:db8::1/64",
    "::ffff:1.2.3.4",
    "2000-02-29",
    "0044-03-15 BC",
    "10000-01-01",
    "1999-12-31 23:59:59.999999",
    "12:00",
    "24:00:00",
    "12:11:10.5-04:30:15",
    "1 day",
    "-1 year 2 mons -3 days -4:05:06.7",
    "10101",
    "11111111111",
    "a fat 'c''at':3A,5B",
    "$.a[*] ? (@ > 1)",
    '<?xml version="1.0" standalone="yes"?><a b="c">d</a>',
    "<a/>",
    "\\x005c22ff",
    '[1, {"a": null, "b" : [true, -1.5e10, "\\u00fc\\ud83d\\ude00\\n"]}]',
    '"text"',
    'a=>1, b=>NULL, "c d"=>"x\\"y"',
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
]

# The name of a type in the fuzz targets.
TYPE_NAME = """
CASE
    WHEN typtype = 'e' THEN 'enum'
    WHEN typtype = 'c' THEN 'composite'
    WHEN typtype = 'r' THEN
        format('range(%s)', (SELECT s.typname FROM pg_type s WHERE s.oid = rngsubtype))
    WHEN typtype = 'm' THEN
        format('multirange(%s)', (SELECT s.typname FROM pg_type s WHERE s.oid = rngsubtype))
    ELSE typname
END"""

# Bytes for Choices in types.hpp: the default options, and others.
BINARY = "@r"
TEXT = "As"

CHANGES = [
    "INSERT INTO t VALUES (1, 'a', 1.50, true, NULL), "
    "(2, E'q\" \\\\ é 😀\\n', 'NaN', false, '\\x00ff')",
    "UPDATE t SET s = 'b' WHERE id = 1",
    "UPDATE t SET id = 3 WHERE id = 2",
    "DELETE FROM t WHERE id = 3",
    "INSERT INTO whole VALUES (1, 'x', NULL); UPDATE whole SET a = NULL; DELETE FROM whole",
    "INSERT INTO long SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 100) i",
    "UPDATE long SET id = 2",
    "INSERT INTO kinds VALUES (1, 'ok', 'a=>1', 'C', '{1,2}', "
    "'{a,NULL}', '[1,2)', '(1,x)', '1 day')",
    "UPDATE kinds SET h = NULL",
    "INSERT INTO parts VALUES (1), (11)",
    "UPDATE parts SET id = 12 WHERE id = 1",
    "ALTER TABLE t ADD COLUMN more date DEFAULT '2024-02-29'; INSERT INTO t (id) VALUES (9)",
    "TRUNCATE t, whole",
    "SELECT pg_logical_emit_message(true, 'prefix', 'content'); INSERT INTO t (id) VALUES (10)",
    "SELECT pg_logical_emit_message(false, 'heartbeat', 'x')",
    "SELECT pg_replication_origin_xact_setup('0/1234', '2024-01-01'); DELETE FROM t",
]
TABLES = """
CREATE TABLE t (id int PRIMARY KEY, s text, n numeric, b boolean, y bytea);
CREATE TABLE whole (id int PRIMARY KEY, a text, b int);
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE long (id int PRIMARY KEY, s text);
ALTER TABLE long ALTER s SET STORAGE EXTERNAL;
CREATE TABLE kinds (
    id bigint PRIMARY KEY, m mood, h hstore, c citext, i int[], s text[], r int4range, p pair,
    v interval);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
CREATE PUBLICATION direct FOR ALL TABLES;
CREATE PUBLICATION via_root FOR TABLE parts, t, whole, long, kinds
    WITH (publish_via_partition_root);
"""

WAL2JSON = "'include-lsn', 'true', 'include-timestamp', 'true', 'include-xids', 'true'"
WAL2JSON_OPTIONS = {
    "wal2json_v1": [
        f"'format-version', '1', {WAL2JSON}",
        f"'format-version', '1', 'write-in-chunks', 'true', 'include-types', 'false', {WAL2JSON}",
    ],
    "wal2json_v2": [f"'format-version', '2', 'include-types', 'false', {WAL2JSON}"],
}
PGOUTPUT_OPTIONS = [
    "'proto_version', '1', 'publication_names', 'direct', 'messages', 'true', 'binary', 'false'",
    "'proto_version', '1', 'publication_names', 'via_root', 'messages', 'true', 'binary', 'true'",
]


class Corpus:
    """Writes inputs to the folders of their targets."""

    def __init__(self, folder):
        self.folder = folder

    def add(self, target, data):
        folder = self.folder / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def binary_rows(cursor, query):
    """The rows of a binary COPY, each with its field count, and their fields."""
    answer = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", answer)
    data = answer.getvalue()
    at = 19  # signature, flags, length of the header extension
    while True:
        start = at
        (count,) = struct.unpack_from("!h", data, at)
        if count < 0:
            return
        at += 2
        fields = []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", data, at)
            at += 4
            fields.append(None if size < 0 else data[at : at + size])
            at += max(size, 0)
        yield data[start:at], fields


def record_values(cursor, corpus):
    """Values of each type and its arrays, and rows of several columns."""
    cursor.execute(
        f"SELECT t.oid::regtype::text, {TYPE_NAME}, typarray <> 0 FROM pg_type t"
        " LEFT JOIN pg_range ON t.oid IN (rngtypid, rngmultitypid)"
        " WHERE typtype IN ('b', 'e', 'c', 'r', 'm')"
        " AND typinput <> 'array_in'::regproc"
        " AND (typtype <> 'c' OR typname = 'pair') ORDER BY t.oid"
    )
    columns = []
    for sql_name, name, has_array in cursor.fetchall():
        values = [literal for literal in LITERALS if is_accepted(cursor, sql_name, literal)]
        for suffix in ("", "[]") if has_array else ("",):
            record_type(cursor, corpus, sql_name, name, suffix, values)
        if values:
            columns.append((name, sql_name, values[-1]))
    for start in range(len(columns) - 4):
        group = columns[start : start + 5]
        select = ", ".join(cursor.mogrify("%s", (v,)).decode() + f"::{t}" for _, t, v in group)
        for row, _ in readable_rows(cursor, f"SELECT {select}, NULL::text"):
            names = ",".join([name for name, _, _ in group] + ["text"])
            corpus.add("copy_rows", f"{names} @\n".encode() + row)


def is_accepted(cursor, sql_name, literal):
    try:
        cursor.execute(f"SELECT %s::{sql_name}", (literal,))
        return True
    except psycopg2.Error:
        return False


def readable_rows(cursor, query):
    """binary_rows(), or nothing if a type has no send function."""
    try:
        return list(binary_rows(cursor, query))
    except psycopg2.Error:
        return []


def record_type(cursor, corpus, sql_name, name, suffix, values):
    """Values of a type, or arrays of it, in both formats."""
    literals = [cursor.mogrify("%s", (value,)).decode() + f"::{sql_name}" for value in values]
    if suffix and literals:
        literals = [f"ARRAY[{', '.join(literals[:3])}]", f"ARRAY[[{literals[-1]}, NULL]]"]
    for literal in literals:
        cursor.execute(f"SELECT format('%s', {literal})")
        text = cursor.fetchone()[0].encode()
        for choice in TEXT:
            corpus.add("values", f"{name}{suffix} {choice}\n".encode() + text)
        for row, (value,) in readable_rows(cursor, f"SELECT {literal}"):
            corpus.add("copy_rows", f"{name}{suffix} @\n".encode() + row)
            for choice in BINARY:
                corpus.add("values", f"{name}{suffix} {choice}\n".encode() + value)


def record_changes(cursor, corpus):
    """Transactions of every kind of change, in the messages of each plugin."""
    cursor.execute(TABLES)
    cursor.execute("SELECT pg_replication_origin_create('origin')")
    for plugin in ("wal2json", "pgoutput"):
        cursor.execute("SELECT pg_create_logical_replication_slot(%s, %s)", (plugin, plugin))
    cursor.execute("SELECT pg_replication_origin_session_setup('origin')")
    for change in CHANGES:
        cursor.execute(change)
    for target, all_options in WAL2JSON_OPTIONS.items():
        for options in all_options:
            cursor.execute(
                "SELECT xid::text, data"
                f" FROM pg_logical_slot_peek_changes('wal2json', NULL, NULL, {options})"
            )
            for messages in by_transaction(cursor.fetchall()):
                corpus.add(target, b"0" + "\n".join(messages).encode())
    for options in PGOUTPUT_OPTIONS:
        cursor.execute(
            "SELECT xid::text, data"
            f" FROM pg_logical_slot_peek_binary_changes('pgoutput', NULL, NULL, {options})"
        )
        relations = []
        for messages in by_transaction(cursor.fetchall()):
            messages = [bytes(message) for message in messages]
            # Relations are described once: each input starts with those before it.
            corpus.add("pgoutput", b"\xfe\xfe".join(relations + messages))
            relations += [message for message in messages if message[:1] == b"R"]


def by_transaction(rows):
    """The messages of each transaction."""
    transactions = {}
    for xid, data in rows:
        transactions.setdefault(xid, []).append(data)
    return transactions.values()


def main():
    corpus = Corpus(pathlib.Path(sys.argv[1]))
    with Server() as server:
        connection = server.connect()
        cursor = connection.cursor()
        cursor.execute(SESSION + TYPES)
        record_values(cursor, corpus)
        record_changes(cursor, corpus)
        connection.close()


if __name__ == "__main__":
    main()
