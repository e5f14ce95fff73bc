# SPDX-License-Identifier: GPL-3.0-or-later
"""With `xmpp_registration: review`, whoever registers waits until somebody decides. There is no way around it.

More than 300 lines: all that one who waits can try, on one host that is switched to it for this file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.erlang import STATEMENT, refusing, run_in_erlang
from ..kit.moderators import (
    BODY,
    CONFIGURATION,
    DATA,
    NODE,
    Team,
    listed,
    moderating,
    reload,
    run,
    told,
    without_moderators,
)
from ..kit.newcomer import (
    ask_form,
    ask_without_form,
    exists,
    hand_in,
    hand_in_plain,
    invite,
    newcomer,
    plain_form,
    read_picture,
    refusal,
    reset_limits,
    show_invitation,
)
from ..kit.review import (
    REASON,
    SENTENCE,
    announced,
    announcements,
    arrive,
    refused_login,
    register,
    registering,
    reviewing,
    row,
    switch,
    waiting_form,
    words_of,
)
from ..kit.service import Account, Service, sql, wait_for
from ..kit.stream import BIND2_REQUEST, DEVICE, FAST, SASL2, Refused, condition, connected
from ..kit.web import authenticate, over_bosh, over_websocket

WAITS = "temporary-auth-failure"
SAID = {"en": "is still waiting", "de": "wartet noch"}
# Quotes, accents, an end of a statement, a line of ours, and what would turn the direction of what follows.
AWKWARD = "I'm \"Zoë\u0301\"'; DROP TABLE users; --\n> about: admin\u202e\u061c\u200e\u200f & <b>"
HEARD = "I'm \"Zoë\u0301\"'; DROP TABLE users; -- > about: admin  & <b>"
WORDLESS = ("", "  \n\t", "\u202e\u2066", "?!.. 123")
LONGEST = 300  # roles/xmpp/vars/main.yml
SESSIONS = """run([]) ->
    io:format("~b", [proplists:get_value(active, supervisor:count_children(ejabberd_c2s_sup))])."""
FORGET = "run([]) -> persistent_term:erase(mod_xmpp_registration_review)."
# What happens last as an account is deleted.
LEAVE = "run([User, Host]) -> mod_xmpp_registration_review:leave(list_to_binary(User), list_to_binary(Host))."
AWAY = "ALTER TABLE waiting_accounts RENAME TO away"
BACK = "ALTER TABLE away RENAME TO waiting_accounts"


@pytest.fixture(scope="module", autouse=True)
def _reviewed(service: Service, team: Team) -> Iterator[None]:
    """Inside of the change that makes moderators."""
    with reviewing(service):
        yield


@pytest.fixture(autouse=True)
def _nobody_waits_afterwards(service: Service) -> Iterator[None]:
    yield
    service.unregister([Account(name, "") for (name,) in sql(service, "SELECT username FROM waiting_accounts")])


async def test_newcomer_waits_and_is_let_in(service: Service, team: Team, admin: Account, guest: Account) -> None:
    """A moderator reads the sentence, and decides. Nobody can write to the account before; nothing is kept after."""
    async with moderating(service, team, admin) as (client, operator):
        for one in client, operator:
            assert (await waiting_form(one)).get("status") == "completed"
            await announcements(one)  # of earlier tests, for an administrator who was away
        arrive(service, guest, AWKWARD)
        assert row(service, guest) == [[HEARD]]
        await announced(client, operator)
        arrive(service, newcomer())
        assert await refused_login(service, guest) == WAITS
        assert await refused_login(service, Account(guest.name, "wrong password")) == "not-authorized"
        client.say(guest.jid, "are you there")
        error = await client.messages.get(lambda stanza: stanza.get("from") == guest.jid)
        assert error.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}service-unavailable") is not None
        client.send_raw(f"<presence to='{guest.jid}' type='subscribe'/>")
        form = await waiting_form(client)
        shown = [value.text or "" for value in form.iter(f"{DATA}value")]
        assert any(text.startswith(f"{guest.jid}, since") and text.endswith(f"\n> {HEARD}") for text in shown), shown
        assert {field.get("var") for field in form.iter(f"{DATA}field")} == {None, "accounts", "decision"}
        done = await run(client, "waiting", accounts=[guest.jid], decision="admit")
        assert (done.well, done.words) == (True, f"Let in: {guest.jid}")
        decided = f"has let in {guest.jid}"
        assert await told(operator, decided) == f"Moderator {team.one.jid} {decided}"
        assert not (await run(client, "waiting", accounts=[guest.jid], decision="refuse")).well
        # One message, however many came since; and it is said again after somebody has looked.
        assert [await announcements(one) for one in (client, operator)] == [0, 0]
        arrive(service, newcomer())
        await announced(client, operator)
        async with login(service, guest) as alice:
            await alice.online()
            client.say(guest.jid, "welcome")
            await alice.hear("welcome")
            assert alice.messages.all(lambda stanza: stanza.findtext(BODY) == "are you there") == []
            assert alice.presences.all(lambda stanza: stanza.get("type") == "subscribe") == []
    service.checkpoint()
    assert not service.stored("DROP TABLE users")


async def test_refused_is_deleted_and_the_name_is_free(service: Service, team: Team, admin: Account) -> None:
    """Several at once, and nobody but those who wait."""
    one, other, third = newcomer(), newcomer(), newcomer()
    for account in one, other, third:
        arrive(service, account)
    async with moderating(service, team, admin) as (client, operator):
        assert f"{NODE}waiting" in await listed(client)
        for decision in ({"decision": "banish"}, {}):
            assert not (await run(client, "waiting", accounts=[one.jid], **decision)).well
        for nobody in ([], [team.other.jid], [admin.jid, f"{one.name}@elsewhere.example", "", "@"]):
            assert not (await run(client, "waiting", accounts=nobody, decision="refuse")).well
        done = await run(client, "waiting", accounts=[one.jid, other.jid, admin.jid], decision="refuse")
        assert done.words == f"Refused and deleted: {one.jid}, {other.jid}"
        await told(operator, f"has refused and deleted {one.jid}, {other.jid}")
    assert [exists(service, account) for account in (one, other, third, admin)] == [False, False, True, True]
    assert await refused_login(service, one) == "not-authorized"
    arrive(service, one)
    assert await refused_login(service, one) == WAITS
    service.unregister([third])
    assert row(service, third) == []


@pytest.mark.attack("getting into an account that waits to be let in, with `xmpp_registration: review`")
@pytest.mark.attack("registering a refused name anew while it is still being deleted")
async def test_who_has_the_name_anew_waits(service: Service, guest: Account) -> None:
    arrive(service, guest)
    run_in_erlang(service, LEAVE, guest.name, service.domain)
    assert row(service, guest) == [[SENTENCE]]
    assert await refused_login(service, guest) == WAITS


async def test_no_way_in_while_waiting(service: Service, team: Team, guest: Account) -> None:
    """By every mechanism and on every way, before and after a restart, also with a new password.

    The reason is told in both languages.
    """
    arrive(service, guest)
    plain = f"\0{guest.name}\0{guest.password}".encode()
    loud = f"\0{guest.name.upper()}\0{guest.password}".encode()

    def refused(failure: ET.Element, language: str = "en") -> None:
        assert condition(failure) == WAITS
        assert SAID[language] in "".join(failure.itertext())

    for restarted in False, True:
        if restarted:
            service.restart()
        for initial in plain, loud:
            with connected(service) as stream:
                stream.starttls()
                refused(stream.authenticate("PLAIN", initial))
                with pytest.raises(ConnectionError):
                    stream.bind()
    for mechanism in "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS":
        with connected(service) as stream:
            stream.starttls()
            with pytest.raises(Refused, match=WAITS):
                stream.scram(mechanism, guest)
    with connected(service, 5223) as stream:
        stream.encrypt("xmpp-client")
        stream.open()
        refused(stream.authenticate("PLAIN", plain))
    token = f"<user-agent id='{DEVICE}'/><request-token xmlns='{FAST[1:-1]}' mechanism='HT-SHA-256-EXPR'/>"
    with connected(service, user=guest) as stream:
        stream.starttls()
        failure = stream.authenticate2("PLAIN", plain, token + BIND2_REQUEST)
        assert failure.tag == f"{SASL2}failure"
        refused(failure)
        with pytest.raises(ConnectionError):
            stream.bind()
    for way in over_websocket, over_bosh:
        with contextlib.suppress(AssertionError):  # BOSH ends the session with the answer
            async with way(service) as exchange:
                with pytest.raises(AssertionError, match=WAITS):
                    await authenticate(exchange, guest)
    assert sql(service, f"SELECT count(*) FROM auth_fast_tokens WHERE username = '{guest.name}'") == [[0]]
    changed = Account(guest.name, "another pass word 7%")
    service.api(("change_password", {"user": guest.name, "host": service.domain, "newpass": changed.password}))
    assert await refused_login(service, changed) == WAITS
    with connected(service) as stream:
        stream.language = "de-AT"
        stream.starttls()
        refused(stream.authenticate("PLAIN", f"\0{guest.name}\0{changed.password}".encode()), "de")


async def test_refused_login_leaves_nothing_in_the_server(service: Service, guest: Account) -> None:
    """Whoever has a waiting account could fill the memory with it."""
    arrive(service, guest)

    def sessions() -> int:
        return int(run_in_erlang(service, SESSIONS))

    before = sessions()
    for _ in range(20):
        with connected(service, 5223) as stream:
            stream.encrypt("xmpp-client")
            stream.open()
            failure = stream.authenticate("PLAIN", f"\0{guest.name}\0{guest.password}".encode())
            assert condition(failure) == WAITS
    wait_for(lambda: sessions() <= before)


@pytest.mark.attack("getting into an account that waits to be let in, with `xmpp_registration: review`")
async def test_no_way_in_while_the_database_does_not_answer(service: Service, guest: Account) -> None:
    """What cannot be asked is refused: a login, and a new account. Not before ejabberd has read who waits, either."""
    late = newcomer()
    arrive(service, guest)
    run_in_erlang(service, FORGET)
    assert await refused_login(service, guest) == WAITS
    with refusing(service, AWAY, BACK):
        assert await refused_login(service, guest) == WAITS
        reset_limits(service)
        with connected(service) as stream:
            stream.starttls()
            assert refusal(register(service, stream, late)) != ""
        assert not exists(service, late)
    assert row(service, guest) == [[SENTENCE]]


@pytest.mark.parametrize("kind", ["chat", "normal", "headline", "groupchat", "error"])
async def test_message_to_one_who_waits_is_answered_as_to_nobody(
    service: Service, team: Team, guest: Account, kind: str
) -> None:
    arrive(service, guest)
    with connected(service, 5223) as stream:
        stream.encrypt("xmpp-client")
        stream.open()
        stream.scram("SCRAM-SHA-512", team.other)
        stream.bind()

        def answers(account: Account, resource: str) -> list[str]:
            """To a message, until the answer to what follows it."""
            stream.send(f"<message type='{kind}' to='{account.jid}{resource}'><body>hello</body></message>")
            stream.send("<iq type='get' id='next'><ping xmlns='urn:xmpp:ping'/></iq>")
            came = []
            while (stanza := stream.read()).get("id") != "next":
                came.append(ET.tostring(stanza, "unicode").replace(account.jid, "somebody"))
            return came

        for resource in "", "/app":
            waiting, missing = answers(guest, resource), answers(newcomer(), resource)
            assert waiting == missing, f"{resource}: {waiting} {missing}"


@pytest.mark.attack("getting into an account that waits to be let in, with `xmpp_registration: review`")
async def test_no_account_without_a_sentence(service: Service, guest: Account) -> None:
    """It is required in the form, and the CAPTCHA is not used up by a wrong one, which is refused in words.

    No other way to an account leads around it, and none without a login ends the waiting.
    """
    with registering(service) as stream:
        answer = stream.query("get", "<query xmlns='jabber:iq:register'/>", language="de-AT")
        (field,) = [one for one in answer.iter(f"{DATA}field") if one.get("var") == REASON]
        assert field.find(f"{DATA}required") is not None
        assert field.get("label", "").startswith("Wer bist du")
        assert any("wartet das Konto" in (one.text or "") for one in answer.iter(f"{DATA}instructions"))
        form = ask_form(stream)
        who = {"username": guest.name, "password": guest.password, "challenge": form.challenge}
        who["ocr"] = read_picture(service, form.challenge)
        for words in (None, *WORDLESS, "x" * (LONGEST + 1), "\u0301x" * LONGEST):
            said = {} if words is None else {REASON: words}
            answer = hand_in(stream, language="de", **who, **said)
            assert refusal(answer) == "not-acceptable"
            assert "Satz" in words_of(answer)
        assert "write a sentence" in words_of(hand_in(stream, **who))
        assert refusal(ask_without_form(stream, guest)) == "not-allowed"
        assert not exists(service, guest)
        challenge = await plain_form(service)
        key = read_picture(service, challenge)
        assert "error creating the account" in await hand_in_plain(service, guest, id=challenge, key=key)
        assert sql(service, "SELECT * FROM waiting_accounts") == []
        assert not exists(service, guest)
    with registering(service) as stream:
        assert refusal(register(service, stream, guest, "x" * LONGEST)) == ""
        reset_limits(service)
        assert refusal(register(service, stream, Account(guest.name, "mine now 7%x"), "me")) == "conflict"
        inside = f"<remove/><username>{guest.name}</username><password>{guest.password}</password>"
        for query in inside, f"<username>{guest.name}</username><password>mine now 7%x</password>":
            assert refusal(stream.query("set", f"<query xmlns='jabber:iq:register'>{query}</query>")) != ""
    assert row(service, guest) == [["x" * LONGEST]]
    assert await refused_login(service, guest) == WAITS


async def test_invited_guest_does_not_wait(service: Service, guest: Account) -> None:
    """Nor an account of the operator's; neither is asked for a sentence."""
    with registering(service) as stream:
        assert refusal(show_invitation(stream, invite(service))) == ""
        form = ask_form(stream)
        assert REASON not in form.fields
        who = {"username": guest.name, "password": guest.password, "challenge": form.challenge}
        assert refusal(hand_in(stream, **who, ocr=read_picture(service, form.challenge))) == ""
    async with login(service, guest):
        pass
    assert row(service, guest) == []


