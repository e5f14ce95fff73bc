# SPDX-License-Identifier: GPL-3.0-or-later
"""The file `user-data` of cloud-init: what is in it already stays, and one command of each boot is added."""

from __future__ import annotations

import base64
import gzip
import io
import re
import tarfile
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.selfinstall import first_boot

HEADER = "#cloud-config"
BEGIN, END = "# conexizan: begin", "# conexizan: end"
BLOCK = re.compile(rf"^{BEGIN}\n.*?^{END}\n?", re.MULTILINE | re.DOTALL)
# The program says where it is: it runs on the host, and can import nothing of the project.
PLACE = str(first_boot.HOME.relative_to("/"))
UNIT = f"{first_boot.UNIT}.service"
# bootcmd runs at each boot, so it goes on after a power cut; write_files and runcmd do not run again once begun.
SCRIPT = """\
if ! [ -e /{place}/unpacked ]; then
base64 -d <<'END' | tar -xz --no-same-owner -C / && sync && touch /{place}/unpacked
{payload}
END
systemctl daemon-reload && systemctl start --no-block {unit}
fi
"""
UNIT_FILE = f"""\
[Unit]
Description=Install Conexizan on this host
After=network.target
ConditionPathExists=!/{PLACE}/installed

[Service]
# No oneshot: the boot would wait for it, and units that it starts would wait for the boot.
Type=exec
ExecStart=/usr/bin/python3 /{PLACE}/selfinstall
Environment=HOME=/root LANG=C.UTF-8
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""
# As docs/upgrading.md has it for who works without a clone, and what the project's own has that a host needs.
CONFIGURATION = f"""\
[defaults]
inventory = /{PLACE}/inventory
collections_path = /{PLACE}
stdout_callback = conexizan.xmpp.terminal
callback_result_format = yaml
interpreter_python = /usr/bin/python3
no_target_syslog = True

[inventory]
unparsed_is_failed = True
ignore_patterns = ^(secrets|certificates|website|notices)$, \\.(pem|crt|key)$
"""


class Refused(Exception):
    """What is wrong with a file that is there."""


@dataclass(frozen=True)
class Entry:
    """A file in an archive; of a link, *content* is where it leads to."""

    content: bytes
    mode: int = 0o600
    link: bool = False


def archive(entries: Mapping[str, Entry]) -> bytes:
    """Return files as an archive of tar, compressed, the same for the same files; folders below PLACE are root's."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as packed:  # names of any length
        folders = {
            str(parent)
            for name in entries
            for parent in Path(name).parents
            if parent.is_relative_to(PLACE) and str(parent) != "."
        }
        for name in sorted(folders):
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o700
            packed.addfile(member)
        for name, entry in sorted(entries.items()):
            member = tarfile.TarInfo(name)
            member.mode = entry.mode
            if entry.link:
                member.type, member.linkname = tarfile.SYMTYPE, entry.content.decode()
                packed.addfile(member)
            else:
                member.size = len(entry.content)
                packed.addfile(member, io.BytesIO(entry.content))
    return gzip.compress(stream.getvalue(), mtime=0)


def block(entries: Mapping[str, Entry]) -> str:
    """Return the lines that are added to user-data."""
    payload = "\n".join(textwrap.wrap(base64.b64encode(archive(entries)).decode(), 76))
    script = SCRIPT.format(place=PLACE, payload=payload, unit=UNIT)
    return f"{BEGIN}\nbootcmd:\n  - |\n{textwrap.indent(script, '    ')}{END}\n"


def with_block(there: str | None, added: str) -> str:
    """Return the file with these lines, in the place of earlier ones; raises Refused if it cannot have them."""
    if there is None:
        return f"{HEADER}\n{added}"
    rest = BLOCK.sub("", there)
    first = rest.splitlines()[0].strip() if rest.strip() else ""
    if first != HEADER:
        raise Refused(f'begins with "{first[:40]}", not with {HEADER}: only to such a file something can be added')
    try:
        settings = yaml.safe_load(rest)
    except yaml.YAMLError as error:
        raise Refused(f"is no YAML: {str(error).splitlines()[0]}") from error
    if settings is not None and not isinstance(settings, dict):
        raise Refused("is not a mapping of settings of cloud-init")
    if "bootcmd" in (settings or {}):
        raise Refused("has commands for each boot of its own (bootcmd), which would be lost: move them to runcmd")
    return f"{rest.rstrip()}\n{added}"
