# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated secrets: one file each, in a folder for each domain, on the machine that runs Ansible."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import secrets
import string
import stringprep
import subprocess
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = r"""
name: secret
short_description: Secrets of a service, made on first use
description:
  - Returns what is in C(FOLDER/NAME.txt), without white space at its end. If there is no such file, a secret is made
    and written there, for nobody else to read; in check mode, nothing is written, and something else is returned.
  - C(.txt) is one of the names that Ansible takes for no inventory by itself, whatever ansible.cfg is in force.
options:
  _terms:
    description: Names of the secrets.
    required: true
  folder:
    description: The folder of the domain's secrets.
    type: path
    required: true
  length:
    description: Characters of a new one.
    type: int
    default: 40
  chars:
    description: What they are chosen from; letters and digits by default.
    type: str
  ssh_comment:
    description: If given, an ssh key is made, with this comment; the public one is beside it, in C(NAME.pub.txt).
    type: str
"""

RETURN = r"""
_raw:
  description: The secrets.
  type: list
  elements: str
"""

SUFFIX = ".txt"
# What earlier versions wrote into the folder above, for all domains together.
OLD = re.compile(r"((account|demo)-.+(?<!\.txt)|backup|backup-ssh(\.pub)?|coturn|upload)")
LOCK = ".lock"
ALPHABET = string.ascii_letters + string.digits


def places(folder: Path, name: str) -> list[Path]:
    """Return the files that may hold a secret: of the domain, then those of earlier versions."""
    return [folder / f"{name}{SUFFIX}", folder.parent / f"{name}{SUFFIX}", folder.parent / name]


def read(path: Path) -> str | None:
    """Return the secret in a file, None without one; raises AnsibleError with what is wrong about it."""
    try:
        return path.read_text(encoding="utf-8").rstrip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError as error:
        raise AnsibleError(f"{path} is not UTF-8: {error.reason} in byte {error.start + 1}") from error
    except OSError as error:
        raise AnsibleError(f"{path} cannot be read: {error.strerror}") from error


def find(folder: Path, name: str) -> tuple[Path, str] | None:
    """Return the file that holds a secret, and the secret."""
    for path in places(folder, name):
        if (secret := read(path)) is not None:
            return path, secret
    return None


def own(path: Path) -> None:
    """Give what root has made, after sudo, to whom the folder belongs that it lies in."""
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid)


def make_folder(folder: Path) -> None:
    """Make a folder for nobody else, and those above."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        own(folder)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep others from writing secrets: Ansible looks after several hosts at once."""
    make_folder(root)
    path = root / LOCK
    with path.open("a", encoding="ascii") as stream:
        if stream.tell() == 0 and path.stat().st_uid == os.geteuid():
            path.chmod(0o600)
            own(path)
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str) -> None:
    """Write a file, whole or not at all, for nobody else to read; until then its name begins with a dot."""
    make_folder(path.parent)
    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        own(fresh)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_ssh_key(path: Path, comment: str) -> None:
    """Write a new ssh key and, before it, the public one."""
    make_folder(path.parent)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        key = Path(folder) / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AnsibleError(f"ssh-keygen made no key: {done.stderr.strip()}")
        public, private = (one.read_text(encoding="ascii") for one in (key.with_suffix(".pub"), key))
    write(path.with_name(f"{path.stem}.pub{SUFFIX}"), public)
    write(path, private)


