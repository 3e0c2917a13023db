"""The output plugin that the tests of log-based streams use."""

import os
import unittest

import psycopg2

PLUGINS = ("wal2json", "pgoutput")
# ctest runs each module that uses this once for each plugin.
PLUGIN = os.environ.get("TAP_TEST_PLUGIN", "wal2json")
PUBLICATION = "all_tables"
for_wal2json = unittest.skipUnless(PLUGIN == "wal2json", "about wal2json")


def create_slot(test, slot, plugin=PLUGIN, database=None):
    """Creates a slot; a publication of all tables comes first, without which pgoutput cannot read.

    `test.config` gets the publication. The caller drops the slot.
    """
    database = database or test.database
    if plugin == "wal2json":
        require_wal2json(test)
    if plugin == "pgoutput":
        test.config["publication_name"] = PUBLICATION
        if not test.server.sql(
            f"SELECT 1 FROM pg_publication WHERE pubname = '{PUBLICATION}'", database
        ):
            test.server.sql(f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES", database)
            test.addCleanup(test.server.sql, f"DROP PUBLICATION IF EXISTS {PUBLICATION}", database)
    test.server.sql(f"SELECT pg_create_logical_replication_slot('{slot}', '{plugin}')", database)


def has_wal2json(server):
    try:
        server.sql("LOAD 'wal2json'")
    except psycopg2.errors.UndefinedFile:
        return False
    return True


def require_wal2json(test):
    """Skips the test if TAP_TEST_MAJOR names a server without wal2json."""
    if "TAP_TEST_MAJOR" in os.environ and not has_wal2json(test.server):
        test.skipTest(f"no wal2json for {test.server.version}")
