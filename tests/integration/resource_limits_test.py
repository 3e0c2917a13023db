"""Endless files, deeply nested documents, pipes instead of files, full disks; without a server."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from support import pipeline, tap
from support.check import ADVICE
from support.pipeline import until
from usage_test import CONFIG, EMPTY_CATALOG, stream

ONE_STREAM = stream()


def is_running(pid):
    """Whether the process exists and is not a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def nested(levels, inner="1"):
    return '{"a":' * levels + inner + "}" * levels


class ResourceLimitsTest(unittest.TestCase):
    def check(self, line, *args, config=CONFIG, **files):
        result = tap.run(config, *args, expect=2, **files)
        self.assertEqual((result.stdout, result.stderr), (b"", f"CRITICAL {line}\n"), result)


class EndlessFileTest(ResourceLimitsTest):
    def test_device_of_zeros(self):
        line = "/dev/zero: cannot read: not a text file: it contains a NUL byte"
        self.check(line, "--discover", "--config", "/dev/zero")
        for option in ("--config", "--catalog", "--state"):
            self.check(line, option, "/dev/zero")
        self.assertEqual(
            tap.run(None, "check", "--config", "/dev/zero", expect=2).stdout.decode(),
            f"error   config: {line}\n",
        )

    def test_endless_pipe(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            subprocess.Popen(["yes"], stdout=subprocess.PIPE) as endless,
        ):
            done = subprocess.run(
                [tap.BINARY, "--config", "/dev/stdin", "--discover"],
                stdin=endless.stdout,
                cwd=folder,
                capture_output=True,
                env=tap.clean_environment(),
                timeout=120,
                check=False,
            )
            endless.kill()
        self.assertEqual(
            (done.returncode, done.stdout, done.stderr),
            (2, b"", b"CRITICAL /dev/stdin: cannot read: larger than 64 MiB\n"),
        )

    def test_large_file(self):
        self.check("state.json: cannot read: larger than 64 MiB", state=" " * (64 << 20) + "{}")

    def test_large_catalog_is_accepted(self):
        result = tap.run(CONFIG, catalog='{"streams": []}' + " " * (65 << 20))
        self.assertEqual(
            result.stderr,
            "INFO No properties were selected: a stream is synced if its metadata says "
            '"selected": true\n',
        )


class DeepDocumentTest(ResourceLimitsTest):
    def test_100000_levels_are_rejected(self):
        for name in ("config", "catalog", "state"):
            for deep in (nested(100_000), "[" * 100_000, '{"bookmarks": ' + nested(1000) + "}"):
                self.check(f"{name}.json: nested more than 1000 levels deep", **{name: deep})
        self.check(
            'config.json: "ssh_tunnel": nested more than 1000 levels deep',
            "--discover",
            config={**CONFIG, "ssh_tunnel": nested(1001)},
        )
        self.check(
            "catalog.json: nested more than 1000 levels deep", "--discover", catalog=nested(1001)
        )
        self.check(
            "state.json: nested more than 1000 levels deep", "slot", "ack", state=nested(1001)
        )

    def test_check_reports_it(self):
        result = tap.run(CONFIG, "check", state=nested(100_000), expect=None)
        self.assertIn(b"state.json: nested more than 1000 levels deep", result.stdout)

    def test_1000_levels_are_accepted(self):
        state = '{"bookmarks": {"x": ' + nested(997, "1") + "}}"
        result = tap.run(CONFIG, catalog=EMPTY_CATALOG, state=state)
        self.assertIn("No properties were selected", result.stderr)


class PipeTest(ResourceLimitsTest):
    def test_process_substitution(self):
        """`--config <(...)` in bash."""
        script = (
            """exec "$0" --config <(echo '{"host": "h", "user": "u", "dbname": "d"}') """
            """--catalog <(echo '{"streams": []}') """
            """--state <(echo '{"bookmarks": {}}')"""
        )
        done = subprocess.run(
            ["bash", "-c", script, tap.BINARY],
            capture_output=True,
            env=tap.clean_environment(),
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (0, b""), done)
        self.assertIn(b"No properties were selected", done.stderr)


