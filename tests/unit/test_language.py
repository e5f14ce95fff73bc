# SPDX-License-Identifier: GPL-3.0-or-later
"""The field's words: phrases and names that had to be explained, and have been replaced, do not come back."""

from __future__ import annotations

import functools
import re
import subprocess

import pytest

from .loading import ROOT

# The CHANGELOG names what was renamed, on purpose.
OTHERS = ("CHANGELOG.md", "LICENSE", "tests/browser/package-lock.json", "tests/unit/test_language.py")
BINARY = (".png", ".svg")
# What to write instead. Only what has no other meaning here: "a text" or "forget" would find much that is right.
PHRASES = {
    "into force": "enable, start, restart or reload",
    "nobody down": "log no person, keep no IP address",
    "what the service begins with": "the administrator accounts and official rooms",
    "refuse to break": "stop until … is acknowledged",
    "what the operator does not know of": "breaking changes",
    "for want of": "without",
    "is set aside": "is moved aside",
    "say where packages come from": "install APT sources, pins …",
    "say so to": "fail if",
    "slip of the finger": "without confirmation, by mistake",
    "which is no part of the": 'Unknown value "…" for … Valid: …',
    "is nothing that this playbook knows": "Unknown option … This playbook accepts: …",
    "another sign": "a control character",
    "that cannot be printed": "a control character",
    "a list of texts": "a list of strings",
    "must be a text": "must be a string",
    "keys and values": "a mapping",
    "a number with a fraction": "a float",
    "no way into": "no SSH access to",
    "without a way into": "without SSH access to",
    "belongs into": "belongs in, belongs to",
    "is made anew": "is created again",
    "sound and picture": "audio and video",
    "makes no sense": "is invalid; an unexpected response",
    "wait for their time": "are active",
    "cut off": "interrupted, disconnected, truncated",
    "broke off": "was interrupted",
    "nonsense is refused": "invalid options are rejected",
    "by lot": "random",
    "are borne": "are handled without delay",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "brought back": "restored",
    "brings it back": "restores it",
    "bring it back": "restore it",
    "sweep": "expire, delete",
}
# Expression, how somebody would write it, what to write instead.
NAMES = [
    (r"mod_xmpp_guard(?!_known)", "mod_xmpp_guard.erl", "mod_xmpp_login_throttle"),
    (r"mod_xmpp_promise", "mod_xmpp_promise", "mod_xmpp_invite_reservation"),
    (r"mod_xmpp_ack", "-module(mod_xmpp_ack).", "mod_xmpp_durable_ack"),
    (r"(?<!\w)xmpp_rate(?!\w)", "xmpp_rate:used_up(", "xmpp_token_bucket"),
    (r"lib/xmpp/check(?![\w.-])", "/usr/local/lib/xmpp/check", "ejabberd-config-check"),
    (r"lib/xmpp/sqlite(?![\w.-])", "/usr/local/lib/xmpp/sqlite tune", "ejabberd-sqlite"),
    (r"lib/xmpp/federation(?![\w.-])", "/usr/local/lib/xmpp/federation", "s2s-disconnect"),
    (r"lib/xmpp/forget(?![\w.-])", "/usr/local/lib/xmpp/forget", "expire-messages"),
    (r"lib/xmpp/move(?![\w.-])", "/usr/local/lib/xmpp/move", "xep0227"),
    (r"lib/xmpp/prepare(?![\w.-])", "/usr/local/lib/xmpp/prepare", "ejabberd-pre-start"),
    (r"xmpp-forget(?!\w)", "xmpp-forget.timer", "xmpp-expire"),
    (r"xmpp-backup (stage|swap|undo|done)(?!\w)", "xmpp-backup swap", "prepare, apply, rollback, commit"),
    (r"roles/(traces|facts|provision)(?!\w)", "roles/traces/tasks", "log_minimization, preflight, accounts"),
    (r"set crowd", "set crowd6 {", "per_source"),
    (r"asked\.words", "{{ asked.words.user }}", "asked.options"),
]


def expression(phrase: str) -> str:
    """Return what finds a phrase in prose that may go on in the next line (of a comment), and in a name."""
    return r"(?<![a-z0-9])" + r"[\s_#%*/]+".join(map(re.escape, phrase.split())) + r"(?![a-z0-9])"


FOUND_BY = {phrase: (expression(phrase), better) for phrase, better in PHRASES.items()}
FOUND_BY |= {written: (found_by, better) for found_by, written, better in NAMES}


@functools.cache
def contents() -> dict[str, str]:
    """Return the text of each tracked file."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = {name: ROOT / name for name in tracked.split("\0") if name and name not in OTHERS}
    return {
        name: path.read_text(encoding="utf-8")
        for name, path in paths.items()
        if path.is_file() and not path.is_symlink() and path.suffix not in BINARY
    }


def places(found_by: str, texts: dict[str, str]) -> list[str]:
    """Return where an expression matches: file, line and what it is there."""
    compiled = re.compile(found_by, re.IGNORECASE)
    return [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name, text in texts.items()
        for match in compiled.finditer(text)
    ]


@pytest.mark.parametrize("written", FOUND_BY)
def test_word_is_nowhere(written: str) -> None:
    found_by, better = FOUND_BY[written]
    assert places(found_by, contents()) == [], f"instead: {better}"


@pytest.mark.parametrize("written", FOUND_BY)
def test_word_would_be_found(written: str) -> None:
    """In a sentence, at its beginning, as a comment that goes on in the next line, in the name of a test."""
    found_by, _ = FOUND_BY[written]
    forms = {"sentence": f"one line\nHere it is: {written}, in a sentence."}
    if written in PHRASES:
        forms |= {
            "beginning": f"\n{written.capitalize()} at the beginning.",
            "comment": "\n# It goes on: " + written.replace(" ", "\n# ", 1),
            "name": f"\ndef test_that_{written.replace(' ', '_')}_here():",
        }
    found = places(found_by, forms)
    assert [place.rpartition(": ")[0].split(":")[:2] for place in found] == [[form, "2"] for form in forms]


@pytest.mark.parametrize(
    "good",
    [
        "recommended, recommends, amend and commendable",
        "mod_xmpp_guard_known in /run/xmpp-guard",
        "xmpp_token_bucket, mod_xmpp_registration_rate",
        "/var/lib/xmpp/check.json, /usr/local/lib/xmpp/prepare.py",
        "plugins/module_utils/facts",
        "xmpp-backup prepare, apply, rollback, commit",
        "enforce, in force",
    ],
)
def test_good_words_are_not_found(good: str) -> None:
    assert [written for written, (found_by, _) in FOUND_BY.items() if places(found_by, {"": good})] == []
