# SPDX-License-Identifier: GPL-3.0-or-later
"""unattended-upgrades takes fixes of the ejabberd that was tested, and no other version of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import pytest
from testinfra.host import Host

from tests.kit.debian_archive import BACKPORTS

ARCHIVE = "/run/archive"
# What Debian's own timers hold while they update and upgrade, or wait for (apt.systemd.daily): beside a second
# unattended-upgrades, one gives up.
LOCK = "/var/lib/apt/daily_lock"
# Makes an archive with ejabberd in some versions, and a configuration by which apt on this host knows no other archive.
BUILD = rf"""
set -e
cd {ARCHIVE}
mkdir -p lists/partial none build/DEBIAN
for version in $VERSIONS; do
    echo "Package: ejabberd
Version: $version
Architecture: $(dpkg --print-architecture)
Maintainer: nobody <nobody@example.org>
Description: made up" > build/DEBIAN/control
    dpkg-deb --build build ejabberd_$version.deb > build.log
    cat build/DEBIAN/control >> Packages
    echo "Filename: ./ejabberd_$version.deb
Size: $(stat -c %s ejabberd_$version.deb)
SHA256: $(sha256sum ejabberd_$version.deb | cut -c-64)
" >> Packages
done
echo "{BACKPORTS}Date: Tue, 01 Dec 2026 00:00:00 UTC
SHA256:
 $(sha256sum Packages | cut -c-64) $(stat -c %s Packages) Packages" > Release
echo "deb [trusted=yes] file:{ARCHIVE} ./" > sources.list
echo 'Dir::Etc::sourcelist "{ARCHIVE}/sources.list"; Dir::Etc::sourceparts "{ARCHIVE}/none";
Dir::State::lists "{ARCHIVE}/lists"; Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' > apt.conf
export APT_CONFIG={ARCHIVE}/apt.conf
apt-get --quiet update
unattended-upgrade --dry-run --debug 2>&1
"""


@pytest.fixture
def taken(host: Host) -> Iterator[Callable[..., set[str]]]:
    """What unattended-upgrades takes of the versions that are published."""

    def ask(*versions: str) -> set[str]:
        host.check_output(f"rm -rf {ARCHIVE} && mkdir {ARCHIVE}")
        told = host.check_output(f"VERSIONS=%s flock {LOCK} sh -c %s", " ".join(versions), BUILD)
        assert "Initial blacklist" in told
        (line,) = re.findall(r"^Packages that will be upgraded:(.*)", told, re.MULTILINE) or [""]
        return set(re.findall(r"ejabberd_(2[^_ ]*?)(?:_\w+)?\.deb", unquote(told))) if "ejabberd" in line else set()

    yield ask
    host.check_output(f"rm -rf {ARCHIVE}")


def test_fix_of_the_tested_version_installs_itself(taken: Callable[..., set[str]]) -> None:
    assert taken("26.07-9~bpo13+1", "26.10-1~bpo13+1", "27.01-1~bpo13+1") == {"26.07-9~bpo13+1"}


def test_other_versions_do_not(taken: Callable[..., set[str]]) -> None:
    assert taken("26.10-1~bpo13+1", "27.01-1~bpo13+1") == set()
