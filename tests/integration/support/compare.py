"""Whether a table and what support/target.py has made of it are equal, row by row.

The source is read by psycopg2, not by the tap, and its values are put into the form that the tap promises, for the types
that such tests use: integers, numeric, real, double precision, boolean, text and its kin, date, timestamp with or without
time zone, json and jsonb, uuid, and arrays of integers, booleans or text.
"""

import collections
import datetime
import json

SHOWN = 5  # rows of each kind in a complaint
WIDTH = 200  # characters of each

Number = collections.namedtuple("Number", "digits")  # one with a fraction, to the last digit

ADDED = {"_sdc_deleted_at", "_sdc_lsn"}  # to log-based records, by the tap

# So that no value passes through a type of Python that changes it.
AS_TEXT = {"json", "jsonb", "uuid", "character", "character varying", "text", "citext", "numeric"}
FLOATS = {"real", "double precision"}


def check_equal(source, table, destination, stream, extra_allowed=False, keys=None):
    """Fails with the first differences if the table `table` (as SQL names it) is not what the target has in `stream`.

    source and destination are psycopg2 connections in autocommit mode. `keys` are the columns of the key, if it is not the
    primary key; without one rows are compared as sets, since a row may come twice. `extra_allowed`: rows may be in the
    destination that the source has no more, as after a resumed copy whose rows were deleted meanwhile.
    """
    text = differences(source, table, destination, stream, extra_allowed, keys)
    assert not text, text


def differences(source, table, destination, stream, extra_allowed=False, keys=None):
    """What is not equal, as text for people; empty if nothing is."""
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
    """Column names and their types as format_type names them, without modifiers; domains as their base."""
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
            SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
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
    """The rows of a stream (or schema.stream), without what the log adds; none if the target has never heard of it."""
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
    """A value of psycopg2 as the tap writes it and DECODER reads it."""
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
    """A row as text, for people and as the key of a row that has none."""
    return json.dumps(
        {
            name: value.digits if isinstance(value, Number) else value
            for name, value in sorted(row.items())
        },
        ensure_ascii=False,
    )
