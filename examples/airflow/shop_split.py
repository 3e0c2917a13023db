"""An Airflow DAG for many tables: splits them into parts, which run as mapped tasks side by side.

FOLDER contains config.json, catalog.json and target.json. It must be on a disk that workers share.
The parts' states are joined in FOLDER/state.json after each run, and each part begins with a copy
of it. To start over, remove state.json and parts. The asset event of the last task has the row
counts.
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
import shutil
import subprocess

from airflow.sdk import DAG, Asset, AssetAlias, task
from tap_pipeline import TapPipeline

FOLDER = pathlib.Path("/srv/taps/shop")
TARGET = "/opt/jsonl/bin/target-jsonl --config target.json"
TAP = "/usr/bin/tap-postgres"
PARTS = 4


@contextlib.contextmanager
def locked_parts():
    """Yields the folders of all parts once no run is active in them, and keeps runs from starting.

    A run may be active after its task was killed: its target still writes states.
    """
    folders = list(FOLDER.glob("parts/*/"))
    with contextlib.ExitStack() as locks:
        for folder in folders:
            lock = locks.enter_context(open(folder / "lock", "wb"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folders


def replace(file, content):
    new = file.with_name("state.json.new")
    with open(new, "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    new.rename(file)


def join_states():
    """Joins all states, also after a failed run, and gives the result to all parts."""
    with locked_parts() as folders:
        state = FOLDER / "state.json"
        states = [folder / "state.json" for folder in folders if (folder / "state.json").exists()]
        if not states and not state.exists():
            return
        base = ["--base", state] if state.exists() else []
        joined = subprocess.check_output([TAP, "state", "merge", *base, *(states or [state])])
        for folder in (FOLDER, *folders):
            replace(folder / "state.json", joined)


@task(execution_timeout=datetime.timedelta(minutes=15))
def split():
    shutil.rmtree(FOLDER / "catalogs", ignore_errors=True)
    options = [
        "--catalog",
        FOLDER / "catalog.json",
        "--parts",
        str(PARTS),
        "--out",
        FOLDER / "catalogs",
    ]
    subprocess.check_call([TAP, "split", *options, "--config", FOLDER / "config.json"])
    folders = [FOLDER / "parts" / str(number) for number in range(1, PARTS + 1)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    join_states()
    for number, folder in enumerate(folders, start=1):
        shutil.copy(FOLDER / "catalogs" / f"part-{number}.json", folder / "catalog.json")
        for name in ("config.json", "target.json"):
            if (FOLDER / name).exists():
                shutil.copy(FOLDER / name, folder / name)
    return [str(folder) for folder in folders]


@task(outlets=[AssetAlias("shop")], execution_timeout=datetime.timedelta(minutes=15))
def join(summaries, *, outlet_events):
    join_states()
    rows = {s["tap_stream_id"]: s["rows"] for part in summaries for s in part["streams"]}
    outlet_events[AssetAlias("shop")].add(Asset("postgres://shop"), extra={"rows": rows})


with DAG(
    dag_id="shop_split",
    schedule="@hourly",
    start_date=datetime.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": datetime.timedelta(minutes=2)},
):
    parts = TapPipeline.partial(
        task_id="part", target=TARGET, execution_timeout=datetime.timedelta(hours=6)
    ).expand(folder=split())
    join(parts.output)
