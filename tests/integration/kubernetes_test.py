"""examples/kubernetes: the containers' commands run here, with folders for volumes.

What only a cluster does (schedule, retries, fsGroup, podFailurePolicy) is not run.
"""

import fcntl
import json
import re
import signal
import unittest

from support.interruption import TABLE
from support.kubernetes_case import KubernetesCase, job_spec
from support.pipeline import until, waits_for_lock


class KubernetesTest(KubernetesCase):
    database = "kubernetes"

    def test_cron_job(self):
        self.sql(TABLE)
        self.store_catalog(self.catalog("t", method="INCREMENTAL", key="k"))
        job = job_spec("cronjob.yaml")
        running = self.start(job)
        until(lambda: (self.volume / "state.json").exists(), running)
        running.signal(signal.SIGTERM)  # the pod is deleted
        running.wait()
        self.run_pod(job)
        self.check_equal("t")
        self.sql("INSERT INTO {s}.t VALUES (7000, 7000, 1, 'new')")
        self.assertIn("INFO 1 of 1 streams, 2 rows", self.run_pod(job))
        self.check_equal("t")

    def test_exit_codes_that_fail_the_job(self):
        job = job_spec("cronjob.yaml")
        [rule] = job["podFailurePolicy"]["rules"]
        self.assertEqual(rule["action"], "FailJob")
        running = self.start(job)  # there is no catalog
        self.assertIn(running.wait(), rule["onExitCodes"]["values"], running)

    def test_indexed_job(self):
        tables = [f"t{number}" for number in range(8)]
        self.sql(
            "".join(
                f"CREATE TABLE {{s}}.{table} AS SELECT i AS id FROM generate_series(1, {rows}) i;"
                for rows, table in enumerate(tables, 10)
            )
        )
        self.store_catalog(self.catalog(method="INCREMENTAL", key="id"))
        job = job_spec("indexed-job.yaml")
        self.assertEqual(job["completionMode"], "Indexed")
        parts = job["completions"]
        [container] = job["template"]["spec"]["containers"]
        self.assertEqual(container["env"], [{"name": "TAP_POSTGRES_PARTS", "value": str(parts)}])
        # Then only the rows at the bookmarks, also those of tables that another part has read.
        for wanted in (sum(range(10, 18)), len(tables)):
            pods = [self.start(job, JOB_COMPLETION_INDEX=str(i)) for i in range(parts)]
            logs = []
            for pod in pods:
                self.assertEqual(pod.wait(), 0, pod)
                logs.append(pod.log)
            found = [int(rows) for rows in re.findall(r"streams, (\d+) rows", "".join(logs))]
            self.assertEqual(sum(found), wanted, logs)
            for number, log in enumerate(logs, 1):
                self.assertRegex(log, rf"INFO part {number} of {parts}: \d+ of 8 selected streams")
            states = sorted(self.volume.glob("part-*/state.json"))
            for part, content in zip(states, [file.read_text() for file in reversed(states)]):
                part.write_text(content)
        for table in tables:
            self.check_equal(table, keys=["id"])
        states = [json.loads(f.read_text()) for f in self.volume.glob("part-*/state.json")]
        self.assertEqual(len(states), parts)
        self.assertEqual(
            set().union(*(s["bookmarks"] for s in states)), set(map(self.id_of, tables))
        )

    def test_indexed_job_waits_for_the_target_of_an_earlier_pod(self):
        """The part's state is neither read nor replaced before the lock is free."""
        self.sql("CREATE TABLE {s}.t AS SELECT i AS id FROM generate_series(1, 10) i")
        self.store_catalog(self.catalog("t", method="INCREMENTAL", key="id"))
        job = job_spec("indexed-job.yaml")
        pod = {"JOB_COMPLETION_INDEX": "0", "TAP_POSTGRES_PARTS": "1"}
        self.run_pod(job, **pod)
        state = self.volume / "part-0/state.json"
        with open(self.volume / "part-0/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = state.stat().st_ino
            running = self.start(job, **pod)
            until(lambda: waits_for_lock(running.process.pid), running)
            self.assertEqual(state.stat().st_ino, before)
            state.write_text(state.read_text().replace('"replication_key_value":10', "BOOKMARK"))
            self.assertIn("BOOKMARK", state.read_text())
            state.write_text(state.read_text().replace("BOOKMARK", '"replication_key_value":12'))
        self.assertEqual(running.wait(), 0, running)
        self.assertIn("INFO 1 of 1 streams, 0 rows", running.log)


if __name__ == "__main__":
    unittest.main()
