"""Compares a table with the copy that support/target.py made of it, row by row.

psycopg2 reads the source. Its values are converted to the form in which the tap writes them.
Supported types: integers, numeric, real, double precision, boolean, character types, date,
timestamps, json, jsonb, uuid, and arrays of integers, booleans or text.
"""

import collections
import datetime
import json

SHOWN = 5  # rows of each kind in a message
WIDTH = 200  # characters of each row

Number = collections.namedtuple("Number", "digits")  # a number with a fraction, with all its digits

ADDED = {"_sdc_deleted_at", "_sdc_lsn"}  # columns that the tap adds to log-based records

# Python's types would change these values.
AS_TEXT = {"json", "jsonb", "uuid", "character", "character varying", "text", "citext", "numeric"}
FLOATS = {"real", "double precision"}


def check_equal(source, table, destination, stream, extra_allowed=False, keys=None):
    """Fails with the first differences between `table` (an SQL name) and the target's `stream`.

    `source` and `destination` are psycopg2 connections in autocommit mode. `keys` are the key
    columns, if not the primary key; without keys rows are compared as sets, since a row may be sent
    twice. With `extra_allowed` the destination may have rows that the source no longer has, as
    after a resumed copy whose rows were deleted in the meantime.
    """
    text = differences(source, table, destination, stream, extra_allowed, keys)
    assert not text, text


def differences(source, table, destination, stream, extra_allowed=False, keys=None):
    """The differences as text; empty if there are none."""
    types = column_types(source, table)
    keys = key_columns(source, table) if keys is None else keys
    expected = {key_of(row, keys): row for row in source_rows(source, table, types)}
    found = {key_of(row, keys): row for row in destination_rows(destination, stream, types)}
    missing = sorted(expected.keys() - found.keys(), key=repr)
    extra = [] if extra_allowed else sorted(found.keys() - expected.keys(), key=repr)
    different = [key for key, row in expected.items() if key in found and found[key] != row]
    if not (missing or extra or different):
        return ""
    lines = [
        f"{table}: {len(expected)} rows in the source, {len(found)} in {stream}: "
        f"{len(missing)} missing, {len(extra)} extra, {len(different)} different"
    ]
    lines += [f"  missing   {as_json(expected[key])}" for key in missing[:SHOWN]]
    lines += [f"  extra     {as_json(found[key])}" for key in extra[:SHOWN]]
    for key in different[:SHOWN]:
        lines += [f"  expected  {as_json(expected[key])}", f"  found     {as_json(found[key])}"]
    return "\n".join(line if len(line) <= WIDTH else line[:WIDTH] + "..." for line in lines)


def column_types(source, table):
    """Column names and types, as format_type() without modifiers; domains by base type."""
    with source.cursor() as cursor:
        cursor.execute(
            """
            SELECT attname, format_type(coalesce(nullif(typbasetype, 0), atttypid), NULL)
              FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
             WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
             ORDER BY attnum""",
            (table,),
        )
        return dict(cursor.fetchall())


def key_columns(source, table):
    with source.cursor() as cursor:
        cursor.execute(
            """
            SELECT attname
              FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
             WHERE indrelid = %s::regclass AND indisprimary""",
            (table,),
        )
        return [name for name, in cursor.fetchall()]


def source_rows(source, table, types):
    selected = [
        f'"{name}"::text' if kind in AS_TEXT else f'"{name}"' for name, kind in types.items()
    ]
    with source.cursor() as cursor:
        cursor.execute("SET timezone TO 'UTC'")
        cursor.execute(f"SELECT {', '.join(selected)} FROM {table}")
        return [
            {name: singer_value(value, kind) for (name, kind), value in zip(types.items(), row)}
            for row in cursor
        ]


def destination_rows(destination, stream, types):
    """The rows of a stream (or schema.stream) without added columns; [] for an unknown stream."""
    table = ".".join('"%s"' % part.replace('"', '""') for part in stream.split(".", 1))
    floats = [name for name, kind in types.items() if kind in FLOATS]
    with destination.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", (table,))
        if cursor.fetchone() == (None,):
            return []
        cursor.execute(
            f"SELECT (record - '{{_sdc_deleted_at,_sdc_lsn}}'::text[])::text FROM {table}"
        )
        rows = [DECODER.decode(text) for text, in cursor]
    for row in rows:
        for name in ADDED - types.keys():
            row.pop(name, None)
        for name in floats:
            if isinstance(row.get(name), Number):
                row[name] = float(row[name].digits)
    return rows


DECODER = json.JSONDecoder(parse_float=Number)


def singer_value(value, kind):
    """A psycopg2 value in the form in which the tap writes it and DECODER reads it."""
    if value is None or isinstance(value, (bool, int, list)):
        return value
    if kind == "numeric":
        if value == "NaN" or "Infinity" in value:
            return None
        return Number(value) if "." in value else int(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, datetime.datetime):
        zone = datetime.timezone.utc
        return (
            value.replace(tzinfo=zone) if value.tzinfo is None else value.astimezone(zone)
        ).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat() + "T00:00:00+00:00"
    raise TypeError(f"no form is known for {value!r} of type {kind}")


def key_of(row, keys):
    return tuple(row[name] for name in keys) if keys else as_json(row)


def as_json(row):
    """A row as text, for messages and as the key of a row without key."""
    return json.dumps(
        {
            name: value.digits if isinstance(value, Number) else value
            for name, value in sorted(row.items())
        },
        ensure_ascii=False,
    )
