"""TLS with valid and invalid certificates of the server and of the client."""

import os
import pwd
import re
import shutil
import tempfile
import unittest

from support import tap
from support.case import SchemaTest
from support.certificates import Authority
from support.server import Server, shared

TLS_1_3 = "TLSv1.3, TLS_AES_256_GCM_SHA384"
CERTIFIED = {"user": "certified", "sslmode": "require"}
VERIFY = "the server's certificate has expired or is not signed by an authority in sslrootcert"


def setUpModule():
    folder = tempfile.mkdtemp(prefix="tap-postgres-certificates-")
    unittest.addModuleCleanup(shutil.rmtree, folder)
    TlsTest.authority = authority = Authority(folder)
    authority.issue("server", "localhost", host="localhost")
    authority.issue("expired", "localhost", host="localhost", expired=True)
    authority.issue("client", "certified")
    authority.issue("protected", "certified", passphrase="op3n")
    other = tempfile.mkdtemp(prefix="tap-postgres-certificates-")
    unittest.addModuleCleanup(shutil.rmtree, other)
    TlsTest.other_authority = Authority(other, "other_authority")
    TlsTest.server = server = Server()
    unittest.addModuleCleanup(server.close)
    for file in ("ca.crt", "server.crt", "server.key", "expired.crt", "expired.key"):
        shutil.copy(authority.path(file), server.data / file)
        (server.data / file).chmod(0o600)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(server.data / file, account.pw_uid, account.pw_gid)
    server.sql("CREATE ROLE certified LOGIN IN ROLE pg_read_all_data")
    rules = server.data / "pg_hba.conf"
    rules.write_text(
        "hostssl all certified all cert\nhost all certified all reject\n" + rules.read_text()
    )
    use_certificate("server")


def use_certificate(name):
    server = TlsTest.server
    settings = {
        "ssl": "on",
        "ssl_cert_file": f"{name}.crt",
        "ssl_key_file": f"{name}.key",
        "ssl_ca_file": "ca.crt",
    }
    server.configure(settings)
    server.restart()


class TlsTest(SchemaTest):
    database = "tls"
    authority = other_authority = None
    maxDiff = None

    def setUp(self):
        super().setUp()
        self.sql("CREATE TABLE {s}.t AS SELECT 1 AS id")
        self.only_t = self.catalog("t")

    def check(self, protection=TLS_1_3, host="localhost", user="tap", **extra):
        """The run succeeds and reports this protection."""
        result = self.sync(self.only_t, host=host, user=user, **extra)
        self.assertEqual(result.records(), [{"id": 1}])
        self.assertEqual(
            result.connected,
            f"INFO connected to {host}:{self.server.port}, database tls, user {user}: "
            f"{protection}\n",
        )

    def check_refused(self, text, host="localhost", user="tap", server=None, raw=False, **extra):
        """The run fails to connect, with the given message."""
        server = server or self.server
        where = f"{host}:{server.port}, database tls, user {user}"
        for args in ((), ("--discover",)):
            result = tap.run(
                {**self.config, "host": host, "user": user, "port": server.port, **extra},
                *args,
                catalog=self.only_t,
                expect=3,
            )
            self.assertEqual(result.stdout, b"")
            words = (
                re.escape(f"CRITICAL cannot connect ({where}): ")
                + r"(connection to server at \S+( \(\S+\))?, port \d+ failed: )?"
            )
            self.assertRegex(
                result.stderr,
                f"^{words}{text if raw else re.escape(text)}; run: tap-postgres check\n$",
            )


class EncryptionTest(TlsTest):
    def test_preferred_by_default(self):
        self.check()

    def test_python_tap_ssl_true(self):
        self.check(ssl="true")
        self.check_refused(
            "server does not support SSL, but SSL was required; enable ssl there, or set sslmode "
            "to disable or prefer",
            host="127.0.0.1",
            server=shared(),
            ssl="true",
        )

    def test_disabled(self):
        self.check("not encrypted", sslmode="disable")

    def test_server_without_tls(self):
        self.sync_elsewhere()
        self.check_refused(
            "server does not support SSL, but SSL was required; enable ssl there, or set sslmode "
            "to disable or prefer",
            host="127.0.0.1",
            server=shared(),
            sslmode="require",
        )

    def sync_elsewhere(self):
        shared().sql("CREATE TABLE public.t AS SELECT 1 AS id", self.destination)
        self.addCleanup(shared().sql, "DROP TABLE public.t", self.destination)
        config = shared().config(self.destination, filter_dbs=self.destination)
        result = tap.run(config, catalog=tap.select(tap.discover(config), "t"))
        self.assertEqual(
            result.connected,
            f"INFO connected to 127.0.0.1:{shared().port}, database tls_copy, user tap: "
            "not encrypted\n",
        )
        by_socket = {**config, "host": str(shared().folder)}
        result = tap.run(by_socket, catalog=tap.select(tap.discover(config), "t"))
        self.assertTrue(
            result.connected.endswith(", database tls_copy, user tap: by a Unix socket\n"),
            result.connected,
        )

    def test_wal_over_tls(self):
        self.sql("SELECT pg_create_logical_replication_slot('tls', 'wal2json')")
        self.addCleanup(self.sql, "SELECT pg_drop_replication_slot('tls')")
        log_based = self.catalog("t", method="LOG_BASED")
        extra = {
            "host": "localhost",
            "sslmode": "verify-full",
            "sslrootcert": self.authority.text("ca.crt"),
            "replication_slot": "tls",
        }
        state = self.sync(log_based, **extra).last_state
        self.sql("INSERT INTO {s}.t VALUES (2)")
        result = self.sync(log_based, state, **extra)
        self.assertEqual([record["id"] for record in result.records()], [2])


