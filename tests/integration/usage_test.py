"""Invalid input: exit code 2, no output, one line on stderr with file, place and remedy."""

import json
import unittest

from support import tap

CONFIG = {
    "host": "127.0.0.1",
    "port": "1",
    "user": "nobody",
    "password": "secret",
    "dbname": "nowhere",
}
EMPTY_CATALOG = {"streams": []}


def stream(**changes):
    """A catalog of one selected stream."""
    entry = {
        "table_name": "t",
        "stream": "t",
        "tap_stream_id": "nowhere-public-t",
        "metadata": [
            {
                "breadcrumb": [],
                "metadata": {
                    "schema-name": "public",
                    "database-name": "nowhere",
                    "table-key-properties": [],
                    "is-view": False,
                    "selected": True,
                    "replication-method": "FULL_TABLE",
                },
            }
        ],
        "schema": {"type": "object", "properties": {"id": {"type": ["null", "integer"]}}},
    }
    entry.update(changes)
    return {"streams": [{key: value for key, value in entry.items() if value is not None}]}


class UsageTest(unittest.TestCase):
    def check(self, line, *args, config=CONFIG, **files):
        """The run fails with this line only. No server is involved."""
        result = tap.run(config, *args, expect=2, **files)
        self.assertEqual(result.stdout, b"", result)
        self.assertEqual(result.stderr, f"CRITICAL {line}\n", result)


class CommandLineTest(UsageTest):
    def test_no_config(self):
        self.check("--config is required; see tap-postgres --help", config=None)

    def test_unknown_option(self):
        self.check(
            "The following argument was not expected: --frobnicate; see tap-postgres --help",
            "--frobnicate",
        )

    def test_option_without_value(self):
        self.check("--catalog: 1 required FILE missing; see tap-postgres --help", "--catalog")

    def test_stray_argument(self):
        self.check(
            "The following argument was not expected: more; see tap-postgres --help",
            "--discover",
            "more",
        )

    def test_two_catalogs(self):
        self.check(
            "--catalog and --properties are the same option; give only one",
            "--properties",
            "config.json",
            catalog=EMPTY_CATALOG,
        )

    def test_unknown_method(self):
        self.check(
            "--replication-method: SOMETIMES not in {FULL_TABLE,INCREMENTAL,LOG_BASED}; see "
            "tap-postgres --help",
            "--discover",
            "--replication-method",
            "SOMETIMES",
        )

    def test_discovery_options_without_discover(self):
        self.check("--select requires --discover", "--select", "*", catalog=EMPTY_CATALOG)


