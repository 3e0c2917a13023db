"""Schemas are valid in every draft of JSON Schema that targets use; records match them."""

import unittest

import jsonschema

from support import tap
from support.server import shared

DB = "validity"
DRAFTS = (jsonschema.Draft4Validator, jsonschema.Draft7Validator, jsonschema.Draft202012Validator)

# column type: values besides NULL
VALUES = {
    "smallint": ["-32768", "32767"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808", "9223372036854775807"],
    "real": ["0", "'-0'", "3.4028235e38", "1e-45", "'NaN'", "'Infinity'"],
    "float8": ["0.1", "1.7976931348623157e308", "5e-324", "'-Infinity'"],
    "numeric": ["1.10", "1e-38", "repeat('9', 1000)::numeric", "'NaN'", "'-Infinity'"],
    "numeric(12,2)": ["9999999999.99", "-9999999999.99"],
    "numeric(3,5)": ["0.00999"],
    "boolean": ["true", "false"],
    "bit": ["B'1'", "B'0'"],
    "bit(3)": ["B'101'"],
    "varbit": ["B''", "B'1'"],
    "varchar(4)": ["'äöü😀'", "''"],
    "char(4)": ["'😀'"],
    "text": ["'x'", r"E'\x01\n\"\\'"],
    "uuid": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"],
    "json": ["'null'", "'[1, {\"a\": 1e400}]'", "'\"x\"'"],
    "jsonb": ["'null'", "'{\"a\": 1.50}'", "'1'", "'true'"],
    "money": ["1234.5"],
    "cidr": ["'10.1.0.0/16'"],
    "inet": ["'::1'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "mood": ["'Happy Day'"],
    "citext": ["'MaG'"],
    "hstore": ["'a=>1, b=>NULL'", "''"],
    "date": ["'1998-03-04'", "'infinity'", "'0044-03-15 BC'"],
    "timestamp": ["'1997-02-02 02:02:02.722184'", "'-infinity'", "'294276-12-31'"],
    "timestamptz": ["'1997-02-02 02:02:02-05'", "'4713-01-01 BC'"],
    "time": ["'24:00:00'", "'12:11:10.5'"],
    "timetz": ["'12:11:10+15:59:59'"],
    "interval": ["'-1 year 2 days 3.5 seconds'"],
    "bytea": [r"'\x00ff'"],
    "xml": ["'<a>b</a>'"],
    '"char"': ["'a'"],
    "oid": ["4294967295"],
    "int4range": ["'[1,5)'", "'empty'"],
    "pair": ["ROW(1, 'a b')"],
    "point": ["'(1,2)'"],
    "tsvector": ["'a b'"],
    "pg_lsn": ["'16/B374D848'"],
    "posint": ["5"],
    "short_text": ["'abcdefg'"],
    "int_list": ["'{1,2}'"],
    "int[]": ["'{}'", "'{1,NULL}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'"],
    "numeric[]": ["'{1.10,NaN,Infinity}'"],
    "float8[]": ["'{1.1,NaN}'"],
    "boolean[]": ["'{t,NULL}'"],
    "bit(3)[]": ["'{101}'"],
    "text[]": [r"""'{a,NULL,"NULL","q\"x"}'"""],
    "date[]": ["'{1998-03-04,infinity}'"],
    "timestamptz[]": ["'{{1997-02-02 02:02:02-05}}'"],
    "time[]": ["'{24:00:00}'"],
    "interval[]": ["'{1 day}'"],
    "bytea[]": [r"""'{"\\x00ff"}'"""],
    "jsonb[]": ["ARRAY['{}', '1', NULL]::jsonb[]"],
    "hstore[]": ["ARRAY['a=>1', '']::hstore[]", "ARRAY[ARRAY['a=>NULL'::hstore]]"],
    "point[]": ["ARRAY['(1,2)'::point]"],
    "int4range[]": ["ARRAY['[1,2)'::int4range]"],
    "pair[]": ["ARRAY[ROW(1, 'x')::pair]"],
}


def setUpModule():
    shared().create_database(DB)
    shared().sql(
        """
        CREATE EXTENSION hstore; CREATE EXTENSION citext;
        CREATE TYPE mood AS ENUM ('sad', 'Happy Day'); CREATE TYPE pair AS (a int, b text);
        CREATE DOMAIN posint AS int CHECK (VALUE > 0); CREATE DOMAIN short_text AS varchar(7);
        CREATE DOMAIN int_list AS int[];""",
        DB,
    )
    for number, (column_type, values) in enumerate(VALUES.items()):
        shared().sql(f"CREATE TABLE t{number} (id int PRIMARY KEY, value {column_type})", DB)
        for row, value in enumerate([*values, "NULL"]):
            shared().sql(f"INSERT INTO t{number} VALUES ({row}, {value})", DB)
    shared().sql(
        "CREATE TABLE keys (a int, b numeric(5,1), c varchar(3), d timestamptz, e int[], f uuid,"
        " PRIMARY KEY (a, b, c, d, e, f));"
        "INSERT INTO keys VALUES (1, 1.5, 'x', now(), '{1}', gen_random_uuid())",
        DB,
    )


class SchemaValidityTest(unittest.TestCase):
    def check(self, **options):
        config = shared().config(DB, filter_dbs=DB, **options)
        result = tap.run(config, catalog=tap.select(tap.discover(config)))
        tables = {f"t{number}": column_type for number, column_type in enumerate(VALUES)} | {
            "keys": "keys"
        }
        self.assertEqual(set(result.schemas()), set(tables))
        for table, column_type in tables.items():
            schema = result.schemas()[table]["schema"]
            records = result.records(table)
            self.assertEqual(len(records), len(VALUES.get(column_type, [])) + 1)
            for draft in DRAFTS:
                with self.subTest(column_type, draft=draft.__name__):
                    draft.check_schema(schema)
                    for record in records:
                        draft(schema).validate(record)

    def test_default_settings(self):
        self.check()

    def test_all_value_settings_changed(self):
        self.check(
            numeric_as="decimal-string",
            json_as_object=True,
            non_finite_numbers="string",
            out_of_range_dates="string",
        )

    def test_out_of_range_dates_as_null(self):
        self.check(out_of_range_dates="null")


if __name__ == "__main__":
    unittest.main()
