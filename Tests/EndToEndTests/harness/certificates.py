"""Certificates for tests, by the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Authority:
    """A CA that signs what a test needs."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca, self.key = folder / "ca.pem", folder / "ca.key"
        self._openssl("req", "-x509", *self._new_key, "-keyout", self.key, "-out", self.ca, "-subj", f"/CN={name}",
                      "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    _new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def issue(self, file: str, subject: str, names: str = "", usage: str = "") -> tuple[Path, Path]:
        """`names` are subject alternative names such as `DNS:localhost,IP:127.0.0.1`; who has some is a server, unless
        `usage` says otherwise."""
        certificate, key, request, extensions = (
            self.folder / f"{file}.{kind}" for kind in ("pem", "key", "csr", "extensions")
        )
        self._openssl("req", *self._new_key, "-keyout", key, "-out", request, "-subj", subject)
        usage = usage or ("serverAuth" if names else "clientAuth")
        lines = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}"]
        lines += ["subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"]
        lines += [f"subjectAltName={names}"] if names else []
        extensions.write_text("\n".join(lines) + "\n")
        signing = ["-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
        self._openssl("x509", "-req", "-in", request, "-out", certificate, *signing)
        return certificate, key

    def client_context(self, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Trusts this authority, and shows a certificate if there is one."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if certificate:
            context.load_cert_chain(*map(str, certificate))
        return context
