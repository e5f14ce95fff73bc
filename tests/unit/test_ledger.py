# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of what is kept about persons: every role's entries in several configurations, and mistakes in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.lookup.ledger import KEYS

from .ledger import ledger
from .loading import ROOT

FILES = sorted((ROOT / "roles").glob("*/vars/ledger.yml"))
assert len(FILES) > 5, "the roles are elsewhere"
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "xmpp_registration": "open",
        "xmpp_webchat": True,
        "xmpp_acme_email": "operator@friends.test",
        "xmpp_dynamic_address": True,
        "xmpp_backup_repository": "/backup",
        "xmpp_archive_default": "roster",
        "xmpp_moderators": ["bob"],
        "xmpp_circles": [{"name": "family"}],
        "xmpp_limited": ["tim"],
        "xmpp_components": [
            {"name": "bridge.friends.test", "description": "A bridge", "secret": "x" * 32, "privileges": ["roster"]}
        ],
    },
    "review": {"xmpp_registration": "review"},
    "little": {
        "xmpp_certificates": "selfsigned",
        "xmpp_calls": False,
        "xmpp_firewall": False,
        "xmpp_federation": False,
        "xmpp_archive_default": "never",
        "xmpp_archive_days": 1,
        "xmpp_upload_days": 365,
    },
}
ENTRY: dict[str, Any] = {
    "name": "thing",
    "paths": ["/srv/thing"],
    "holds": ["jid"],
    "days": 3,
    "readers": ["www-data"],
    "en": {"what": "A thing", "detail": "small", "why": "for fun", "who": "the people who run the service"},
    "de": {"what": "Ein Ding", "detail": "klein", "why": "zum Spaß", "who": "die Betreibenden"},
}


def project(folder: Path, *entries: Any, role: str = "one") -> Path:
    """Return a project of one role with these entries."""
    file = folder / f"roles/{role}/vars/ledger.yml"
    file.parent.mkdir(parents=True)
    file.write_text(yaml.safe_dump(list(entries)))
    (folder / "site.yml").write_text(yaml.safe_dump([{"hosts": "all", "roles": [{"role": "one", "tags": "one"}]}]))
    return folder


# ---------------------------------------------------------------------- what the roles say
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("everything", [False, True])
def test_entries_are_whole(settings: dict[str, Any], everything: bool) -> None:
    """In both languages, with nothing left to be rendered, and the same keys everywhere."""
    entries = ledger(settings, everything=everything)
    assert {tuple(entry) for entry in entries} == {
        ("name", "start_page", "paths", "tables", "holds", "days", "readers", "en", "de")
    }
    for entry in entries:
        for language in ("en", "de"):
            assert list(entry[language]) == ["what", "detail", "why", "who", "long"]
            for text in entry[language].values():
                assert not re.search(r"[{}<>*`]|\bxmpp_|\.$", text), (entry["name"], text)
        assert entry["en"]["what"] != entry["de"]["what"]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_people_who_run_the_service_can_read_it(settings: dict[str, Any]) -> None:
    """Root reads whatever is on the host or in its memory, so each entry says so; that it is a program says nothing."""
    for entry in ledger(settings, everything=True):
        assert re.search(r"\bthe people who run the service\b", entry["en"]["who"]), entry["name"]
        assert re.search(r"\b[dD]ie Betreibenden\b", entry["de"]["who"]), entry["name"]
        if entry["readers"] == ["*"]:
            assert "everybody" in entry["en"]["who"]
            assert "alle" in entry["de"]["who"]


def test_entries_use_settings_only() -> None:
    """So that the ledger is the same in every play; a play without the role website knows no variable of it."""
    for file in FILES:
        names = re.findall(r"{{.*?}}", file.read_text(), re.DOTALL)
        used = {name for text in names for name in re.findall(r"\b[a-z_]*_[a-z_]+\b", re.sub(r"'[^']*'", "", text))}
        assert {name for name in used if not re.match("(__)?xmpp_", name)} == set(), file


def test_off_means_gone() -> None:
    """What is switched off keeps nothing, but the documentation can tell of it."""
    names = {name: {entry["name"] for entry in ledger(settings)} for name, settings in SETTINGS.items()}
    assert {"calls", "certificate_account"} <= names["everything"]
    assert {"calls", "certificate_account"} & names["little"] == set()
    assert names["everything"] <= {entry["name"] for entry in ledger(SETTINGS["little"], everything=True)}


def test_periods_are_those_of_the_settings() -> None:
    days = {entry["name"]: entry["days"] for entry in ledger({"xmpp_archive_days": 5, "xmpp_upload_days": 6})}
    assert (days["archive"], days["room_archive"], days["waiting"], days["uploads"]) == (5, 5, 5, 6)
    assert days["account"] is None
    assert days["connections"] == 0
    traces = yaml.safe_load((ROOT / "roles/log_minimization/defaults/main.yml").read_text())
    assert days["journal"] == traces["log_minimization_journal_max_days"]
    modules = ROOT / "roles/ejabberd/templates/usr/local/lib/xmpp/modules"
    assert f"-define(PUSH_DAYS, {days['push']})." in (modules / "mod_xmpp_deletion.erl").read_text()
    assert (
        f"token_lifetime: {days['tokens']} days"
        in (ROOT / "roles/ejabberd/templates/etc/ejabberd/xmpp.yml.j2").read_text()
    )
    texts = {entry["name"]: entry["de"]["long"] for entry in ledger({"xmpp_archive_days": 1, "xmpp_upload_days": 6})}
    assert (texts["archive"], texts["uploads"]) == ("1 Tag", "6 Tage")


