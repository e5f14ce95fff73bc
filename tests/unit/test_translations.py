# SPDX-License-Identifier: GPL-3.0-or-later
"""Languages that are translated from English: complete and whole, and what the site does with them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.conexizan.xmpp.plugins.filter.in_language import texts_in_language
from ansible_collections.conexizan.xmpp.plugins.plugin_utils import translation, translation_texts
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.sources import Mistake

from ..kit.collection import unpacked
from .loading import ROOT, trusted
from .site_pages import CONFIGURATIONS, notice, render, rendered, variables, write

TRANSLATIONS = translation.translations()
NO_ENTRY = "does not begin an entry: msgid and msgstr, each with text between quotation marks."
FRENCH = (ROOT / "locale/fr.po").read_text(encoding="utf-8")


@pytest.fixture
def po(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return what writes another fr.po, in whose place that of the project is."""

    def written(text: str) -> Path:
        file = tmp_path / "fr.po"
        file.write_text(text, encoding="utf-8")
        return file

    monkeypatch.setattr(translation, "LOCALE", tmp_path)
    monkeypatch.setattr(translation_texts, "LOCALE", tmp_path)
    return written


def problems() -> list[str]:
    """Return what is wrong with French."""
    return list(translation_texts.problems(ROOT, "fr"))


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_translation_is_complete(language: str) -> None:
    assert list(translation_texts.problems(ROOT, language)) == []


def test_setting_knows_the_languages_that_there_are() -> None:
    options = trusted(ROOT / "roles/xmpp/meta/argument_specs.yml")["argument_specs"]["settings"]["options"]
    known = sorted([*translation.WRITTEN, *TRANSLATIONS])
    assert options["xmpp_languages"]["choices"] == known
    assert sorted(options["xmpp_registration_question"]["options"]) == known


@pytest.mark.parametrize(
    ("change", "to", "told"),
    [
        ('msgstr "Enregistré."', 'msgstr ""', '"Saved." has no translation.'),
        (
            'msgid "Saved."',
            'msgid "Stored."',
            '"Stored." is not a text of the service any more. Run script/translations.',
        ),
        (
            'msgid "Saved."',
            '#, fuzzy\nmsgid "Saved."',
            '"Saved." is marked as fuzzy: look at the translation and remove the mark.',
        ),
        ("({{ website_authority_url }})\u00a0?", "({{ website_url }})\u00a0?", "has lost: {{ website_authority_url }}"),
        ('<a href=\\"/register/plain/\\">le', "le", 'has lost: tag <a href="/register/plain/">'),
        ("](../faq/){%", "](../fqa/){%", "has lost: address ../faq/"),
        ("dans # secondes", "dans secondes", "has lost: placeholder #"),
        ("{% endif %}. Quand", ". Quand", "has lost: {% endif %}"),
        (
            'msgstr "Enregistré."',
            "msgstr Enregistré.",
            NO_ENTRY,
        ),
        (
            'msgid "Saved."',
            'msgctxt "button"\nmsgid "Saved."',
            NO_ENTRY,
        ),
        ('msgstr "Enregistré."', 'msgstr "Enregistr\\x."', "has a backslash that is not in"),
    ],
)
def test_mistake_is_told(po: Callable[[str], Path], change: str, to: str, told: str) -> None:
    before, translated, after = FRENCH.partition(change)
    assert translated, change
    file = po(before + to + after)
    found = problems()
    assert any(told in line for line in found), found
    assert all(line.startswith(str(file)) for line in found)


def test_text_without_a_translation_stops_the_run(po: Callable[[str], Path]) -> None:
    po('msgid ""\nmsgstr "Language: fr\\n"\n')
    translation.catalog.cache_clear()
    try:
        with pytest.raises(Mistake, match=r'fr\.po has no translation of "Saved\."'):
            translation.translate("Saved.", "fr")
    finally:
        translation.catalog.cache_clear()


def test_what_tools_write_is_read(po: Callable[[str], Path]) -> None:
    """Lines that are broken, texts of earlier versions, and texts that are gone."""
    file = po(
        '# Who: somebody\nmsgid ""\nmsgstr ""\n"Language: fr\\n"\n\n'
        '#: a.yml\n#, fuzzy\n#| msgid "Older"\nmsgid ""\n"One "\n"\\"two\\""\n'
        'msgstr "Un "\n"\\"deux\\"\\n"\n\n#~ msgid "Gone"\n#~ msgstr "Parti"\n'
    )
    entries = [(entry.msgid, entry.msgstr, entry.fuzzy) for entry in translation.entries(file)]
    assert entries == [("", "Language: fr\n", False), ('One "two"', 'Un "deux"\n', True)]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_no_english_is_left_on_a_page(configuration: str, tmp_path: Path) -> None:
    """In every configuration: the links of a page stay in its language, and no sentence is that of the English page."""
    settings = {
        **CONFIGURATIONS[configuration],
        "xmpp_languages": ["en", *TRANSLATIONS],
        "xmpp_registration_question": CONFIGURATIONS["everything"]["xmpp_registration_question"],
    }
    site = render(tmp_path, settings)
    names = [path[3:] for path in site if path.startswith("en/")]
    own = str(settings.get("xmpp_name")), "Friends &amp;", "Questions &lt;b&gt;", "-xmpp"
    for language in TRANSLATIONS:
        assert [path[3:] for path in site if path.startswith(f"{language}/")] == names
        for name in names:
            page = site[f"{language}/{name}"]
            assert not re.search(r'href="/(chat/)?en/', page.split("</nav>", 1)[-1]), name
            same = sentences(site[f"en/{name}"]) & sentences(page)
            assert not {line for line in same if not any(word in line for word in own)}, (language, name)


