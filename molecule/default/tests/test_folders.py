# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on another disk, by a symbolic link: refused before anything is changed, with what works instead."""

from __future__ import annotations

import os

import pytest
from testinfra.host import Host

from tests.kit import playbook

DISK = "/mnt/disk"


def deploy(*words: str) -> tuple[int, str]:
    """Run site.yml in check mode on the bare host; return its exit code, and what it says as one line."""
    done = playbook.run("site.yml", "--check", *words, limit="default", seconds=120)
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("path", "target", "way"),
    [
        ("/srv/xmpp/upload/data", "data", f'"{DISK}/data /srv/xmpp/upload/data none bind 0 0" in /etc/fstab'),
        ("/srv/xmpp", "xmpp", f'"{DISK}/xmpp /srv/xmpp none bind 0 0" in /etc/fstab'),
        ("/var/lib/ejabberd", "gone", f'"{DISK}/gone /var/lib/ejabberd none bind 0 0" in /etc/fstab'),
        ("/var/lib/ejabberd/xmpp.db", "xmpp.db", "move the file itself there"),
    ],
)
def test_link_in_the_folders_of_the_service_is_refused(host: Host, path: str, target: str, way: str) -> None:
    top = "/".join(path.split("/")[:4]) if path.startswith("/var") else "/srv/xmpp"
    host.check_output(
        f"mkdir -p {DISK}/data {DISK}/xmpp {os.path.dirname(path)} && touch {DISK}/xmpp.db"
        f" && ln -s {DISK}/{target} {path}"
    )
    try:
        code, said = deploy()
    finally:
        host.check_output(f"rm -r {top} {DISK}")
    assert code
    assert f"default has symbolic links in the folders of the service: {path}." in said
    assert way in said
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
