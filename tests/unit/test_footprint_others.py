# SPDX-License-Identifier: GPL-3.0-or-later
"""What the footprint says of things that others on a host have: files, packages and logs."""

from __future__ import annotations

import re

from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import taken

from ..kit.footprint import footprint
from .loading import ROOT


def test_files_of_the_roles_that_others_could_have() -> None:
    """Those outside of the folders that are deleted with the service, by their names on the host."""
    files = footprint("files")
    assert {"/etc/systemd/system/xmpp-backup.service", "/etc/sudoers.d/xmpp", "/usr/local/sbin/xmpp-backup"} <= {*files}
    assert not [path for path in files if path.startswith(("/etc/xmpp/", "/srv/xmpp/")) or path.endswith(".j2")]


def test_line_that_shows_a_file_of_ours_is_in_them() -> None:
    """Else one that a power cut left without a record would be taken for the operator's."""
    sources = {
        "/" + path.relative_to(folder).as_posix().removesuffix(".j2"): path
        for folder in ROOT.glob("roles/*/templates")
        for path in folder.rglob("*")
    }
    assert len(footprint("files")) > 50
    for name in footprint("files"):
        content = sources[name].read_text()
        licensed = name.startswith(taken.PROGRAMS) and taken.MARKS_OF_OURS[1].decode() in content
        assert licensed or re.search(r"ansible_managed|sandbox\.conf\.j2", content), name
