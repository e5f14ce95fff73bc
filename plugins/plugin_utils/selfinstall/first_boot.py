#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install the service on this host, on this host: packages, a release of the project, site.yml.

It runs as root from conexizan-selfinstall.service, with Python's standard library alone, and begins again at each boot
until all is done. Every step looks for what is there already, so it may end anywhere. What it waits for, it says on the
console, and tries again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

HOME = Path("/root/conexizan")
UNITS = Path("/etc/systemd/system")
UNIT = "conexizan-selfinstall"
COLLECTION = "ansible_collections/conexizan/xmpp"
ARCHIVE = "conexizan.tar.gz"
# Where a boot partition is, or cloud-init takes its files from.
PLACES = ("/boot/firmware", "/boot", "/var/lib/cloud/seed/nocloud", "/var/lib/cloud/seed/nocloud-net")
PACKAGES = ("ansible-core", "python3-markdown-it", "python3-segno")
APT = ("apt-get", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Options::=--force-confold")
# The screen of the host. A serial line may be recorded, by a provider for example, so no password goes there.
SCREEN = "/dev/tty1"
CONSOLES = Path("/sys/class/tty/console/active")
SOON, LATER, LATEST = 5, 600, 3600  # seconds; a certificate authority counts orders that fail


class Waiting(Exception):
    """What it waits for, and how long it does so before the next try."""

    def __init__(self, what: str, seconds: int = SOON) -> None:
        """Take the words, and the seconds."""
        super().__init__(what)
        self.seconds = seconds


def show(text: str, devices: list[str]) -> None:
    """Write to consoles; one that is not there is passed over."""
    for device in devices:
        with suppress(OSError):
            handle = os.open(device, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK)
            with os.fdopen(handle, "w", encoding="utf-8", newline="\r\n") as stream:
                stream.write(text)


def serial_lines() -> list[str]:
    """Return the consoles of the kernel that are no screen."""
    try:
        active = CONSOLES.read_text(encoding="ascii").split()
    except OSError:
        return []
    return [f"/dev/{name}" for name in active if not re.fullmatch(r"tty\d*", name)]


def tell(text: str) -> None:
    """Say where it is, on all consoles and in the journal."""
    print(text, flush=True)
    show(f"\nConexizan: {text}\n", [SCREEN, *serial_lines()])


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and put what it says into the journal."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="", flush=True)
    return done


# ------------------------------------------------------------------------------------------------- the steps


def wait_for_clock(written: float) -> None:
    """Raise Waiting while the clock says a time from before this was written: no certificate is valid by such a one."""
    if time.time() < written:
        now, then = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment)) for moment in (time.time(), written))
        raise Waiting(f"waits for the time to be set. The clock says {now} UTC; this was written at {then} UTC.")


def wait_for_network() -> None:
    """Raise Waiting while there is no default route, by IPv4 or IPv6."""
    with suppress(OSError):
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
        if any(line.split()[1] == line.split()[7] == "00000000" for line in lines):
            return
    with suppress(OSError):
        lines = Path("/proc/net/ipv6_route").read_text(encoding="ascii").splitlines()
        if any(line.split()[1] == "00" and line.split()[-1] != "lo" for line in lines):
            return
    raise Waiting("waits for the network: there is no default route. Is the cable in, or the Wi-Fi set up?")


def install_packages(names: list[str]) -> None:
    """Install what is missing; raises Waiting."""
    asked = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\n", *names]
    there = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    if all(f"{name} ii " in there for name in names):
        return
    tell(f"installs packages: {', '.join(names)}")
    # After a power cut, some may be half installed.
    steps = (
        ("dpkg", "--force-confold", "--configure", "-a"),
        (*APT, "update"),
        (*APT, "install", "--no-install-recommends", *names),
    )
    for step in steps:
        done = run(*step)
        # Where no index can be had, apt-get update warns and succeeds.
        if done.returncode:
            wrong = [line for line in done.stdout.splitlines() if line.startswith(("E:", "Err:"))]
            raise Waiting(f"cannot install packages yet, and tries again. {' '.join(wrong[-2:])}", 6 * SOON)


