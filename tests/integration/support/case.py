"""A test case with its own schema in a source database and in a destination database."""

import contextlib
import json
import unittest

from support import compare, pipeline, tap, target
from support.server import SUPERUSER, Server, shared


class SchemaTest(unittest.TestCase):
    """Subclasses set `database`, the name of the source.

    The destination is `<database>_copy` on the shared server. A subclass with `settings`
    or `major` gets its own source server.
    """

    database = None
    encoding = "UTF8"  # of the source
    settings = None
    major = None  # major version of the source server; None: the installed one
    server = None  # source server; None: the shared one
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
        for server, name, encoding in (
            (cls.server, cls.database, cls.encoding),
            (shared(), cls.destination, "UTF8"),
        ):
            if (server, name) not in cls.made:
                cls.made.add((server, name))
                server.create_database(name, encoding)

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

    def require_version(self, major, feature):
        """Skips the test on servers before `major`, since which the feature exists."""
        if self.server.version < (major,):
            self.skipTest(f"{feature} since version {major}")

    @property
    def dsn(self):
        """Where the target writes."""
        return (
            f"host={shared().folder} port={shared().port} user={SUPERUSER} "
            f"dbname={self.destination}"
        )

    def sql(self, statements):
        """Runs SQL on the source; {s} is the schema of the test."""
        return self.server.sql(statements.replace("{s}", self.schema), self.database)

    def session(self):
        """A separate connection to the source, closed after the test."""
        connection = self.server.connect(self.database)
        self.addCleanup(connection.close)
        return connection

    def id_of(self, table):
        return f"{self.database}-{self.schema}-{table}"

    def bookmark(self, state, table):
        """Bookmark of a table's stream in a state; numbers with a fraction are Decimals."""
        if isinstance(state, str):
            state = tap.load_strict(state.encode())
        return state["bookmarks"][self.id_of(table)]

    def catalog(self, *names, method="FULL_TABLE", key=None):
        return tap.select(tap.discover(self.config), *names, method=method, key=key)

    def sync(self, catalog, state=None, *args, expect=0, **extra):
        """Runs the tap without a target."""
        return tap.run({**self.config, **extra}, *args, catalog=catalog, state=state, expect=expect)

    def start(self, catalog, state=None, *args, stdout=None, **extra):
        """Starts a tap that the test interacts with; it is closed after the test."""
        streams = {} if stdout is None else {"stdout": stdout}
        running = pipeline.Tap(
            {**self.config, **extra}, *args, catalog=catalog, state=state, **streams
        )
        self.addCleanup(running.close)
        return running

    def pipeline(self, catalog, state=None, *target_args, **extra):
        """Starts a tap with a target behind it."""
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
        """Runs the tap into the target; both must succeed."""
        outcome = self.pipeline(catalog, state, **extra).finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code), (0, 0), outcome.tap_log + outcome.target_log
        )
        return outcome

    def interrupt(self, catalog, state=None, *, lines, **extra):
        """Kills the tap after relaying `lines` lines; returns the target's last state."""
        running = self.pipeline(catalog, state, **extra)
        self.assertTrue(running.relay(lines, part=9), running.tap)
        running.kill_tap()
        outcome = running.finish()
        self.assertEqual(
            (outcome.tap_code, outcome.target_code), (-9, 0), outcome.tap_log + outcome.target_log
        )
        return outcome.state

    def send_to_target(self, lines):
        """Sends lines (bytes) to a target that then stops; returns the states that it confirmed."""
        states = []
        with contextlib.closing(target.Target(self.dsn, self.schema)) as receiver:
            receiver.apply(lines, states.append)
        return states

    def check_equal(self, table, extra_allowed=False, keys=None):
        """Fails unless the destination equals the table."""
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

    def clear_destination(self):
        """Empties the destination, as before the first run of a stream."""
        shared().sql(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE", self.destination)


def dumps(value):
    """JSON in the form of the tap's STATE messages, for exact comparisons."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
