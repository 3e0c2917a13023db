"""Operators and functions planted in `public` never run as the tap's role (CVE-2018-1058)."""

import json
import pathlib
import re
import unittest

from support import tap
from support.pgbouncer import pgbouncer
from support.pipeline import until
from support.server import Server

# Every function whose name occurs in the sources is planted for each of these argument types.
TYPES = (
    "text",
    "name",
    "varchar",
    "citext",
    '"char"',
    "int2",
    "int4",
    "int8",
    "numeric",
    "oid",
    "regproc",
    "xid",
    "tid",
    "timestamptz",
    "date",
    "interval",
    "json",
    "jsonb",
    "bool",
    "pg_lsn",
    "text[]",
    "oid[]",
    "name[]",
    "int2[]",
)
COMPARISONS = ("=", "<>", "<", ">", "<=", ">=", "~~", "@>")
OPERATORS = COMPARISONS + ("||", "->>", "->", "+", "-")

PLANT = """
CREATE FUNCTION pg_temp.plant(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN others THEN  -- what is not allowed cannot be planted
END $$;
DO $$
DECLARE
  body text := $body$ LANGUAGE plpgsql
    AS 'BEGIN RAISE LOG ''captured''; RAISE EXCEPTION ''captured''; END'$body$;
  types text[] := %(types)s;
  result text;
  operator text;
  function record;
  a text;
  b text;
BEGIN
  FOREACH result IN ARRAY ARRAY['bool', 'text', 'int8'] LOOP
    FOREACH a IN ARRAY types LOOP
      FOREACH b IN ARRAY types LOOP
        EXECUTE format('CREATE FUNCTION public.trap_%%s(%%s, %%s) RETURNS %%s %%s',
          result, a, b, result, body);
      END LOOP;
    END LOOP;
  END LOOP;
  FOREACH operator IN ARRAY %(operators)s LOOP
    result := CASE WHEN operator = ANY (%(comparisons)s) THEN 'bool'
                   WHEN operator IN ('+', '-') THEN 'int8' ELSE 'text' END;
    FOREACH a IN ARRAY types LOOP
      FOREACH b IN ARRAY types LOOP
        PERFORM pg_temp.plant(format(
          'CREATE OPERATOR public.%%s (leftarg = %%s, rightarg = %%s, function = public.trap_%%s)',
          operator, a, b, result));
      END LOOP;
    END LOOP;
  END LOOP;
  FOR function IN SELECT DISTINCT proname, pronargs, prorettype::regtype AS result,
                         oidvectortypes(proargtypes) AS arguments, proretset
                    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                     AND proname = ANY (%(functions)s) LOOP
    result := (CASE WHEN function.proretset THEN 'SETOF ' ELSE '' END)
              || CASE WHEN function.result::text LIKE 'any%%' THEN 'oid'
                      ELSE function.result::text END;
    PERFORM pg_temp.plant(format('CREATE FUNCTION public.%%I(%%s) RETURNS %%s %%s',
      function.proname, function.arguments, result, body));
    FOREACH a IN ARRAY types LOOP
      IF function.pronargs = 1 THEN
        PERFORM pg_temp.plant(format('CREATE FUNCTION public.%%I(%%s) RETURNS %%s %%s',
          function.proname, a, result, body));
      ELSIF function.pronargs = 2 THEN
        FOREACH b IN ARRAY types LOOP
          PERFORM pg_temp.plant(format('CREATE FUNCTION public.%%I(%%s, %%s) RETURNS %%s %%s',
            function.proname, a, b, result, body));
        END LOOP;
      END IF;
    END LOOP;
  END LOOP;
END $$;
"""

