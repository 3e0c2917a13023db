"""The JSON schema of every type, in both dialects."""

import json
import unittest

from support import tap
from support.server import shared

DB = "dialects"

SMALLINT = {"type": ["null", "integer"], "minimum": -(2**15), "maximum": 2**15 - 1}
INTEGER = {"type": ["null", "integer"], "minimum": -(2**31), "maximum": 2**31 - 1}
BIGINT = {"type": ["null", "integer"], "minimum": -(2**63), "maximum": 2**63 - 1}
NUMBER = {"type": ["null", "number"]}
BOOLEAN = {"type": ["null", "boolean"]}
STRING = {"type": ["null", "string"]}
TIME = {"type": ["null", "string"], "format": "date-time"}


def text_of(length):
    return {"type": ["null", "string"], "maxLength": length}


def items(element, **extra):
    return {"type": ["null", "array"], "items": {"type": ["null", element, "array"], **extra}}


def ref(name):
    return {
        "type": ["null", "array"],
        "items": {"$ref": f"#/definitions/sdc_recursive_{name}_array"},
    }


def numeric(maximum, multiple):
    """The numbers as text: their notation matters."""
    return {
        "type": ["null", "number"],
        "exclusiveMaximum": True,
        "maximum": maximum,
        "multipleOf": multiple,
        "exclusiveMinimum": True,
        "minimum": "-" + maximum,
    }


OTHER = object()  # {} and "unsupported" in the Python tap

# column type, sql-datatype, portable schema, singer-io schema
TYPES = [
    ("smallint", "smallint", SMALLINT, SMALLINT),
    ("integer", "integer", INTEGER, INTEGER),
    ("bigint", "bigint", BIGINT, BIGINT),
    ("real", "real", NUMBER, NUMBER),
    ("float8", "double precision", NUMBER, NUMBER),
    ("numeric", "numeric", NUMBER, numeric("1" + "0" * 62, "1e-38")),
    ("numeric(12,2)", "numeric", NUMBER, numeric("10000000000", "0.01")),
    ("numeric(8,5)", "numeric", NUMBER, numeric("1000", "1e-05")),
    ("numeric(5,0)", "numeric", NUMBER, numeric("100000", "1")),
    ("numeric(500,100)", "numeric", NUMBER, numeric("1" + "0" * 62, "1e-38")),
    ("numeric(3,5)", "numeric", NUMBER, numeric("0.01", "1e-05")),
    ("boolean", "boolean", BOOLEAN, BOOLEAN),
    ("bit", "bit", BOOLEAN, BOOLEAN),
    ("bit(3)", "bit(3)", STRING, OTHER),
    ("varbit(5)", "bit varying", STRING, OTHER),
    ("varchar(40)", "character varying", text_of(40), text_of(40)),
    ("varchar", "character varying", STRING, STRING),
    ("char(3)", "character", text_of(3), text_of(3)),
    ("text", "text", STRING, STRING),
    ("uuid", "uuid", STRING, STRING),
    ("json", "json", STRING, STRING),
    ("jsonb", "jsonb", STRING, STRING),
    ("money", "money", STRING, STRING),
    ("cidr", "cidr", STRING, STRING),
    ("inet", "inet", STRING, STRING),
    ("macaddr", "macaddr", STRING, STRING),
    ("macaddr8", "macaddr8", STRING, OTHER),
    ("citext", "citext", STRING, STRING),
    ("mood", "mood", STRING, STRING),
    ('"MyEnum"', '"MyEnum"', STRING, STRING),
    ("date", "date", TIME, TIME),
    ("timestamp(3)", "timestamp without time zone", TIME, TIME),
    ("timestamptz", "timestamp with time zone", TIME, TIME),
    ("time", "time without time zone", STRING, STRING),
    ("timetz", "time with time zone", STRING, STRING),
    (
        "hstore",
        "hstore",
        {"type": ["null", "object"], "additionalProperties": {"type": ["null", "string"]}},
        {"type": ["null", "object"], "properties": {}},
    ),
    ("interval", "interval", STRING, OTHER),
    ("bytea", "bytea", STRING, OTHER),
    ("xml", "xml", STRING, OTHER),
    ('"char"', '"char"', STRING, OTHER),
    ("name", "name", STRING, OTHER),
    ("oid", "oid", STRING, OTHER),
    ("int4range", "int4range", STRING, OTHER),
    ("pair", "pair", STRING, OTHER),
    ("point", "point", STRING, OTHER),
    ("tsvector", "tsvector", STRING, OTHER),
    ("posint", "posint", INTEGER, INTEGER),
    ("short_text", "short_text", text_of(7), text_of(7)),
    ("int_list", "int_list", items("integer"), ref("integer")),
    ("smallint[]", "smallint[]", items("integer"), ref("integer")),
    ("integer[]", "integer[]", items("integer"), ref("integer")),
    ("integer[][]", "integer[]", items("integer"), ref("integer")),
    ("bigint[]", "bigint[]", items("integer"), ref("integer")),
    ("real[]", "real[]", items("number"), ref("number")),
    ("numeric(12,2)[]", "numeric[]", items("number"), ref("decimal_12_2")),
    ("numeric[]", "numeric[]", items("number"), ref("decimal_100_38")),
    ("boolean[]", "boolean[]", items("boolean"), ref("boolean")),
    ("bit(1)[]", "bit[]", items("boolean"), ref("boolean")),
    ("date[]", "date[]", items("string", format="date-time"), ref("timestamp")),
    (
        "timestamptz[]",
        "timestamp with time zone[]",
        items("string", format="date-time"),
        ref("timestamp"),
    ),
    ("text[]", "text[]", items("string"), ref("string")),
    ("mood[]", "mood[]", items("string"), ref("string")),
    ("interval[]", "interval[]", items("string"), ref("string")),
    ("bytea[]", "bytea[]", items("string"), OTHER),
    ("hstore[]", "hstore[]", items("object", additionalProperties=STRING), ref("object")),
]
COLUMN = {row[0]: f"c{i}" for i, row in enumerate(TYPES)}