class ServerCertificateTest(TlsTest):
    def test_ca_by_file_or_text(self):
        for root in (
            self.authority.path("ca.crt"),
            self.authority.text("ca.crt"),
            self.authority.text("ca.crt").strip(),
            self.authority.text("ca.crt").replace("\n", "\\n"),
        ):
            for mode in ("verify-ca", "verify-full"):
                self.check(sslmode=mode, sslrootcert=root)

    def test_meltano_keys(self):
        ca = self.authority.text("ca.crt")
        self.check(ssl_enable=True, ssl_certificate_authority=ca)
        self.check(
            ssl_enable="true",
            ssl_mode="verify-ca",
            ssl_certificate_authority=self.authority.path("ca.crt"),
        )
        self.check(
            "not encrypted", ssl_enable="true", ssl_mode="disable", ssl_certificate_authority=ca
        )
        self.check(
            user="certified",
            ssl_enable=True,
            ssl_certificate_authority=ca,
            ssl_client_certificate_enable=True,
            ssl_client_certificate=self.authority.text("client.crt"),
            ssl_client_private_key=self.authority.text("client.key"),
        )
        self.check_refused(
            f"SSL error: certificate verify failed; {VERIFY}",
            ssl_enable=True,
            ssl_certificate_authority=self.other_authority.text("other_authority.crt"),
        )
        self.check(
            ssl_enable=False,
            ssl_certificate_authority=self.other_authority.text("other_authority.crt"),
        )

    def test_wrong_host(self):
        self.check_refused(
            'server certificate for "localhost" (and 1 other name) does not match host name '
            '"127.0.0.1"',
            host="127.0.0.1",
            sslmode="verify-full",
            sslrootcert=self.authority.text("ca.crt"),
        )
        self.check(host="127.0.0.1", sslmode="verify-ca", sslrootcert=self.authority.text("ca.crt"))

    def test_unknown_authority(self):
        self.check_refused(
            f"SSL error: certificate verify failed; {VERIFY}",
            sslmode="verify-full",
            sslrootcert=self.other_authority.text("other_authority.crt"),
        )

    def test_expired(self):
        use_certificate("expired")
        self.addCleanup(use_certificate, "server")
        self.check_refused(
            f"SSL error: certificate verify failed; {VERIFY}",
            sslmode="verify-full",
            sslrootcert=self.authority.text("ca.crt"),
        )
        self.check(sslmode="require")

    def test_no_root_certificate(self):
        self.check_refused(
            r'root certificate file "/nowhere/ca\.crt" does not exist Either provide the file'
            r"( or|, use the system's trusted roots with sslrootcert=system, or) change sslmode "
            r"to disable server certificate verification\.",
            raw=True,
            sslmode="verify-full",
            sslrootcert="/nowhere/ca.crt",
        )

    def test_invalid_root_certificate(self):
        self.check_refused(
            r'could not read root certificate file "sslrootcert": (bad base64 decode|PEM lib)',
            raw=True,
            sslmode="verify-full",
            sslrootcert="-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n",
        )


class ClientCertificateTest(TlsTest):
    def test_by_file_or_text(self):
        self.check(
            **CERTIFIED,
            sslcert=self.authority.path("client.crt"),
            sslkey=self.authority.path("client.key"),
        )
        self.check(
            **CERTIFIED,
            sslcert=self.authority.text("client.crt"),
            sslkey=self.authority.text("client.key"),
        )

    def test_key_with_passphrase(self):
        files = {
            "sslcert": self.authority.text("protected.crt"),
            "sslkey": self.authority.text("protected.key"),
        }
        self.check(**CERTIFIED, **files, sslpassword="op3n")
        self.check_refused(
            'could not load private key file "sslkey": bad decrypt',
            **CERTIFIED,
            **files,
            sslpassword="sh7t",
        )

    def test_missing_certificate(self):
        self.check_refused(
            "FATAL: connection requires a valid client certificate (SQLSTATE 28000)", **CERTIFIED
        )

    def test_certificate_of_another_user(self):
        self.check_refused(
            'FATAL: certificate authentication failed for user "certified" (SQLSTATE 28000)',
            **CERTIFIED,
            sslcert=self.authority.text("server.crt"),
            sslkey=self.authority.text("server.key"),
        )

    def test_mismatched_key(self):
        self.check_refused(
            'could not load private key file "sslkey": key values mismatch',
            **CERTIFIED,
            sslcert=self.authority.text("client.crt"),
            sslkey=self.authority.text("server.key"),
        )

    def test_invalid_key(self):
        self.check_refused(
            'could not load private key file "sslkey": unsupported',
            **CERTIFIED,
            sslcert=self.authority.text("client.crt"),
            sslkey="-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n",
        )


if __name__ == "__main__":
    unittest.main()
