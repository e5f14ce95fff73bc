# SPDX-License-Identifier: GPL-3.0-or-later
"""What a password and a secret may hold: what XMPP allows, and what configuration files take."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets.contents import password_mistake, secret_mistake

from ..kit import ansible_fork
from .loading import ROOT


# ------------------------------------------------------------------ what may not be in them
@pytest.mark.parametrize(
    "password",
    [
        "plain",
        "a b",
        " -pä$$ \"q'o' {{ 7*7 }} %s \\n `id` # €",
        "with salt=x ident=y",  # Ansible's own lookup took these for its own
        "日本語",
        "a\u200db",
        "a\u00a0b",
        "אבג",
        "א1ב",
        "x" * 1023,
    ],
)
def test_passwords_that_xmpp_allows(password: str) -> None:
    """As ejabberd does; tried with its command "register"."""
    assert password_mistake(password) is None


@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        ("", "is empty: "),
        ("ab😀c", "has the character U+1F600 (GRINNING FACE) at position 3, which XMPP does not allow"),
        ("a\tb", "has the character U+0009 (a control character) at position 2, which"),
        ("a\nb", "has the character U+000A (a control character) at position 2, which"),
        ("a\u1680b", "has the character U+1680 (OGHAM SPACE MARK) at position 2, which"),
        ("a\u202eb", "has the character U+202E (RIGHT-TO-LEFT OVERRIDE) at position 2, which"),
        ("₿", "has the character U+20BF ₿ (BITCOIN SIGN) at position 1, which"),  # newer than what XMPP knows
        ("\ue000", "has the character U+E000 "),
        ("אבגabc", "has U+05D0 א (HEBREW LETTER ALEF) and U+0061 a (LATIN SMALL LETTER A), letters that are written"),
        ("אבג1", "has U+0031 1 (DIGIT ONE) at an end"),
        ("\u200d", "has only characters that XMPP leaves out"),
        ("ж" * 600, "has 1200 bytes: XMPP allows 1023"),
    ],
)
def test_passwords_that_xmpp_does_not_allow(password: str, wrong: str) -> None:
    assert (password_mistake(password) or "").startswith(wrong)


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("coturn", "abc+/=", None),
        ("coturn", "abc\nno-auth", "has the character U+000A"),
        ("upload", 'abc"; }', 'has the character U+0022 " (QUOTATION MARK)'),
        ("upload", "", "is empty"),
        ("backup", "four words are fine", None),
        ("backup", "two\nlines", "contains a control character"),
    ],
)
def test_secrets_that_configuration_files_can_hold(name: str, text: str, wrong: str | None) -> None:
    found = secret_mistake(name, text)
    assert found is None if wrong is None else found and found.startswith(wrong)


@pytest.mark.parametrize("place", ["account-admin", "low.test/account-admin.txt"])
def test_front_door_names_the_file_and_the_character(place: str, tmp_path: Path) -> None:
    """Before any host is asked; also in a file of an earlier version."""
    settings = {"xmpp_domain": "low.test", "ansible_host": "192.0.2.1"}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"low": settings}}}), encoding="utf-8")
    file = tmp_path / "secrets" / place
    file.parent.mkdir(parents=True)
    file.write_text("ab😀c\n", encoding="utf-8")
    words = ("--check", "-i", tmp_path / "hosts.yml", ROOT / "site.yml")
    done = ansible_fork.run(*words, folder=ROOT, environment=ansible_fork.operators(), seconds=120)
    said = " ".join(done.stdout.split())
    assert "1 correction is needed, nothing was changed yet." in said, said
    assert f"{file.name} has the character U+1F600 (GRINNING FACE) at position 3, which XMPP does not allow" in said
    assert f"where: {file}" in said
