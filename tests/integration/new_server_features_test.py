"""Features of servers 17 to 19: invalidated slots, wal_level=replica, NOT VALID constraints."""

import unittest

from support.check import ADVICE, about, run_check
from support.pipeline import until
from support.slots import ONE_TABLE, SlotTest


class LostSlotTest(SlotTest):
    database = "lost_slot"
    major = "18"
    # Checkpoints invalidate slots, so only the tests request them.
    settings = {
        "idle_replication_slot_timeout": 0,
        "max_slot_wal_keep_size": "1MB",
        "checkpoint_timeout": "1h",
        "max_wal_size": "4GB",
    }

    CAUSES = {
        "idle_timeout": (
            "no one has read it for longer than idle_replication_slot_timeout",
            "set idle_replication_slot_timeout to 0 or run the tap more often",
        ),
        "wal_removed": (
            "the server has removed WAL that it needed, since it kept more than "
            "max_slot_wal_keep_size",
            "raise max_slot_wal_keep_size or run the tap more often",
        ),
    }

    def setUp(self):
        super().setUp()
        self.make_slot()
        self.catalog_of_t, self.state = self.initial_snapshot()

    def set_timeout(self, timeout):
        self.sql(f"ALTER SYSTEM SET idle_replication_slot_timeout = '{timeout}'")
        self.sql("SELECT pg_reload_conf()")
        until(
            lambda: self.sql("SHOW idle_replication_slot_timeout") == [(timeout,)],
            "the setting has not been applied",
        )

    def check_reported(self, reason):
        cause, prevention = self.CAUSES[reason]
        self.assertEqual(
            self.sql(
                "SELECT invalidation_reason FROM pg_replication_slots WHERE slot_name = "
                f"'{self.slot}'"
            ),
            [(reason,)],
        )
        self.refused(self.lost(cause, prevention), self.catalog_of_t, self.state)
        [found] = about(
            run_check(self.config, catalog=self.catalog_of_t, state=self.state, expect=4),
            f"slot {self.slot}",
        )
        self.assertEqual(
            found,
            f"error replication slot {self.slot} is lost; {cause}: "
            f"{self.recreate_advice(prevention)}",
        )
        status = self.slot_command("status")
        self.assertIn(
            f"WARNING replication slot {self.slot} is lost: {cause}; drop it and restart its "
            f"streams with --full-refresh; to prevent this, {prevention}\n",
            status.stderr,
        )
        self.assertRegex(
            status.stdout.decode(), rf"(?m)^{self.slot}: .*, wal_status lost \({reason}\)$"
        )

    def test_idle_slot_invalidated(self):
        self.addCleanup(self.set_timeout, "0")
        self.set_timeout("1s")

        def is_lost():
            self.sql("CHECKPOINT")
            return self.sql(
                f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{self.slot}' AND "
                "wal_status = 'lost'"
            )

        until(is_lost, "the slot is not lost")
        self.check_reported("idle_timeout")

    def test_wal_removed(self):
        self.set_timeout("0")
        self.remove_wal()
        self.check_reported("wal_removed")

    def about_timeout(self):
        return about(
            run_check(self.config, catalog=self.catalog_of_t, state=self.state),
            "idle_replication_slot_timeout",
        )

    def test_check_warns_before_invalidation(self):
        off = "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf()"
        self.set_timeout("1d")
        self.assertEqual(
            self.about_timeout(),
            [
                "note it is 1d: the server invalidates a slot that has been idle for that long; "
                "run the tap more often, or turn the timeout off: " + off
            ],
        )
        self.set_timeout("1s")
        until(
            lambda: self.sql(
                "SELECT 1 FROM pg_replication_slots WHERE inactive_since < now() - interval '2.5 s'"
            ),
            "the slot is active",
        )
        [found] = self.about_timeout()
        self.assertRegex(
            found,
            rf"\Awarning it is 1s, and slot {self.slot} has been inactive for [0-9]+ s: the next "
            r"checkpoint of the "
            "server invalidates the slot; run the tap now, and more often or without a timeout: "
            "ALTER SYSTEM",
        )
        self.set_timeout("0")
        self.assertEqual(self.about_timeout(), [])


class ReplicaLevelTest(SlotTest):
    """From version 19 on the first logical slot enables logical decoding."""

    database = "replica_level"
    major = "19"
    settings = {"wal_level": "replica"}

    def test_wal_level_replica_is_accepted(self):
        self.sql(ONE_TABLE)
        self.make_slot("other", plugin="pgoutput")
        self.drop_slot("other")
        findings = run_check(self.config, catalog=self.catalog("t"), expect=4)
        self.assertEqual(
            about(findings, "WAL of database replica_level"), ["ok wal_level is replica"]
        )
        result = self.slot_command("create", expect=4)  # Debian has no wal2json for 19 yet
        self.assertIn(
            ': could not access file "wal2json": No such file or directory (SQLSTATE 58P01): '
            "install the plugin on the server "
            f"(Debian: postgresql-<version>-wal2json){ADVICE}\n",
            result.stderr,
        )


class MinimalLevelTest(SlotTest):
    database = "minimal_level"
    major = "19"
    settings = {"wal_level": "minimal", "max_wal_senders": 0}

    def test_wal_level_minimal_is_refused(self):
        self.sql(ONE_TABLE)
        self.refused(
            "log-based replication needs wal_level=logical, the server has minimal: ALTER SYSTEM "
            "SET wal_level = 'logical', then restart it",
            self.catalog("t"),
        )


class NotValidTest(SlotTest):
    """A NOT NULL constraint that is NOT VALID applies to new rows only."""

    database = "not_valid"
    major = "18"

    def test_rows_with_a_null_key_are_copied(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, k int); INSERT INTO {s}.t VALUES (1, NULL), "
            "(2, 20), (3, 10);"
            "ALTER TABLE {s}.t ADD CONSTRAINT k_set NOT NULL k NOT VALID"
        )
        catalog = self.catalog("t", method="INCREMENTAL", key="k")
        result = self.sync(catalog)
        self.assertEqual(
            [(r["id"], r["k"]) for r in result.records()], [(1, None), (3, 10), (2, 20)]
        )
        self.sql("INSERT INTO {s}.t VALUES (4, 30)")
        self.assertEqual([r["id"] for r in self.sync(catalog, result.last_state).records()], [2, 4])

    def test_validated_not_null_skips_the_null_query(self):
        self.sql(
            "CREATE TABLE {s}.t (id int PRIMARY KEY, k int); INSERT INTO {s}.t VALUES (2, 20);"
            "ALTER TABLE {s}.t ADD CONSTRAINT k_set NOT NULL k NOT VALID; ALTER TABLE {s}.t "
            "VALIDATE CONSTRAINT k_set"
        )
        result = self.sync(
            self.catalog("t", method="INCREMENTAL", key="k"), None, "--log-level", "debug"
        )
        self.assertEqual([r["id"] for r in result.records()], [2])
        self.assertNotIn('WHERE "k" IS NULL', result.stderr)


if __name__ == "__main__":
    unittest.main()
