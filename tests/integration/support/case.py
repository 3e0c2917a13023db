"""A test case with a schema of its own in a source database, and one of the same name in a destination."""

import contextlib
import json
import unittest

from support import compare, pipeline, tap, target
from support.server import SUPERUSER, Server, shared


class SchemaTest(unittest.TestCase):
    """Subclasses name their source database in `database`; the destination is `<database>_copy`, on the shared server. Those that
    need `settings` or another `major` of the source's server get one of their own."""

    database = None
    settings = None
    major = None  # of the source's server; None: this machine's own
    server = None  # of the source; None: the shared one
    made = set()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.destination = f"{cls.database}_copy"

    @classmethod
    def setUpClass(cls):
        if cls.settings or cls.major:
            cls.server = Server(cls.settings, major=cls.major)
            cls.addClassCleanup(cls.server.close)
        cls.server = cls.server or shared()
        for server, name in ((cls.server, cls.database), (shared(), cls.destination)):
            if (server, name) not in cls.made:
                cls.made.add((server, name))
                server.create_database(name)

    def setUp(self):
        self.schema = self._testMethodName.removeprefix("test_")[:63].rstrip("_")
        self.sql(f"CREATE SCHEMA {self.schema}")
        self.addCleanup(self.sql, f"DROP SCHEMA {self.schema} CASCADE")
        self.addCleanup(
            shared().sql, f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", self.destination
        )
        self.config = self.server.config(
            self.database,
            filter_dbs=self.database,
            filter_schemas=self.schema,
            state_every_seconds=3600,
        )

    @property
    def dsn(self):
        """Where the target writes to."""
        return (
            f"host={shared().folder} port={shared().port} user={SUPERUSER} "
            f"dbname={self.destination}"
        )

    def sql(self, statements):
        """Runs SQL at the source; {s} is the test's schema."""
        return self.server.sql(statements.replace("{s}", self.schema), self.database)

    def session(self):
        """A connection to the source for what needs one of its own, closed after the test."""
        connection = self.server.connect(self.database)
        self.addCleanup(connection.close)
        return connection

    def id_of(self, table):
        return f"{self.database}-{self.schema}-{table}"

    def bookmark(self, state, table):
        """A stream's bookmark in a state; numbers with a fraction are Decimals."""
        if isinstance(state, str):
            state = tap.load_strict(state.encode())
        return state["bookmarks"][self.id_of(table)]

    def catalog(self, *names, method="FULL_TABLE", key=None):
        return tap.select(tap.discover(self.config), *names, method=method, key=key)

    def sync(self, catalog, state=None, *args, expect=0, **extra):
        """One run of the tap alone."""
        return tap.run({**self.config, **extra}, *args, catalog=catalog, state=state, expect=expect)

    def start(self, catalog, state=None, *args, stdout=None, **extra):
        """A tap that runs while the test goes on, and is gone when the test is over."""
        streams = {} if stdout is None else {"stdout": stdout}
        running = pipeline.Tap(
            {**self.config, **extra}, *args, catalog=catalog, state=state, **streams
        )
        self.addCleanup(running.close)
        return running

    def pipeline(self, catalog, state=None, *target_args, **extra):
        """A tap with a target behind it, both running."""
        running = pipeline.Pipeline(
            {**self.config, **extra},
            catalog,
            state,
            self.dsn,
            "--schema",
            self.schema,
            *target_args,
        )
        self.addCleanup(running.close)
        return running

    def pipe(self, catalog, state=None, **extra):
        """One run through the target, which must go well."""
        outcome = self.pipeline(catalog, state, **extra).finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log + outcome.target_log
        )
        return outcome

    def interrupt(self, catalog, state=None, *, lines, **extra):
        """A run whose tap is killed when so many lines have come through; returns the target's last state."""
        running = self.pipeline(catalog, state, **extra)
        self.assertTrue(running.relay(lines, part=9), running.tap)
        running.kill_tap()
        outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code), (-9, 0), outcome.tap_log + outcome.target_log
        )
        return outcome.state

    def give_target(self, lines):
        """Has a target take in lines (bytes) and then stop; returns the states that it confirmed."""
        states = []
        with contextlib.closing(target.Target(self.dsn, self.schema)) as taker:
            taker.apply(lines, states.append)
        return states

    def check_equal(self, table, extra_allowed=False, keys=None):
        """Fails if the destination is not what the table is now."""
        with (
            contextlib.closing(self.server.connect(self.database)) as source,
            contextlib.closing(shared().connect(self.destination)) as destination,
        ):
            compare.check_equal(
                source,
                f'{self.schema}."{table}"',
                destination,
                f"{self.schema}.{table}",
                extra_allowed,
                keys,
            )

    def forget_destination(self):
        """Empties the destination, as for a stream's very first run."""
        shared().sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", self.destination)


def dumps(value):
    """JSON as the state is written, for comparisons by the letter."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
