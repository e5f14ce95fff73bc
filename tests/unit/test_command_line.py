# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator says after -e, and what is said to whoever got it wrong."""

from __future__ import annotations

import contextlib
import re

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.conexizan.xmpp.plugins.filter.plain_table import plain_table
from ansible_collections.conexizan.xmpp.plugins.module_utils.ejabberd_api import unknown
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.command_line.options import (
    refuse_unknown,
    understand,
    with_whole_values,
)
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.shapes.addresses import localpart

from .loading import ROOT

DOMAINS = [
    {"domain": "friends.test", "muc": "muc.friends.test"},
    {"domain": "family.test", "muc": "muc.family.test"},
]
VERBS = {
    "ban": {"ban": "account", "reason": "reason"},
    "unban": {"unban": "account"},
    "owner": {"owner": "address", "room": "room"},
    "moderated": {"moderated": "flag", "room": "room"},
}
OPTIONAL = {"domain": "domain"}


@pytest.mark.parametrize(
    ("given", "verb", "options"),
    [
        ({}, "list", {}),
        ({"xmpp_archive_days": 14, "zone_dir": "x"}, "list", {}),
        ({"ban": "mallory", "reason": "spam"}, "ban", {"ban": "mallory@friends.test", "reason": "spam"}),
        ({"unban": "mallory@family.test"}, "unban", {"unban": "mallory@family.test"}),
        (
            {"room": "garden", "owner": "maria@other.test"},
            "owner",
            {"owner": "maria@other.test", "room": "garden@muc.friends.test"},
        ),
        (
            {"room": "garden@muc.family.test", "moderated": True},
            "moderated",
            {"moderated": True, "room": "garden@muc.family.test"},
        ),
        ({"room": "garden", "moderated": "no"}, "moderated", {"moderated": False, "room": "garden@muc.friends.test"}),
        ({"domain": "family.test"}, "list", {"domain": "family.test"}),
    ],
)
def test_options_are_understood(given: dict[str, object], verb: str, options: dict[str, object]) -> None:
    said = understand(given, VERBS, OPTIONAL, DOMAINS)
    assert said == {"verb": verb, "options": options, "format": "table", "elsewhere": False}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"format": "yaml"}, 'format is "yaml", must be table or json.*-e format=json'),
        ({"bann": "mallory"}, "Unknown option -e bann.*Did you mean ban\\?.*-e ban=NAME"),
        ({"ban": "mallory", "unban": "mallory"}, "ban and unban cannot be combined"),
        ({"ban": "mallory"}, 'reason is missing.*-e ban=NAME -e reason="…"'),
        ({"ban": "mallory", "reason": ""}, "reason is empty"),
        ({"ban": "mallory", "reason": "two\nlines"}, r"which contains U\+000A \(a line break\): remove it"),
        ({"reason": "spam"}, "reason is given without the option that uses it.*-e ban=NAME"),
        ({"ban": "mallory", "reason": "x", "room": "garden"}, "room is given"),
        ({"unban": "a@b@c"}, 'unban is "a@b@c", which is not the name of an account'),
        ({"unban": "mallory@other.test"}, "which is of another domain than friends.test, family.test"),
        ({"room": "garden@friends.test", "owner": "maria"}, "which is on another domain than muc.friends.test"),
        ({"room": "garden", "owner": "maria@"}, "which is not an address"),
        ({"room": "garden", "moderated": "perhaps"}, "which must be true or false.*-e moderated=true"),
        ({"domain": "other.test"}, 'domain is "other.test", which is not one of friends.test, family.test'),
    ],
)
def test_invalid_options_are_rejected(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(AnsibleActionFail, match=wrong):
        understand(given, VERBS, OPTIONAL, DOMAINS)


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        ("maria", 'is "maria", which is not NAME=VALUE.*-e ban=…'),
        ("remove=admin", "Unknown option -e remove. This playbook accepts: ban, sure, format"),
        ("ban=mallory", None),
        ("format=json", None),
        ("xmpp_registration=closed", None),
        ("ansible_user=root", None),
        ("@settings.yml", None),
        ('{"ban": "mallory"}', None),
    ],
)
def test_unknown_option_is_refused(argument: str, wrong: str | None) -> None:
    with contextlib.nullcontext() if wrong is None else pytest.raises(AnsibleActionFail, match=wrong):
        refuse_unknown([argument], ["ban", "sure", "format"])


