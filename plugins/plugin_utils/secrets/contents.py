# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret may contain: a password as XMPP allows it, a text that a configuration file can hold."""

from __future__ import annotations

import re
import stringprep
import unicodedata

# Of passwords (RFC 3920 B, which ejabberd goes by); unassigned are the letters that came after Unicode 3.2.
FORBIDDEN = (
    stringprep.in_table_a1,
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)
PASSWORD_MAX = 1023  # bytes
SHARED = ("coturn", "upload")  # stand in configuration files


def prepared(text: str) -> str:
    """Return a text as XMPP compares passwords."""
    kept = "".join(sign for sign in text if not stringprep.in_table_b1(sign))
    return unicodedata.ucd_3_2_0.normalize("NFKC", kept)


def sign_in_words(sign: str) -> str:
    """Return a character so that it can be found: its number, its name, and itself if Ansible prints it as it is."""
    shown = f" {sign}" if sign.isprintable() and ord(sign) < 0x10000 else ""
    return f"U+{ord(sign):04X}{shown} ({unicodedata.name(sign, 'a control character')})"


def password_mistake(text: str) -> str | None:
    """Return why XMPP does not take a password, to follow "holds a password that"."""
    if not text:
        return "is empty: delete the file, and site.yml creates a new one"
    for number, sign in enumerate(text, 1):
        if any(forbidden(part) for part in prepared(sign) for forbidden in FORBIDDEN):
            return (
                f"has the character {sign_in_words(sign)} at position {number}, which XMPP does not allow in a password"
            )
    whole = prepared(text)
    if not whole:
        return "has only characters that XMPP leaves out of a password"
    from_right = [stringprep.in_table_d1(sign) for sign in whole]
    if any(from_right):
        latin = next((sign for sign in whole if stringprep.in_table_d2(sign)), None)
        if latin:
            right = whole[from_right.index(True)]
            both = f"{sign_in_words(right)} and {sign_in_words(latin)}"
            return (
                f"has {both}, letters that are written from right to left and from left to right: XMPP allows one kind"
            )
        if not (from_right[0] and from_right[-1]):
            sign = whole[-1] if from_right[0] else whole[0]
            place = "begin and end with a letter that is"
            return f"has {sign_in_words(sign)} at an end: with letters from right to left, it must {place}"
    if len(text.encode()) > PASSWORD_MAX:
        return f"has {len(text.encode())} bytes: XMPP allows {PASSWORD_MAX}"
    return None


def secret_mistake(name: str, text: str) -> str | None:
    """Return what is wrong about the secret of a file, to follow "holds a password that"."""
    if name.startswith("account-"):
        return password_mistake(text)
    if not text:
        return "is empty: delete the file, and site.yml creates a new one"
    wrong = next((sign for sign in text if not re.fullmatch(r"[A-Za-z0-9+/=._~-]", sign)), None)
    if name in SHARED and wrong:
        return f"has the character {sign_in_words(wrong)}: only letters, digits and + / = . _ ~ - are allowed"
    if name == "backup" and not text.isprintable():
        return "contains a control character"
    return None
