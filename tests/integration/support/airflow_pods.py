"""Prints what the DAG shop_pods does, as JSON; run with the Python of Airflow.

    airflow_pods.py FOLDER    FOLDER contains the DAGs of examples/airflow and docs/scheduling.md

No cluster is needed: `pods` are those that the mapped tasks would create, `results` the exceptions
of a task by the exit code of its container, `levels` those that lines of a pod get in the log.
"""

import json
import sys

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.cncf.kubernetes.utils.pod_manager import _parse_log_level
from kubernetes import client

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def ended_pod(code):
    container = client.V1ContainerStatus(
        name="sync",
        image="",
        image_id="",
        ready=False,
        restart_count=0,
        state=client.V1ContainerState(terminated=client.V1ContainerStateTerminated(exit_code=code)),
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name="pod", namespace="default"),
        spec=client.V1PodSpec(containers=[]),
        status=client.V1PodStatus(
            phase="Failed" if code else "Succeeded", container_statuses=[container]
        ),
    )


def result(task, code):
    """The exception with which a task ends after an exit code of its container."""
    try:
        task.cleanup(ended_pod(code), ended_pod(code))
    except Exception as error:
        return [type(error).__name__, str(error)]
    return None


def main():
    bag = DagBag(sys.argv[1])
    mapped = bag.dags["shop_pods"].get_task("part")
    tasks = [
        mapped.unmap({"env_vars": variables}) for variables in mapped.expand_input.value["env_vars"]
    ]
    pods = [
        client.ApiClient().sanitize_for_serialization(task.build_pod_request_obj(dry_run=True))
        for task in tasks
    ]
    task = tasks[0]
    # These would ask the cluster.
    task.log_events_on_failure = False
    for method in ("is_istio_enabled", "patch_already_checked", "process_pod_deletion"):
        setattr(task, method, lambda *_, **__: False)
    print(
        json.dumps(
            {
                "errors": bag.import_errors,
                "warnings": bag.captured_warnings,
                "dags": sorted(bag.dags),
                "pods": pods,
                "results": {code: result(task, code) for code in (0, 1, 2, 3, 4, 137)},
                "levels": [_parse_log_level(f"{level} text") for level in LEVELS],
            }
        )
    )


if __name__ == "__main__":
    main()
