"""Tables for log-based streams and the changes that an application makes to them.

The changes include deletes, key changes, TRUNCATE, updates with unchanged TOAST columns, rows that
move between partitions, and overlapping transactions.
"""

import contextlib

import psycopg2.errors

from support import workload

SETUP = """
CREATE TABLE wal_toast (id int PRIMARY KEY, n numeric, pad text, big text);
ALTER TABLE wal_toast ALTER big SET STORAGE EXTERNAL;
CREATE TABLE wal_full (id int PRIMARY KEY, n numeric, pad text, big text);
ALTER TABLE wal_full ALTER big SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
CREATE TABLE wal_part (id int PRIMARY KEY, n numeric, pad text, big text) PARTITION BY HASH (id);
CREATE TABLE wal_part0 PARTITION OF wal_part FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE wal_part1 PARTITION OF wal_part FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE wal_part2 PARTITION OF wal_part FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE wal_keyless (n numeric, pad text);
CREATE TABLE unread (n numeric, pad text);
"""

KEYED = ("wal_toast", "wal_full", "wal_part")
LOG_BASED = KEYED + ("wal_keyless",)
KEYS = {"wal_toast": ["id"], "wal_full": ["id"], "wal_part": ["id"], "wal_keyless": []}
# large enough for TOAST
LARGE = "(SELECT string_agg(md5((%s + i)::text), '') FROM generate_series(1, 150) i)"


def setup(cursor, rows, random):
    """Creates the tables in the first schema of the search path, with `rows` rows each."""
    workload.create(cursor, SETUP)
    for table in LOG_BASED:
        Writer(table, cursor, random(table)).insert(rows)


def published(server_version):
    """The tables of a publication: a partitioned one is published by its partitions before 13."""
    if 110000 <= server_version < 130000:
        return [table for table in LOG_BASED if table != "wal_part"] + [
            f"wal_part{number}" for number in range(3)
        ]
    return LOG_BASED


class Writer(workload.Writer):
    """The only writer of a table besides Overlapping."""

    def step(self):
        if self.table == "wal_keyless":
            change = self.rng.choices(
                (self.insert, self.roll_back, self.truncate, self.write_elsewhere), (8, 1, 0.3, 1)
            )[0]
        else:
            change = self.rng.choices(
                (
                    self.insert,
                    self.update,
                    self.enlarge,
                    self.delete,
                    self.give_new_keys,
                    self.swap_keys,
                    self.several,
                    self.roll_back,
                    self.truncate,
                    self.vacuum,
                    self.rewrite,
                ),
                (4, 8, 3, 4, 3, 1, 3, 1, 0.1, 0.3, 0.1),
            )[0]
        change()

    def insert(self, rows=None):
        for _ in range(rows or self.rng.randint(1, 5)):
            if self.table == "wal_keyless":
                self.execute("INSERT INTO wal_keyless VALUES (%s, %s)", self.number(), self.text())
            else:
                large = LARGE % self.rng.randrange(10**6) if self.rng.random() < 0.3 else "NULL"
                self.execute(
                    f"INSERT INTO {self.table} SELECT greatest(max(id), 0) + 1, %s, %s, {large} "
                    f"FROM {self.table}",
                    self.number(),
                    self.text(),
                )

    def enlarge(self):
        self.execute(
            f"UPDATE {self.table} SET big = {LARGE % self.rng.randrange(10**6)} WHERE "
            f"{self.some(3)}"
        )

    def give_new_keys(self):
        self.execute(
            f"UPDATE {self.table} SET id = (SELECT greatest(max(id), 0) + 1 FROM {self.table}) "
            f"WHERE {self.some(1)}"
        )

    def swap_keys(self):
        """Swaps the keys of two rows in one transaction."""
        self.execute(
            f"""DO $$
            DECLARE a int; b int;
            BEGIN
              SELECT min(id), max(id) INTO a, b FROM {self.table} WHERE {self.some(2)};
              UPDATE {self.table} SET id = 0 WHERE id = a;
              UPDATE {self.table} SET id = a WHERE id = b AND a <> b;
              UPDATE {self.table} SET id = b WHERE id = 0;
            END $$"""
        )

    def several(self):
        self.execute("BEGIN")
        self.insert()
        self.execute("SAVEPOINT a")
        self.update()
        self.give_new_keys()
        self.delete()
        self.execute(self.rng.choice(("ROLLBACK TO a", "RELEASE a")))
        self.enlarge()
        self.execute("COMMIT")

    def truncate(self):
        if self.cursor.connection.server_version < 110000:
            return  # logical decoding does not report it
        self.execute("BEGIN")
        self.insert()
        self.execute(f"TRUNCATE {self.table}")
        self.insert()
        self.execute("COMMIT")

    def some(self, at_most):
        return super().some(at_most).replace("ctid", "id")

    def rewrite(self):
        # VACUUM FULL fails if a VACUUM has just removed TOAST values of dead rows; no row is lost.
        with contextlib.suppress(psycopg2.errors.DataCorrupted):
            self.execute(f"VACUUM FULL {self.table}")

    def write_elsewhere(self):
        self.execute("INSERT INTO unread SELECT i, 'x' FROM generate_series(1, 500) i")


class Overlapping(workload.Writer):
    """Transactions that overlap with others. Their rows have negative keys."""

    def __init__(self, table, cursor, rng):
        super().__init__(table, cursor, rng)
        self.key = 0

    def use(self, cursor):
        super().use(cursor)
        self.is_open = False

    def step(self):
        if self.is_open and self.rng.random() < 0.1:
            self.execute(self.rng.choice(("COMMIT", "COMMIT", "ROLLBACK")))
            self.is_open = False
            return
        if not self.is_open:
            self.execute("BEGIN")
            self.is_open = True
        self.key -= 1
        large = LARGE % self.rng.randrange(10**6) if self.rng.random() < 0.3 else "NULL"
        table = self.rng.choice(KEYED)
        self.execute(
            f"INSERT INTO {table} VALUES (%s, %s, %s, {large})",
            self.key,
            self.number(),
            self.text(),
        )