class ConfigTest(UsageTest):
    def test_missing_file(self):
        self.check(
            "none.json: cannot read: No such file or directory",
            "--config",
            "none.json",
            "--discover",
        )

    def test_directory(self):
        self.check(".: cannot read: Is a directory", "--config", ".", "--discover")

    def test_not_json(self):
        self.check(
            "config.json: not valid JSON at line 4, column 1",
            "--discover",
            config='{\n  "host": "h",\n  "port": 5432,\n}',
        )

    def test_not_utf8(self):
        self.check(
            "config.json: not valid JSON at line 1, column 11",
            "--discover",
            config=b'{"host": "\xff"}',
        )

    def test_empty(self):
        self.check("config.json: not valid JSON at line 1, column 1", "--discover", config="")

    def test_not_an_object(self):
        self.check(
            "config.json: must be a JSON object, but is array",
            "--discover",
            config="[]",
        )

    def test_missing_keys(self):
        self.check(
            "config.json: missing required keys: dbname, host, user",
            "--discover",
            config={"port": 5432, "password": "secret"},
        )

    def test_invalid_port(self):
        self.check(
            'config.json: "port" must be a whole number, but is "543a2"',
            "--discover",
            config={**CONFIG, "port": "543a2"},
        )

    def test_port_too_large(self):
        self.check(
            'config.json: "port" must be a port, 1 to 65535, but is 65536',
            "--discover",
            config={**CONFIG, "port": 65536},
        )

    def test_invalid_boolean(self):
        self.check(
            'config.json: "ssl" must be true or false, but is "maybe"',
            "--discover",
            config={**CONFIG, "ssl": "maybe"},
        )

    def test_list_instead_of_string(self):
        self.check(
            'config.json: "host" must be text, but is ["a"]',
            "--discover",
            config={**CONFIG, "host": ["a"]},
        )

    def test_password_of_the_wrong_type_is_not_shown(self):
        self.check(
            'config.json: "password" must be text, but is something else',
            "--discover",
            config={**CONFIG, "password": ["secret"]},
        )

    def test_unknown_choice(self):
        self.check(
            'config.json: "schema_dialect" must be one of portable, singer-io, but is "klingon"',
            "--discover",
            config={**CONFIG, "schema_dialect": "klingon"},
        )

    def test_unknown_sslmode(self):
        self.check(
            'config.json: "sslmode" must be one of disable, allow, prefer, require, verify-ca, '
            'verify-full, but is "on"',
            "--discover",
            config={**CONFIG, "sslmode": "on"},
        )

    def test_limit_out_of_range(self):
        self.check(
            'config.json: "limit" must be at most 9223372036854775807, but is 18446744073709551615',
            "--discover",
            config={**CONFIG, "limit": 18446744073709551615},
        )

    def test_invalid_url(self):
        """Parts of the password must not appear as other parts of the URI."""
        for url in (
            "postgresql://u:p%zz@h/d",
            "mysql://u:p@h/d",
            "u:p@h/d",
            "postgresql://u:pa@ss-secret@h/d",
            "postgresql://u:pa/ss-secret@h/d",
        ):
            self.check(
                'config.json: "sqlalchemy_url" must be a URI like '
                "postgresql://user:password@host:5432/dbname; in the "
                "password, write @ as %40, : as %3A, / as %2F, ? as %3F and % as %25, but is "
                "something else",
                "--discover",
                config={"sqlalchemy_url": url},
            )

    def test_invalid_timeout(self):
        for wrong in ('"soon"', "-1", '"5 min"', "1.5"):
            self.check(
                'config.json: "lock_timeout" must be milliseconds, or a time with a unit like '
                f"30s, 5min or 2h, but is {wrong}",
                "--discover",
                config={**CONFIG, "lock_timeout": json.loads(wrong)},
            )

    def test_secondary_without_host(self):
        self.check(
            'config.json: "use_secondary" requires "secondary_host"',
            "--discover",
            config={**CONFIG, "use_secondary": "true"},
        )

    def test_zero_rows_between_states(self):
        self.check(
            'config.json: "state_every_rows" must be 1 or more, but is 0',
            "--discover",
            config={**CONFIG, "state_every_rows": 0},
        )

    def test_unknown_default_method(self):
        self.check(
            'config.json: "default_replication_method" must be one of FULL_TABLE, INCREMENTAL, '
            'LOG_BASED, but is "SOMETIMES"',
            "--discover",
            config={**CONFIG, "default_replication_method": "SOMETIMES"},
        )


class CatalogTest(UsageTest):
    def test_missing_file(self):
        self.check("none.json: cannot read: No such file or directory", "--catalog", "none.json")

    def test_not_json(self):
        self.check("catalog.json: not valid JSON at line 1, column 1", catalog="streams")

    def test_not_a_catalog(self):
        self.check(
            'catalog.json: not a catalog; it must be an object with a "streams" list',
            catalog={"stream": []},
        )

    def test_streams_that_are_not_objects(self):
        self.check("catalog.json: streams[0]: must be an object", catalog={"streams": ["t"]})

    def test_stream_without_id(self):
        self.check(
            'catalog.json: streams[0]: has no "tap_stream_id"', catalog=stream(tap_stream_id=None)
        )

    def test_stream_without_schema(self):
        self.check(
            'catalog.json: streams[0] (nowhere-public-t): has no "schema" with "properties"',
            catalog=stream(schema=None),
        )

    def test_metadata_that_is_not_a_list(self):
        self.check(
            'catalog.json: streams[0] (nowhere-public-t): "metadata" must be a list',
            catalog=stream(metadata={}),
        )

    def test_duplicate_stream(self):
        self.check(
            'catalog.json: streams[1]: duplicate tap_stream_id "nowhere-public-t", which '
            "streams[0] has, too, so that they would share a bookmark; change it in one of them",
            catalog={"streams": stream()["streams"] * 2},
        )

    def test_unknown_replication_method(self):
        catalog = stream()
        catalog["streams"][0]["metadata"][0]["metadata"]["replication-method"] = "SOMETIMES"
        self.check(
            "Unrecognized replication_method SOMETIMES for stream nowhere-public-t: set "
            "replication-method in the stream's metadata, or default_replication_method in the "
            "config, to FULL_TABLE, INCREMENTAL or LOG_BASED",
            catalog=catalog,
        )

    def test_no_replication_method(self):
        catalog = stream()
        del catalog["streams"][0]["metadata"][0]["metadata"]["replication-method"]
        self.check(
            "Unrecognized replication_method None for stream nowhere-public-t: set "
            "replication-method in the stream's metadata, or default_replication_method in the "
            "config, to FULL_TABLE, INCREMENTAL or LOG_BASED",
            catalog=catalog,
        )

    def test_invalid_catalog_to_keep_selections_from(self):
        self.check(
            'catalog.json: not a catalog; it must be an object with a "streams" list',
            "--discover",
            catalog=[],
        )

    def test_name_with_newlines_stays_on_one_line(self):
        catalog = stream(tap_stream_id="two\nlines")
        catalog["streams"][0]["metadata"][0]["metadata"]["replication-method"] = "LOG\r\nBASED"
        self.check(
            "Unrecognized replication_method LOG\\r\\nBASED for stream two\\nlines: set "
            "replication-method in the stream's metadata, or default_replication_method in the "
            "config, to FULL_TABLE, INCREMENTAL or LOG_BASED",
            catalog=catalog,
        )


