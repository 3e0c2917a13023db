"""An Airflow DAG for many tables in Kubernetes: one pod per part, as mapped tasks side by side.

The pods are those of examples/kubernetes/indexed-job.yaml: put that file beside this one. It
describes the image, the secret and the volume, which keeps catalog, states and summaries.

- The task's log has the levels of the tap's log.
- Exit codes 2 and 4, a mistake in config, catalog or set-up, fail the task at once; all other
  errors are tried again, also while an earlier pod's target still holds the lock of its part.
- When Airflow stops the task, it deletes the pod: the tap ends with a last STATE. When the task's
  process is killed, the next attempt follows the same pod.
"""

import datetime
import pathlib

import yaml
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG, Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

JOB = yaml.safe_load(pathlib.Path(__file__).with_name("indexed-job.yaml").read_text())["spec"]
NAMESPACE = "default"
PERMANENT = {
    2: "config, catalog, state or usage",
    4: "the preconditions of log-based replication",
}


class TapPod(KubernetesPodOperator):
    """Runs the tap and its target in a pod; a mistake is not tried again."""

    def cleanup(self, pod, remote_pod, *args, **kwargs):
        try:
            super().cleanup(pod, remote_pod, *args, **kwargs)
        except AirflowSkipException:
            raise
        except AirflowException as error:
            for container in remote_pod.status.container_statuses or []:
                end = container.state.terminated
                if container.name == self.base_container_name and end:
                    if end.exit_code in PERMANENT:
                        raise AirflowFailException(
                            f"exit code {end.exit_code}: {PERMANENT[end.exit_code]} "
                            "must be corrected"
                        ) from error
            raise


with DAG(
    dag_id="shop_pods",
    schedule="@hourly",
    start_date=datetime.datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": datetime.timedelta(minutes=2)},
):
    TapPod.partial(
        task_id="part",
        namespace=NAMESPACE,
        pod_template_dict={"metadata": {}, "spec": JOB["template"]["spec"]},
        base_container_name="sync",
        do_xcom_push=False,
        log_pod_spec_on_failure=False,
        execution_timeout=datetime.timedelta(hours=6),
        outlets=[Asset("postgres://shop")],
    ).expand(env_vars=[{"JOB_COMPLETION_INDEX": str(i)} for i in range(JOB["completions"])])
