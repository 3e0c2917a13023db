"""Runs the real binary as a user does and reads its output."""

import copy
import dataclasses
import decimal
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("TAP_POSTGRES", str(ROOT / "build/release/tap-postgres"))


@dataclasses.dataclass(frozen=True)
class Result:
    command: str
    code: int
    stdout: bytes
    stderr: str
    connected: str = ""  # the line about the connection, kept out of stderr because ports differ

    def __str__(self):
        return (
            f"$ {self.command}\nexit code {self.code}\n"
            f"stdout: {self.stdout[:2000]!r}\nstderr:\n{self.stderr[-5000:]}"
        )

    @functools.cached_property
    def messages(self):
        """The lines of stdout as dicts. Numbers with a fraction are Decimals."""
        *lines, rest = self.stdout.split(b"\n")
        assert rest == b"", f"the last line has no end: {rest[-200:]!r}"
        return [load_strict(line) for line in lines]

    @property
    def types(self):
        """The types of the messages, in order."""
        return [message["type"] for message in self.messages]

    def of_type(self, kind, stream=None):
        return [m for m in self.messages if m["type"] == kind and stream in (None, m.get("stream"))]

    def records(self, stream=None):
        return [message["record"] for message in self.of_type("RECORD", stream)]

    def schemas(self):
        """The last SCHEMA message of each stream."""
        return {message["stream"]: message for message in self.of_type("SCHEMA")}

    @property
    def states(self):
        return [message["value"] for message in self.of_type("STATE")]

    @property
    def state_texts(self):
        """The values of the STATE messages exactly as written, as a target returns them."""
        before, after = b'{"type":"STATE","value":', b"}"
        return [
            line.removeprefix(before).removesuffix(after).decode()
            for line in self.stdout.splitlines()
            if line.startswith(before)
        ]

    @property
    def last_state(self):
        return self.state_texts[-1]


def run(config, *args, catalog=None, state=None, files=None, env=None, expect=0, timeout=120):
    """Runs the tap in an empty folder and returns a Result.

    `config`, `catalog` and `state` become files: text and bytes are written unchanged, anything
    else as JSON. `files` are additional files by name. An exit code other than `expect` (None: any)
    is a failed assertion that shows the command and its stderr.
    """
    with tempfile.TemporaryDirectory(prefix="tap-postgres-run-") as folder:
        command = prepare(folder, config, *args, catalog=catalog, state=state, files=files)
        done = subprocess.run(
            command,
            cwd=folder,
            env=clean_environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    result = Result(
        shlex.join(command), done.returncode, done.stdout, *without_connection(done.stderr)
    )
    check_secrets(config, done.stdout + done.stderr)
    if expect not in (None, result.code):
        raise AssertionError(f"expected exit code {expect}\n{result}")
    return result


def secrets(config):
    """The secret values of a config, as bytes. File names are not secret."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        if isinstance(value, dict):
            yield from secrets(value)
        elif key in ("sqlalchemy_url", "url"):
            yield from (word.encode() for word in re.findall(r"://[^:/]*:([^@]*)@", str(value)))
        elif (
            re.search("password$|sslkey|private_key$", key)
            and isinstance(value, str)
            and not value.startswith("/")
        ):
            yield from (
                line.encode() for line in value.splitlines() if not line.startswith("-----")
            )


def check_secrets(config, output):
    """Fails if the output contains a secret of the config."""
    shown = [secret for secret in secrets(config) if len(secret) > 4 and secret in output]
    assert not shown, f"the output shows {shown}"


def without_connection(stderr):
    """Splits stderr into the log and the lines about the connection."""
    text = stderr.decode(errors="backslashreplace")
    line = re.compile(r"^INFO connected to .*\n", re.MULTILINE)
    return line.sub("", text), "".join(line.findall(text))


def prepare(folder, config, *args, catalog=None, state=None, files=None):
    """Writes the files of a run into a folder; returns the command to run there."""
    command = [BINARY]
    named = {"config": config, "catalog": catalog, "state": state}
    for name, content in named.items():
        if content is not None:
            write(folder, f"{name}.json", content)
            command += [f"--{name}", f"{name}.json"]
    for name, content in (files or {}).items():
        write(folder, name, content)
    return command + list(args)


def clean_environment(extra=None):
    """The environment without variables that affect libpq or the tap."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "TAP_POSTGRES_")) and name != "LOGLEVEL"
    }
    return {**clean, **(extra or {})}


def version():
    """`tap-postgres 1.2.3`, which is also its application_name."""
    return subprocess.run(
        [BINARY, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def discover(config, *args):
    """The catalog that --discover prints."""
    return json.loads(run(config, "--discover", *args).stdout)


def stream(catalog, name):
    """The stream with this table name or tap_stream_id."""
    [found] = [s for s in catalog["streams"] if name in (s["table_name"], s["tap_stream_id"])]
    return found


def metadata(entry, column=None):
    """The metadata of a stream or of one of its columns."""
    breadcrumb = [] if column is None else ["properties", column]
    [found] = [m["metadata"] for m in entry["metadata"] if m["breadcrumb"] == breadcrumb]
    return found


def select(catalog, *names, method="FULL_TABLE", key=None):
    """A copy of the catalog with streams (default: all) selected by metadata."""
    catalog = copy.deepcopy(catalog)
    for entry in [stream(catalog, name) for name in names] or catalog["streams"]:
        metadata(entry).update({"selected": True, "replication-method": method})
        if key is not None:
            metadata(entry)["replication-key"] = key
    return catalog


def load_strict(text):
    """Parses JSON strictly: Python would accept NaN and Infinity."""

    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(text.decode("utf-8"), parse_float=decimal.Decimal, parse_constant=refuse)


def write(folder, name, content):
    if isinstance(content, str):
        content = content.encode()
    if not isinstance(content, bytes):
        content = json.dumps(content, ensure_ascii=False).encode()
    (pathlib.Path(folder) / name).write_bytes(content)
