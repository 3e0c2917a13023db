"""Values of every type from the table to the JSON that the target gets."""

import json
import re
import unittest

from support import tap
from support.server import shared

DB = "sample_values"

# Column type, value in SQL, value in JSON. Numbers are compared as text: 1.10 is not 1.1.
# The types of VALUES that a database must have.
TYPES = """
CREATE EXTENSION hstore; CREATE EXTENSION citext;
CREATE TYPE mood AS ENUM ('sad', 'Happy Day'); CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN posint AS int; CREATE DOMAIN int_list AS int[];
CREATE TYPE time_range AS RANGE (subtype = time, multirange_type_name = time_multirange);
CREATE TYPE text_range AS RANGE (subtype = text); CREATE DOMAIN period AS tsrange;
"""
VALUES = [
    ("smallint", "-32768", "-32768"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("numeric", "'1e20'", "100000000000000000000"),
    ("numeric", "1.10", "1.10"),
    ("numeric", "'-0.00'", "0.00"),
    ("numeric(12,2)", "1234567890.1", "1234567890.10"),
    (
        "numeric",
        "123456789012345678901234567890.123456789",
        "123456789012345678901234567890.123456789",
    ),
    ("numeric", "'NaN'", "null"),
    ("numeric", "'Infinity'", "null"),
    ("real", "1.2", "1.2"),
    ("real", "1e20", "1e+20"),
    ("real", "16777216", "16777216.0"),
    ("real", "'-Infinity'", "null"),
    ("float8", "1e300", "1e+300"),
    ("float8", "0.1::float8 + 0.2", "0.30000000000000004"),
    ("float8", "5", "5.0"),
    ("float8", "1e16", "1e+16"),
    ("float8", "123456789012345680", "1.2345678901234568e+17"),
    ("float8", "0.0001", "0.0001"),
    ("float8", "1e-5", "1e-05"),
    ("float8", "'-0'", "-0.0"),
    ("float8", "'NaN'", "null"),
    ("boolean", "true", "true"),
    ("bit", "B'1'", "true"),
    ("bit(5)", "B'10101'", '"10101"'),
    ("varbit", "B''", '""'),
    ("timestamp", "'1997-02-02 02:02:02.722184'", '"1997-02-02T02:02:02.722184+00:00"'),
    ("timestamp", "'1997-02-02 02:02:02'", '"1997-02-02T02:02:02+00:00"'),
    ("timestamp", "'1997-02-02 02:02:02.5'", '"1997-02-02T02:02:02.500000+00:00"'),
    ("timestamp", "'infinity'", '"9999-12-31T23:59:59.999+00:00"'),
    ("date", "'infinity'", '"9999-12-31T00:00:00+00:00"'),
    ("date", "'10000-01-01'", '"9999-12-31T00:00:00+00:00"'),
    ("timestamp", "'-infinity'", '"0001-01-01T00:00:00+00:00"'),
    ("timestamp", "'0044-03-15 12:00:00 BC'", '"0001-01-01T00:00:00+00:00"'),
    ("timestamp", "'12000-01-01'", '"9999-12-31T23:59:59.999+00:00"'),
    ("timestamp", "'0001-01-01'", '"0001-01-01T00:00:00+00:00"'),
    ("timestamptz", "'1997-02-02 02:02:02.722184-05'", '"1997-02-02T07:02:02.722184+00:00"'),
    ("date", "'1998-03-04'", '"1998-03-04T00:00:00+00:00"'),
    ("date", "'0099-01-02'", '"0099-01-02T00:00:00+00:00"'),
    ("time", "'12:11:10'", '"12:11:10"'),
    ("time", "'12:11:10.123'", '"12:11:10.123"'),
    ("time", "'24:00:00'", '"24:00:00"'),
    ("timetz", "'12:11:10-04'", '"12:11:10-04:00"'),
    ("timetz", "'12:11:10.5+05:30'", '"12:11:10.500000+05:30"'),
    ("interval", "'1 day 2 hours'", '"1 day 02:00:00"'),
    (
        "json",
        """'{"a": 1.50, "a":2,  "ü":"\\u00fc"}'""",
        r'"{\"a\": 1.50, \"a\":2,  \"ü\":\"\\u00fc\"}"',
    ),
    ("jsonb", """'{"b": 1.50, "a":2}'""", r'"{\"a\": 2, \"b\": 1.50}"'),
    ("json", "'null'", '"null"'),
    ("uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'),
    ("hstore", """'a=>1, b=>NULL, "c d"=>"x\\"y"'""", r'{"a": "1", "b": null, "c d": "x\"y"}'),
    ("hstore", "''", "{}"),
    ("citext", "'MaG'", '"MaG"'),
    ("cidr", "'10.1.0.0/16'", '"10.1.0.0/16"'),
    ("inet", "'10.1.2.3/32'", '"10.1.2.3"'),
    ("inet", "'10.1.2.3/24'", '"10.1.2.3/24"'),
    ("macaddr", "'08-00-2b-01-02-03'", '"08:00:2b:01:02:03"'),
    ("mood", "'Happy Day'", '"Happy Day"'),
    ("money", "'1234567.891'", '"$1,234,567.89"'),
    ("char(5)", "'ab'", '"ab   "'),
    ("varchar", r"E'tab\tnl\nquote\"back\\ \u00e9 \U0001F600'", r'"tab\tnl\nquote\"back\\ é 😀"'),
    ("text", "''", '""'),
    ('"char"', "'a'", '"a"'),
    ("bytea", r"'\x00ff5c'", r'"\\x00ff5c"'),
    ("xml", "'<a>b</a>'", '"<a>b</a>"'),
    ("int4range", "'[1,5)'", '"[1,5)"'),
    ("tsrange", "'[2024-01-01,)'", r'"[\"2024-01-01 00:00:00\",)"'),
    ("numrange", "'empty'", '"empty"'),
    ("int8multirange", "'{[1,3),[5,8)}'", '"{[1,3),[5,8)}"'),
    ("time_range", "'[10:00,)'", '"[10:00:00,)"'),
    ("time_multirange", "'{[10:00,)}'", '"{[10:00:00,)}"'),
    ("text_range", "'[a b,c)'", r'"[\"a b\",c)"'),
    ("period", "'(,2024-01-01)'", r'"(,\"2024-01-01 00:00:00\")"'),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'", '"08:00:2b:01:02:03:04:05"'),
    ("oid", "4294967295", '"4294967295"'),
    ("tsvector", "$$'a''b':1A c$$", "\"'a''b':1A 'c'\""),
    ("pair", "ROW(1, 'a b')", r'"(1,\"a b\")"'),
    ("point", "'(1,2)'", '"(1,2)"'),
    ("point", "'(1e23,0.1)'", '"(9.999999999999999e+22,0.1)"'),
    ("polygon", "'((0,0),(0,1.5),(1,0))'", '"((0,0),(0,1.5),(1,0))"'),
    ("circle", "'<(1,2),3>'", '"<(1,2),3>"'),
    ("pg_lsn", "'16/B374D848'", '"16/B374D848"'),
    ("posint", "5", "5"),
    ("int_list", "'{1,2}'", "[1,2]"),
    ("int[]", "'{}'", "[]"),
    ("int[]", "NULL", "null"),
    ("int[]", "'{1,NULL,3}'", "[1,null,3]"),
    ("int[]", "'{{1,2},{3,4}}'", "[[1,2],[3,4]]"),
    ("int[]", "'[0:1]={1,2}'", "[1,2]"),
    ("numeric[]", "'{1.10,NaN,NULL,1e20,Infinity}'", "[1.10,null,null,100000000000000000000,null]"),
    ("numeric(12,2)[]", "'{1.1}'", "[1.10]"),
    ("float8[]", "'{1.1,Infinity,5}'", "[1.1,null,5.0]"),
    ("boolean[]", "'{t,f,NULL}'", "[true,false,null]"),
    ("bit(1)[]", "'{0,1,NULL}'", "[false,true,null]"),
    (
        "date[]",
        "'{1998-03-04,NULL,infinity}'",
        '["1998-03-04T00:00:00+00:00",null,"9999-12-31T00:00:00+00:00"]',
    ),
    (
        "timestamptz[]",
        """'{"1997-02-02 02:02:02.722184-05"}'""",
        '["1997-02-02T07:02:02.722184+00:00"]',
    ),
    ("time[]", "'{03:04:05,03:04:05.5}'", '["03:04:05","03:04:05.5"]'),
    (
        "text[]",
        r"""'{a,"b c",NULL,"NULL","q\"x","back\\slash","com,ma","{}"}'""",
        r'["a","b c",null,"NULL","q\"x","back\\slash","com,ma","{}"]',
    ),
    ("char(3)[]", "'{a}'", '["a  "]'),
    ("json[]", """ARRAY['{"a": 1}'::json, NULL]""", r'["{\"a\": 1}",null]'),
    (
        "uuid[]",
        "ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]",
        '["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]',
    ),
    ("hstore[]", "ARRAY['a=>1'::hstore]", '[{"a": "1"}]'),
    ("bytea[]", r"""'{"\\x00ff"}'""", r'["\\x00ff"]'),
    ("interval[]", "'{1 day,-2 hours}'", '["1 day","-02:00:00"]'),
    ("pair[]", "ARRAY[ROW(1, 'x')::pair]", '["(1,x)"]'),
    ("int4range[]", "ARRAY['[1,2)'::int4range]", '["[1,2)"]'),
    ("period[]", "ARRAY['empty'::period, NULL]", '["empty",null]'),
    ("inet[]", "'{10.1.2.3,::1/64}'", '["10.1.2.3","::1/64"]'),
]


def setUpModule():
    if shared().version < (14,):
        raise unittest.SkipTest("multiranges exist since version 14")
    shared().create_database(DB)
    columns = ", ".join(f"c{i} {column_type}" for i, (column_type, _, _) in enumerate(VALUES))
    values = ", ".join(value for _, value, _ in VALUES)
    shared().sql(
        f"""
        {TYPES}
        CREATE TABLE t ({columns}); CREATE VIEW v AS SELECT * FROM t;
        INSERT INTO t VALUES ({values});""",
        DB,
    )


def as_text(line):
    """JSON in which numbers are marked text."""
    return json.loads(
        line,
        parse_int=lambda digits: "number " + digits,
        parse_float=lambda digits: "number " + digits,
    )


class ValuesTest(unittest.TestCase):
    maxDiff = None

    def check(self, relation, **changes):
        config = shared().config(DB, filter_dbs=DB, **changes.pop("config", {}))
        result = tap.run(config, catalog=tap.select(tap.discover(config), relation))
        [record] = [
            as_text(line)["record"]
            for line in result.stdout.splitlines()
            if b'{"type":"RECORD"' in line
        ]
        for i, (column_type, value, expected) in enumerate(VALUES):
            with self.subTest(f"{column_type} {value}"):
                self.assertEqual(
                    record[f"c{i}"], as_text(changes.get(f"{column_type} {value}", expected))
                )

    def test_values_of_a_table(self):
        self.check("t")

    def test_values_of_a_view(self):
        self.check("v")

    def test_columns_are_read_in_binary_where_possible(self):
        config = shared().config(DB, filter_dbs=DB)
        result = tap.run(config, "-v", catalog=tap.select(tap.discover(config), "t"))
        columns = re.findall(r'format\([^,"]*, "c(\d+)"\)', result.stderr)
        self.assertEqual(
            {VALUES[int(column)][0] for column in columns},
            {'"char"', "money", "pair", "pair[]", "text_range"},
        )

    def test_unusual_database_settings(self):
        for setting in (
            "timezone = 'America/New_York'",
            "datestyle = 'German'",
            "intervalstyle = 'sql_standard'",
            "bytea_output = 'escape'",
            "extra_float_digits = 0",
            "search_path = ''",
        ):
            shared().sql(f"ALTER DATABASE {DB} SET {setting}")
        self.addCleanup(shared().sql, f"ALTER DATABASE {DB} RESET ALL")
        self.check("t")

    def test_all_value_settings_changed(self):
        self.check(
            "t",
            config={
                "non_finite_numbers": "string",
                "out_of_range_dates": "string",
                "json_as_object": True,
                "numeric_as": "decimal-string",
            },
            **{
                "numeric '1e20'": '"100000000000000000000"',
                "numeric 1.10": '"1.10"',
                "numeric '-0.00'": '"0.00"',
                "numeric(12,2) 1234567890.1": '"1234567890.10"',
                "numeric 123456789012345678901234567890.123456789": (
                    '"123456789012345678901234567890.123456789"'
                ),
                "numeric 'NaN'": '"NaN"',
                "numeric 'Infinity'": '"Infinity"',
                "real '-Infinity'": '"-Infinity"',
                "float8 'NaN'": '"NaN"',
                "timestamp 'infinity'": '"infinity"',
                "date 'infinity'": '"infinity"',
                "date '10000-01-01'": '"10000-01-01"',
                "timestamp '-infinity'": '"-infinity"',
                "timestamp '0044-03-15 12:00:00 BC'": '"0044-03-15 12:00:00 BC"',
                "timestamp '12000-01-01'": '"12000-01-01 00:00:00"',
                """json '{"a": 1.50, "a":2,  "ü":"\\u00fc"}'""": (
                    '{"a": 1.50, "a":2,  "ü":"\\u00fc"}'
                ),
                """jsonb '{"b": 1.50, "a":2}'""": '{"a": 2, "b": 1.50}',
                "json 'null'": "null",
                "numeric[] '{1.10,NaN,NULL,1e20,Infinity}'": (
                    '["1.10","NaN",null,"100000000000000000000","Infinity"]'
                ),
                "numeric(12,2)[] '{1.1}'": '["1.10"]',
                "float8[] '{1.1,Infinity,5}'": '[1.1,"Infinity",5.0]',
                "date[] '{1998-03-04,NULL,infinity}'": (
                    '["1998-03-04T00:00:00+00:00",null,"infinity"]'
                ),
                """json[] ARRAY['{"a": 1}'::json, NULL]""": '[{"a": 1},null]',
            },
        )


if __name__ == "__main__":
    unittest.main()