class PasswordCommandTest(unittest.TestCase):
    """password_command runs before anything is sent to the server."""

    COMMANDS = ("--discover",), ("check",), ("slot", "status"), ()

    def refused(self, command, text, connect_timeout=30):
        for args in self.COMMANDS:
            with self.subTest(args=args):
                result = tap.run(
                    {**CONFIG, "password_command": command, "connect_timeout": connect_timeout},
                    *args,
                    catalog=ONE_STREAM if args != ("slot", "status") else None,
                    expect=3,
                    timeout=60,
                )
                if args == ("check",):
                    self.assertEqual(
                        result.stdout.decode().splitlines()[-1],
                        f"error   connection to database nowhere: {text}; the command "
                        "must print only the password: run it in a shell as the same user",
                    )
                else:
                    self.assertEqual(result.stderr, f"CRITICAL {text}{ADVICE}\n")

    def test_endless_output(self):
        self.refused("yes", "password_command printed more than 64 KiB")
        self.refused("cat /dev/zero", "password_command printed more than 64 KiB")

    def test_closed_output_without_exit(self):
        self.refused(
            "echo secret; exec >&-; exec sleep 1000",
            "password_command did not exit within 1 seconds",
            connect_timeout=1,
        )

    def test_signal_ends_its_children(self):
        for args in self.COMMANDS:
            for script in (
                "sleep 1000 & echo $! > mark; wait",
                "sleep 1000 >&- & echo $! > mark; exec >&-; wait",
            ):
                with (
                    self.subTest(args=args, script=script),
                    tempfile.TemporaryDirectory() as folder,
                ):
                    mark = pathlib.Path(folder, "mark")
                    script = script.replace("mark", str(mark))
                    with pipeline.Tap(
                        {**CONFIG, "password_command": script}, *args, catalog=ONE_STREAM
                    ) as running:
                        pid = until(
                            lambda: mark.exists() and mark.read_text().strip(),
                            "the command has not started",
                        )
                        running.process.terminate()
                        self.assertEqual(running.wait(), 128 + 15, running)
                    until(lambda: not is_running(pid), "the command is still running")


class FullDiskTest(unittest.TestCase):
    COMMANDS = (
        ["--help"],
        ["--version"],
        ["--about"],
        ["--about", "--format", "json"],
        ["--man"],
        ["--bash-completion"],
        ["slot", "--help"],
        ["check", "--config", "config.json"],
        ["check", "--config", "config.json", "--format", "json"],
    )

    def run_into(self, output, *args):
        with tempfile.TemporaryDirectory() as folder:
            tap.write(folder, "config.json", CONFIG)
            done = subprocess.run(
                [tap.BINARY, *args],
                cwd=folder,
                stdout=output,
                stderr=subprocess.PIPE,
                env=tap.clean_environment(),
                stdin=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )
        return done.returncode, done.stderr.decode().splitlines()[-1:]

    def test_full_disk(self):
        for args in self.COMMANDS:
            with self.subTest(args=args), open("/dev/full", "wb") as full:
                self.assertEqual(
                    self.run_into(full, *args),
                    (1, ["CRITICAL cannot write to stdout: No space left on device"]),
                )

    def test_closed_output_is_quiet(self):
        for args in self.COMMANDS:
            with self.subTest(args=args):
                reading, writing = os.pipe()
                os.close(reading)
                code, lines = self.run_into(writing, *args)
                os.close(writing)
                self.assertEqual(
                    (code, [line for line in lines if not line.startswith("INFO")]), (1, [])
                )

    def test_non_blocking_output(self):
        expected = subprocess.run([tap.BINARY, "--about"], capture_output=True, check=True).stdout
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with (
            subprocess.Popen([tap.BINARY, "--about"], stdout=writing) as running,
            open(reading, "rb") as output,
        ):
            os.close(writing)
            self.assertEqual(output.read(), expected)
            self.assertEqual(running.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
