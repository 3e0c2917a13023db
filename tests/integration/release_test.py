"""scripts/release collects what the jobs of a release have built; the files here are empty."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support.tap import ROOT

FILES = (
    "portable/x86_64/tap-postgres-1.0-linux-x86_64.tar.xz",
    "portable/x86_64/tap-postgres-1.0-source.tar.xz",
    "portable/aarch64/tap-postgres-1.0-linux-aarch64.tar.xz",
    "portable/aarch64/tap-postgres-1.0-source.tar.xz",  # the same as that of x86_64
    "wheel/tap_postgres_native-1.0-py3-none-manylinux_2_17_x86_64.whl",
    "wheel/tap_postgres_native-1.0-py3-none-manylinux_2_17_aarch64.whl",
    "tap-postgres_1.0_amd64.bookworm.deb",
    "tap-postgres_1.0_amd64.trixie.deb",
    "tap-postgres_1.0_arm64.bookworm.deb",
    "tap-postgres_1.0_arm64.trixie.deb",
)


class ReleaseTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tap-postgres-release-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in ("scripts/release", "scripts/sbom", "packaging/sources.tsv", "CMakeLists.txt"):
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        for name in FILES:
            path = self.root / "artifacts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def release(self, expect=0, **environment):
        done = subprocess.run(
            [self.root / "scripts/release", "artifacts"],
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def test_all_files(self):
        self.release()
        names = {pathlib.Path(name).name for name in FILES}
        found = {path.name for path in (self.root / "release").iterdir()}
        self.assertEqual(found, names | {"SHA256SUMS", "tap-postgres.spdx.json"})
        subprocess.run(
            ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=self.root / "release", check=True
        )

    def test_missing_file(self):
        (self.root / "artifacts" / FILES[0]).unlink()
        self.assertEqual(
            self.release(1), "release: there is no *linux-x86_64.tar.xz in artifacts\n"
        )

    def test_different_sources(self):
        (self.root / "artifacts" / FILES[3]).write_text("changed")
        self.assertEqual(
            self.release(1),
            "release: artifacts contains two different files tap-postgres-1.0-source.tar.xz\n",
        )

    def test_tag_of_another_version(self):
        self.assertRegex(
            self.release(1, GITHUB_REF_NAME="v99.0"),
            r"^release: the tag v99\.0 is not v[0-9.]+, the version in CMakeLists\.txt\n$",
        )


if __name__ == "__main__":
    unittest.main()
