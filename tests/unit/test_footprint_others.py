# SPDX-License-Identifier: GPL-3.0-or-later
"""What the footprint says of things that others on a host have: files, packages and logs."""

from __future__ import annotations

import re

from ansible_collections.conexizan.xmpp.plugins.module_utils.facts import taken
from jinja2 import Environment

from ..kit.footprint import footprint
from .loading import ROOT


def test_files_of_the_roles_that_others_could_have() -> None:
    """Those outside of the folders that are deleted with the service, by their names on the host."""
    files = footprint("files")
    assert {"/etc/systemd/system/xmpp-backup.service", "/etc/sudoers.d/xmpp", "/usr/local/sbin/xmpp-backup"} <= {*files}
    assert not [path for path in files if path.startswith(("/etc/xmpp/", "/srv/xmpp/")) or path.endswith(".j2")]


def test_logs_that_are_deleted_are_said_to_be() -> None:
    """By the patterns in the templates that delete them."""
    folder = ROOT / "roles/log_minimization/templates/etc/tmpfiles.d"
    text = "".join(
        Environment(trim_blocks=True).from_string(path.read_text()).render(ansible_managed="")
        for path in folder.glob("*.j2")
    )
    deleted = re.findall(r"^[rR] (\S+)$", text, re.MULTILINE)
    assert len(deleted) > 20
    assert footprint("deletes") == sorted(deleted)


def test_line_that_shows_a_file_of_ours_is_in_them() -> None:
    """Else one that a power cut left without a record would be taken for the operator's."""
    text = (ROOT / "plugins/action/tree.py").read_text()
    assert f'variables["ansible_managed"] = "{taken.SIGNS[0].decode()}"' in text
    sources = {
        "/" + path.relative_to(folder).as_posix().removesuffix(".j2"): path
        for folder in ROOT.glob("roles/*/templates")
        for path in folder.rglob("*")
    }
    assert len(footprint("files")) > 50
    for name in footprint("files"):
        content = sources[name].read_text()
        assert re.search(r"ansible_managed|sandbox\.conf\.j2", content) or taken.SIGNS[1].decode() in content, name
