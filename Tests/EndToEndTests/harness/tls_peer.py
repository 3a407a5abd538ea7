"""A TLS client that says what Python's `ssl` can't: new keys, and questions for another handshake. It is the one of the
reactor's own tests (`Tests/Support/CReactorPeers/tls_client.c`), over a socket."""

from __future__ import annotations

import ctypes
import functools
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from harness.paths import ROOT

PEERS = ROOT / "Tests" / "Support" / "CReactorPeers"


class _Options(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("ca", "name", "certificate", "key", "protocol", "ciphers")),
        *((name, ctypes.c_int) for name in ("oldest", "newest")),
        ("resumes", ctypes.c_void_p),
    ]


@functools.cache
def _library() -> ctypes.CDLL:
    compiler = next(found for name in ("clang", "cc", "/opt/swift/usr/bin/clang") if (found := shutil.which(name)))
    target = Path(tempfile.mkdtemp(prefix="sluice-tls-")) / "tls_client.so"
    source = [str(PEERS / "tls_client.c"), "-I", str(PEERS / "include")]
    subprocess.run([compiler, "-O1", "-fPIC", "-shared", "-o", str(target), *source, "-lssl", "-lcrypto"], check=True)
    library = ctypes.CDLL(str(target))
    shutil.rmtree(target.parent)
    pointer, size, text = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p
    for name, result, arguments in [
        ("make", pointer, [ctypes.POINTER(_Options)]), ("free", None, [pointer]), ("feed", None, [pointer, text, size]),
        ("take", size, [pointer, text, size]), ("handshake", ctypes.c_int, [pointer]),
        ("write", ctypes.c_bool, [pointer, text, size]), ("read", size, [pointer, text, size]),
        ("update_keys", ctypes.c_bool, [pointer]), ("ask_handshake", ctypes.c_bool, [pointer]),
        ("shutdown", None, [pointer]), ("ended", ctypes.c_bool, [pointer]), ("error", text, [pointer]),
    ]:
        function = getattr(library, f"tls_client_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class TLSPeer:
    """One connection to 127.0.0.1. Nothing is read but by `read`."""

    def __init__(self, port: int, ca: Path, version: int, window: int = 0) -> None:
        self._library = _library()
        self.raw = b""
        """All bytes that came, as they travelled."""
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", port))
        options = _Options(
            ca=str(ca).encode(), name=b"localhost", ciphers=b"ECDHE-ECDSA-AES128-GCM-SHA256", oldest=version,
            newest=version,
        )
        self._client = self._library.tls_client_make(ctypes.byref(options))
        self._room = ctypes.create_string_buffer(1 << 16)
        while (done := self._library.tls_client_handshake(self._client)) == 0:
            self.flush()
            self._feed(self.socket.recv(65536))
        assert done == 1, self.error
        self.flush()

    def _feed(self, data: bytes) -> None:
        self.raw += data
        self._library.tls_client_feed(self._client, data, len(data))

    def flight(self) -> bytes:
        """What there is to send."""
        out = b""
        while count := self._library.tls_client_take(self._client, self._room, len(self._room)):
            out += self._room.raw[:count]
        return out

    def flush(self) -> None:
        self.socket.sendall(self.flight())

    def send(self, data: bytes) -> None:
        assert self._library.tls_client_write(self._client, data, len(data))
        self.flush()

    def pester(self, version: int) -> None:
        """Prepares a key update that asks for one (TLS 1.3), or the question for another handshake (1.2)."""
        ask = self._library.tls_client_update_keys if version == 13 else self._library.tls_client_ask_handshake
        assert ask(self._client)

    def part(self) -> None:
        """Ends the sending side, signed."""
        self._library.tls_client_shutdown(self._client)
        self.flush()
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self, most: int = 65536) -> bool:
        """Takes some of what came, if need be waits for it; false at the end, of whatever kind."""
        try:
            data = self.socket.recv(most)
        except ConnectionResetError:
            return False
        if data:
            self._feed(data)
        return bool(data)

    def read(self) -> bytes:
        """The decrypted data that was not read yet."""
        out = b""
        while count := self._library.tls_client_read(self._client, self._room, len(self._room)):
            out += self._room.raw[:count]
        return out

    @property
    def error(self) -> str:
        return self._library.tls_client_error(self._client).decode()

    @property
    def was_told_goodbye(self) -> bool:
        return bool(self._library.tls_client_ended(self._client))

    def close(self) -> None:
        self.socket.close()
        self._library.tls_client_free(self._client)