@pytest.mark.parametrize(
    ("given", "arguments", "whole"),
    [
        ({"reason": "sent", "_raw_params": "spam"}, ["reason=sent spam"], {"reason": "sent spam"}),
        ({"reason": "sent spam"}, ["reason='sent spam'"], {"reason": "sent spam"}),
        ({"ban": "mallory", "reason": "spam"}, ["ban=mallory reason=spam"], {"ban": "mallory", "reason": "spam"}),
        ({"ban": "mallory"}, ['{"ban": "mallory"}', "@file.yml"], {"ban": "mallory"}),
    ],
)
def test_string_need_not_be_quoted_twice(given: dict[str, str], arguments: list[str], whole: dict[str, str]) -> None:
    assert with_whole_values(given, arguments) == whole


def test_table_has_columns_as_wide_as_they_need() -> None:
    rows = [
        {"name": "maria", "banned": True, "rooms": ["a", "b"]},
        {"name": "bo", "banned": False, "rooms": ["c\x1b[31m", "d\u202e\u200ce"]},
    ]
    columns = {"name": "account", "banned": "banned", "rooms": "rooms"}
    assert plain_table(rows, columns).splitlines() == [
        "account  banned  rooms",
        "maria    yes     a, b",
        "bo               c [31m, d \u200ce",
    ]
    assert plain_table([], columns) == "account  banned  rooms"


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("malory@a.test", ["mallory@a.test", "zoe@a.test"], " Written nearly so: mallory@a.test."),
        # The domain makes no name similar, nor is another one meant.
        ("maria@friends.example", ["admin@friends.example", "zoe@friends.example"], ""),
        ("malory@a.test", ["mallory@b.test"], ""),
        ("nobody@a.test", [], ""),
    ],
)
def test_unknown_name_is_told_without_a_command(name: str, known: list[str], said: str) -> None:
    """It could delete, or destroy, what nobody meant."""
    wrong = f'delete is "{name}", which is no account here.{said} playbooks/user.yml alone lists them all.'
    assert str(unknown("delete", name, "account", known)) == wrong


@pytest.mark.parametrize(
    "given", [{"delete": "mario", "sure": ""}, {"delete": "a@b@c", "sure": "x"}, {"sure": "mario"}]
)
def test_no_example_names_an_account(given: dict[str, str]) -> None:
    """Somebody could have it, and lose it to whoever copies the example."""
    with pytest.raises(AnsibleActionFail) as wrong:
        understand(given, {"delete": {"delete": "account", "sure": "account"}}, {}, DOMAINS)
    assert set(re.findall("-e (?:delete|sure)=([^ ]+)", str(wrong.value))) == {"NAME"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("گفت\u200cوگو", None),
        ("👨\u200d👩\u200d👧, Sch\u00adule, \u200fשלום", None),
        ("a\u202eb", r"contains U\+202E \(RIGHT-TO-LEFT OVERRIDE\): remove it"),
        ("a\u2029b", r"contains U\+2029 \(PARAGRAPH SEPARATOR\): remove it"),
        ("a\x9bb", r"contains U\+009B: remove it"),
        ("x" * 501, "has 501 characters: at most 500 are allowed"),
    ],
)
def test_reason_is_a_string_in_any_script(text: str, wrong: str | None) -> None:
    with contextlib.nullcontext() if wrong is None else pytest.raises(AnsibleActionFail, match=wrong):
        understand({"ban": "mallory", "reason": text}, VERBS, OPTIONAL, DOMAINS)


HOSTS = ["one", "two"]


