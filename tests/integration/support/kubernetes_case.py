"""The containers of examples/kubernetes, run here, with a folder for the volume."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

from support import tap
from support.case import SchemaTest
from support.pipeline import TARGET, Process
from support.tap import ROOT

EXAMPLES = ROOT / "examples/kubernetes"


def job_spec(name):
    """The spec of the job in a file of the examples."""
    document = yaml.safe_load((EXAMPLES / name).read_text())
    spec = document["spec"]
    return spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec


class KubernetesCase(SchemaTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-volume-")
        self.addCleanup(folder.cleanup)
        self.volume = pathlib.Path(folder.name)
        # The programs of the image.
        self.programs = self.volume / "bin"
        self.programs.mkdir()
        (self.programs / "tap-postgres").symlink_to(tap.BINARY)
        target = self.programs / "target-jsonl"
        target.write_text(
            f"#!/bin/sh\nexec {sys.executable} {TARGET} --dsn '{self.dsn}' --schema {self.schema}\n"
        )
        target.chmod(0o755)

    def start(self, job, **more):
        """Starts the container of a job, or of a pod as `template`, in the volume."""
        [container] = job["template"]["spec"]["containers"]
        [mount] = container["volumeMounts"]
        volumes = {volume["name"]: volume for volume in job["template"]["spec"]["volumes"]}
        self.assertIn("persistentVolumeClaim", volumes[mount["name"]])
        [secret] = [source["secretRef"]["name"] for source in container["envFrom"]]
        self.assertEqual(secret, "shop")
        values = {f"TAP_POSTGRES_{key.upper()}": str(self.config[key]) for key in self.config}
        values |= {variable["name"]: variable["value"] for variable in container.get("env", [])}
        command = [
            re.sub(
                r"(?<![\w.])/data\b",
                str(self.volume),
                part.replace("/usr/share/tap-postgres", str(ROOT / "examples")),
            )
            for part in container["command"] + container.get("args", [])
        ]
        path = f"{self.programs}:{os.environ['PATH']}"
        running = Process(
            command,
            tempfile.TemporaryDirectory(prefix="tap-postgres-run-"),
            tap.clean_environment({**values, **more, "PATH": path}),
            stdin=subprocess.DEVNULL,
        )
        self.addCleanup(running.close)
        return running

    def run_pod(self, job, **more):
        running = self.start(job, **more)
        self.assertEqual(running.wait(), 0, running)
        return running.log

    def store_catalog(self, catalog):
        (self.volume / "catalog.json").write_text(json.dumps(catalog))
