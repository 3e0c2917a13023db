"""An Airflow DAG: one task per folder of streams, run in parallel.

A folder contains the files of examples/pipeline: config.json, catalog.json with the streams of the
group, and target.json. The pipeline keeps state.json there, so the folder must be on a disk that
outlives the worker. Log-based streams of one database share a slot: keep them in one folder.
"""

import datetime

from airflow.sdk import DAG
from tap_pipeline import TapPipeline

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
        "execution_timeout": datetime.timedelta(hours=6),
    },
):
    for group, folder in GROUPS.items():
        TapPipeline(task_id=group, folder=folder, target=TARGET)
