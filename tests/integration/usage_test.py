"""Wrong input: exit code 2, nothing on stdout, one line on stderr that names the file, the place and the fix."""

import unittest

from support import tap

CONFIG = {"host": "127.0.0.1", "port": "1", "user": "nobody", "password": "secret", "dbname": "nowhere"}
EMPTY_CATALOG = {"streams": []}


def stream(**changes):
    """A catalog of one selected stream."""
    entry = {
        "table_name": "t", "stream": "t", "tap_stream_id": "nowhere-public-t",
        "metadata": [{"breadcrumb": [], "metadata": {"schema-name": "public", "database-name": "nowhere",
                                                     "table-key-properties": [], "is-view": False, "selected": True,
                                                     "replication-method": "FULL_TABLE"}}],
        "schema": {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}},
    }
    entry.update(changes)
    return {"streams": [{key: value for key, value in entry.items() if value is not None}]}


class UsageTest(unittest.TestCase):
    def check(self, line, *args, config=CONFIG, **files):
        """The run must fail with this line and nothing else. No server is there to be asked anything."""
        result = tap.run(config, *args, expect=2, **files)
        self.assertEqual(result.stdout, b"", result)
        self.assertEqual(result.stderr, f"CRITICAL {line}\n", result)

    def without(self, *keys, **changes):
        return {key: value for key, value in {**CONFIG, **changes}.items() if key not in keys}


class CommandLineTest(UsageTest):
    def test_no_config(self):
        self.check("--config is required; see tap-postgres --help", config=None)

    def test_an_unknown_option(self):
        self.check("", "--frobnicate")

    def test_an_option_without_its_value(self):
        self.check("", "--catalog")

    def test_a_stray_argument(self):
        self.check("", "--discover", "more")

    def test_two_catalogs(self):
        self.check("", "--properties", "config.json", catalog=EMPTY_CATALOG)

    def test_an_unknown_method(self):
        self.check("", "--discover", "--replication-method", "SOMETIMES")

    def test_discovery_options_without_discover(self):
        self.check("", "--select", "*", catalog=EMPTY_CATALOG)


class ConfigTest(UsageTest):
    def test_no_such_file(self):
        self.check("", "--config", "none.json", "--discover")

    def test_a_folder(self):
        self.check("", "--config", ".", "--discover")

    def test_not_json(self):
        self.check("", "--discover", config='{\n  "host": "h",\n  "port": 5432,\n}')

    def test_not_utf8(self):
        self.check("", "--discover", config=b'{"host": "\xff"}')

    def test_empty(self):
        self.check("", "--discover", config="")

    def test_not_an_object(self):
        self.check("", "--discover", config="[]")

    def test_missing_keys(self):
        self.check("", "--discover", config=self.without("host", "dbname", "user"))

    def test_a_port_that_is_none(self):
        self.check("", "--discover", config=self.without(port="543a2"))

    def test_a_port_too_large(self):
        self.check("", "--discover", config=self.without(port=65536))

    def test_a_flag_that_is_none(self):
        self.check("", "--discover", config=self.without(ssl="maybe"))

    def test_a_list_where_text_belongs(self):
        self.check("", "--discover", config=self.without(host=["a"]))

    def test_a_password_of_the_wrong_type_is_not_shown(self):
        self.check("", "--discover", config=self.without(password=["secret"]))

    def test_an_unknown_choice(self):
        self.check("", "--discover", config=self.without(schema_dialect="klingon"))

    def test_no_rows_between_states(self):
        self.check("", "--discover", config=self.without(state_every_rows=0))

    def test_an_unknown_default_method(self):
        self.check("", "--discover", config=self.without(default_replication_method="SOMETIMES"))


class CatalogTest(UsageTest):
    def test_no_such_file(self):
        self.check("", "--catalog", "none.json")

    def test_not_json(self):
        self.check("", catalog="streams")

    def test_not_a_catalog(self):
        self.check("", catalog={"stream": []})

    def test_streams_that_are_no_objects(self):
        self.check("", catalog={"streams": ["t"]})

    def test_a_stream_without_id(self):
        self.check("", catalog=stream(tap_stream_id=None))

    def test_a_stream_without_schema(self):
        self.check("", catalog=stream(schema=None))

    def test_metadata_that_is_no_list(self):
        self.check("", catalog=stream(metadata={}))

    def test_the_same_stream_twice(self):
        self.check("", catalog={"streams": stream()["streams"] * 2})

    def test_an_unknown_replication_method(self):
        catalog = stream()
        catalog["streams"][0]["metadata"][0]["metadata"]["replication-method"] = "SOMETIMES"
        self.check("", catalog=catalog)

    def test_no_replication_method(self):
        catalog = stream()
        del catalog["streams"][0]["metadata"][0]["metadata"]["replication-method"]
        self.check("", catalog=catalog)

    def test_not_a_catalog_to_keep_selections_of(self):
        self.check("", "--discover", catalog=[])


class StateTest(UsageTest):
    def test_no_such_file(self):
        self.check("", "--state", "none.json", catalog=stream())

    def test_not_json(self):
        self.check("", catalog=stream(), state="{")

    def test_not_an_object(self):
        self.check("", catalog=stream(), state=[])

    def test_bookmarks_that_are_no_object(self):
        self.check("", catalog=stream(), state={"bookmarks": []})

    def test_a_bookmark_that_is_no_object(self):
        self.check("", catalog=stream(), state={"bookmarks": {"nowhere-public-t": 5}})


class WarningsTest(unittest.TestCase):
    def test_an_unknown_key_names_the_nearest_one(self):
        result = tap.run({**CONFIG, "filter_schema": "a"}, catalog=EMPTY_CATALOG)
        self.assertEqual(result.stderr.splitlines()[0], "")

    def test_the_version(self):
        self.assertRegex(tap.run(None, "--version").stdout, rb"^tap-postgres \d+\.\d+\.\d+\n$")

    def test_help_goes_to_stdout(self):
        result = tap.run(None, "--help")
        self.assertIn(b"--config", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_the_environment_as_config(self):
        env = {f"TAP_POSTGRES_{key.upper()}": value for key, value in CONFIG.items()}
        result = tap.run(None, "--config", "ENV", env=env, catalog=EMPTY_CATALOG)
        self.assertEqual(result.stdout, b"")


if __name__ == "__main__":
    unittest.main()
