"""An Airflow DAG for many tables: splits them into parts, which run as mapped tasks side by side.

FOLDER contains config.json, catalog.json and target.json. It must be on a disk that workers share.
The parts' states are joined in FOLDER/state.json after each run. The asset event of the last task
has the row counts.
"""

import datetime
import pathlib
import shutil
import subprocess

from airflow.sdk import DAG, Asset, AssetAlias, task
from tap_pipeline import TapPipeline

FOLDER = pathlib.Path("/srv/taps/shop")
TARGET = "/opt/jsonl/bin/target-jsonl --config target.json"
TAP = "/usr/bin/tap-postgres"
PARTS = 4


def join_states():
    """Joins the states of the parts with the one that they were given, also after a failed run."""
    state, parts = FOLDER / "state.json", list(FOLDER.glob("parts/*/state.json"))
    if parts:
        base = ["--base", state] if state.exists() else []
        joined = subprocess.check_output([TAP, "state", "merge", *base, *parts])
        new = FOLDER / "state.json.new"
        new.write_bytes(joined)
        new.rename(state)
    for part in parts:
        part.unlink()


@task
def split():
    join_states()
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
    for number, folder in enumerate(folders, start=1):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(FOLDER / "catalogs" / f"part-{number}.json", folder / "catalog.json")
        for name in ("config.json", "target.json", "state.json"):
            if (FOLDER / name).exists():
                shutil.copy(FOLDER / name, folder / name)
    return [str(folder) for folder in folders]


@task(outlets=[AssetAlias("shop")])
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