def move(folder: Path, everybody: Iterable[Path], *, claim: bool) -> list[str]:
    """Move what an earlier version wrote, for all domains together, into the folders of the domains; return what moved.

    *folder* has them from now on if it may *claim* them. They are gone above once *everybody* has a folder, and not
    before a copy is in one of these. Wherever this breaks off, each secret is in one place at least, whole.
    """
    root = folder.parent
    moved = []
    with locked(root):
        for path in sorted(root.iterdir()):
            if path.is_file() and OLD.fullmatch(path.name):
                target = path.with_name(path.name + SUFFIX)
                if target.exists() and read(target) != read(path):
                    raise AnsibleError(f"{path} and {target} are different: delete the one that is not in force")
                path.replace(target)
        shared = [path for path in sorted(root.glob(f"*{SUFFIX}")) if OLD.fullmatch(path.name.removesuffix(SUFFIX))]
        for path in shared if claim else ():
            if not (folder / path.name).exists():
                write(folder / path.name, path.read_text(encoding="utf-8"))
                moved.append(path.name)
        for path in shared:
            folders = list(everybody)
            if all(one.is_dir() for one in folders) and any(read(one / path.name) == read(path) for one in folders):
                path.unlink()
    return moved


# ---------------------------------------------------------------------- what is wrong about them
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
        return "is empty: delete the file, and site.yml makes a new one"
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
        return "is empty: delete the file, and site.yml makes a new one"
    wrong = next((sign for sign in text if not re.fullmatch(r"[A-Za-z0-9+/=._~-]", sign)), None)
    if name in SHARED and wrong:
        return f"has the character {sign_in_words(wrong)}: letters, digits and + / = . _ ~ - are possible"
    if name == "backup" and not text.isprintable():
        return "has a line break or another character that cannot be printed"
    return None


def existing(path: Path) -> Path:
    """Return the path, or what there is of it; raises PermissionError where one may not look."""
    while path != path.parent:
        try:
            path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
        else:
            break
    return path


def access_mistake(root: Path, folder: Path, *, writing: bool) -> str | None:
    """Return why who runs Ansible cannot read secrets, or write them, to follow "xmpp_secrets_dir is …, which"."""
    try:
        there = existing(root)
        if there != root:
            shut = writing and not os.access(there, os.W_OK | os.X_OK)
            return f"the account {user()} cannot make: {there} is {owner(there)}'s" if shut else None
        for place in (root, folder):
            if place.is_dir():
                if not os.access(place, os.R_OK | os.X_OK | (os.W_OK if writing else 0)):
                    return closed(place)
                for path in sorted(place.iterdir()):
                    if OLD.fullmatch(path.name.removesuffix(SUFFIX)) and not os.access(path, os.R_OK):
                        return closed(path)
    except PermissionError as error:
        there = Path(error.filename)
        while not os.access(there, os.F_OK) and there != there.parent:
            there = there.parent
        return f"the account {user()} cannot use: {there} is shut. Name a folder of its own"
    return None


def closed(path: Path) -> str:
    """Say that somebody else's file or folder is shut, and what opens it."""
    return (
        f"the account {user()} cannot use: {path} is {owner(path)}'s (did site.yml run with sudo before?). Go on with "
        f"sudo, or take it over: sudo chown -R {user()}: {path}"
    )


def user() -> str:
    """Return the name of who runs Ansible."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def owner(path: Path) -> str:
    """Return the name of whom a file belongs to, as far as one may know."""
    try:
        return path.owner()
    except (OSError, KeyError):
        return "another account"


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """The lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the secrets."""
        self.set_options(var_options=variables, direct=kwargs)
        folder = Path(self.get_option("folder"))
        check = bool((variables or {}).get("ansible_check_mode"))
        return [self.secret(folder / f"{name}{SUFFIX}", check=check) for name in terms]

    def secret(self, path: Path, *, check: bool) -> str:
        """Return one secret."""
        chars = self.get_option("chars") or ALPHABET
        comment = self.get_option("ssh_comment")
        if check:
            found = find(path.parent, path.name.removesuffix(SUFFIX))
            return found[1] if found else chars[0] * self.get_option("length")
        if (secret := read(path)) is not None:
            return secret
        try:
            with locked(path.parent.parent):
                if not path.exists():
                    if comment:
                        write_ssh_key(path, comment)
                    else:
                        secret = "".join(secrets.choice(chars) for _ in range(self.get_option("length")))
                        write(path, f"{secret}\n")
        except OSError as error:
            raise AnsibleError(f"{path} cannot be written: {error.strerror}") from error
        return read(path) or ""
