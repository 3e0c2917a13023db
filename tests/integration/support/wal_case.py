"""A test case for log-based streams; each test has its own schema and slot."""

import re

from support import tap
from support.case import SchemaTest
from support.pipeline import until
from support.plugins import create_slot


class WalTest(SchemaTest):
    """Typical steps: create tables, initial_snapshot(), make changes, follow(), check_equal()."""

    def setUp(self):
        super().setUp()
        self.slot = self.schema
        create_slot(self, self.slot)
        self.addCleanup(self.drop_slot, self.slot)
        self.config["replication_slot"] = self.slot
        self.selected = self.state = None

    def drop_slot(self, slot):
        """Waits for the slot to become inactive: the server notices a killed tap after a moment."""
        until(
            lambda: not self.sql(
                f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND active"
            ),
            "the slot is in use",
        )
        self.sql(f"SELECT pg_drop_replication_slot('{slot}')")

    def initial_snapshot(self, *names, **config):
        """Selects tables (default: all) as log-based and copies them into the destination."""
        self.config.update(config)
        self.selected = self.catalog(*names, method="LOG_BASED")
        return self.follow()

    def follow(self, *args, expect=0, **extra):
        """Runs from the last state and sends the output to the target."""
        result = self.sync(self.selected, self.state, *args, expect=expect, **extra)
        states = self.send_to_target(result.stdout.splitlines(keepends=True))
        self.assertEqual(states, result.state_texts)
        self.state = states[-1] if states else self.state
        return result

    def lsn(self, state, table):
        return self.bookmark(state, table)["lsn"]

    def check_followed(self, *tables, **extra):
        """Runs once; the destination must then equal the tables."""
        result = self.follow(**extra)
        for table in tables:
            self.check_equal(table)
        return result


def warnings(result):
    """The warnings of a run, without timestamps."""
    text = result.stderr if isinstance(result, tap.Result) else result.log
    return re.findall(r"^WARNING (.*)$", text, re.MULTILINE)


def changes(result, stream=None):
    """The records without values that differ between runs: delete times become 'D'."""
    return [
        {
            name: "D" if name == "_sdc_deleted_at" and value else value
            for name, value in record.items()
        }
        for record in result.records(stream)
    ]