def setUpModule():
    shared().create_database(DB)
    shared().sql(
        """
        CREATE EXTENSION hstore; CREATE EXTENSION citext;
        CREATE TYPE mood AS ENUM ('sad', 'Happy Day'); CREATE TYPE "MyEnum" AS ENUM ('x');
        CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN posint AS int CHECK (VALUE > 0); CREATE DOMAIN short_text AS varchar(7);
        CREATE DOMAIN int_list AS int[];""",
        DB,
    )
    columns = ", ".join(f"{column} {column_type}" for column_type, column in COLUMN.items())
    shared().sql(f"CREATE TABLE everything ({columns})", DB)
    shared().sql(
        "CREATE TABLE keyed (a int, b varchar(3), c int[], d timestamptz, PRIMARY KEY (a, b, c, "
        "d))",
        DB,
    )


def discovered(table, **extra):
    """The stream of a table; numbers are text, exactly as written."""
    result = tap.run(shared().config(DB, filter_dbs=DB, **extra), "--discover")
    catalog = json.loads(result.stdout, parse_float=str, parse_int=str)
    return tap.stream(catalog, table)


def as_text(schema):
    """A schema with its numbers as text."""
    return json.loads(json.dumps(schema), parse_float=str, parse_int=str)


class DialectTest(unittest.TestCase):
    maxDiff = None

    def check(self, entry, expected, other_inclusion="available"):
        properties = entry["schema"]["properties"]
        for (column_type, datatype, *_), schema in zip(TYPES, expected):
            with self.subTest(column_type):
                column = COLUMN[column_type]
                inclusion = other_inclusion if schema is OTHER else "available"
                self.assertEqual(
                    tap.metadata(entry, column),
                    {
                        "sql-datatype": datatype,
                        "inclusion": inclusion,
                        "selected-by-default": inclusion == "available",
                    },
                )
                self.assertEqual(properties[column], {} if schema is OTHER else as_text(schema))

    def test_portable_is_the_default(self):
        entry = discovered("everything")
        self.check(entry, [row[2] for row in TYPES])
        self.assertEqual(list(entry["schema"]), ["type", "properties"])

    def test_singer_io_equals_the_python_tap(self):
        entry = discovered("everything", schema_dialect="singer-io")
        self.check(entry, [row[3] for row in TYPES], other_inclusion="unsupported")

        def recursive(name, element, **extra):
            return {
                "type": ["null", element, "array"],
                **extra,
                "items": {"$ref": f"#/definitions/sdc_recursive_{name}_array"},
            }

        fixed = {
            f"sdc_recursive_{name}_array": recursive(name, element, **extra)
            for name, element, extra in [
                ("integer", "integer", {}),
                ("number", "number", {}),
                ("string", "string", {}),
                ("boolean", "boolean", {}),
                ("timestamp", "string", {"format": "date-time"}),
                ("object", "object", {}),
            ]
        }
        decimals = {
            f"sdc_recursive_{name}_array": {
                **recursive(name, "number"),
                **numeric(*bounds),
                "type": ["null", "number", "array"],
            }
            for name, bounds in [
                ("decimal_12_2", ("10000000000", "0.01")),
                ("decimal_100_38", ("1" + "0" * 62, "1e-38")),
            ]
        }
        self.assertEqual(entry["schema"]["definitions"], {**fixed, **decimals})
        self.assertEqual(
            list(entry["schema"]["properties"][COLUMN["numeric"]]),
            ["type", "exclusiveMaximum", "maximum", "multipleOf", "exclusiveMinimum", "minimum"],
        )

    def test_key_columns_are_not_nullable(self):
        for dialect, array in (("portable", "items"), ("singer-io", "$ref")):
            with self.subTest(dialect):
                properties = discovered("keyed", schema_dialect=dialect)["schema"]["properties"]
                self.assertEqual(properties["a"], as_text({**INTEGER, "type": ["integer"]}))
                self.assertEqual(properties["b"], as_text({"type": ["string"], "maxLength": 3}))
                self.assertEqual(properties["d"], {"type": ["string"], "format": "date-time"})
                self.assertIn(array, json.dumps(properties["c"]))
                self.assertEqual(
                    properties["c"]["type"],
                    ["array"] if dialect == "portable" else ["null", "array"],
                )

    def test_numeric_as_decimal_string(self):
        properties = discovered("everything", numeric_as="decimal-string")["schema"]["properties"]
        self.assertEqual(
            properties[COLUMN["numeric(12,2)"]],
            as_text(
                {
                    "type": ["null", "string"],
                    "format": "x-singer.decimal",
                    "precision": 12,
                    "scale": 2,
                }
            ),
        )
        self.assertEqual(
            properties[COLUMN["numeric"]],
            {"type": ["null", "string"], "format": "x-singer.decimal"},
        )

    def test_json_as_object(self):
        properties = discovered("everything", json_as_object=True)["schema"]["properties"]
        for name in ("json", "jsonb"):
            self.assertEqual(
                properties[COLUMN[name]],
                {"type": ["null", "object", "array", "string", "number", "boolean"]},
            )

    def test_other_types_omitted(self):
        entry = discovered("everything", other_types="unsupported")
        self.assertEqual(
            tap.metadata(entry, COLUMN["interval"]),
            {"sql-datatype": "interval", "inclusion": "unsupported", "selected-by-default": False},
        )
        self.assertEqual(tap.metadata(entry, COLUMN["text"])["inclusion"], "available")


if __name__ == "__main__":
    unittest.main()
