"""Tables and the changes that an application makes to them, step by step, from a seed.

Full tables get inserts, updates in place and to other pages, deletes, rollbacks, VACUUM, VACUUM
FULL, and rows that move between partitions. Incremental tables get inserts and updates that assign
the next key. Each table has one writer, so keys are committed in order.
"""

import random
import re

SETUP = """
CREATE TABLE "full" (
    id int PRIMARY KEY, big bigint, n numeric, at timestamptz, flag boolean, data jsonb, list int[],
    pad text
) WITH (fillfactor = 70);
CREATE TABLE keyless (a int, pad text);
CREATE TABLE part (id int NOT NULL, part int, n numeric, pad text) PARTITION BY LIST (part);
CREATE TABLE part0 PARTITION OF part FOR VALUES IN (0);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part2 PARTITION OF part DEFAULT;
CREATE INDEX ON part (id);
CREATE TABLE inc (id int PRIMARY KEY, k bigint, n numeric, pad text);
CREATE TABLE inc_part (id int PRIMARY KEY, k timestamptz, pad text) PARTITION BY HASH (id);
CREATE TABLE inc_part0 PARTITION OF inc_part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE inc_part1 PARTITION OF inc_part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON inc_part (k);
"""

FULL = ("full", "keyless", "part")
INCREMENTAL = ("inc", "inc_part")
KEYS = {"full": ["id"], "keyless": [], "part": ["id"], "inc": ["id"], "inc_part": ["id"]}

WORDS = ("plain", "it's", 'say "so"', "back\\slash", "tab\there", "né 日本 😀", "%s {} $1", "")


def setup(cursor, rows):
    """Creates the tables in the first schema of the search path, with `rows` rows each."""
    create(cursor, SETUP)
    for table in FULL + INCREMENTAL:
        writer = Writer(table, cursor, random.Random(table))
        writer.key = 1
        writer.insert(rows)
    # Rows without key are only sent while there is no bookmark, so they exist from the start and
    # never change.
    for table in INCREMENTAL:
        cursor.execute(
            f"INSERT INTO {table} (id, pad) SELECT -i, 'no key' FROM generate_series(1, "
            f"{rows // 5}) i"
        )


def has_partitions(cursor):
    """Before version 11, partitioned tables have no keys, and their rows cannot move."""
    return cursor.connection.server_version >= 110000


def create(cursor, tables):
    """Creates tables; before version 11, they are not partitioned and have no further indexes."""
    if not has_partitions(cursor):
        tables = re.sub(
            r"CREATE (TABLE \w+ PARTITION OF|INDEX) [^;]+;| PARTITION BY \w+ \(\w+\)", "", tables
        )
    cursor.execute(tables)


