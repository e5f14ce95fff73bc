# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on another disk, by a symbolic link: refused before anything is changed, with what works instead."""

from __future__ import annotations

import os
import re

import pytest
from testinfra.host import Host

from tests.kit import playbook

DISK = "/mnt/disk"


def deploy(*words: str) -> tuple[int, str]:
    """Run site.yml in check mode on the bare host; return its exit code, and what it says as one line."""
    done = playbook.run("site.yml", "--check", *words, limit="default", seconds=120)
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "links",
    [
        {"/srv/xmpp": "xmpp", "/var/lib/ejabberd": "gone"},
        {"/srv/xmpp/upload/data": "data", "/var/lib/ejabberd/xmpp.db": "xmpp.db"},
    ],
    ids=["folders", "in them"],
)
def test_link_in_the_folders_of_the_service_is_refused(host: Host, links: dict[str, str]) -> None:
    """Each is named, with what to do instead."""
    host.check_output(f"mkdir -p {DISK}/data {DISK}/xmpp && touch {DISK}/xmpp.db")
    for path, target in links.items():
        host.check_output(f"mkdir -p {os.path.dirname(path)} && ln -s {DISK}/{target} {path}")
    try:
        code, said = deploy()
    finally:
        host.check_output(f"rm -r /srv/xmpp /var/lib/ejabberd {DISK}")
    assert code
    found = re.search(r"default has symbolic links in the folders of the service: ([^ ,]+), ([^ ,]+)\. ", said)
    assert found is not None, said
    assert set(found.groups()) == set(links)
    for path, target in links.items():
        if target == "xmpp.db":
            assert f"Instead of the link {path}, move the file itself there" in said
        else:
            assert f'"{DISK}/{target} {path} none bind 0 0" in /etc/fstab' in said
    assert "changed=0" in said


def test_repository_that_a_link_leads_into_the_service_is_refused(host: Host) -> None:
    host.check_output(f"ln -s /var/lib/ejabberd {DISK}")
    try:
        code, said = deploy("-e", f"xmpp_backup_repository={DISK}/backup")
    finally:
        host.check_output(f"rm {DISK}")
    assert code
    assert f'xmpp_backup_repository is "{DISK}/backup", which on default is inside /var/lib/ejabberd' in said
    assert "changed=0" in said
