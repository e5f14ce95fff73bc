# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and units of the operator's that have the names of the service's, and units that are masked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.module_utils.tree_files import MANAGED, SYSTEMD

# Where a unit hides that of a package, besides SYSTEMD.
HIDING = ("/run/systemd/system/", "/usr/local/lib/systemd/system/")
# Where else systemd finds a unit of the same name, which ours would hide.
ELSEWHERE = (*HIDING, "/usr/lib/systemd/system/")
# In what the roles write: of a run that was interrupted before it could write it down. Programs have the second.
MARKS_OF_OURS = (MANAGED.encode(), b"SPDX-License-Identifier: GPL-3.0-or-later")
# Where the roles have files with the second alone; the operator may have files of that license elsewhere.
PROGRAMS = ("/usr/local/", "/etc/nginx/njs/")
UNITS = (".service", ".timer", ".socket")


def masked(path: Path) -> bool:
    """Tell whether a unit is masked there (systemctl(1))."""
    return os.path.realpath(path) == "/dev/null"


def unmask(path: Path) -> str:
    """Return the command that ends it; a mask of this boot alone is in HIDING's first folder."""
    return f"systemctl unmask {'--runtime ' if f'{path.parent}/' == HIDING[0] else ''}{path.name}"


def is_ours(path: Path, written: set[str]) -> bool:
    """Tell whether a role has written a file, or there is none."""
    if not os.path.lexists(path) or str(path) in written:
        return True
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    managed, license_mark = MARKS_OF_OURS
    return not content or managed in content or (license_mark in content and str(path).startswith(PROGRAMS))


def files_of_others(paths: list[str], written: set[str]) -> Iterator[Path]:
    """Yield what is at the places of the roles' files, and no role has written."""
    for path in map(Path, paths):
        if not is_ours(path, written):
            yield path
        elif f"{path.parent}/" == SYSTEMD and path.suffix in UNITS:
            yield from (Path(folder, path.name) for folder in ELSEWHERE if os.path.lexists(f"{folder}{path.name}"))


def taken_names(paths: list[str], written: set[str]) -> list[str]:
    """Return what the service would replace, and how to keep it."""
    faults, files = [], []
    for path in files_of_others(paths, written):
        if path.suffix not in UNITS or f"{path.parent}/" not in (SYSTEMD, *ELSEWHERE):
            files.append(str(path))
        elif masked(path):
            faults.append(f"{path.name} is masked ({path}), and the service needs it: {unmask(path)}")
        else:
            faults.append(
                f"{path} is a unit of yours, and the service has one of the same name. Give yours another one, on the "
                f"host: systemctl disable --now {path.name}; mv {path} {path.with_stem(f'my-{path.stem}')}; "
                f"systemctl daemon-reload; systemctl enable --now my-{path.name}"
            )
    if files:
        faults.append(
            f"The service would replace {', '.join(files)}, which it has not written. Keep what you need of it in a "
            f"file with another name, and move it away, on the host: mv {files[0]} /root/"
        )
    return faults


def replaced_units(units: list[str], written: set[str]) -> list[str]:
    """Return which units of Debian's packages, that the service configures by drop-ins, are masked or the operator's.

    Of a service that is deployed, the operator may have replaced the unit since, and knows.
    """
    faults = []
    for unit in units:
        for folder in (SYSTEMD, *HIDING):
            path = Path(folder, unit)
            if not os.path.lexists(path):
                continue
            if masked(path):
                faults.append(f"{unit} is masked ({path}), and the service needs it: {unmask(path)}")
            elif f"{SYSTEMD}{unit}.d/xmpp.conf" not in written and not os.path.realpath(path).startswith("/usr/lib/"):
                faults.append(
                    f"{path} is a unit of yours in the place of Debian's, and the service would run its own program in "
                    f"it. If it is another program, give it another name; if nobody needs it, on the host: "
                    f"systemctl disable --now {unit}; mv {path} /root/; systemctl daemon-reload"
                )
    return faults
