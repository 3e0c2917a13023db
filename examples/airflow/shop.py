"""An Airflow DAG: one task per folder of streams, run in parallel.

A folder contains the files of examples/pipeline: config.json, catalog.json with the streams of the
group, and target.json. The pipeline keeps state.json there, so the folder must be on a disk that
outlives the worker. Log-based streams of one database share a slot: keep them in one folder.

Airflow stops a task by sending SIGTERM to all of its processes. The target finishes what the tap
has sent, unless it handles SIGTERM itself. A retry waits ten minutes for a target that
still writes; then it fails, so that Airflow tries again.
"""

import datetime

from airflow import DAG
from airflow.operators.bash import BashOperator

PIPELINE = "/usr/share/tap-postgres/pipeline"
TARGET = "/opt/jsonl/bin/target-jsonl --config target.json"
GROUPS = {"orders": "/srv/taps/shop-orders", "catalogue": "/srv/taps/shop-catalogue"}

with DAG(
    dag_id="shop",
    schedule="*/15 * * * *",
    start_date=datetime.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": datetime.timedelta(minutes=2),
        "retry_exponential_backoff": True,
    },
) as dag:
    for group, folder in GROUPS.items():
        BashOperator(
            task_id=group,
            bash_command=f"exec {PIPELINE} --wait 600 --locked 75 {folder} {TARGET}",
            execution_timeout=datetime.timedelta(hours=6),
        )
