# SPDX-License-Identifier: GPL-3.0-or-later
"""The wording of messages, of about a dozen, and how they look on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from .cases import CASES
from .known import GOOD
from .playing import NOWHERE, Run, play, slug

# By case: the first message, whole.
GOLDEN = {
    "misspelt": "XMPP_CALLS is not a setting. Did you mean xmpp_calls?",
    "unknown, value not shown": "xmpp_database_password is not a setting. docs/settings.md lists all settings.",
    "renamed": "xmpp_old_name is now called xmpp_name.",
    "no domain": "xmpp_domain is required, but not set.",
    "empty values": "xmpp_name is empty. Give it a value, or remove it to use the default.",
    "undefined": "xmpp_name cannot be computed: 'no_such_name' is undefined.",
    "types": "xmpp_name is 2025, which is an integer, but must be a string: write it in quotes.",
    "neither true nor false, no number": 'xmpp_upload_days is "two weeks", which is a string, but must be an integer.',
    "wrong choices": 'xmpp_languages (entry 2) is "it", which must be one of: de, en, es, fr.',
    "domain: example": (
        'xmpp_domain is "example.org", which is reserved for examples (RFC 2606): replace it with your own domain.'
    ),
    "out of range": "xmpp_archive_days is 0, which must be from 1 to 3650.",
    "order, all wrong": (
        'xmpp_acme_directory is "http://acme.friends.test/dir", which is not a URL like https://name/path.'
    ),
    "key of an account with a letter too many": (
        "xmpp_acme_eab_secret is a value that is not shown, which is not base64url."
    ),
    "control characters": 'xmpp_name is "a\\u001b[31m\\u202eb", which contains U+001B (ESC): remove it.',
    "federation by an empty list": (
        'xmpp_federation_allow is empty, but xmpp_federation is "allowlist": name the domains to talk to.'
    ),
    "quota below file size": (
        "xmpp_upload_quota_mib is 1000, less than xmpp_upload_max_mib, 2000: "
        "an account could not upload the largest file."
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_wording(run: Run, name: str) -> None:
    assert run.found[slug(CASES, name)]["problems"][0].splitlines()[0] == GOLDEN[name]


def test_one_stops_all(tmp_path: Path) -> None:
    """With one bad host no host is touched, not even a good one, and the report can be read."""
    (tmp_path / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"bad": {"xmpp_debug": "no"}, "good": {}}, "vars": NOWHERE | GOOD}})
    )
    output = play(tmp_path, "-i", "hosts.yml", "--tags=touch", result_format="yaml")
    assert "Touch the host" not in output
    assert "UNREACHABLE" not in output
    report = output.partition("fatal: [bad]")[2].splitlines()[1:6]
    assert report == [
        "1 correction is needed, nothing was changed yet.",
        "",
        'xmpp_debug is "no", which is a string, but must be a boolean: write true or false, without quotes.',
        "  where:   hosts.yml:4",
        "  example: xmpp_debug: false",
    ]
