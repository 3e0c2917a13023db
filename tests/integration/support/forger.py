"""A proxy that changes the messages of a server (PostgreSQL manual: Message Formats)."""

import struct

from support.proxy import Proxy


class Forger(Proxy):
    """Changes rows of query results and COPY messages.

    `forge_row(row)` is called with each row of a query result, a dict of bytes (None: NULL) by
    column. It may change the row, or return False to drop it. `forge_copy(body)` returns the
    replacement of a COPY message.
    """

    def __init__(self, target_port):
        self.forge_row = lambda row: True
        self.forge_copy = lambda body: body
        self._incomplete = {}  # the start of a message, by client
        self._columns = {}
        super().__init__(target_port)

    def config(self, config):
        """The config of a tap that connects through the proxy, without encryption."""
        return {
            **config,
            "host": "127.0.0.1",
            "port": str(self.port),
            "sslmode": "disable",
            "gssencmode": "disable",
        }

    def _from_server(self, client, data):
        data = self._incomplete.get(client, b"") + data
        forged = b""
        while len(data) >= 5 and len(data) > (size := int.from_bytes(data[1:5], "big")):
            forged += self._forge(client, data[:1], data[5 : size + 1])
            data = data[size + 1 :]
        self._incomplete[client] = data
        super()._from_server(client, forged)

    def _forge(self, client, kind, body):
        if kind == b"T":
            self._columns[client] = column_names(body)
        elif kind == b"D":
            row = dict(zip(self._columns[client], fields(body)))
            if self.forge_row(row) is False:
                return b""
            body = struct.pack(">h", len(row)) + b"".join(map(field, row.values()))
        elif kind == b"d":
            body = self.forge_copy(body)
        return kind + struct.pack(">i", len(body) + 4) + body


def field(value):
    """A field of a row, in COPY and in a query result."""
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def fields(body):
    at = 2
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big", signed=True)
        at += 4
        yield None if size < 0 else body[at : at + size]
        at += max(size, 0)


def column_names(body):
    at = 2
    names = []
    while at < len(body):
        end = body.index(0, at)
        names.append(body[at:end].decode())
        at = end + 19  # skip six numbers
    return names
