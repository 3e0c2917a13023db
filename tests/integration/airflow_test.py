"""The DAGs of examples/airflow run in a real Airflow: scheduler, DAG processor and API server."""

import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.request

from support import docs, tap
from support.case import SchemaTest
from support.interruption import TABLE
from support.pipeline import TARGET, until
from support.tap import ROOT
from support.virtual_environment import AIRFLOW, install

EXAMPLES = ROOT / "examples"
PATIENCE = 240  # seconds for a DAG run: Airflow starts a process for each task


class Airflow:
    """A running Airflow, with its files in a temporary folder."""

    def __init__(self, program):
        self.program = program
        self._folder = tempfile.TemporaryDirectory(prefix="tap-postgres-airflow-")
        self.home = pathlib.Path(self._folder.name)
        self.dags = self.home / "dags"
        self.dags.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = tap.clean_environment(
            {
                "AIRFLOW_HOME": str(self.home),
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "1",
                "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
                "TAP_POSTGRES": str(tap.BINARY),
            }
        )
        self.run("db", "migrate")
        self.processes = [self.start(name) for name in ("api-server", "scheduler", "dag-processor")]

    def start(self, name):
        with open(self.home / f"{name}.log", "wb") as log:
            return subprocess.Popen(
                [self.program, name],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, *arguments):
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"airflow {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def close(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._folder.cleanup()

    def query(self, query, *values):
        with sqlite3.connect(
            f"file:{self.home}/airflow.db?mode=ro", uri=True, timeout=30
        ) as database:
            return database.execute(query, values).fetchall()

    def add_dag(self, text, dag_id):
        (self.dags / f"{dag_id}.py").write_text(text)
        until(
            lambda: self.query("SELECT 1 FROM dag WHERE dag_id = ? AND NOT is_stale", dag_id),
            lambda: f"no DAG {dag_id}: {self.query('SELECT stacktrace FROM import_error')}",
            PATIENCE,
        )

    def call_api(self, path, method="GET", content=None, token=None):
        """Sends a request to the API server, as the web interface does."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(
            f"{self.url}/{path}", json.dumps(content).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def mark_as_failed(self, dag_id, run_id, task_id):
        path = f"api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        token = self.call_api("auth/token")["access_token"]
        self.call_api(path, "PATCH", {"new_state": "failed"}, token)

    def trigger(self, dag_id, run_id):
        self.run("dags", "trigger", dag_id, "--run-id", run_id)

    def tasks(self, dag_id, run_id):
        """The state and the number of the last attempt of each task instance."""
        rows = self.query(
            "SELECT task_id, map_index, state, try_number FROM task_instance "
            "WHERE dag_id = ? AND run_id = ? ORDER BY 1, 2",
            dag_id,
            run_id,
        )
        return [row for row in rows if row[1] >= 0 or row[0] != "part"]

    def wait(self, dag_id, run_id):
        """Waits for the end of a run; returns its state."""
        state = "SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?"
        until(
            lambda: self.query(state, dag_id, run_id)[0][0] in ("success", "failed"),
            lambda: f"{self.tasks(dag_id, run_id)}\n{self.log(dag_id, run_id)}",
            PATIENCE,
        )
        return self.query(state, dag_id, run_id)[0][0]

    def log(self, dag_id, run_id, task_id="*", attempt="*"):
        """The lines of task logs, as (level, message)."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}"
        lines = []
        for file in sorted(folder.glob(f"task_id={task_id}/**/attempt={attempt}.log")):
            for line in file.read_text().splitlines():
                if line.startswith("{"):
                    line = json.loads(line)
                    details = line.get("error_detail", "")
                    lines.append((line["level"], f"{line['event']} {details}".rstrip()))
        return lines

    def xcom(self, dag_id, run_id, task_id):
        [(value,)] = self.query(
            "SELECT value FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ? "
            "AND key = 'return_value'",
            dag_id,
            run_id,
            task_id,
        )
        value = json.loads(value)
        return json.loads(value) if isinstance(value, str) else value


