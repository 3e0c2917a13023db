"""Runs containers without a Docker engine and without a cluster, using buildah.

    image.py tour CONTAINER        the service `tap` of compose.yaml
    image.py EXAMPLE CONTAINER     the pods of a file in examples/kubernetes, such as cronjob.yaml

Command, environment and files are those of compose.yaml or of the example. A throwaway server
replaces the service `shop` or the database that the secret names, a folder the volume.
"""

import contextlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
from support.kubernetes_case import EXAMPLES, job_spec  # noqa: E402  (found only with the path)
from support.server import Server  # noqa: E402

CHANGES = """INSERT INTO customers (id, name) VALUES (1000001, 'Ada');
             UPDATE customers SET name = 'Ada Lovelace' WHERE id = 1000001;
             INSERT INTO orders
             SELECT id + 1000000, customer_id, status, total, placed_at + interval '10 years'
               FROM orders LIMIT 1;"""


def run_in(container, command, environment, *options):
    """The command line that runs a command in a container."""
    return [
        "buildah",
        "run",
        *[f"--env={key}={value}" for key, value in environment.items()],
        *options,
        container,
        "--",
        *command,
    ]


def run_tour(container):
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))[
        "services"
    ]
    tap, name = services["tap"], services["shop"]["environment"]["POSTGRES_DB"]
    (script,) = [volume.split(":")[0] for volume in tap["volumes"] if volume.startswith("./")]
    with Server() as server:
        server.create_database(name)
        server.sql((ROOT / "scripts/demo.sql").read_text(encoding="utf-8"), name)
        environment = {
            **tap["environment"],
            "TAP_POSTGRES_HOST": server.host,
            "TAP_POSTGRES_PORT": server.port,
        }
        subprocess.run(
            ["buildah", "copy", "--quiet", container, ROOT / "docker" / script, "/tour.sh"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        command = run_in(container, shlex.split(tap["entrypoint"]), environment)

        def tour():
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            print(output)
            return {
                method: int(count)
                for method, count in re.findall(r"(?m)^(\S+): (\d+) records$", output)
            }

        rows = {
            table: server.sql(f"SELECT count(*) FROM {table}", name)[0][0]
            for table in ("events", "orders", "customers")
        }
        expect(
            tour(),
            {
                "full-table": rows["events"],
                "incremental": rows["orders"],
                "log-based": rows["customers"],
            },
        )
        server.sql(CHANGES, name)
        again = tour()
        # Rows at the bookmark are sent again.
        expect(
            {**again, "incremental": min(again["incremental"], 2)},
            {"full-table": rows["events"], "incremental": 2, "log-based": 2},
        )
    print("The image runs the service of compose.yaml.")


class Pods:
    """The pods of an example, with a folder as their volume."""

    def __init__(self, example, container, server, volume):
        self.container, self.volume = container, volume
        job = job_spec(example)
        pod = job["template"]["spec"]
        [self.spec] = pod["containers"]
        [mount] = self.spec["volumeMounts"]
        expect([mount["name"]], [each["name"] for each in pod["volumes"]])
        self.options = [f"--volume={volume}:{mount['mountPath']}"]
        # Kubernetes prepares the volume in this way, and gives the group to every user of the pod.
        # Here it is the group of the user.
        self.group = pod["securityContext"]["fsGroup"]
        os.chown(volume, 0, self.group)
        volume.chmod(0o2775)
        [secret] = [source["secretRef"]["name"] for source in self.spec["envFrom"]]
        comment = (EXAMPLES / "cronjob.yaml").read_text(encoding="utf-8")
        expect(re.findall(r"create secret generic (\S+)", comment), [secret])
        self.secret = dict(re.findall(r"--from-literal=(\w+)=(\S+)", comment))
        self.name = self.secret["TAP_POSTGRES_DBNAME"]
        self.secret["TAP_POSTGRES_HOST"] = server.host
        self.secret["TAP_POSTGRES_PORT"] = server.port
        values = {variable["name"]: variable["value"] for variable in self.spec.get("env", [])}
        indexes = range(job["completions"]) if job.get("completionMode") == "Indexed" else [None]
        self.environments = [
            {**self.secret, **values, **({} if i is None else {"JOB_COMPLETION_INDEX": i})}
            for i in indexes
        ]

    def discover(self, *options):
        """Stores the catalog in the volume."""
        command = ["tap-postgres", "--config", "ENV", "--discover", *options]
        catalog = subprocess.check_output(run_in(self.container, command, self.secret))
        (self.volume / "catalog.json").write_bytes(catalog)

    def run(self):
        """Runs all pods at the same time; returns the rows of each table in the volume."""
        command = self.spec["command"] + self.spec.get("args", [])
        with contextlib.ExitStack() as stack:
            pods = [
                stack.enter_context(
                    subprocess.Popen(run_in(self.container, command, environment, *self.options))
                )
                for environment in self.environments
            ]
        expect([pod.returncode for pod in pods], [0] * len(pods))
        rows = {}
        for file in self.volume.glob("**/*.jsonl"):
            expect([file.stat().st_uid, file.stat().st_gid], [1000, self.group])
            table = file.name.partition("-")[0]
            rows.setdefault(table, []).extend(
                json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()
            )
        return {table: sorted(ids) for table, ids in rows.items()}


def run_pods(example, container):
    tables = {f"t{number}": 100 * number for number in range(1, 9)}
    with Server() as server, tempfile.TemporaryDirectory(prefix="tap-postgres-volume-") as volume:
        pods = Pods(example, container, server, pathlib.Path(volume))
        server.create_database(pods.name)
        for table, rows in tables.items():
            server.sql(
                f"CREATE TABLE {table} AS SELECT id FROM generate_series(1, {rows}) id", pods.name
            )
        pods.discover(
            "--select=public.*", "--replication-method=INCREMENTAL", "--replication-key=id"
        )
        wanted = {table: list(range(1, rows + 1)) for table, rows in tables.items()}
        expect(pods.run(), wanted)
        for table, rows in tables.items():
            server.sql(f"INSERT INTO {table} VALUES ({rows + 1})", pods.name)
            wanted[table] += [rows, rows + 1]  # the row at the bookmark is sent again
        expect(pods.run(), {table: sorted(ids) for table, ids in wanted.items()})
    print(f"The image runs the {len(pods.environments)} pod(s) of examples/kubernetes/{example}.")


def expect(found, wanted):
    if found != wanted:
        sys.exit(f"image: expected {wanted}, found {found}")


if __name__ == "__main__":
    if sys.argv[1] == "tour":
        run_tour(sys.argv[2])
    else:
        run_pods(*sys.argv[1:])
