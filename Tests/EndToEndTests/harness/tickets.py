"""Ids of sessions as the gateway seals them, written down a second time: what it takes and what it refuses is tested
with ids that it has not made itself."""

from __future__ import annotations

import base64
import hmac
import os
import struct
import time
from dataclasses import dataclass, field

WORD = (1 << 64) - 1


def derive(secret: str, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) without a salt, 16 bytes."""
    extracted = hmac.digest(bytes(32), secret.encode(), "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\1", "sha256")[:16]


def siphash(key: bytes, text: bytes, long: bool) -> bytes:
    """SipHash-2-4 of 64 or 128 bits."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    if long:
        v[1] ^= 0xEE

    def rotate(word: int, count: int) -> int:
        return (word << count | word >> (64 - count)) & WORD

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & WORD
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & WORD
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & WORD
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & WORD
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    padded = text + bytes(-(len(text) + 1) % 8) + bytes([len(text) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE if long else 0xFF
    rounds(4)
    tag = struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])
    if long:
        v[1] ^= 0xDD
        rounds(4)
        tag += struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])
    return tag


def number(key: bytes, text: str) -> int:
    return int.from_bytes(siphash(key, text.encode(), False), "little")


@dataclass
class Ticket:
    """What an id says."""

    secret: str
    path: str = ""
    principal: str = ""
    version: int = 1
    bits: bytes = field(default_factory=lambda: os.urandom(16))
    worker: int = 0
    minute: int = field(default_factory=lambda: int(time.time()) // 60)
    revision: int = 3
    lists: int = 0
    abilities: int = 0

    @property
    def text(self) -> str:
        path = number(derive(self.secret, "sluice session 1 path"), self.path) >> 16
        principal = number(derive(self.secret, "sluice session 1 principal"), self.principal)
        settled = self.lists << 3 | self.revision
        plain = bytes([self.version]) + self.bits
        plain += struct.pack(">BIBH", self.worker, self.minute, settled, self.abilities)
        plain += path.to_bytes(6, "big") + struct.pack(">Q", principal)
        sealed = plain + siphash(derive(self.secret, "sluice session 1 seal"), plain, True)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
