"""A test case for incremental sync."""

from support.case import SchemaTest


class IncrementalTest(SchemaTest):
    database = "incremental"

    def catalog(self, *names, key="k", method="INCREMENTAL"):
        return super().catalog(*names, method=method, key=key)

    def value_in(self, result, table):
        return self.bookmark(result.states[-1], table)["replication_key_value"]

    def ids(self, result, stream="t"):
        return [record["id"] for record in result.records(stream)]
