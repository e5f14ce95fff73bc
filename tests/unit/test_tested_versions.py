# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixes of a tested ejabberd install themselves, other versions do not: apt decides, with a made-up archive."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt import versions as own_versions
from ansible_collections.conexizan.xmpp.plugins.module_utils.apt.command import PackagesError
from ansible_collections.conexizan.xmpp.plugins.module_utils.health import updates
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import Row

from ..kit.debian_archive import Apt, stanza
from .loading import ROOT, trusted

TESTED = {"ejabberd": "26.10", "erlang-p1-tls": "1.1.26", "erlang-p1-xmpp": "1.14.2"}
PREFERENCES = ROOT / "roles/base/templates/etc/apt/preferences.d/xmpp.j2"
BPO = "-1~bpo13+1"
OLD = stanza("ejabberd", "24.12-3+deb13u2") + stanza("erlang-p1-xmpp", "1.10.1-1")


def evaluate(template: str, installed: dict[str, str], came: dict[str, str], default_release: str = "") -> Any:
    """Return a template of the role base, on a host that has some packages, and others that *came* in this run."""
    variables: dict[str, Any] = {}
    for file in ("defaults", "vars"):
        variables |= trusted(ROOT / f"roles/base/{file}/main.yml")
    variables |= {
        "base_tested": TESTED,
        "base_packages": ["coturn", "ejabberd", "erlang-p1-sqlite3"],
        "ansible_managed": "",
        "ansible_facts": {"xmpp_host": {"default_release": default_release, "versions": installed, "time_daemon": "x"}},
        "__base_done": {"packages": [f"{name} {version}" for name, version in came.items()]},
        "inventory_hostname": "alpha",
    }
    return Templar(loader=DataLoader(), variables=variables).template(
        trust_as_template(template), overrides={"trim_blocks": True}
    )


class Host:
    """A host with some packages and the pins that it gets, beside a made-up archive."""

    def __init__(
        self,
        folder: Path,
        came: dict[str, str] | None = None,
        *,
        release: str = "",
        others: tuple[str, ...] = ("coturn", "erlang-p1-sqlite3"),
        **here: str,
    ) -> None:
        """Take an empty folder and what is installed; *came* in this run. ``xmpp`` stands for erlang-p1-xmpp."""
        here = {name if name == "ejabberd" else f"erlang-p1-{name}": version + BPO for name, version in here.items()}
        here |= dict.fromkeys(others, f"1.1.15{BPO}")
        self.here = here
        self.apt = Apt(
            folder, evaluate(PREFERENCES.read_text(encoding="utf-8"), {} if came else here, came or {}, release)
        )
        if release:
            (folder / "etc/apt.conf.d/release").write_text(f'APT::Default-Release "{release}";', encoding="ascii")
        self.apt.installed(**{name.replace("-", "_"): version for name, version in here.items()})

    def offer(self, *packages: str) -> Host:
        """Publish packages as "ejabberd 26.10 erlang-p1-xmpp (>= 1)": name, version, dependencies."""
        words = [package.split(maxsplit=2) for package in packages]
        self.apt.offer("".join(stanza(one[0], one[1] + BPO, *one[2:]) for one in words), OLD)
        return self

    def takes(self, *command: str) -> dict[str, str]:
        """Return what a command of apt-get would install, by name."""
        plan = self.apt.run("apt-get", "--simulate", *command)
        found = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+)", plan, re.MULTILINE)
        return {name.removeprefix("erlang-p1-"): version.removesuffix(BPO) for name, version in found}

    def night(self) -> dict[str, str]:
        """Return what would install itself."""
        return self.takes("upgrade", "--with-new-pkgs")

    def run_of_site(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        """Return what the packages call of site.yml would install."""
        asked = evaluate("{{ __base_wanted }}", self.here, {})
        wanted = {name: least for name, _, least in (one.partition(">=") for one in asked)}
        monkeypatch.setattr(own_versions, "run", self.apt.run)
        own_versions.refuse_old(wanted)
        return self.takes("install", *wanted)

    def check(self) -> Row:
        """Return the row of playbooks/check.yml."""
        return updates.ejabberd_version(TESTED, self.apt.run)


def test_tested_version_is_none_that_is_known_to_be_bad() -> None:
    """The tested one is what site.yml asks for."""
    ours = DataLoader().load_from_file(str(ROOT / "roles/xmpp/vars/main.yml"))["xmpp_derived_tested"]["ejabberd"]
    assert updates.feature(ours) >= updates.feature(evaluate("{{ __base_minimum.ejabberd.version }}", {}, {}))


@pytest.mark.parametrize("release", ["", "stable"])
@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        (["ejabberd 27.01 erlang-p1-xmpp", "erlang-p1-xmpp 1.15.0"], {}),
        (["ejabberd 27.01 erlang-p1-xmpp", "erlang-p1-xmpp 1.140.0", "ejabberd 26.101"], {}),
        (["ejabberd 26.10.1 erlang-p1-xmpp", "ejabberd 27.01"], {"ejabberd": "26.10.1"}),
        # Two fixes that need one another.
        (
            ["ejabberd 26.10.1 erlang-p1-xmpp (>= 1.14.3)", "erlang-p1-xmpp 1.14.3", "erlang-p1-xmpp 1.15.0"],
            {"ejabberd": "26.10.1", "xmpp": "1.14.3"},
        ),
        # A fix of a library alone.
        (["ejabberd 26.10", "erlang-p1-tls 1.1.27", "erlang-p1-tls 1.2.0"], {"tls": "1.1.27"}),
    ],
)
def test_only_fixes_of_what_was_tested_install_themselves(
    offered: list[str], taken: dict[str, str], release: str, tmp_path: Path
) -> None:
    host = Host(tmp_path, release=release, ejabberd="26.10", xmpp="1.14.2", tls="1.1.26").offer(*offered)
    assert host.night() == taken


