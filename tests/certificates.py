"""TLS certificates for tests, made by the host's openssl. Not a test."""

import shutil
import subprocess
from pathlib import Path


def make_certificate(directory: Path, *, name: str, days: int) -> tuple[Path, Path]:
    """A self-signed certificate for a name that ends in so many days, or ended so many days ago."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    request, names = directory / "request.pem", directory / "names.txt"
    names.write_text(f"subjectAltName=DNS:{name}\n")
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificates of this test"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for words in (
        ["req", *curve, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"],
        ["x509", "-req", "-in", str(request), "-signkey", str(key), "-days", str(days),
         "-extfile", str(names), "-out", str(certificate)],
    ):  # fmt: skip
        subprocess.run([openssl, *words], check=True, capture_output=True)
    return certificate, key
