"""A TCP proxy in front of a server that reproduces network faults."""

import contextlib
import re
import select
import socket
import struct
import threading


class Proxy:
    """Listens on `address`:`port` and relays to 127.0.0.1:`target_port`."""

    def __init__(self, target_port, address="127.0.0.1"):
        self.target_port = target_port
        self.address = address
        self.accepted = 0  # number of connections
        self.received = 0  # bytes from the server, over all connections
        self._limit = self._at_limit = None
        self._switch_after = None
        self._replaced = None
        self._sent_replaced = None
        self._rewrite = None
        self._before = None
        self.sent = bytearray()  # bytes from clients, over all connections
        self._frozen = threading.Event()
        self._dead = set()  # clients of frozen connections
        self._pairs = []
        self._lock = threading.Lock()
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self._listener.close()
        self.reset()

    def reset(self):
        """Resets all connections: both ends see `connection reset by peer`."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                reset(end)

    def reset_after(self, count):
        """Resets all connections once, after exactly `count` more bytes from the server."""
        self._limit, self._at_limit = self.received + count, self.reset

    def reset_before(self, text, then):
        """Resets all connections once, before the server gets `text` (bytes), and calls then()."""
        self.call_before(text, lambda: (self.reset(), then()))

    def call_before(self, text, action):
        """Calls action() once, before the server gets `text` (bytes)."""
        self._before = text, action

    def freeze_after(self, count, freeze=None):
        """Calls freeze() after `count` more bytes from the server."""
        self._limit, self._at_limit = self.received + count, freeze or self.freeze

    def replace(self, before, after):
        """Replaces bytes from the server from now on. They must arrive in one read."""
        self._replaced = before, after

    def rewrite_once(self, pattern, replacement):
        """Replaces the first match (bytes) in the server's data, as re.sub() does."""
        self._rewrite = re.compile(pattern, re.DOTALL), replacement

    def switch_after(self, connections, target_port):
        """After that many more connections, new ones lead to another server."""
        self._switch_after = self.accepted + connections, target_port

    def refuse(self):
        """Resets all connections and refuses new ones until accept_again()."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def accept_again(self):
        self._listener = socket.create_server((self.address, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def replace_sent(self, before, after):
        """Replaces bytes from the client; both values must have the same length."""
        assert len(before) == len(after)
        self._sent_replaced = before, after

    def freeze(self):
        """Drops all data from now on without closing connections, like a pulled cable."""
        self._frozen.set()

    def freeze_existing(self):
        """Does the same for existing connections only."""
        with self._lock:
            self._dead.update(client for client, _ in self._pairs)

    def _accept(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                if self._switch_after and self.accepted >= self._switch_after[0]:
                    self.target_port = self._switch_after[1]
                self.accepted += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self.target_port))
                except OSError:
                    reset(client)
                    continue
                with self._lock:
                    self._pairs.append((client, server))
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client, server):
        # if one end breaks, close the other
        with (
            contextlib.suppress(OSError, ValueError),
            client,
            server,
        ):
            ends = [client, server]
            while ends:
                ready, _, _ = select.select(ends, [], [])
                for end in ready:
                    data = end.recv(65536)
                    if self._frozen.is_set() or client in self._dead:
                        if not data:
                            ends.remove(end)
                        continue
                    if not data:
                        return
                    if end is client:
                        self.sent += data
                        if self._before and self._before[0] in data:
                            (_, action), self._before = self._before, None
                            action()
                        server.sendall(
                            data.replace(*self._sent_replaced) if self._sent_replaced else data
                        )
                    else:
                        self._from_server(client, data)

    def _from_server(self, client, data):
        if self._replaced:
            data = data.replace(*self._replaced)
        if self._rewrite:
            data, count = self._rewrite[0].subn(self._rewrite[1], data, count=1)
            self._rewrite = None if count else self._rewrite
        cut = self._limit is not None and self.received + len(data) >= self._limit
        if cut:
            data = data[: self._limit - self.received]
            self._limit = None
        client.sendall(data)
        self.received += len(data)
        if cut:
            self._at_limit()


def reset(end):
    """Closes a socket with RST."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)
    end.close()