def sentences(page: str) -> set[str]:
    """Return what stands between tags and has some words."""
    return {line.strip() for line in re.split(r"<[^>]+>", page) if line.count(" ") > 3}


def test_names_that_look_like_the_operators_are_reserved_where_the_site_speaks_the_language() -> None:
    def reserved(languages: list[str], name: str) -> bool:
        known = variables({"xmpp_languages": languages})
        pattern = Templar(loader=DataLoader(), variables=known).template(known["xmpp_derived_reserved_pattern"])
        return re.search(pattern, name) is not None

    assert reserved(["fr"], "administrateur2")
    assert reserved(["fr"], "verwaltung")
    assert reserved(["en", "es"], "ayuda")
    assert not reserved(["fr"], "ayuda")
    assert not reserved(["en", "de"], "administrateur2")
    assert not reserved(["fr"], "marie")


def test_default_has_the_two_languages_alone() -> None:
    assert {path.split("/")[0] for path in rendered("defaults") if path.endswith(".html")} == {"de", "en"}


def test_own_page_in_another_language_is_shown_as_such(tmp_path: Path) -> None:
    """A page that replaces one of the project's is not contradicted by that one in another language."""
    write(
        tmp_path,
        {
            "website/en/terms.md": "---\ntitle: Our terms\n---\nBe kind, see [the rooms](../rooms/).\n",
            "website/de/terms.md": "---\ntitle: Unsere Regeln\n---\nSei nett.\n",
            "website/fr/rooms.md": "---\ntitle: Nos salons à nous\n---\nVoilà.\n",
            "notices/2026-12-01-news.md": notice("Something"),
            "notices/2026-12-02-news.fr.md": notice("Quelque chose"),
            "notices/2026-12-03-news.de.md": notice("Etwas"),
            "notices/2026-12-03-news.en.md": notice("Anything"),
        },
    )
    site = render(tmp_path, {"xmpp_languages": ["en", "fr", "de"]})
    terms = site["fr/terms/index.html"]
    assert '<html lang="fr">' in terms
    assert '<main id="content" class="prose" lang="en">' in terms
    assert '<p class="note" lang="fr">Cette page n’existe que dans une autre langue.</p>' in terms
    assert "Be kind" in terms
    assert "Sei nett." in site["de/terms/index.html"]
    assert "lang=" not in site["en/terms/index.html"].split("<main")[1].split(">")[0]
    assert "Voilà." in site["fr/rooms/index.html"]
    notices = site["fr/notices/index.html"]
    assert ">1er décembre 2026<" in notices
    assert ">2 décembre 2026<" in notices
    assert "Anything" in notices  # the first language of the site that it is written in
    assert "Etwas" not in notices


def test_role_has_its_texts_in_a_language_of_the_site() -> None:
    """As roles read them: their own, else the translation, else the run stops."""
    texts = trusted(ROOT / "roles/ejabberd/vars/main.yml")["__ejabberd_data_policy_texts"]
    assert texts_in_language(texts, "de") == texts["de"]
    french = texts_in_language(texts, "fr")
    assert french.keys() == texts["en"].keys()
    assert french["more"] == "Tout ce qui est conservé, combien de temps et pourquoi\u00a0:"
    with pytest.raises(AnsibleFilterError, match=r'fr\.po has no translation of "Never seen"'):
        texts_in_language({"en": {"more": "Never seen"}}, "fr")


def test_several_languages_stand_beside_one_another(tmp_path: Path) -> None:
    """Texts that are kept by language, as the names of apps' sources, are there in each of them."""
    texts = {"de": "1 Tag", "en": "1 {month} {year}"}
    found = translation.with_languages([{"note": texts}], TRANSLATIONS)
    assert set(found[0]["note"]) == {"de", "en", *TRANSLATIONS}
    assert found[0]["note"]["es"] == "1 de {month} de {year}"
    assert found[0]["note"]["fr"] == "1er {month} {year}"


def test_changed_text_keeps_its_translation_to_be_looked_at(tmp_path: Path) -> None:
    """In a clone: script/translations marks it; nothing else of the file changes."""
    clone = unpacked(tmp_path / "clone")
    file, page = clone / "locale/fr.po", clone / "roles/website/pages/en/429.md"
    before = file.read_text(encoding="utf-8").splitlines()
    page.write_text(
        page.read_text(encoding="utf-8").replace("Try again in 60", "Please try again in 61"), encoding="utf-8"
    )
    assert run(clone, "script/translations") == ""
    after = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line not in before] == [
        "#, fuzzy",
        '#| msgid "Try again in 60 seconds."',
        'msgid "Please try again in 61 seconds."',
    ]
    assert [line for line in before if line not in after] == ['msgid "Try again in 60 seconds."']
    assert '"Please try again in 61 seconds." is marked as fuzzy' in run(clone, "script/translations", "--check")
    assert run(clone, "script/translations", "it") == ""
    begun = list(translation.entries(clone / "locale/it.po"))
    assert len(begun) > 500
    assert [entry.msgstr for entry in begun if entry.msgstr] == [begun[0].msgstr]  # the header's
    assert "is not a language" in run(clone, "script/translations", "italian")


def run(clone: Path, script: str, *arguments: str) -> str:
    """Run a script of a clone; returns what it says is wrong, empty if it succeeds."""
    done = subprocess.run([sys.executable, clone / script, *arguments], capture_output=True, text=True)
    assert bool(done.returncode) is bool(done.stderr)
    return done.stderr