class StateTest(UsageTest):
    def test_missing_file(self):
        self.check(
            "none.json: cannot read: No such file or directory",
            "--state",
            "none.json",
            catalog=stream(),
        )

    def test_not_json(self):
        self.check("state.json: not valid JSON at line 1, column 2", catalog=stream(), state="{")

    def test_not_an_object(self):
        self.check(
            "state.json: the state must be an object, but is array", catalog=stream(), state=[]
        )

    def test_bookmarks_that_are_not_an_object(self):
        self.check(
            'state.json: "bookmarks" must be an object, but is array',
            catalog=stream(),
            state={"bookmarks": []},
        )

    def test_bookmark_that_is_not_an_object(self):
        self.check(
            'state.json: the bookmark of "nowhere-public-t" must be an object, but is number',
            catalog=stream(),
            state={"bookmarks": {"nowhere-public-t": 5}},
        )

    def test_state_message(self):
        self.check(
            'state.json: is a STATE message; pass only its "value"',
            catalog=stream(),
            state={"type": "STATE", "value": {"bookmarks": {}}},
        )


class WarningsTest(unittest.TestCase):
    def test_unknown_key_suggests_a_similar_one(self):
        result = tap.run({**CONFIG, "filter_schema": "a"}, catalog=EMPTY_CATALOG)
        self.assertEqual(
            result.stderr.splitlines()[0],
            'WARNING config.json: unknown key "filter_schema" is ignored; did you mean '
            '"filter_schemas"?',
        )

    def test_similarity_depends_on_length(self):
        result = tap.run({**CONFIG, "paswd": "a", "foo": "b"}, catalog=EMPTY_CATALOG)
        self.assertEqual(
            result.stderr.splitlines()[:2],
            [
                'WARNING config.json: unknown key "paswd" is ignored; did you mean "password"?',
                'WARNING config.json: unknown key "foo" is ignored',
            ],
        )

    def test_unknown_tunnel_key(self):
        result = tap.run(
            {**CONFIG, "ssh_tunnel": {"enable": False, "prot": 1, "foo": 2}}, catalog=EMPTY_CATALOG
        )
        self.assertEqual(
            result.stderr.splitlines()[:2],
            [
                (
                    'WARNING config.json: unknown key "ssh_tunnel.prot" is ignored; did you mean '
                    '"ssh_tunnel.port"?'
                ),
                'WARNING config.json: unknown key "ssh_tunnel.foo" is ignored',
            ],
        )

    def test_unknown_stream_option(self):
        result = tap.run({**CONFIG, "stream_options": {"a": {"b": 1}}}, catalog=EMPTY_CATALOG)
        self.assertEqual(
            result.stderr.splitlines()[0],
            'WARNING config.json: "stream_options": unknown key "b" of "a" is ignored',
        )

    def test_stream_maps(self):
        """They may hide values, so that a run without them could send too much."""
        for stream_maps in ({"a": {"email": "md5(email)"}}, {"a": None}, '{"a": {"b": null}}'):
            result = tap.run(
                {**CONFIG, "stream_maps": stream_maps}, catalog=EMPTY_CATALOG, expect=2
            )
            self.assertEqual(
                result.stderr,
                'CRITICAL config.json: "stream_maps" is not supported; remove the key and put a '
                "mapper such as meltano-map-transformer between tap and target, which has the same "
                "setting\n",
            )

    def test_unsupported_settings_that_are_off(self):
        off = {
            "ssh_tunnel": {"enable": False, "host": "h"},
            "ssl_enable": False,
            "ssl_mode": "verify-full",
            "ssl_certificate_authority": "~/.postgresql/root.crl",
            "sqlalchemy_url": "",
            "use_secondary": "false",
            "stream_options": {},
            "stream_maps": '{"a": {}}',
        }
        result = tap.run({**CONFIG, **off}, catalog=EMPTY_CATALOG)
        self.assertNotIn("WARNING", result.stderr)

    def test_version(self):
        self.assertRegex(
            tap.run(None, "--version").stdout,
            rb"^tap-postgres \d+\.\d+\.\d+( \(portable build, .*\))?\n$",
        )

    def test_help(self):
        result = tap.run(None, "--help")
        self.assertIn(b"--config", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_config_from_environment(self):
        env = {f"TAP_POSTGRES_{key.upper()}": value for key, value in CONFIG.items()}
        env["TAP_POSTGRES_LOGLEVEL"] = "warning"  # not a setting
        result = tap.run(None, "--config", "ENV", env=env, catalog=EMPTY_CATALOG)
        self.assertEqual((result.stdout, result.stderr), (b"", ""))

    def test_env_file(self):
        """Variables of .env are used unless the environment has them; values are not logged."""
        lines = [
            "# for the tap",
            "export TAP_POSTGRES_HOST='localhost'",
            "TAP_POSTGRES_USER=file",
            'TAP_POSTGRES_PASSWORD="secret\\"s # value"  # a comment',
            "TAP_POSTGRES_USR=misspelled",
            "PGDATABASE=shop",
            "OTHER_PASSWORD=unused",
            "a secret line",
            "",
        ]
        result = tap.run(
            None,
            "--config",
            "ENV",
            env={"TAP_POSTGRES_USER": "environment"},
            files={".env": "\n".join(lines)},
            catalog=EMPTY_CATALOG,
        )
        self.assertEqual(
            result.stderr.splitlines()[:3],
            [
                "WARNING .env: line 8 is ignored, it is not NAME=value",
                "INFO variables from .env: TAP_POSTGRES_HOST, TAP_POSTGRES_PASSWORD, "
                "TAP_POSTGRES_USR, PGDATABASE",
                'WARNING .env: unknown key "usr" is ignored; did you mean "user"?',
            ],
        )
        self.assertNotIn("secret", result.stderr)

    def check_env_file(self, *lines, **options):
        return tap.run(
            None,
            "--config",
            "ENV",
            files={".env": "\n".join(lines)},
            catalog=EMPTY_CATALOG,
            **options,
        )

    def test_options_in_env_file(self):
        connection = [f"TAP_POSTGRES_{key.upper()}={value}" for key, value in CONFIG.items()]
        result = self.check_env_file(*connection, "TAP_POSTGRES_LOGLEVEL=warning")
        self.assertEqual((result.stdout, result.stderr), (b"", ""))
        for name, value, wanted in (
            ("TAP_POSTGRES_PART", "5", "I/N, from 1/N to N/N, such as 2/4"),
            ("TAP_POSTGRES_PARTS", "x", "a number from 1 to 10000"),
        ):
            result = self.check_env_file(*connection, f"{name}={value}", expect=2)
            self.assertEqual(result.stderr, f"CRITICAL {name} {value}: must be {wanted}\n")
        result = self.check_env_file(
            *connection, "TAP_POSTGRES_LOGLEVEL=loud", env={"TAP_POSTGRES_LOGLEVEL": "warning"}
        )
        self.assertEqual(result.stderr, "")

    def test_environment_beats_other_names_in_env_file(self):
        result = self.check_env_file(
            "TAP_POSTGRES_HOST=localhost",
            "TAP_POSTGRES_USER=tap",
            "TAP_POSTGRES_DBNAME=postgresql://other",  # refused wherever it is used
            "TAP_POSTGRES_SSH_TUNNEL_PORT=0",
            env={
                "TAP_POSTGRES_DATABASE": "shop",
                "TAP_POSTGRES_SSH_TUNNEL": '{"enable": false, "port": 22}',
            },
        )
        self.assertIn(
            "INFO variables from .env: TAP_POSTGRES_HOST, TAP_POSTGRES_USER, "
            "TAP_POSTGRES_SSH_TUNNEL_PORT\n",
            result.stderr,
        )

    def test_env_file_needs_config_env(self):
        result = tap.run(CONFIG, files={".env": "TAP_POSTGRES_HOST=\n?"}, catalog=EMPTY_CATALOG)
        self.assertNotIn(".env", result.stderr)


if __name__ == "__main__":
    unittest.main()
