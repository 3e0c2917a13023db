"""A test case for runs with several connections."""

import os
import random

from support.case import SchemaTest

# To be put after SELECT: the connections of the tap to this database.
CONNECTIONS = (
    "FROM pg_stat_activity WHERE application_name LIKE 'tap-postgres%' AND datname = "
    "current_database()"
)


class ParallelTest(SchemaTest):
    def setUp(self):
        super().setUp()
        self.config["parallel"] = 3
        seed = os.environ.get("TAP_SEED") or str(random.randrange(10**6))
        self.rng = random.Random(seed)
        self.addCleanup(lambda: self._outcome.success or print(f"TAP_SEED={seed}"))

    def check_order(self, messages):
        """SCHEMA precedes the records of a stream; whole lines only."""
        known = set()
        for message in messages:
            if message["type"] == "SCHEMA":
                known.add(message["stream"])
            elif message["type"] == "RECORD":
                self.assertIn(message["stream"], known)