class Writer:
    """The only writer of a table."""

    def __init__(self, table, cursor, rng):
        self.table = table
        self.rng = rng
        self.key = None
        self.use(cursor)

    def use(self, cursor):
        """Switches to another connection."""
        self.cursor = cursor

    def step(self):
        """Makes one change and commits it."""
        if self.table in INCREMENTAL:
            change = self.rng.choices((self.insert, self.bump, self.roll_back), (2, 8, 1))[0]
        else:
            change = self.rng.choices(
                (
                    self.insert,
                    self.update,
                    self.grow,
                    self.delete,
                    self.several,
                    self.roll_back,
                    self.vacuum,
                    self.rewrite,
                ),
                (3, 8, 4, 6, 2, 1, 0.5, 0.1),
            )[0]
        change()

    def insert(self, rows=None):
        for _ in range(rows or self.rng.randint(1, 5)):
            getattr(self, f"insert_{self.table}")()

    def insert_full(self):
        r = self.rng
        self.execute(
            """INSERT INTO "full"
               SELECT coalesce(max(id), 0) + 1, %s, %s, now() - %s * interval '1 us', %s, %s, %s, %s
                 FROM "full\"""",
            r.getrandbits(62) - 2**61,
            self.number(),
            r.randrange(10**15),
            r.random() < 0.5,
            '{"a": [1, %d.50], "b": null}' % r.randrange(100),
            [r.randrange(100), None],
            self.text(),
        )

    def insert_keyless(self):
        number = self.rng.randrange(10**9)
        self.execute("INSERT INTO keyless VALUES (%s, %s)", number, self.text())

    def insert_part(self):
        self.execute(
            "INSERT INTO part SELECT coalesce(max(id), 0) + 1, %s, %s, %s FROM part",
            self.rng.choice((0, 1, 2, 3, None)),
            self.number(),
            self.text(),
        )

    def insert_inc(self):
        self.execute(
            "INSERT INTO inc SELECT coalesce(max(id), 0) + 1, %s, %s, %s FROM inc",
            self.next_key(),
            self.number(),
            self.text(),
        )

    def insert_inc_part(self):
        self.execute(
            "INSERT INTO inc_part SELECT coalesce(max(id), 0) + 1, timestamptz '2024-02-29' + %s * "
            "interval '1 us', %s"
            "  FROM inc_part",
            self.next_key(),
            self.text(),
        )

    def bump(self):
        """Assigns the next key to some rows, the same one to all of them."""
        key = "%s" if self.table == "inc" else "timestamptz '2024-02-29' + %s * interval '1 us'"
        self.execute(
            f"UPDATE {self.table} SET k = {key}, pad = %s WHERE id > 0 AND id %% 50 = %s",
            self.next_key(),
            self.text(),
            self.rng.randrange(50),
        )

    def update(self):
        """Updates rows in place."""
        self.execute(f"UPDATE {self.quoted} SET pad = left(reverse(pad), 20) WHERE {self.some(2)}")

    def grow(self):
        """Updates rows so that they move to other pages or another partition."""
        change = "part = (coalesce(part, 0) + 1) % 4, " if self.table == "part" else ""
        self.execute(
            f"UPDATE {self.quoted} SET {change}pad = repeat('g', {self.rng.randrange(100, 2000)}) "
            f"WHERE {self.some(3)}"
        )

    def delete(self):
        self.execute(f"DELETE FROM {self.quoted} WHERE {self.some(4)}")

    def several(self):
        """Makes changes in one transaction, some of them in subtransactions."""
        self.execute("BEGIN")
        self.insert()
        self.execute("SAVEPOINT a")
        self.update()
        self.delete()
        self.execute(self.rng.choice(("ROLLBACK TO a", "RELEASE a")))
        self.grow()
        self.execute("COMMIT")

    def roll_back(self):
        self.execute("BEGIN")
        self.insert()
        self.execute("ROLLBACK")

    def vacuum(self):
        self.execute(f"VACUUM {self.rng.choice(('', 'FREEZE '))}{self.quoted}")

    def rewrite(self):
        table = self.quoted
        if self.table == "part" and has_partitions(self.cursor):
            table = self.rng.choice(("part0", "part1"))
        self.execute(f"VACUUM FULL {table}")

    @property
    def quoted(self):
        return f'"{self.table}"'

    def some(self, at_most):
        """A condition that matches at most `at_most` rows, anywhere in the table."""
        return (
            f"ctid = ANY (ARRAY(SELECT ctid FROM {self.quoted} TABLESAMPLE BERNOULLI (5) "
            f"REPEATABLE ({self.rng.randrange(10**6)}) ORDER BY pad LIMIT "
            f"{self.rng.randint(1, at_most)}))"
        )

    def number(self):
        return "%d.%02d" % (self.rng.getrandbits(80), self.rng.randrange(100))

    def text(self):
        return self.rng.choice(WORDS) * self.rng.randint(1, 10)

    def next_key(self):
        """The next key; sometimes the same as before, so that rows tie."""
        if self.key is None:
            number = (
                "k" if self.table == "inc" else "extract(epoch FROM k - '2024-02-29') * 1000000"
            )
            self.cursor.execute(f"SELECT coalesce(max({number}), 0)::bigint FROM {self.table}")
            [(self.key,)] = self.cursor.fetchall()
        self.key += self.rng.choice((0, 1, 1, 7))
        return self.key

    def execute(self, sql, *values):
        self.cursor.execute(sql, values or None)
