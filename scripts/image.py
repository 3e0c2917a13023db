"""Runs the `tap` service of compose.yaml without a Docker engine.

The service's entrypoint, environment and files run in a container of the image; a throwaway server
replaces the service `shop`.
"""

import pathlib
import re
import shlex
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
from support.server import Server  # noqa: E402  (found only with the path above)

CHANGES = """INSERT INTO customers (id, name) VALUES (1000001, 'Ada');
             UPDATE customers SET name = 'Ada Lovelace' WHERE id = 1000001;
             INSERT INTO orders
             SELECT id + 1000000, customer_id, status, total, placed_at + interval '10 years'
               FROM orders LIMIT 1;"""


def main():
    container = sys.argv[1]
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
        command = [
            "buildah",
            "run",
            *[f"--env={key}={value}" for key, value in environment.items()],
            container,
            "--",
            *shlex.split(tap["entrypoint"]),
        ]

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


def expect(found, wanted):
    if found != wanted:
        sys.exit(f"image: expected records {wanted}, found {found}")


if __name__ == "__main__":
    main()