def archive_beside(wanted: str) -> bytes:
    """Return the archive that came with this; raises Waiting without one of this SHA-256."""
    for place in PLACES:
        with suppress(OSError):
            content = Path(place, ARCHIVE).read_bytes()
            if hashlib.sha256(content).hexdigest() == wanted:
                return content
    raise Waiting(
        f"waits for {ARCHIVE}, written beside user-data (SHA-256 {wanted}). It is not in {', '.join(PLACES)}.",
        6 * SOON,
    )


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to where nobody says who answers."""

    def redirect_request(self, *args: Any) -> urllib.request.Request | None:
        """Return the next request; raises Waiting."""
        if not str(args[-1]).startswith("https://"):
            raise Waiting(
                f"cannot fetch the release: {args[0].full_url} leads to {args[-1]}, which is not HTTPS.", LATER
            )
        return super().redirect_request(*args)


def archive_from(address: str, wanted: str) -> bytes:
    """Return the archive at an address of HTTPS; raises Waiting."""
    opener = urllib.request.build_opener(Redirects())
    try:
        with opener.open(address, timeout=60) as answer:
            content: bytes = answer.read()
    except OSError as error:
        raise Waiting(f"cannot fetch {address} yet, and tries again. {error}", 6 * SOON) from error
    found = hashlib.sha256(content).hexdigest()
    if wanted and found != wanted:
        raise Waiting(f"refuses {address}: its SHA-256 is {found}, not {wanted}.", LATER)
    return content


def unpack(content: bytes, folder: Path) -> None:
    """Unpack an archive; what is in one folder alone, as in those of web sites with repositories, without that.

    Raises Waiting if that fails.
    """
    packed = folder.with_name(f"{folder.name}.tar")
    packed.write_bytes(content)
    folder.mkdir()
    done = run("tar", "--extract", "--no-same-owner", "--directory", str(folder), "--file", str(packed))
    packed.unlink()
    if done.returncode:
        raise Waiting(f"refuses the archive: {done.stdout.strip()[-300:]}", LATER)
    inside = list(folder.iterdir())
    if len(inside) == 1 and inside[0].is_dir():
        inner = inside[0].rename(folder.with_name(f"{folder.name}.inner"))
        folder.rmdir()
        inner.rename(folder)


def install_release(source: str, version: str, sha256: str) -> None:
    """Put the release where Ansible finds it, whole or not at all; raises Waiting."""
    place = HOME / COLLECTION
    if place.is_dir():
        return
    tell(f"takes the release from {source or ARCHIVE}")
    fresh = place.with_name("xmpp.new")
    for left in place.parent.glob("xmpp.new*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    fresh.parent.mkdir(parents=True, exist_ok=True)
    if source.endswith(".git"):
        done = run("git", "clone", "--depth=1", *([f"--branch={version}"] if version else []), "--", source, str(fresh))
        if done.returncode:
            raise Waiting(f"cannot clone {source} yet, and tries again. {done.stdout.strip()[-300:]}", 6 * SOON)
    else:
        content = archive_from(source, sha256) if source else archive_beside(sha256)
        unpack(content, fresh)
    if not (fresh / "playbooks/site.yml").is_file():
        raise Waiting(f"refuses {source or ARCHIVE}: there is no playbooks/site.yml in it.", LATER)
    os.sync()
    fresh.rename(place)
    os.sync()


def wrong_of(said: str) -> str:
    """Return of what Ansible says the part that tells what is wrong, for a screen."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", said).rpartition("\nPLAY RECAP")[0] or said
    found = re.search(r"(FAILED!|UNREACHABLE!|\[ERROR\]:?|ERROR!)(.*)", text, re.DOTALL)
    lines = [line for line in (found[2] if found else text).strip().splitlines() if line.strip()]
    return "\n".join(lines[:12] if found else lines[-12:])


def deploy(host: str, pause: int) -> None:
    """Run site.yml; raises Waiting."""
    tell("deploys the service. This takes some minutes, on a small host a quarter of an hour.")
    command = ["ansible-playbook", "--inventory", "inventory", "--limit", host, "conexizan.xmpp.site"]
    said = []
    with subprocess.Popen(command, cwd=HOME, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    if running.returncode:
        raise Waiting(
            f"the service is not deployed yet:\n\n{wrong_of(''.join(said))}\n\n"
            f"It tries again in {pause // 60} minutes, and at once after: systemctl restart {UNIT}\n"
            f"The settings are in {HOME}/inventory; all that Ansible said: journalctl -u {UNIT}",
            pause,
        )


def result(facts: Mapping[str, Any], *, secret: bool) -> str:
    """Return what comes next: on the screen with passwords, elsewhere with the files where they are."""
    lines = [f"{facts['domain']} is installed on this host.", "", f"  Web site     {facts['web']}/"]
    for file in sorted((HOME / "inventory" / facts["secrets"]).glob("*/account-*.txt")):
        lines.append(f"  First login  {file.stem.removeprefix('account-')}@{file.parent.name}")
        if secret:
            lines.append(f"  Password     {file.read_text(encoding='utf-8').strip()}")
        lines.append(f"               {'shown once; ' if secret else ''}root reads it in {file}")
    lines += [
        f"  Next         cd {HOME} && ansible-playbook conexizan.xmpp.check",
        f"  Keep safe    {HOME}/inventory, in another place than this host",
    ]
    return "\n".join(lines)


def qr_code(text: str) -> str:
    """Return a QR code for a screen, as the filter terminal_qr draws it."""
    import segno  # has been installed by now

    stream = io.StringIO()
    segno.make_qr(text, error="l").terminal(stream, border=2, compact=True)
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in stream.getvalue().splitlines())


def finish(facts: Mapping[str, Any]) -> None:
    """Show the first login, and remove what only the installation needs."""
    print(result(facts, secret=False), flush=True)
    show(f"\n{result(facts, secret=False)}\n", serial_lines())
    login = f"{facts['web']}/account"
    show(f"\n{result(facts, secret=True)}\n\n{qr_code(login)}\n\n  {login}\n\n", [SCREEN])
    (HOME / "installed").touch()
    os.sync()
    units = (UNITS / f"multi-user.target.wants/{UNIT}.service", UNITS / f"{UNIT}.service")
    for left in (*units, HOME / "selfinstall.json", Path(__file__)):
        left.unlink(missing_ok=True)
    run("systemctl", "daemon-reload")


def main() -> int:
    """Try until all is done."""
    facts = json.loads((HOME / "selfinstall.json").read_text(encoding="utf-8"))
    last, pause = "", LATER
    if shutil.which("cloud-init"):
        # It may be about to set up users, the network and APT.
        run("cloud-init", "status", "--wait")
    while True:
        try:
            wait_for_network()
            wait_for_clock(facts["written"])
            install_packages([*PACKAGES, *(["git"] if facts["source"].endswith(".git") else [])])
            install_release(facts["source"], facts["version"], facts["sha256"])
            deploy(facts["host"], pause)
            finish(facts)
            return 0
        except Waiting as waiting:
            if str(waiting) != last:
                tell(str(waiting))
            last = str(waiting)
            pause = min(2 * pause, LATEST) if waiting.seconds == pause else pause
            time.sleep(waiting.seconds)


if __name__ == "__main__":
    sys.exit(main())
