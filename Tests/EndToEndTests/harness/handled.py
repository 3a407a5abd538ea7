"""An upstream inside the test process, for behaviour that no real server has: it speaks the legacy era over HTTP, and
a test replaces what it does."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOOL = {"name": "do", "inputSchema": {"type": "object"}}
Handling = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HandledUpstream

    def end_headers(self) -> None:
        # A connection that is about to be closed says so, as clients might use it once more otherwise.
        if self.close_connection:
            self.send_header("Connection", "close")
        super().end_headers()

    def setup(self) -> None:
        self.timeout = self.server.patience
        super().setup()
        self.server.accepted += 1

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", kind: str = "application/json") -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, message: dict[str, Any], result: Any) -> None:
        self.reply(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())

    def begin_chunks(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def end_chunks(self) -> None:
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def do_GET(self) -> None:
        self.reply(405)

    def do_DELETE(self) -> None:
        self.reply(200)

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = message.get("method", "")
        self.server.methods.append(method)
        if "id" not in message:
            return self.reply(202)
        handling = self.server.handling.get(method)
        if handling is not None:
            return handling(self, message)
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            offer = {"capabilities": {"tools": {}}, "serverInfo": {"name": "scripted", "version": "1"}}
            return self.answer(message, {"protocolVersion": version, **offer})
        if method == "tools/list":
            return self.answer(message, {"tools": [TOOL]})
        if method == "tools/call":
            return self.answer(message, {"content": [{"type": "text", "text": "done"}]})
        error = {"code": -32601, "message": "Method not found"}
        self.reply(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error}).encode())


class HandledUpstream(ThreadingHTTPServer):
    """Listens as soon as it is made. `patience`: seconds after which it ends an idle connection."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        handling: dict[str, Handling] | None = None,
        patience: float | None = None,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.handling, self.patience = handling or {}, patience
        self.accepted, self.closed, self.methods = 0, 0, []
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    methods: list[str]

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.closed += 1

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news here."""

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.server_port}/mcp"

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()


def make_certificates(folder: Path, names: str) -> tuple[Path, tuple[Path, Path]]:
    """A CA, and a certificate by it for subject alternative names such as `DNS:localhost,IP:127.0.0.1`."""
    ca, ca_key, key, request, certificate = (
        folder / name for name in ("ca.pem", "ca.key", "server.key", "server.csr", "server.pem")
    )

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Test CA")
    openssl("req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=test")
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName={names}\n")
    signing = ["-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2", "-extfile", extensions]
    openssl("x509", "-req", "-in", request, "-out", certificate, *signing)
    return ca, (certificate, key)