@pytest.mark.parametrize("release", ["", "stable"])
@pytest.mark.parametrize(
    ("offered", "installed"),
    [
        (["ejabberd 26.10 erlang-p1-xmpp", "ejabberd 27.01 erlang-p1-xmpp"], "26.10"),
        (["ejabberd 27.01 erlang-p1-xmpp"], "27.01"),
    ],
)
def test_bare_host_takes_the_tested_one_or_what_there_is(
    offered: list[str], installed: str, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path, release=release).offer(*offered, "erlang-p1-xmpp 1.15.0")
    assert host.run_of_site(monkeypatch) == {"xmpp": "1.15.0", "ejabberd": installed}


def test_bare_host_is_refused_an_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the roles bring was not made for it; the mirror is out of date."""
    host = Host(tmp_path).offer("ejabberd 26.07")
    with pytest.raises(PackagesError, match=r"at least 26\.10, the newest that apt offers is 26\.07"):
        host.run_of_site(monkeypatch)


@pytest.mark.parametrize("fresh", [True, False])
def test_untested_versions_of_a_host_get_their_own_fixes(fresh: bool, tmp_path: Path) -> None:
    """Of a host that has just got them as well: it has no other pins until the next run."""
    here = {"ejabberd": f"27.01{BPO}", "erlang-p1-xmpp": f"1.15.0{BPO}", "erlang-p1-new": f"1.0.3{BPO}"}
    host = Host(tmp_path, here if fresh else None, ejabberd="27.01", xmpp="1.15.0", new="1.0.3")
    host.offer("ejabberd 26.10.9", "ejabberd 27.01.1", "ejabberd 27.04", "erlang-p1-xmpp 1.15.1")
    assert host.night() == {"ejabberd": "27.01.1", "xmpp": "1.15.1"}
    host.offer("ejabberd 27.04 erlang-p1-xmpp", "erlang-p1-xmpp 1.16.0", "erlang-p1-new 1.1.0")
    assert host.night() == {}


@pytest.mark.parametrize("least", ["1.15.0", "1.14.0"])
def test_operator_can_install_a_newer_one(least: str, tmp_path: Path) -> None:
    """By the command that check.yml prints, with the libraries, whether it could do with older ones or not."""
    host = Host(tmp_path, ejabberd="26.10", xmpp="1.14.2", odd="1.0.0")
    host.offer(f"ejabberd 27.01 erlang-p1-xmpp (>= {least})", "erlang-p1-xmpp 1.15.0", "erlang-base 28.1")
    assert host.night() == {}
    row = host.check()
    command = re.search(r"on the host: apt-get (.+); then run site.yml", row["fix"])
    assert command is not None
    assert host.takes(*shlex.split(command[1])) == {"ejabberd": "27.01", "xmpp": "1.15.0"}


def test_command_is_the_same_everywhere() -> None:
    for page in ("docs/upgrading.md", "docs/decisions/tested-versions.md"):
        assert updates.TAKE in (ROOT / page).read_text(encoding="utf-8")
    assert evaluate("{{ __base_untested_command }}", {}, {}) == updates.TAKE


def test_site_brings_the_tested_ones_to_a_host_from_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The libraries as well, though ejabberd could do with the older ones."""
    host = Host(tmp_path, ejabberd="26.07", xmpp="1.13.4", tls="1.1.26")
    host.offer("ejabberd 26.10 erlang-p1-xmpp (>= 1.13.0)", "erlang-p1-xmpp 1.14.2", "erlang-p1-tls 1.1.26")
    assert host.run_of_site(monkeypatch) == {"ejabberd": "26.10", "xmpp": "1.14.2"}


