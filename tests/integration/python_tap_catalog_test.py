"""A catalog from the Python tap works unchanged: its schemas are sent and its selections apply."""

import decimal
import json
import pathlib
import unittest

from support import tap
from support.server import shared

DB = "python_shop"
CATALOG = (pathlib.Path(__file__).parent / "fixtures/python_tap_catalog.json").read_bytes()
CONFIG = {
    "default_replication_method": "FULL_TABLE",
    "itersize": "20000",
    "frequency_in_minutes": "60",
}


def setUpModule():
    shared().create_database(DB)
    shared().sql(
        """
        CREATE EXTENSION hstore;
        CREATE TABLE "order lines" (
            id bigint PRIMARY KEY, total numeric(12,2), weight numeric, name varchar(40),
              secret text, at timestamptz,
            parts int[], prices numeric(12,2)[], attributes hstore, took interval);
        INSERT INTO "order lines" VALUES
            (1, 12.50, 1e-38, 'Größe', 'x', '2020-01-02 03:04:05.6+00', '{{1,2},{3,NULL}}',
              '{1.10}', 'a=>1', '1 day');
        CREATE VIEW sums AS SELECT name, sum(total) FROM "order lines" GROUP BY name;
        CREATE TABLE untouched AS SELECT 1 AS id;""",
        DB,
    )


def as_text(line):
    """JSON with its numbers as text, exactly as written."""
    return json.loads(line, parse_float=str, parse_int=str)


class PythonTapCatalogTest(unittest.TestCase):
    maxDiff = None

    def sync(self, option="--properties", **extra):
        return tap.run(
            shared().config(DB, **CONFIG, **extra),
            option,
            "made by python.json",
            files={"made by python.json": CATALOG},
        )

    def sent_schemas(self, result):
        messages = [
            as_text(line)
            for line in result.stdout.splitlines()
            if line.startswith(b'{"type":"SCHEMA"')
        ]
        return {message["stream"]: message["schema"] for message in messages}

    def test_records_of_selected_streams_and_columns(self):
        result = self.sync()
        self.assertEqual(
            result.records("order lines"),
            [
                {
                    "at": "2020-01-02T03:04:05.600000+00:00",
                    "attributes": {"a": "1"},
                    "id": 1,
                    "name": "Größe",
                    "parts": [[1, 2], [3, None]],
                    "prices": [decimal.Decimal("1.10")],
                    "total": decimal.Decimal("12.50"),
                    "weight": decimal.Decimal("1e-38"),
                }
            ],
        )
        self.assertEqual(
            result.records("sums"), [{"name": "Größe", "sum": decimal.Decimal("12.50")}]
        )
        self.assertEqual(list(result.schemas()), ["order lines", "sums"])

    def test_key_properties_of_the_catalog(self):
        schemas = self.sync().schemas()
        self.assertEqual(schemas["order lines"]["key_properties"], ["id"])
        self.assertEqual(schemas["sums"]["key_properties"], ["name"])

    def test_schemas_of_selected_columns_are_unchanged(self):
        sent = self.sent_schemas(self.sync())
        for entry in as_text(CATALOG)["streams"][:2]:
            schema = entry["schema"]
            for unselected in ("secret", "took"):
                schema["properties"].pop(unselected, None)
            self.assertEqual(sent[entry["stream"]], schema)
            self.assertEqual(list(sent[entry["stream"]]["properties"]), list(schema["properties"]))

    def test_singer_io_dialect_sends_whole_schemas(self):
        sent = self.sent_schemas(self.sync(schema_dialect="singer-io"))
        for entry in as_text(CATALOG)["streams"][:2]:
            self.assertEqual(json.dumps(sent[entry["stream"]]), json.dumps(entry["schema"]))

    def test_properties_is_an_alias_of_catalog(self):
        by_properties, by_catalog = self.sync("-p"), self.sync("--catalog")
        self.assertEqual(by_properties.types, by_catalog.types)
        self.assertEqual(by_properties.records(), by_catalog.records())

    def test_own_catalog_in_singer_io_dialect(self):
        config = shared().config(DB, filter_dbs=DB, schema_dialect="singer-io")
        ours = as_text(tap.run(config, "--discover").stdout)
        theirs = as_text(CATALOG)
        for entry in theirs["streams"]:
            for item in entry["metadata"]:
                for key in ("selected", "replication-method", "view-key-properties"):
                    item["metadata"].pop(key, None)  # set by the user
            tap.metadata(entry)["row-count"] = "0"  # differs on purpose
        tap.metadata(theirs["streams"][0], "weight")[
            "selected-by-default"
            # set by the user
        ] = True
        self.assertEqual(json.dumps(ours), json.dumps(theirs))


if __name__ == "__main__":
    unittest.main()
