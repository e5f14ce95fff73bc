# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM (RFC 5802), with channel binding, on the client's side."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from .service import Account


class Scram:
    """The client's half of SCRAM (RFC 5802, 7677), with or without channel binding."""

    def __init__(self, mechanism: str, account: Account, binding: bytes | None, authzid: str = "") -> None:
        self._hash = mechanism.removeprefix("SCRAM-").removesuffix("-PLUS").replace("-", "").lower()
        self._password = account.password.encode()
        flag = "n" if binding is None else "p=tls-exporter"
        self._header = f"{flag},{f'a={authzid}' if authzid else ''},".encode()
        self._binding = binding or b""
        self._nonce = secrets.token_urlsafe(18)
        self._bare = f"n={account.name},r={self._nonce}".encode()
        self._server_signature = b""

    def first(self) -> bytes:
        return self._header + self._bare

    def final(self, challenge: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        assert fields["r"].startswith(self._nonce), "the server did not use our nonce"
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", self._hash)
        bound = base64.b64encode(self._header + self._binding).decode()
        without_proof = f"c={bound},r={fields['r']}".encode()
        signed = b",".join((self._bare, challenge, without_proof))
        signature = hmac.digest(hashlib.new(self._hash, client_key).digest(), signed, self._hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = hmac.digest(hmac.digest(salted, b"Server Key", self._hash), signed, self._hash)
        return without_proof + b",p=" + base64.b64encode(proof)

    def verify(self, final: bytes) -> None:
        """The server, too, knows the password: nobody sits in between."""
        assert final == b"v=" + base64.b64encode(self._server_signature)