async def test_list_does_not_grow_for_ever(service: Service, guest: Account) -> None:
    """Too many are refused in words before the CAPTCHA; whoever waits for too long is deleted."""
    arrive(service, guest)
    switch(service, accounts="1")
    try:
        with registering(service) as stream:
            for language, words in (("en", "Too many new accounts"), ("de", "Zu viele neue Konten")):
                answer = stream.query("get", "<query xmlns='jabber:iq:register'/>", language=language)
                assert refusal(answer) == "resource-constraint"
                assert words in words_of(answer)
            assert refusal(hand_in(stream, username="x", password="y", **{REASON: SENTENCE})) == "resource-constraint"
    finally:
        switch(service, accounts="100")
    for days, left in ((14, True), (15, False)):
        age = f"UPDATE waiting_accounts SET day = date('now', '-{days} days')"
        run_in_erlang(service, STATEMENT, service.domain, age)
        service.host.check_output("systemctl start xmpp-expire.service")
        assert exists(service, guest) == left
    assert row(service, guest) == []


async def test_switched_off_those_who_wait_still_do(
    service: Service, team: Team, admin: Account, guest: Account
) -> None:
    """Until they are let in, by an administrator if there are no moderators; who comes then does not wait."""
    arrive(service, guest)
    late = newcomer()
    kept = service.host.file(CONFIGURATION).content_string
    switch(service, review="false")
    try:
        with registering(service) as stream:
            assert REASON not in ask_form(stream).fields
            assert refusal(register(service, stream, late)) == ""
        async with login(service, late):
            pass
        assert await refused_login(service, guest) == WAITS
        reload(service, without_moderators)
        async with login(service, team.one) as client, login(service, admin) as operator:
            assert f"{NODE}waiting" not in await listed(client)
            assert f"{NODE}waiting" in await listed(operator)
            assert (await run(operator, "waiting", accounts=[guest.jid], decision="admit")).well
            assert f"{NODE}waiting" not in await listed(operator)
        assert sql(service, "SELECT name FROM sqlite_master WHERE name = 'waiting_accounts'") == []
        async with login(service, guest):
            pass
    finally:
        reload(service, lambda _: kept)
        service.unregister([late])
