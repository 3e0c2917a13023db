"""Security settings of the config are applied or rejected, never ignored; no secret is shown."""

import ctypes
import ctypes.util
import json
import unittest

from support import tap
from support.server import shared

KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ"  # a key without its BEGIN line
NOT_A_FILE = (
    'CRITICAL config.json: "{}" must be the path of a readable file, or PEM '
    "text with its BEGIN "
    "and END lines, but is neither\n"
)


def libpq():
    number = ctypes.CDLL(ctypes.util.find_library("pq")).PQlibVersion()
    return number // 10000, f"{number // 10000}.{number % 10000}"


class SecuritySettingsTest(unittest.TestCase):
    maxDiff = None

    def check_refused(self, text, env=None, **extra):
        """A run, a discovery and a check all fail before they connect."""
        config = {**shared().config(), **extra}
        for args in ((), ("--discover",), ("slot", "status")):
            result = tap.run(
                config, *args, catalog={"streams": []} if not args else None, env=env, expect=2
            )
            self.assertEqual((result.stderr, result.stdout), (text, b""))
        for form in ("json", "text"):
            result = tap.run(config, "check", "--format", form, env=env, expect=2)
            self.assertNotIn(KEY, result.stdout.decode() + result.stderr)
            found = (
                json.loads(result.stdout)["findings"][0]["found"]
                if form == "json"
                else result.stdout.decode()
            )
            self.assertIn(text.removeprefix("CRITICAL ").strip(), found)


class SecretsTest(SecuritySettingsTest):
    def test_value_that_is_not_a_file_or_pem(self):
        for keyword in ("sslkey", "sslcert", "sslrootcert", "sslcrl"):
            for value in (KEY, KEY + "\n-----END PRIVATE KEY-----", "/nowhere/" + KEY, "x" * 1024):
                self.check_refused(NOT_A_FILE.format(keyword), **{keyword: value})
        self.check_refused(NOT_A_FILE.format("sslkey"), sslkey="op3n s3same")

    def test_files_that_libpq_rejects(self):
        for extra in (
            {"sslmode": "disable", "sslkey": KEY},
            {"sslmode": "disable", "sslrootcert": "/nowhere/ca.crt"},
            {"sslrootcert": "/nowhere/ca.crt"},
            {"sslcert": "/nowhere/client.crt"},
        ):
            result = tap.run({**shared().config(), **extra}, "slot", "status")
            self.assertNotIn("nowhere", result.stderr)
            self.assertNotIn(KEY, result.stderr)
        tap.run(
            shared().config(),
            "slot",
            "status",
            env={"PGSSLROOTCERT": "/nowhere/ca.crt", "PGSSLMODE": "disable"},
        )

    def test_uri_and_environment(self):
        config = shared().config()
        uri = f"postgresql://tap@{config['host']}:{config['port']}/postgres?sslkey={KEY}"
        self.check_refused(NOT_A_FILE.format("sslkey"), sqlalchemy_url=uri)
        self.check_refused(
            NOT_A_FILE.format("sslkey").replace("config.json", "the environment"),
            env={"PGSSLKEY": KEY},
        )

    def test_meltano_tls_keys(self):
        self.check_refused(
            NOT_A_FILE.format("sslkey"),
            ssl_enable=True,
            ssl_client_certificate_enable=True,
            ssl_client_private_key=KEY,
        )

    def test_connection_string_as_a_name(self):
        for keyword in ("dbname", "host", "user", "secondary_host", "ssh_tunnel.host"):
            for value in (
                f"postgresql://tap:{KEY}@localhost/shop",
                f"host=localhost password={KEY}",
            ):
                self.check_refused(
                    f'CRITICAL config.json: "{keyword}" must be a name, but is '
                    'a connection string; put a URI into "sqlalchemy_url"\n',
                    **{keyword: value},
                )

    def test_password_in_a_server_message(self):
        config = {
            **shared().config(),
            "password": "op3n s3same",
            "target_session_attrs": "op3n s3same",
        }
        result = tap.run(config, "--discover", expect=3)
        self.assertIn('invalid target_session_attrs value: "password"', result.stderr)


class FailClosedTest(SecuritySettingsTest):
    def test_keywords_of_newer_libpq(self):
        major, version = libpq()
        are_newer = False
        for keyword, value, since in (
            ("require_auth", "scram-sha-256", 16),
            ("sslcertmode", "require", 16),
            ("sslnegotiation", "direct", 17),
            ("max_protocol_version", "3.2", 18),
        ):
            if major < since:
                are_newer = True
                self.check_refused(
                    f'CRITICAL config.json: "{keyword}" needs libpq {since} or later, '
                    f"but {version} "
                    "is installed; install a newer libpq or remove the key\n",
                    **{keyword: value},
                )
        if not are_newer:
            self.skipTest(f"libpq {version} knows all of these keywords")

    def test_supported_keywords(self):
        config = {**shared().config(), "channel_binding": "require", "gssencmode": "disable"}
        result = tap.run(config, "--discover", expect=3)
        self.assertIn("channel binding required", result.stderr)

    def test_unknown_tls_keys(self):
        self.check_refused(
            'CRITICAL config.json: unknown key "sslmod"; did you mean "sslmode"?\n',
            sslmod="verify-full",
        )
        for key, suggestion in (
            ("require_aut", "require_auth"),
            ("chanel_binding", "channel_binding"),
            ("gssenc_mode", "gssencmode"),
            ("SSLMODE", "sslmode"),
            ("Ssl", "ssl"),
            ("ssh_tunel", "ssh_tunnel"),
            ("requireper", "requirepeer"),
        ):
            self.check_refused(
                f'CRITICAL config.json: unknown key "{key}"; did you mean "{suggestion}"?\n',
                **{key: "x"},
            )
        self.check_refused(
            'CRITICAL config.json: unknown key "ssl_something_else_entirely"; remove it\n',
            ssl_something_else_entirely=1,
        )

    def test_meltano_tls_keys_without_ssl_enable(self):
        for key, keyword in (
            ("ssl_mode", "sslmode"),
            ("ssl_certificate_authority", "sslrootcert"),
            ("ssl_client_certificate", "sslcert"),
            ("ssl_client_private_key", "sslkey"),
        ):
            self.check_refused(
                f'CRITICAL config.json: "{key}" has no effect without "ssl_enable"; set '
                f'"ssl_enable" to true, or use "{keyword}"\n',
                **{key: "verify-full"},
            )

    def test_contradictions(self):
        self.check_refused(
            'CRITICAL config.json: "sslmode" contradicts "ssl_enable" and "ssl_mode"; '
            "remove one of them\n",
            ssl_enable=True,
            sslmode="prefer",
        )
        self.check_refused(
            'CRITICAL config.json: "sslmode" contradicts "ssl_enable" and "ssl_mode"; '
            "remove one of them\n",
            ssl_enable=True,
            ssl_mode="verify-full",
            sslmode="require",
        )
        for mode in ("disable", "allow", "prefer"):
            self.check_refused(
                'CRITICAL config.json: "ssl" requires sslmode "require" or stronger, but the '
                f'connection would use "{mode}"; remove one of the two\n',
                ssl=True,
                sslmode=mode,
            )

    def test_invalid_values(self):
        self.check_refused(
            'CRITICAL config.json: "ssl" must be true or false, but is "tru"\n', ssl="tru"
        )
        self.check_refused(
            'CRITICAL config.json: "sslmode" must be one of disable, allow, prefer, require, '
            'verify-ca, verify-full, but is "verify"\n',
            sslmode="verify",
        )


if __name__ == "__main__":
    unittest.main()
