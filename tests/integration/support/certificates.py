"""Certificates for tests: an authority and the certificates that it issues."""

import pathlib
import subprocess

CA = """
[ca]
default_ca = here
[here]
dir = .
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""
NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split()


class Authority:
    """Its files in `folder` are `<name>.crt` and `<name>.key`."""

    def __init__(self, folder, name="ca"):
        self.folder = pathlib.Path(folder)
        self.name = name
        (self.folder / "ca.cnf").write_text(CA)
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("01\n")
        self.openssl(
            *"req -x509 -days 10".split(),
            *NEW_KEY,
            *("-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
        )

    def issue(self, name, common_name, host=None, expired=False, passphrase=None):
        """Creates a key and a certificate."""
        names = ["-addext", f"subjectAltName=DNS:{host}"] if host else []
        protection = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
        self.openssl(
            *("req", *NEW_KEY, *protection),
            *("-subj", f"/CN={common_name}", *names),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        end = "20200102000000Z" if expired else "20990101000000Z"
        self.openssl(
            *"ca -config ca.cnf -batch -notext".split(),
            *("-cert", f"{self.name}.crt", "-keyfile", f"{self.name}.key"),
            *("-in", f"{name}.csr", "-out", f"{name}.crt"),
            *("-startdate", "20200101000000Z", "-enddate", end),
        )
        (self.folder / f"{name}.key").chmod(0o600)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)

    def text(self, file):
        return (self.folder / file).read_text()

    def path(self, file):
        return str(self.folder / file)
