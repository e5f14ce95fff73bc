# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of the secrets on the controller, and what the operator may have written into it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets.contents import secret_mistake
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets.files import access_mistake, find
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.places import shorten
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.problems import Problem
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.role_files import role_names

# Folders that the system of the controller owns, or that hold much else.
SHARED_FOLDERS = (
    *("/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/var", "/var/lib"),
    *("/tmp", "/var/tmp"),  # noqa: S108  # refused, not used
)
SYSTEM_TREES = ("/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")


def check_secrets_folder(settings: HostSettings) -> None:
    """Check the folder of the secrets, if there is one yet."""
    folder = settings.values.get("xmpp_secrets_dir")
    if folder and (wrong := wrong_folder(folder)):
        settings.complain(("xmpp_secrets_dir",), folder, wrong)


def check_secrets(settings: HostSettings, check_mode: bool) -> None:
    """Add what is wrong with the folder of the secrets, and with those that the operator may have written."""
    root, domain = settings.values.get("xmpp_secrets_dir"), settings.values.get("xmpp_domain")
    if root is None or domain is None or wrong_folder(root):
        return
    folder = Path(root) / domain
    # Others than those who deploy may run the other playbooks.
    needed = "preflight" in role_names(settings.variables)
    if wrong := access_mistake(Path(root), folder, writing=needed and not check_mode):
        if needed:
            settings.complain(("xmpp_secrets_dir",), root, wrong)
        return
    accounts = [f"account-{admin}" for admin in settings.values.get("xmpp_admins", ())]
    for name in ("backup", "coturn", "upload", *accounts):
        path, text = find(folder, name) or (folder, None)
        if text is not None and (wrong := secret_mistake(name, text)):
            problem = Problem(("xmpp_secrets_dir",), f"{path.name} {wrong}.", place=shorten(path))
            settings.problems.append(problem)


def wrong_folder(folder: str) -> str | None:
    """Return what is wrong with the folder of the secrets, if anything."""
    path = os.path.normpath(folder)
    if path in SHARED_FOLDERS or any(f"{path}/".startswith(f"{tree}/") for tree in (*SYSTEM_TREES, "/etc/ansible")):
        return "is a system folder: name a folder that only the secrets use"
    if path == "/etc" or path == os.path.expanduser("~"):
        return "is a folder with other files: name a folder that only the secrets use"
    if os.path.exists(path) and not os.path.isdir(path):
        return "is a file: a folder is needed"
    return closed_folder(Path(path))


def closed_folder(folder: Path) -> str | None:
    """Return why this user cannot use a folder, or the first part of the way to it that is there."""
    place = folder
    while not os.path.lexists(place):
        place = place.parent
    # Ansible makes a file beside a secret while it reads that, so reading is not enough for the folder.
    whole = os.R_OK | os.W_OK | os.X_OK
    inside = sorted(place.iterdir()) if place == folder and os.access(place, whole) else []
    for one in (place, *inside):
        if not os.access(one, whole if one.is_dir() else os.R_OK):
            user, owner = name_of(os.geteuid()), name_of(one.stat().st_uid)
            wrong = f"{user} cannot read and write ({one} is of {owner})"
            if place == folder:
                return f"{wrong}: run Ansible as {owner}, or give it to {user}: sudo chown -R {user} {folder}"
            return f"{wrong}: name a folder of {user}'s"
    return None


def name_of(user: int) -> str:
    """Return the name of a user of this machine, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
