"""A test case for runs that start from a given state."""

from support.case import SchemaTest

VERSION = 1600000000000


class StateTest(SchemaTest):
    database = "state"

    def setUp(self):
        super().setUp()
        self.sql(
            """CREATE TABLE {s}.t (id int PRIMARY KEY, k bigint, j bigint, at timestamptz);
               INSERT INTO {s}.t
               SELECT i, i * 10, -i, timestamptz '2020-07-01 12:00:00+00' + i * interval '0.5 s'
                 FROM generate_series(1, 10) i;"""
        )

    def incremental(self, *names, key="k"):
        return self.catalog(*(names or ("t",)), method="INCREMENTAL", key=key)

    def ids(self, result, stream="t"):
        return [record["id"] for record in result.records(stream)]

    def state(self, bookmark, table="t", **more):
        return {"bookmarks": {self.id_of(table): bookmark}, **more}

    def versions(self, result):
        return {m["version"] for m in result.messages if "version" in m}
