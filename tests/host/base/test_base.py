# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packages come from, and that nothing on the host is broken."""

from __future__ import annotations

import re

import pytest
import yaml
from testinfra.host import Host

from tests.kit.playbook import CHECKOUT

TESTED = yaml.safe_load((CHECKOUT / "roles/xmpp/vars/main.yml").read_text(encoding="utf-8"))["xmpp_derived_tested"]
FROM_BACKPORTS = re.compile(r"ejabberd|erlang-p1-.*|erlang-(jose|idna|erlydtl)")


def test_backports_give_ejabberd_and_its_libraries_only(host: Host) -> None:
    installed = host.check_output("dpkg-query --show --showformat='${Package} ${Version}\\n'").splitlines()
    backported = {line.split()[0] for line in installed if "~bpo" in line}
    assert "ejabberd" in backported
    assert {name for name in backported if not FROM_BACKPORTS.fullmatch(name)} == set()


def test_ejabberd_that_lets_anybody_log_in_as_anybody_is_not_installable(host: Host) -> None:
    """Whatever is preferred by the pins, it is 26.07 or newer."""
    candidate = re.search(r"Candidate: (\S+)", host.check_output("apt-cache policy ejabberd"))
    assert candidate is not None
    assert host.run(f"dpkg --compare-versions {candidate[1]} ge 26.07").rc == 0


def test_what_is_installed_from_backports_is_what_was_tested(host: Host) -> None:
    """After the tests have passed with another version, roles/xmpp/vars/main.yml (xmpp_derived_tested) says so."""
    installed = host.check_output("dpkg-query --show --showformat='${Package} ${Version}\\n'").splitlines()
    found = {name: version for name, version in map(str.split, installed) if FROM_BACKPORTS.fullmatch(name)}
    upstream = {name: version.rpartition("-")[0] for name, version in found.items()}
    assert {name: TESTED[name] for name in found} == upstream | {
        "ejabberd": ".".join(upstream["ejabberd"].split(".")[:2])
    }


@pytest.mark.parametrize("origin", ["codename=trixie-backports", "label=Debian-Security"])
def test_fixes_install_themselves(host: Host, origin: str) -> None:
    settings = host.check_output("apt-config dump")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in settings
    assert origin in settings.replace("${distro_codename}", "trixie")


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_services_may_start_again(host: Host) -> None:
    """The transaction that held services back has let go."""
    assert not host.file("/usr/sbin/policy-rc.d").exists