class AirflowTest(SchemaTest):
    database = "airflow"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.airflow = Airflow(install("airflow", *AIRFLOW))
        cls.addClassCleanup(cls.airflow.close)
        (cls.airflow.dags / "tap_pipeline.py").write_text(
            (EXAMPLES / "airflow/tap_pipeline.py")
            .read_text()
            .replace("/usr/share/tap-postgres/pipeline", str(EXAMPLES / "pipeline"))
        )

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-folder-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.dag_id = self.id().rsplit(".", 1)[-1]

    def write_folder(self, catalog, **config):
        (self.folder / "config.json").write_text(json.dumps({**self.config, **config}))
        (self.folder / "catalog.json").write_text(json.dumps(catalog))
        (self.folder / "target.json").write_text("{}")

    def add_dag(self, example, **replacements):
        """Adds a DAG of examples/, with this test's name, folder and target."""
        text = (EXAMPLES / f"airflow/{example}.py").read_text()
        self.add_dag_text(
            text,
            example,
            **{"datetime.timedelta(minutes=2)": "datetime.timedelta(seconds=1)"},
            **replacements,
        )

    def add_dag_text(self, text, dag_id, **replacements):
        target = f"{sys.executable} {TARGET} --dsn '{self.dsn}' --schema {self.schema}"
        for theirs, ours in (
            (f'dag_id="{dag_id}"', f'dag_id="{self.dag_id}"'),
            ("/opt/jsonl/bin/target-jsonl --config target.json", target),
            *replacements.items(),
        ):
            self.assertIn(theirs, text)
            text = text.replace(theirs, ours)
        for schedule in ("*/15 * * * *", "@hourly"):
            text = text.replace(f'schedule="{schedule}"', "schedule=None")
        self.airflow.add_dag(text, self.dag_id)

    def add_simple_dag(self, operator="folder=folder, target=TARGET", **config):
        self.sql(TABLE)
        self.write_folder(self.catalog("t", method="INCREMENTAL", key="k"), **config)
        self.add_dag(
            "shop",
            **{
                '"orders": "/srv/taps/shop-orders", "catalogue": "/srv/taps/shop-catalogue"': (
                    f'"orders": "{self.folder}"'
                ),
                "folder=folder, target=TARGET": operator,
            },
        )

    def run_dag(self, run_id):
        self.airflow.trigger(self.dag_id, run_id)
        return self.airflow.wait(self.dag_id, run_id)

    def messages(self, run_id, level, **which):
        return [text for at, text in self.airflow.log(self.dag_id, run_id, **which) if at == level]

    def test_first_and_second_run(self):
        self.add_simple_dag()
        self.assertEqual(self.run_dag("first"), "success", self.airflow.log(self.dag_id, "first"))
        self.check_equal("t")
        summary = self.airflow.xcom(self.dag_id, "first", "orders")
        self.assertEqual(summary["totals"]["rows"], 6000)
        self.sql("INSERT INTO {s}.t VALUES (7000, 7000, 1, 'new')")
        self.assertEqual(self.run_dag("second"), "success")
        self.check_equal("t")
        self.assertEqual(self.airflow.xcom(self.dag_id, "second", "orders")["totals"]["rows"], 2)

    def test_levels_and_config_mistake(self):
        """A warning is a warning in the task's log; a mistake in the config is not tried again."""
        self.add_simple_dag(unknown_key=1, replication_key_lookback=-1)
        self.assertEqual(self.run_dag("run"), "failed")
        self.assertEqual(self.airflow.tasks(self.dag_id, "run"), [("orders", -1, "failed", 1)])
        self.assertIn("unknown_key", " ".join(self.messages("run", "warning")))
        self.assertIn("replication_key_lookback", " ".join(self.messages("run", "critical")))

    def test_wrong_password_is_tried_again(self):
        self.add_simple_dag(user="nobody_here", password="hidden-from-logs")
        self.assertEqual(self.run_dag("run"), "failed")
        self.assertEqual(self.airflow.tasks(self.dag_id, "run"), [("orders", -1, "failed", 4)])
        log = self.airflow.log(self.dag_id, "run")
        self.assertNotIn("hidden-from-logs", str(log))

    def test_held_lock_is_not_green(self):
        self.add_simple_dag("folder=folder, target=TARGET, wait=0")
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.airflow.trigger(self.dag_id, "run")
            until(
                lambda: "another run has been active" in str(self.airflow.log(self.dag_id, "run")),
                "no attempt was refused",
                PATIENCE,
            )
        self.assertEqual(self.airflow.wait(self.dag_id, "run"), "success")
        self.check_equal("t")

    def processes(self, word):
        """The PIDs of the folder's processes whose command line has this word."""
        found = []
        for process in pathlib.Path("/proc").iterdir():
            try:
                if process.name.isdigit() and (process / "cwd").resolve() == self.folder:
                    if word in (process / "cmdline").read_text():
                        found.append(int(process.name))
            except OSError:  # it has ended
                continue
        return found

    def add_dag_of_two_tables(self, **operator):
        """Adds a DAG whose runs copy t and then wait while a session locks u."""
        self.sql("CREATE TABLE {s}.u (id int PRIMARY KEY); INSERT INTO {s}.u VALUES (1)")
        arguments = {"folder": "folder", "target": "TARGET", **operator}
        self.add_simple_dag(", ".join(f"{key}={value}" for key, value in arguments.items()))
        catalog = self.catalog("t", "u", method="INCREMENTAL", key="id")
        (self.folder / "catalog.json").write_text(json.dumps(catalog))

    def start_and_block(self, run_id):
        """Starts a run that waits for u; returns the session that has locked it."""
        lock = self.session().cursor()
        lock.execute(f"BEGIN; LOCK TABLE {self.schema}.u")
        self.airflow.trigger(self.dag_id, run_id)
        waiting = (
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
            "application_name LIKE 'tap-postgres%'"
        )
        until(lambda: self.sql(waiting), "the tap does not wait", PATIENCE)
        return lock

    def test_killed_in_the_middle(self):
        """The tap, the target and the process of the task are killed; the next attempt resumes."""
        self.add_dag_of_two_tables(retries=5)
        for victim in ("tap", "target", "task"):
            with self.subTest(victim):
                self.clear_destination()
                (self.folder / "state.json").unlink(missing_ok=True)
                lock = self.start_and_block(victim)
                [tap_pid] = self.processes("--catalog")
                status = pathlib.Path(f"/proc/{tap_pid}/status").read_text()
                script = int(status.partition("PPid:")[2].split()[0])
                status = pathlib.Path(f"/proc/{script}/status").read_text()
                task = int(status.partition("PPid:")[2].split()[0])
                pids = {"tap": [tap_pid], "task": [task], "target": self.processes("target.py")}
                for pid in pids[victim]:
                    os.kill(pid, signal.SIGKILL)
                lock.execute("ROLLBACK")
                self.assertEqual(
                    self.airflow.wait(self.dag_id, victim),
                    "success",
                    self.airflow.log(self.dag_id, victim),
                )
                [(_, _, _, attempts)] = self.airflow.tasks(self.dag_id, victim)
                self.assertEqual(attempts, 2)
                self.check_equal("t")
                self.check_equal("u")

    def test_timeout_in_the_middle(self):
        """Airflow stops a task that takes too long, and nothing of it stays."""
        self.add_dag_of_two_tables(execution_timeout="datetime.timedelta(seconds=20)", retries=1)
        lock = self.start_and_block("run")
        until(
            lambda: self.airflow.tasks(self.dag_id, "run")[0][3] == 2,
            lambda: self.airflow.log(self.dag_id, "run"),
            PATIENCE,
        )
        lock.execute("ROLLBACK")
        self.assertEqual(self.airflow.wait(self.dag_id, "run"), "success")
        self.assertEqual(self.processes("--catalog"), [])
        self.check_equal("t")
        self.check_equal("u")

    def test_marked_as_failed_in_the_middle(self):
        """A user marks the task as failed: nothing of it stays, and the next run resumes."""
        self.add_dag_of_two_tables()
        lock = self.start_and_block("marked")
        self.airflow.mark_as_failed(self.dag_id, "marked", "orders")
        until(lambda: not self.processes(""), lambda: self.processes(""), PATIENCE)
        lock.execute("ROLLBACK")
        self.assertEqual(self.airflow.wait(self.dag_id, "marked"), "failed")
        self.assertEqual(self.airflow.tasks(self.dag_id, "marked"), [("orders", -1, "failed", 1)])
        self.check_equal("t")
        self.assertEqual(self.run_dag("next"), "success", self.airflow.log(self.dag_id, "next"))
        self.check_equal("u")
        rows = {
            stream["stream"]: stream["rows"]
            for stream in self.airflow.xcom(self.dag_id, "next", "orders")["streams"]
        }
        self.assertEqual(rows, {"t": 1, "u": 1})  # of t only the row at the bookmark

    def test_missing_slot_is_not_tried_again(self):
        """Exit code 4: the server is not set up for log-based streams."""
        self.add_simple_dag()
        catalog = self.catalog("t", method="LOG_BASED")
        (self.folder / "catalog.json").write_text(json.dumps(catalog))
        self.assertEqual(self.run_dag("run"), "failed")
        self.assertEqual(self.airflow.tasks(self.dag_id, "run"), [("orders", -1, "failed", 1)])
        self.assertIn("exit code 4: ", str(self.airflow.log(self.dag_id, "run")))

    def test_connection_of_airflow(self):
        """It overrides the config.json of the folder."""
        self.airflow.run(
            *("connections", "add", "shop_db", "--conn-type", "postgres"),
            *("--conn-host", self.config["host"], "--conn-port", self.config["port"]),
            *("--conn-login", self.config["user"], "--conn-password", "hidden-from-logs"),
            *("--conn-schema", self.config["dbname"]),
        )
        elsewhere = {"host": "127.0.0.1", "port": 1, "user": "nobody_here", "dbname": "nowhere"}
        self.add_simple_dag("folder=folder, target=TARGET, conn_id='shop_db'", **elsewhere)
        self.assertEqual(self.run_dag("run"), "success", self.airflow.log(self.dag_id, "run"))
        self.check_equal("t")
        self.assertNotIn("hidden-from-logs", str(self.airflow.log(self.dag_id, "run")))

    def test_bash_operator(self):
        """The DAG in docs/scheduling.md: the task is skipped while another run holds the lock."""
        self.sql(TABLE)
        self.write_folder(self.catalog("t", method="INCREMENTAL", key="k"))
        [text] = re.findall(r"(?s)```python\n(.*?)```", docs.read("docs/scheduling.md"))
        self.add_dag_text(
            text,
            "shop_bash",
            **{
                "/usr/share/tap-postgres/pipeline": str(EXAMPLES / "pipeline"),
                "/srv/taps/shop-orders": str(self.folder),
            },
        )
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.run_dag("locked")
        self.assertEqual(self.airflow.tasks(self.dag_id, "locked"), [("orders", -1, "skipped", 1)])
        self.assertEqual(self.run_dag("free"), "success", self.airflow.log(self.dag_id, "free"))
        self.assertEqual(self.airflow.tasks(self.dag_id, "free"), [("orders", -1, "success", 1)])
        self.check_equal("t")

    def test_split(self):
        tables = [f"t{i}" for i in range(9)]
        for i, table in enumerate(tables):
            self.sql(
                f"CREATE TABLE {{s}}.{table} (id int PRIMARY KEY, v text);"
                f"INSERT INTO {{s}}.{table} SELECT i, repeat('x', 50) "
                f"  FROM generate_series(1, {200 * i + 1}) i"
            )
        self.write_folder(self.catalog(*tables, method="INCREMENTAL", key="id"))
        self.add_dag(
            "shop_split",
            **{"/srv/taps/shop": str(self.folder), "/usr/bin/tap-postgres": str(tap.BINARY)},
        )
        self.assertEqual(self.run_dag("first"), "success", self.airflow.log(self.dag_id, "first"))
        for table in tables:
            self.check_equal(table)
        [(extra,)] = self.airflow.query(
            "SELECT extra FROM asset_event WHERE source_dag_id = ?", self.dag_id
        )
        counts = {name.rsplit("-", 1)[-1]: rows for name, rows in json.loads(extra)["rows"].items()}
        self.assertEqual(counts, {table: 200 * i + 1 for i, table in enumerate(tables)})
        self.sql("INSERT INTO {s}.t3 VALUES (100000, 'new')")
        self.assertEqual(self.run_dag("second"), "success")
        for table in tables:
            self.check_equal(table)
        # tasks of finished runs can be cleared: they read the last row of each table only
        self.airflow.run("tasks", "clear", "--yes", "--task-regex", "part", self.dag_id)
        for run in ("first", "second"):
            self.assertEqual(self.airflow.wait(self.dag_id, run), "success")
        attempts = [row[3] for row in self.airflow.tasks(self.dag_id, "second") if row[0] == "part"]
        self.assertEqual(attempts, [2, 2, 2, 2])
        summaries = [
            json.loads(path.read_text()) for path in self.folder.glob("parts/*/summary.json")
        ]
        self.assertEqual(sum(summary["totals"]["rows"] for summary in summaries), len(tables))


if __name__ == "__main__":
    unittest.main()
