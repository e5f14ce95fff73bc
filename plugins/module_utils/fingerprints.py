# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells whether two secrets are the same, and nothing about them: SALT:HASH, by PBKDF2 (RFC 8018) with SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re

# As much work for who guesses a password that somebody chose as the hashes that ejabberd keeps of it (SCRAM: 4096
# rounds), and milliseconds for a run that changes nothing.
ROUNDS = 4096
FORM = re.compile(r"(?:[0-9a-f]{2})+:[0-9a-f]{64}")


def fingerprint(secret: str, salt: str) -> str:
    """Return the fingerprint of a secret; *salt* is hexadecimal."""
    return f"{salt}:{hashlib.pbkdf2_hmac('sha256', secret.encode(), bytes.fromhex(salt), ROUNDS).hex()}"


def is_of(secret: str, given: str) -> bool:
    """Whether a fingerprint is of this secret; one that has not their form is of none."""
    if not FORM.fullmatch(given):
        return False
    return hmac.compare_digest(given, fingerprint(secret, given.partition(":")[0]))
