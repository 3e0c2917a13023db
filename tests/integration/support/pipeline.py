"""Runs the tap, alone or with a target, and stops it at a given point."""

import array
import collections
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time

from support import tap

TARGET = pathlib.Path(__file__).with_name("target.py")
PATIENCE = 60  # seconds until a wait fails the test


def until(condition, what, patience=PATIENCE):
    """Waits until condition() is true; returns its value."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {patience} s in vain: {what() if callable(what) else what}"
            )
        time.sleep(0.005)
    return found


def is_full(pipe):
    """True if a pipe has no room for another page."""
    [waiting] = array.array("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return waiting > fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF


def waits_for_lock(script):
    """True if a child of the process, `flock`, waits for a lock."""
    waiting = re.findall(r"-> FLOCK .*? (\d+) ", pathlib.Path("/proc/locks").read_text())
    children = pathlib.Path(f"/proc/{script}/task/{script}/children").read_text().split()
    return bool(set(waiting) & set(children))


class Process:
    """A program that runs in its own folder; its stderr is a file there."""

    def __init__(self, command, folder, env=None, **files):
        self.folder = folder
        self.command = command
        self._log = pathlib.Path(folder.name, "stderr")
        with open(self._log, "wb") as log:
            self.process = subprocess.Popen(command, cwd=folder.name, env=env, stderr=log, **files)

    @property
    def log(self):
        """What the program has written to stderr so far."""
        return tap.without_connection(self._log.read_bytes())[0]

    def __str__(self):
        return (
            f"$ {' '.join(self.command)}\nexit code {self.process.poll()}\nstderr:\n"
            f"{self.log[-5000:]}"
        )

    def wait_for_log(self, pattern):
        """Waits for a matching line."""
        return until(
            lambda: re.search(pattern, self.log), lambda: f"no line matches {pattern}\n{self}"
        )

    def wait(self, patience=PATIENCE):
        """Waits for the exit code; -n after signal n."""
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {patience} s\n{self}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        """Kills the program if it is still running, and removes its folder."""
        if self.process.poll() is None:
            self.process.kill()
        for file in (self.process.stdin, self.process.stdout):
            if file:
                file.close()
        self.process.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Tap(Process):
    """A running tap.

    Unless `stdout` is given, its output is a pipe that the test reads. The tap blocks once the pipe
    and its own buffer are full.
    """

    def __init__(
        self,
        config,
        *args,
        catalog=None,
        state=None,
        files=None,
        env=None,
        stdout=subprocess.PIPE,
        prefix=(),
    ):
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-run-")
        command = [*prefix] + tap.prepare(
            folder.name, config, *args, catalog=catalog, state=state, files=files
        )
        super().__init__(
            command, folder, tap.clean_environment(env), stdin=subprocess.DEVNULL, stdout=stdout
        )
        self.output = self.process.stdout
        self.config = config

    def wait(self, patience=PATIENCE):
        code = super().wait(patience)
        tap.check_secrets(self.config, self.log.encode())
        return code

    def read(self, lines):
        """The next lines of the output, parsed."""
        found = [self.output.readline() for _ in range(lines)]
        assert all(line.endswith(b"\n") for line in found), f"the output ended too early\n{self}"
        return [tap.load_strict(line) for line in found]

    def read_rest(self):
        """All remaining lines, parsed. Omits an incomplete line, which a killed tap may leave."""
        return [tap.load_strict(line) for line in self.output if line.endswith(b"\n")]

    def read_until(self, wanted):
        """The messages up to the first one for which wanted(message) is true."""
        messages = []
        while not messages or not wanted(messages[-1]):
            messages += self.read(1)
        return messages


class Target(Process):
    """A running target. It writes its states to a file, so it never blocks."""

    def __init__(self, dsn, *args):
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-target-")
        self._states = pathlib.Path(folder.name, "states")
        command = [sys.executable, str(TARGET), "--dsn", dsn, *args]
        with open(self._states, "wb") as states:
            super().__init__(command, folder, stdin=subprocess.PIPE, stdout=states, bufsize=0)
        self.input = self.process.stdin

    @property
    def states(self):
        """The complete states confirmed so far, as text."""
        return self._states.read_text().split("\n")[:-1]


@dataclasses.dataclass
class Outcome:
    """The result of a run into a target."""

    # the last state that the target confirmed, or else the given one, as text or None
    state: str
    tap_code: int
    target_code: int
    kinds: collections.Counter  # number of relayed messages by type
    tap_log: str
    target_log: str

    @property
    def bookmarks(self):
        return json.loads(self.state)["bookmarks"] if self.state else {}


class Pipeline:
    """tap | target, with the test in place of the pipe."""

    def __init__(self, config, catalog, state, dsn, *target_args, tap_args=(), record=None):
        """`record` names a file that receives a copy of everything relayed."""
        self.given = state if state is None or isinstance(state, str) else json.dumps(state)
        self.tap = Tap(config, *tap_args, catalog=catalog, state=self.given)
        self.target = Target(dsn, *target_args)
        self.kinds = collections.Counter()  # number of relayed messages by type
        self._record = open(record or os.devnull, "wb")
        self._whole = True

    def relay(self, lines=None, part=0, after=None):
        """Relays `lines` lines (None: all) and the first `part` bytes of the next one.

        Returns whether that many lines were available. Counting starts at the first line that
        contains `after` (bytes); if no line does, all lines are relayed.
        """
        left = lines
        while left is None or left > 0:
            line = self.tap.output.readline()
            if not line:
                return left is None
            if not self._pass_on(line):
                return False
            if line.endswith(b"\n"):
                self.kinds[kind_of(line)] += 1
            after = None if after and after in line else after
            if left is not None and not after:
                left -= 1
        if part:
            self._pass_on(self.tap.output.readline()[:part])
            self._whole = False  # an incomplete line: do not send more
        return True

    def _pass_on(self, data):
        self._record.write(data)
        try:
            self.target.input.write(data)
            return True
        except BrokenPipeError:
            return False

    def kill_tap(self, number=signal.SIGKILL):
        self.tap.signal(number)

    def kill_target(self, number=signal.SIGKILL):
        """Unread input is lost, as in a pipe."""
        self.target.signal(number)
        self.target.wait()

    def finish(self):
        """Relays the remaining lines, waits for both programs, and returns the Outcome."""
        try:
            if self._whole:
                self.relay()
            self.tap.output.close()  # tells the tap that the target is gone
            self.target.input.close()
            tap_code, target_code = self.tap.wait(), self.target.wait()
            states = self.target.states
            return Outcome(
                states[-1] if states else self.given,
                tap_code,
                target_code,
                self.kinds,
                self.tap.log,
                self.target.log,
            )
        finally:
            self.close()

    def close(self):
        self.tap.close()
        self.target.close()
        self._record.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def kind_of(line):
    """The type of a message, without parsing the message."""
    return line[:40].split(b'"')[3].decode()
