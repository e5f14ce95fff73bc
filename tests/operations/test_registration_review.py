# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that is deployed with `xmpp_registration: review`: from the web page to the login, and playbooks/user.yml."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from ..browser.account import enter
from ..browser.account import said as account_says
from ..browser.moderation import confirm, log_in, tells
from ..browser.site import Visit, words
from ..kit import clients
from ..kit.chromium import browsing, installed, trusting
from ..kit.newcomer import exists, newcomer, read_picture, reset_limits
from ..kit.review import admit, arrive, refused_login, row
from ..kit.service import PATIENCE, PLAYBOOK_SECONDS, Account, Service, sql

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(3 * PLAYBOOK_SECONDS)]

APPLICANT = "applicant"  # the host that the browser is on
REGISTER = words("register")
WORDS = "Zoë & friends, <b>from the choir</b>; 'please'"
# As playbooks/restore.yml does it, which also deploys the service.
RESTORE = (
    "xmpp-backup prepare && xmpp-backup apply && xmpp-backup commit && systemctl start ejabberd.service nginx.service"
)
# The command of those who decide, what its form asks, and the decision, as the server calls them.
COMMAND = {
    "de": ("Wer auf Freischaltung wartet", "Entscheidung", "Freischalten"),
    "en": ("Who waits to be let in", "Decision", "Let them in"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    with installed(APPLICANT, folder) as program:
        home = trusting(service.ca, folder / "home")
        async with browsing(program, home, {service.domain: service.address}) as browser:
            yield browser


async def apply(service: Service, visit: Visit, page: Page, account: Account, language: str) -> None:
    """Registers on the page, up to where it says that the account waits."""
    await expect(page.locator("#reason-part")).to_be_hidden()
    await page.locator("#name").fill(account.name)
    await page.locator("#password").fill(account.password)
    await page.locator("#proceed").click()
    await expect(page.get_by_label(REGISTER[language]["reason"])).to_be_focused()
    await visit.check(page, f"register-review-{language}")
    await page.locator("#digits").fill(await asyncio.to_thread(read_picture, service, visit.challenge))
    # The server judges what the browser lets through, and the picture is good for another try.
    await page.locator("#reason").fill("?!")
    await page.locator("#proceed").click()
    await expect(page.get_by_role("alert")).to_contain_text({"de": "Satz", "en": "sentence"}[language])
    await page.locator("#reason").fill(WORDS)
    await page.locator("#proceed").click()
    await expect(page.locator("#done-title")).to_have_text(REGISTER[language]["waits_title"])
    await expect(page.locator("#address")).to_have_text(account.jid)
    await expect(page.locator("#done-waits")).to_be_visible()
    await expect(page.locator("#done-next")).to_be_hidden()
    await visit.check(page, f"register-waits-{language}")


@pytest.mark.parametrize(("language", "size"), [("de", "phone"), ("en", "desktop")])
async def test_newcomer_registers_waits_and_is_let_in(
    browser: Browser, service: Service, admin: Account, guest: Account, language: str, size: str
) -> None:
    """Each on a page of the web site: the sentence, that the account waits, the decision of a moderator, the login."""
    reset_limits(service)
    command, decision, admit = COMMAND[language]
    visit = await Visit.begin(browser, service.domain, size)
    page = await visit.open(f"/{language}/register/")
    await apply(service, visit, page, guest, language)

    await page.goto(f"/{language}/account/")
    await log_in(page, guest)
    waits = re.compile({"de": "Passwort stimmt.*wartet", "en": "password is right.*waiting"}[language])
    await expect(page.locator("#outside [role=alert]")).to_have_text(waits, timeout=PATIENCE * 1000)
    await expect(page.locator("#inside")).to_be_hidden()
    await page.fill("#login-password", "wrong")
    await page.locator("#login button").click()
    await expect(page.locator("#outside [role=alert]")).to_have_text(account_says(language, "wrong"))

    office = await visit.open(f"/{language}/moderation/")
    await log_in(office, admin)
    await office.locator("#commands").get_by_role("button", name=command, exact=True).click()
    stage = office.locator("#stage")
    await expect(stage.locator(".fixed", has_text=WORDS)).to_contain_text(guest.jid)
    await stage.get_by_label(guest.jid).check()
    await stage.get_by_label(decision).select_option(admit)
    await visit.check(office, f"moderation-waiting-{language}")
    await stage.locator("[type=submit]").click()
    await confirm(office, language, command)
    await tells(office, guest.jid)
    await office.close()

    await enter(page, guest)
    assert await visit.end() == []
    assert sql(service, "SELECT * FROM waiting_accounts") == []
    async with clients.login(service, guest):
        pass


async def test_who_waits_in_a_backup_waits_when_it_is_restored(service: Service, guest: Account) -> None:
    """Also who has been let in since then: the database is that of the backup."""
    arrive(service, guest, WORDS)
    service.host.check_output("systemctl start xmpp-backup.service")
    admit(service, guest)
    assert await refused_login(service, guest) == ""
    service.host.check_output(RESTORE)
    service.wait_until_ready()
    assert await refused_login(service, guest) == "temporary-auth-failure"
    assert row(service, guest) == [[WORDS]]


async def test_operator_decides_who_is_let_in(service: Service) -> None:
    one, other = newcomer(), newcomer()
    try:
        for account in one, other:
            arrive(service, account, WORDS)
        table = service.succeed("user")
        line = rf"^{re.escape(one.jid)} +\d{{4}}-\d\d-\d\d +{re.escape(WORDS)}$"
        assert re.search(line, table, re.MULTILINE), table
        (first, second) = json.loads(service.succeed("user", "format=json"))["waiting"]
        assert [first["address"], second["address"], second["words"]] == [one.jid, other.jid, WORDS]
        assert "waits to be let in" in service.fail("export", f"user={one.name}")
        assert "would be let in" in service.succeed("user", f"approve={one.name}", "--check")
        assert "is let in" in service.succeed("user", f"approve={one.name}")
        assert "refused and deleted" in service.succeed("user", f"refuse={other.jid}")
        assert "no account that waits to be let in here" in service.fail("user", f"refuse={one.name}")
        assert sql(service, "SELECT * FROM waiting_accounts") == []
        assert (exists(service, one), exists(service, other)) == (True, False)
        async with clients.login(service, one):
            pass
    finally:
        service.unregister([one, other])
