"""Values fit the JSON schema of a catalog that another Python tap discovered, which is sent on."""

import copy
import decimal
import json
import unittest

import jsonschema

from support import tap
from support.plugins import PLUGIN
from support.wal_case import WalTest, changes

ANY = {"type": ["string", "number", "integer", "array", "object", "boolean", "null"]}
# JSON schemas of the columns in catalogs of pipelinewise-tap-postgres and MeltanoLabs/tap-postgres.
PIPELINEWISE = {
    "a": {"type": ["null", "object", "array"]},
    "b": {"type": ["null", "object", "array"]},
    "list": {
        "type": ["null", "array"],
        "items": {"$ref": "#/definitions/sdc_recursive_object_array"},
    },
    "day": {"type": ["null", "string"], "format": "date-time"},
    "days": {
        "type": ["null", "array"],
        "items": {"$ref": "#/definitions/sdc_recursive_timestamp_array"},
    },
    "flag": {"type": ["null", "boolean"]},
}
MELTANO = {
    "a": ANY,
    "b": ANY,
    "list": {"type": ["array", "null"], "items": ANY},
    "day": {"type": ["string", "null"], "format": "date"},
    "days": {"type": ["array", "null"], "items": {"type": ["string"], "format": "date"}},
    "flag": {"type": ["string", "null"]},
}
DEFINITIONS = {
    "sdc_recursive_object_array": {
        "type": ["null", "object", "array"],
        "items": {"$ref": "#/definitions/sdc_recursive_object_array"},
    },
    "sdc_recursive_timestamp_array": {
        "type": ["null", "string", "array"],
        "format": "date-time",
        "items": {"$ref": "#/definitions/sdc_recursive_timestamp_array"},
    },
}
ROW = """'{"x":1.50}', '[1, {"y": null}]', array['{"z": 2}'::jsonb], '2020-01-02',
         '{2020-01-02,2020-02-29}', B'1'"""
VALUES = {"a": {"x": decimal.Decimal("1.50")}, "b": [1, {"y": None}], "list": [{"z": 2}]}
TIMES = {
    "day": "2020-01-02T00:00:00+00:00",
    "days": ["2020-01-02T00:00:00+00:00", "2020-02-29T00:00:00+00:00"],
    "flag": True,
}
DATES = {"day": "2020-01-02", "days": ["2020-01-02", "2020-02-29"], "flag": "1"}


class CatalogSchemasTest(WalTest):
    database = "wal_catalog_schemas"
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, a json, b jsonb, list jsonb[], day date,"
            f"days date[], flag bit(1)); INSERT INTO {{s}}.t VALUES (1, {ROW})"
        )

    def described(self, properties, method="FULL_TABLE"):
        """The catalog of the table, with the columns described as in another tap's catalog."""
        catalog = copy.deepcopy(self.catalog(method=method))
        schema = catalog["streams"][0]["schema"]
        schema["properties"].update(properties)
        schema["definitions"] = DEFINITIONS
        return catalog

    def check(self, result, expected):
        self.assertEqual(changes(result), [expected])
        [schema] = result.of_type("SCHEMA")
        jsonschema.Draft7Validator(
            schema["schema"], format_checker=jsonschema.FormatChecker(["date"])
        ).validate(json.loads(json.dumps(expected, default=float)))

    def check_every_method(self, properties, values):
        expected = {"id": 1, **VALUES, **values}
        self.check(self.sync(self.described(properties)), expected)
        catalog = self.described(properties, "LOG_BASED")
        initial = self.sync(catalog)
        self.check(initial, expected)
        self.sql(f"INSERT INTO {{s}}.t VALUES (2, {ROW})")
        for form in (1, 2) if PLUGIN == "wal2json" else (2,):
            with self.subTest(form=form):
                result = self.sync(catalog, initial.last_state, wal2json_message_format=form)
                self.check(result, {**expected, "id": 2, "_sdc_deleted_at": None})

    def test_catalog_of_pipelinewise(self):
        self.check_every_method(PIPELINEWISE, TIMES)

    def test_catalog_of_meltanolabs(self):
        self.check_every_method(MELTANO, DATES)

    def test_own_catalog(self):
        [record] = self.sync(self.catalog()).records()
        self.assertEqual(
            record,
            {
                "id": 1,
                "a": '{"x":1.50}',
                "b": '[1, {"y": null}]',
                "list": ['{"z": 2}'],
                **TIMES,
            },
        )

    def test_date_out_of_range(self):
        self.sql(
            "UPDATE {s}.t SET a = NULL, b = NULL, list = NULL, day = 'infinity', flag = NULL,"
            "days = '{0044-03-15 BC}'"
        )
        result = self.sync(self.described(MELTANO))
        nulls = {"a": None, "b": None, "list": None, "flag": None}
        self.check(result, {"id": 1, **nulls, "day": "9999-12-31", "days": ["0001-01-01"]})

    def test_incremental_bookmark_of_a_date_is_unchanged(self):
        catalog = self.described(MELTANO)
        tap.metadata(catalog["streams"][0]).update(
            {"replication-method": "INCREMENTAL", "replication-key": "day"}
        )
        result = self.sync(catalog)
        self.check(result, {"id": 1, **VALUES, **DATES})
        value = self.bookmark(result.last_state, "t")["replication_key_value"]
        self.assertEqual(value, "2020-01-02T00:00:00+00:00")
        self.check(self.sync(catalog, result.last_state), {"id": 1, **VALUES, **DATES})


if __name__ == "__main__":
    unittest.main()