def test_no_address_and_no_secret_in_the_clear_is_on_the_disk() -> None:
    """The promises of the web site: an IP address is in memory only."""
    for entry in ledger({}, everything=True):
        if "ip" in entry["holds"]:
            assert all(path.startswith("/run/") for path in entry["paths"]), entry["name"]


def test_start_page_begins_with_the_account_and_is_short() -> None:
    entries = ledger(SETTINGS["everything"])
    there = [entry for entry in entries if entry["start_page"] is not None]
    assert entries[: len(there)] == there
    assert there[0]["name"] == "account"
    assert len(there) <= 10


# ---------------------------------------------------------------------- mistakes
def test_short_entry_is_completed(tmp_path: Path) -> None:
    (entry,) = ledger({}, project=project(tmp_path, {**ENTRY, "days": "{{ xmpp_upload_days }}"}))
    assert entry == {
        **ENTRY,
        "start_page": None,
        "tables": [],
        "days": 30,
        "en": {**ENTRY["en"], "long": "30 days"},
        "de": {**ENTRY["de"], "long": "30 Tage"},
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"pathes": []}, 'the entry thing has the unknown key "pathes"; it takes name, when'),
        ({"de": None}, 'the entry thing has "None" behind "de:", where what, detail, why, who, long are meant'),
        ({"de": {"what": "x", "detail": "y"}}, 'the entry thing has no "why:" behind "de:"'),
        (
            {"de": {key: ENTRY["de"][key] for key in ("what", "detail", "why")}},
            'the entry thing has no "who:" behind "de:"',
        ),
        ({"de": {**ENTRY["de"], "log": "x"}}, 'the entry thing has the unknown key "log" behind "de:"'),
        ({"en": {**ENTRY["en"], "why": " "}}, 'the entry thing has no text behind "en: why:"'),
        ({"days": -1}, 'the entry thing has -1 behind "days:"; 0 means'),
        ({"days": "soon"}, 'the entry thing has "soon" behind "days:", where an integer is meant'),
        ({"days": True}, 'the entry thing has "True" behind "days:"'),
        ({"days": 0}, 'the entry thing must have "days: 0" (not written to disk) if "paths:" is empty, and only then'),
        ({"paths": []}, 'the entry thing must have "days: 0"'),
        ({"paths": ["srv"]}, 'the entry thing has "srv" behind "paths:", which does not begin with /'),
        ({"paths": "/srv"}, 'the entry thing has "/srv" behind "paths:", where a list is meant'),
        ({"paths": [1]}, 'the entry thing has "[1]" behind "paths:", where a list of strings is meant'),
        ({"holds": ["name"]}, 'the entry thing has "name" behind "holds:"; it takes jid, ip, content, secret'),
        ({"holds": []}, 'the entry thing has "" behind "holds:"'),
        ({"paths": [], "days": 0, "tables": ["a"]}, 'the entry thing has "tables:" but no "paths:"'),
        ({"when": "{{ xmpp_domain }}"}, 'the entry thing has "friends.test" behind "when:"'),
        ({"days": "{{ website_days }}"}, "the entry thing cannot be rendered: 'website_days' is undefined"),
        ({"name": "A Thing"}, 'the entry A Thing must have a name of lower-case letters and "_"'),
    ],
)
def test_mistake_names_the_file_and_the_entry(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    with pytest.raises(AnsibleError) as caught:
        ledger({}, project=project(tmp_path, {**ENTRY, **change}))
    assert f"roles/one/vars/ledger.yml: {problem}" in str(caught.value)


@pytest.mark.parametrize("key", [key for key, (needed, _) in KEYS.items() if needed])
def test_missing_key_is_told(tmp_path: Path, key: str) -> None:
    with pytest.raises(AnsibleError, match=f'has no "{key}:"'):
        ledger({}, project=project(tmp_path, {name: value for name, value in ENTRY.items() if name != key}))


def test_name_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match="the entry thing has the name of another entry"):
        ledger({}, project=project(tmp_path, ENTRY, ENTRY))


def test_role_that_is_not_in_the_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"roles/two/vars/ledger.yml is of a role that is not in site.yml"):
        ledger({}, project=project(tmp_path, ENTRY, role="two"))


def test_switched_off_entry_is_not_rendered(tmp_path: Path) -> None:
    off = {**ENTRY, "when": "{{ not xmpp_calls }}", "days": "{{ xmpp_rooms[0].days }}"}
    assert ledger({}, project=project(tmp_path, off)) == []