TABLES = """
CREATE EXTENSION citext;
CREATE TYPE "Mood" AS ENUM ('sad', 'ok');
CREATE TYPE public.int4range AS (low int);  -- another type of this name is the server's own
CREATE DOMAIN price AS numeric;
CREATE SCHEMA app;
CREATE TYPE app.size AS ENUM ('s', 'm');
CREATE TABLE country (code text, name text);
INSERT INTO country VALUES ('de', 'Germany');
CREATE FUNCTION country_name(wanted text) RETURNS text LANGUAGE plpgsql STABLE AS
  $$ BEGIN RETURN (SELECT name FROM country WHERE code = wanted); END $$;
CREATE TABLE app.t (id int PRIMARY KEY, v varchar(20), c citext, p price, n numeric, d date,
  at timestamptz, f float8, m "Mood", ms "Mood"[],
                    s app.size, r public.int4range, tags text[], i interval, x regclass);
INSERT INTO app.t SELECT g, 'v' || lpad(g::text, 3, '0'), 'C' || lpad(g::text, 3, '0'), g, g,
                         DATE '2024-01-01' + g,
                         TIMESTAMPTZ '2024-01-01 00:00+00' + g * INTERVAL '1 day', g, 'ok',
                         ARRAY['sad', 'ok']::"Mood"[], 'm', ROW(g)::public.int4range,
                         ARRAY['a'], INTERVAL '1 day', 'country' FROM generate_series(1, 50) g;
CREATE TABLE app.part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM (0) TO (100);
CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM (100) TO (200);
INSERT INTO app.part VALUES (1, 'one'), (101, 'two');
CREATE VIEW app.named AS SELECT code, country_name(code) AS name FROM country;
CREATE TABLE app.guarded (id int PRIMARY KEY, code text);
INSERT INTO app.guarded VALUES (1, 'de'), (2, 'xx');
ALTER TABLE app.guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY known ON app.guarded USING (country_name(code) IS NOT NULL);
CREATE TABLE app.logged (id int, c citext, large text, small int, x regclass, PRIMARY KEY (id, c));
ALTER TABLE app.logged ALTER large SET STORAGE EXTERNAL;
INSERT INTO app.logged SELECT g, 'c' || g, repeat('x', 9000), 0, 'country'
  FROM generate_series(1, 5) g;
"""
# Each with a lookback, if the key type supports one.
KEYS = {
    "id": 5,
    "v": 0,
    "c": 0,
    "p": 1.5,
    "n": 2,
    "d": 86400,
    "at": 86400,
    "f": 2,
}


def functions_of_sources():
    """All words of the sources that may be calls in SQL."""
    sources = pathlib.Path(tap.ROOT, "src").rglob("*.cpp")
    return {
        name for source in sources for name in re.findall(r"([a-z_0-9]+)\(", source.read_text())
    }


class SearchPathSecurityTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server({"log_line_prefix": "%u "})
        cls.addClassCleanup(cls.server.close)
        cls.server.create_database("shop")
        cls.server.sql(
            "CREATE ROLE reader LOGIN REPLICATION; CREATE ROLE mallory LOGIN; GRANT "
            "pg_read_all_data TO reader"
        )
        cls.server.sql(TABLES + "GRANT CREATE ON SCHEMA public TO mallory", "shop")
        cls.config = {
            **cls.server.config("shop"),
            "user": "reader",
            "filter_dbs": "shop",
            "filter_schemas": "app",
        }

    def sql(self, statements):
        return self.server.sql("SET search_path = pg_catalog; " + statements, "shop")

    def test_planted_objects_do_not_run(self):
        expected = {"": self.everything(self.config), "pooled": None}
        with pgbouncer(self.server, "transaction", users=("tap", "reader")) as port:
            expected["pooled"] = self.copies({**self.config, "port": port})
        self.assertEqual(self.server.sql("SELECT count(*) FROM pg_replication_slots"), [(0,)])
        self.plant()
        for path in ('"$user", public', "public", "public, pg_catalog", "pg_temp, public"):
            with self.subTest(path):
                self.server.sql(f"ALTER ROLE reader SET search_path = {path}")
                self.assertEqual(self.everything(self.config), expected[""])
                with pgbouncer(self.server, "transaction", users=("tap", "reader")) as port:
                    self.assertEqual(self.copies({**self.config, "port": port}), expected["pooled"])
        log = (self.server.folder / "log").read_text().splitlines()
        self.assertEqual(
            [line for line in log if line.startswith("reader ") and "captured" in line], []
        )

    def test_types_in_public_keep_their_names(self):
        """As in the default search path, although the tap's has no `public`."""
        entry = tap.stream(tap.discover(self.config), "t")
        self.assertEqual(
            {
                column: tap.metadata(entry, column)["sql-datatype"]
                for column in ("c", "p", "m", "ms", "s", "r", "tags", "x")
            },
            {
                "c": "citext",
                "p": "price",
                "m": '"Mood"',
                "ms": '"Mood"[]',
                "s": "app.size",
                "r": "public.int4range",
                "tags": "text[]",
                "x": "regclass",
            },
        )
        result = tap.run(self.config, catalog=tap.select({"streams": [entry]}))
        self.assertNotIn("run discovery again", result.stderr)

    def test_views_and_policies_resolve_public(self):
        result = tap.run(
            self.config, catalog=tap.select(tap.discover(self.config), "named", "guarded")
        )
        self.assertEqual(
            [*result.records("named"), *result.records("guarded")],
            [{"code": "de", "name": "Germany"}, {"id": 1, "code": "de"}],
        )

    def plant(self):
        def array(names):
            return "ARRAY[" + ", ".join("'" + name + "'" for name in sorted(names)) + "]"

        self.server.sql(
            PLANT
            % {
                "types": array(TYPES),
                "operators": array(OPERATORS),
                "comparisons": array(COMPARISONS),
                "functions": array(functions_of_sources()),
            },
            "shop",
            "mallory",
        )
        [(operators, functions)] = self.sql(
            "SELECT (SELECT count(*) FROM pg_operator o JOIN pg_roles r ON r.oid = o.oprowner "
            "WHERE rolname = 'mallory'), "
            "(SELECT count(*) FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE rolname = "
            "'mallory')"
        )
        # citext has operators of its own
        self.assertGreater(operators, len(OPERATORS) * (len(TYPES) ** 2 - 1))
        self.assertGreater(functions, 3 * len(TYPES) ** 2 + 1000)

    def everything(self, config):
        return self.copies(config) + self.log_based(config) + self.publications(config)

    def copies(self, config):
        """The output of discovery, check, copies, resumed copies and incremental runs."""
        catalog = tap.discover(config)
        tables = tap.select(catalog, "t", "part", "named", "guarded")
        whole = tap.run({**config, "state_every_rows": 1}, catalog=tables)
        [middle] = [
            text
            for text in whole.state_texts
            if '"position":"(1,0)"' in text and '"currently_syncing":"shop-app-t"' in text
        ]
        again = tap.run(config, catalog=tables, state=middle)
        results = [catalog, whole.records(), again.records()]
        for key, lookback in KEYS.items():
            chosen = tap.select(catalog, "t", method="INCREMENTAL", key=key)
            first = tap.run({**config, "limit": 10}, catalog=chosen)
            second = tap.run(
                {**config, "limit": 10, "replication_key_lookback": lookback},
                catalog=chosen,
                state=first.last_state,
            )
            results += [first.records(), second.records()]
            results.append(self.findings(config, chosen, first.last_state))
        return results

    def findings(self, config, catalog, state=None):
        found = json.loads(
            tap.run(
                config, "check", "--format", "json", catalog=catalog, state=state, expect=None
            ).stdout
        )["findings"]
        return [
            (finding["level"], finding["subject"])
            for finding in found
            if finding["subject"] != "clock"
        ]

    def log_based(self, config):
        """The output of log-based streams and slot commands. Restores the tables."""
        tap.run({**config, "logical_decoding_plugin": "wal2json"}, "slot", "create")
        catalog = tap.select(tap.discover(config), "logged", "part", method="LOG_BASED")
        first = tap.run(config, catalog=catalog)
        self.sql("UPDATE app.logged SET small = 1; DELETE FROM app.logged WHERE id = 1")
        self.sql("INSERT INTO app.part VALUES (2, 'three'), (102, 'four')")
        second = tap.run(config, catalog=catalog, state=first.last_state)
        findings = self.findings(config, catalog, second.last_state)
        self.sql("TRUNCATE app.part; INSERT INTO app.part VALUES (1, 'one'), (101, 'two')")
        self.sql(
            "UPDATE app.logged SET small = 0; INSERT INTO app.logged VALUES (1, 'c1', repeat('x', "
            "9000), 0, 'public.country')"
        )
        third = tap.run(config, catalog=catalog, state=second.last_state)
        self.assertEqual(
            tap.run(config, "slot", "status").stdout.count(b"stitch_shop: plugin wal2json"), 1
        )
        until(
            lambda: self.sql("SELECT 1 FROM pg_replication_slots WHERE NOT active"),
            "the slot is in use",
        )
        tap.run(config, "slot", "ack", "--state", "s.json", files={"s.json": third.last_state})
        until(
            lambda: self.sql("SELECT 1 FROM pg_replication_slots WHERE NOT active"),
            "the slot is in use",
        )
        tap.run(config, "slot", "drop")
        return [
            sorted(shorten(record) for record in result.records())
            for result in (first, second, third)
        ] + [findings]

    def publications(self, config):
        """The findings about publications."""
        self.sql("CREATE PUBLICATION tap_postgres FOR TABLE app.logged, app.part")
        config = {**config, "replication_slot": "published"}
        catalog = tap.select(tap.discover(config), "logged", "part", method="LOG_BASED")
        tap.run(config, "slot", "create", catalog=catalog)
        findings = self.findings(config, catalog)
        tap.run(config, "slot", "drop")
        self.sql("DROP PUBLICATION tap_postgres")
        return findings


def shorten(record):
    """A record as text, without values that are long or differ between runs."""
    short = {
        "large": len(record.get("large", "")),
        "_sdc_deleted_at": bool(record.get("_sdc_deleted_at")),
    }
    return json.dumps({**record, **short})


if __name__ == "__main__":
    unittest.main()