def test_library_that_has_gone_on_is_taken_with_the_tested_ejabberd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path, ejabberd="26.07", xmpp="1.13.4")
    host.offer("ejabberd 26.10 erlang-p1-xmpp (>= 1.14.0)", "erlang-p1-xmpp 1.15.0")
    assert host.run_of_site(monkeypatch) == {"ejabberd": "26.10", "xmpp": "1.15.0"}


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        (
            ["ejabberd 27.01 erlang-p1-xmpp", "erlang-p1-xmpp 1.15.0"],
            r"apt knows 27\.01\S* \(priority 992\) and prefers",
        ),
        (["ejabberd 26.07"], r"the newest that apt offers is 26\.07"),
    ],
)
def test_host_from_before_stays_if_the_tested_one_is_not_offered(
    offered: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By night, and site.yml does not bring modules of another version quietly: it fails."""
    host = Host(tmp_path, ejabberd="26.07", xmpp="1.13.4").offer(*offered)
    assert host.night() == {}
    with pytest.raises(PackagesError, match=r"ejabberd must be at least 26\.10.*" + why):
        host.run_of_site(monkeypatch)
    reasons = evaluate("{{ __base_reasons }}", host.here, {})
    assert updates.TAKE in reasons
    assert "on alpha" in reasons
    assert host.check()["found"] == "26.07-1~bpo13+1 is installed, Conexizan was tested with 26.10"


def test_unsafe_version_is_replaced_by_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path, ejabberd="26.04", xmpp="1.12.0")
    host.offer("ejabberd 27.01 erlang-p1-xmpp (>= 1.15.0)", "erlang-p1-xmpp 1.15.0")
    assert host.run_of_site(monkeypatch) == {"ejabberd": "27.01", "xmpp": "1.15.0"}


def test_fix_that_cannot_be_installed_stops_no_run_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fix of the tested ejabberd that needs a library which was not tested, on a host where a package is missing."""
    host = Host(tmp_path, ejabberd="26.10", xmpp="1.14.2", others=("erlang-p1-sqlite3",))
    needs = "(>= 1.15.0)"
    host.offer(f"ejabberd 26.10.1 erlang-p1-xmpp {needs}", "erlang-p1-xmpp 1.15.0", "coturn 4.6")
    assert host.night() == {}
    assert host.run_of_site(monkeypatch) == {"coturn": "4.6"}
    row = host.check()
    assert row["status"] == "warn"
    assert row["found"].endswith("; waiting: ejabberd 26.10.1-1~bpo13+1, erlang-p1-xmpp 1.15.0-1~bpo13+1")
    assert host.takes(*shlex.split(updates.TAKE)[1:]) == {"ejabberd": "26.10.1", "xmpp": "1.15.0"}
    host.offer(
        f"ejabberd 26.10.1 erlang-p1-xmpp {needs}",
        "erlang-p1-xmpp 1.15.0",
        "coturn 4.6",
        "erlang-p1-sqlite3 1.1.16 no-such-package",
    )
    assert host.run_of_site(monkeypatch) == {"coturn": "4.6"}


@pytest.mark.parametrize(
    ("offered", "waits"),
    [
        (["ejabberd 26.10 erlang-p1-xmpp"], ""),
        # These come by themselves.
        (["ejabberd 26.10.1 erlang-p1-xmpp (>= 1.14.3)", "erlang-p1-xmpp 1.14.3"], ""),
        (["ejabberd 27.01"], "ejabberd 27.01-1~bpo13+1"),
        (["ejabberd 26.10.1", "ejabberd 27.01"], "ejabberd 27.01-1~bpo13+1"),
        # A security fix may be a new version of a library alone.
        (["erlang-p1-tls 1.1.27", "erlang-p1-tls 1.2.0"], "erlang-p1-tls 1.2.0-1~bpo13+1"),
        (
            ["ejabberd 26.10.1 no-such-package", "ejabberd 27.01"],
            "ejabberd 27.01-1~bpo13+1, ejabberd 26.10.1-1~bpo13+1",
        ),
    ],
)
def test_check_tells_what_will_not_come_by_itself(offered: list[str], waits: str, tmp_path: Path) -> None:
    row = Host(tmp_path, ejabberd="26.10", xmpp="1.14.2", tls="1.1.26").offer(*offered).check()
    told = f"26.10-1~bpo13+1 stays, with which Conexizan was tested; waiting: {waits}"
    assert row["found"] == (told if waits else "26.10-1~bpo13+1, a tested one")
    assert row["status"] == ("warn" if waits else "pass")


def test_check_tells_what_keeps_libraries_back_on_an_untested_host(tmp_path: Path) -> None:
    """Somebody has installed ejabberd without them."""
    host = Host(tmp_path, ejabberd="27.01", xmpp="1.14.2").offer("erlang-p1-xmpp 1.15.0")
    row = host.check()
    assert row["found"].endswith("was tested with 26.10; waiting: erlang-p1-xmpp 1.15.0-1~bpo13+1")
    assert updates.TAKE in row["fix"]


def test_pin_of_the_operator_is_still_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path)
    own = tmp_path / "etc/preferences.d/a"
    own.write_text("Package: ejabberd\nPin: version 24.*\nPin-Priority: 1001\n", encoding="ascii")
    host.offer("ejabberd 26.10 erlang-p1-xmpp", "erlang-p1-xmpp 1.14.2")
    for name, value in (("APT", tmp_path / "etc"), ("OUR_PINS", tmp_path / "etc/preferences.d/xmpp")):
        monkeypatch.setattr(own_versions, name, value)
    with pytest.raises(PackagesError) as error:
        host.run_of_site(monkeypatch)
    assert f"{own} (Package: ejabberd, Pin: version 24.*, Pin-Priority: 1001)" in str(error.value)