@pytest.mark.parametrize(
    ("given", "elsewhere"),
    [
        ({}, False),  # a list is of all
        ({"unban": "zoe@friends.test"}, False),
        ({"unban": "zoe@family.test"}, False),
        ({"unban": "zoe@other.test"}, True),
        ({"ban": "zoe@other.test", "reason": "spam"}, True),
        ({"room": "garden@muc.friends.test", "owner": "zoe"}, False),
        ({"room": "garden@muc.other.test", "owner": "zoe@friends.test"}, True),
    ],
)
def test_of_several_hosts_the_one_of_the_domain_is_meant(given: dict[str, str], elsewhere: bool) -> None:
    assert understand(given, VERBS, {}, DOMAINS, HOSTS)["elsewhere"] is elsewhere


@pytest.mark.parametrize(
    ("given", "verbs", "optional", "wrong"),
    [
        (
            {"unban": "zoe"},
            VERBS,
            {},
            r'unban is "zoe", and there are 2 hosts \(one, two\).* zoe@DOMAIN, or .*--limit HOST$',
        ),
        ({"room": "garden", "owner": "zoe@friends.test"}, VERBS, {}, "room is .garden., and .* garden@DOMAIN, or"),
        (
            {},
            {},
            {"user": "account", "domain": "domain"},
            "There are 2 hosts .* -e domain=DOMAIN, or name .*--limit HOST$",
        ),
        ({}, {}, {"sure": "service", "backup": "flag"}, "There are 2 hosts .* -e sure=DOMAIN, or name"),
        (
            {"snapshot": "x"},
            {},
            {"snapshot": "string"},
            "There are 2 hosts .*: name the host: --limit HOST$",
        ),
    ],
)
def test_of_several_hosts_one_must_be_named(
    given: dict[str, str], verbs: dict[str, dict[str, str]], optional: dict[str, str], wrong: str
) -> None:
    with pytest.raises(AnsibleActionFail, match=wrong):
        understand(given, verbs, optional, DOMAINS, HOSTS)


INVITE = {"uses": {"uses": "number"}, "withdraw": {"withdraw": "string"}, "list": {"list": "flag"}}


def test_playbook_that_changes_without_a_verb_lists_by_one() -> None:
    """A list is of all hosts, everything else of one."""
    optional = {"domain": "domain"}
    assert understand({"list": "true"}, INVITE, optional, DOMAINS, HOSTS, changes=True)["verb"] == "list"
    for given in ({}, {"uses": "30"}, {"withdraw": "x"}):
        with pytest.raises(AnsibleActionFail, match=r"There are 2 hosts .* -e domain=DOMAIN, or name"):
            understand(given, INVITE, optional, DOMAINS, HOSTS, changes=True)
        here = understand(given | {"domain": "family.test"}, INVITE, optional, DOMAINS, HOSTS, changes=True)
        assert not here["elsewhere"]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "1e9", "12345678901"])
def test_number_is_whole_and_above_zero(value: str) -> None:
    assert understand({"uses": 30}, INVITE, {}, DOMAINS)["options"] == {"uses": 30}
    with pytest.raises(AnsibleActionFail, match=r"uses is (empty|.*, which is not a positive integer)"):
        understand({"uses": value}, INVITE, {}, DOMAINS)


def names() -> list[str]:
    """Names that people could try."""
    odd = [
        "..",
        "_",
        "-",
        "-x",
        ".x",
        "x.",
        "x-",
        "_x",
        "Maria",
        "mária",
        "a b",
        "a@b",
        "x" * 63,
        "x" * 64,
        "x",
        "a.b-c_d",
        "0",
    ]
    return [*odd, "maria", "m.", ".", "a..b", "x\u200c"]


def test_name_of_an_account_is_the_same_for_everybody() -> None:
    """Whoever makes it: xmpp_admins, playbooks, open registration."""
    variables = yaml.safe_load((ROOT / "roles/xmpp/vars/main.yml").read_text(encoding="utf-8"))
    good = variables["xmpp_derived_name_pattern"]
    reserved = variables["xmpp_derived_reserved_pattern"].replace("{{ xmpp_derived_name_pattern }}", good)
    reserved = re.sub(r"\{\{.*?\}\}", "admin|info", reserved)
    for name in names():
        allowed = localpart(name) is None
        assert (re.match(good, name) is not None) is allowed, name
        assert (re.search(reserved, name) is None) is allowed, name
    assert re.search(reserved, "admin2")
