# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in pages and notices of an operator are reported before a host is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ..kit import ansible_fork
from .site_pages import CONFIGURATIONS, Rendered, notice, rendered, write


@pytest.fixture(params=CONFIGURATIONS)
def site(request: pytest.FixtureRequest) -> Rendered:
    """Return the site in each of the configurations."""
    return rendered(request.param)


# Files, and the problems that are reported about them: file and line, and words.
MISTAKES: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "nothing wrong": (
        {
            "website/de/legal.md": "---\ntitle: Impressum\n---\n{{ xmpp_name | as_text }} {{ now().year }}\n",
            "website/en/legal.md": "---\ntitle: Legal\nwhen: website_calls is defined\n---\n{{ website_calls }}\n",
            "website/static/any.html": "{{ what }}",
            "notices/2026-01-01-hello.md": notice("Hello"),
        },
        [],
    ),
    "unknown language": (
        {"website/it/faq.md": "---\ntitle: F\n---\n"},
        [("website/it:1", "the folder of a language: de, en, es, fr")],
    ),
    "no page": (
        {"website/en/faq.html": "<p>"},
        [("website/en/faq.html:1", "end in .md; other files belong in static/")],
    ),
    "no front matter": (
        {"website/en/faq.md": "# FAQ\n"},
        [("website/en/faq.md:1", "does not begin with front matter")],
    ),
    "front matter without end": (
        {"website/en/faq.md": "---\ntitle: F\n"},
        [("website/en/faq.md:1", 'no second line "---"')],
    ),
    "no YAML": ({"website/en/faq.md": "---\ntitle: F\nmenu: [\n---\n"}, [("website/en/faq.md:3", "cannot be read")]),
    "no title": ({"website/en/faq.md": "---\nmenu: 1\n---\n"}, [("website/en/faq.md:2", "title: …")]),
    "unknown key": (
        {"website/en/faq.md": "---\ntitle: F\ntilte: G\n---\n"},
        [("website/en/faq.md:3", 'unknown key "tilte"')],
    ),
    "script": (
        {"website/en/register.md": "---\ntitle: R\nscript: /static/r.js\n---\n"},
        [("website/en/register.md:3", 'unknown key "script"')],
    ),
    "no number": (
        {"website/en/faq.md": "---\ntitle: F\nmenu: top\n---\n"},
        [("website/en/faq.md:3", "is not a number")],
    ),
    "broken template": (
        {"website/en/faq.md": "---\ntitle: F\n---\nOne\n{% if xmpp_calls %}\n"},
        [("website/en/faq.md:5", "is not a valid template")],
    ),
    "broken condition": (
        {"website/en/faq.md": "---\ntitle: F\nwhen: xmpp_calls and\n---\n"},
        [("website/en/faq.md:3", 'condition in "when:"')],
    ),
    "unknown variable in a condition": (
        {"website/en/faq.md": "---\ntitle: F\nwhen: xmpp_cals\n---\n"},
        [("website/en/faq.md:3", "uses xmpp_cals")],
    ),
    "unknown variable and filter": (
        {"website/en/faq.md": "---\ntitle: F\n---\n{{ xmpp_nmae }}\n{{ xmpp_name | nonsense }}\n"},
        [("website/en/faq.md:5", "uses nonsense, which is not a filter"), ("website/en/faq.md:4", "uses xmpp_nmae")],
    ),
    "name of a notice": (
        {"notices/maintenance.md": notice("M")},
        [("notices/maintenance.md:1", "must begin with a date")],
    ),
    "no such day": (
        {"notices/2026-02-30-m.md": notice("M")},
        [("notices/2026-02-30-m.md:1", "must begin with a date")],
    ),
    "kind": (
        {"notices/2026-02-03-m.md": notice("M", "party")},
        [("notices/2026-02-03-m.md:3", "it can be maintenance")],
    ),
    "no begin": (
        {"notices/2026-02-03-m.md": notice("M", "outage")},
        [("notices/2026-02-03-m.md:3", "it needs a begin")],
    ),
    "no distance from UTC": (
        {"notices/2026-02-03-m.md": notice("M", "outage", "begins: 2026-02-03T10:00")},
        [("notices/2026-02-03-m.md:4", "2026-11-22T22:00+01:00")],
    ),
    "ends before": (
        {"notices/2026-02-03-m.md": notice("M", "outage", "begins: 2026-02-03T10:00Z", "ends: 2026-02-03T09:00Z")},
        [("notices/2026-02-03-m.md:5", "ends before it begins")],
    ),
    "links of a notice": (
        {
            "website/en/workshops.md": "---\ntitle: W\n---\n",
            "notices/2026-02-03-m.de.md": notice("M"),
            "notices/2026-02-03-m.en.md": notice("M")
            + "\n[a](../rooms/) [b](../workshops/#x) [c](/de/faq) [d](https://x.test/nope/)\n",
        },
        [],
    ),
    "links of a notice that lead nowhere": (
        {
            "website/en/workshops.md": "---\ntitle: W\n---\n",
            # The first is there in English alone, and the notice is shown in both languages.
            "notices/2026-02-03-m.md": notice("M")
            + "\n[a](../workshops/)\n[b][1]\n[c](/it/faq/)\n[d](../nope)\n\n[1]: /en/nothing/?x#y\n",
        },
        [
            (f"notices/2026-02-03-m.md:{line}", f"links to {address}, which is not a page of this site")
            for line, address in ((7, "../workshops/"), (12, "/en/nothing/?x#y"), (9, "/it/faq/"), (10, "../nope"))
        ],
    ),
    "languages differ": (
        {
            "notices/2026-02-03-m.de.md": notice("M", "outage", "begins: 2026-02-03T10:00Z"),
            "notices/2026-02-03-m.en.md": notice("M"),
        },
        [("notices/2026-02-03-m.en.md:3", "another kind, begin or end than its translation")],
    ),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the problems reported in each case: one run, with a host and an inventory for each."""
    folder = tmp_path_factory.mktemp("front-door")
    inventories: list[str | Path] = []
    for number, (files, _) in enumerate(MISTAKES.values()):
        hosts = {"all": {"hosts": {f"case{number}": {}}, "vars": {"xmpp_domain": "friends.test"}}}
        write(folder / f"case{number}", {**files, "hosts.yml": yaml.safe_dump(hosts)})
        inventories += ["-i", folder / f"case{number}"]
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "roles": ["xmpp"]}]))
    environment = ansible_fork.operators(**ansible_fork.RESULTS)
    done = ansible_fork.run(*inventories, folder / "play.yml", folder=folder, environment=environment)
    said = done.stdout + done.stderr
    problems = {}
    for number, name in enumerate(MISTAKES):
        _, failed, rest = said.partition(f"fatal: [case{number}]: FAILED! => ")
        problems[name] = json.JSONDecoder().raw_decode(rest)[0]["problems"] if failed else []
        assert failed or f"ok: [case{number}]" in said, said
    return problems


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_told_before_any_host_is_touched(told: dict[str, list[str]], case: str) -> None:
    """By the task that checks the settings; each with file and line."""
    expected = MISTAKES[case][1]
    assert len(told[case]) == len(expected), told[case]
    for problem, (place, words) in zip(told[case], expected, strict=True):
        assert words in problem
        assert f"/{place}\n" in f"{problem}\n"
