# SPDX-License-Identifier: GPL-3.0-or-later
"""A flood of registrations meets one limit for the whole service. Whoever has come in another way does not notice."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.newcomer import (
    PLAIN,
    Flood,
    Form,
    ask_for,
    ask_form,
    ask_without_form,
    hand_in,
    invite,
    newcomer,
    plain_form,
    read_picture,
    refusal,
    reset_limits,
    show_invitation,
    wrong,
)
from ..kit.service import Account, Register, Service
from ..kit.stream import CLIENT, Stream, connected

TIMEOUT = 600  # of each test, in seconds: no more than that passes in one
LONG = 3600
pytestmark = pytest.mark.timeout(TIMEOUT)
# Of a test that creates accounts: what others have used of the limits does not count for it, nor the other way round.
flooding = pytest.mark.usefixtures("unused_limits", "limits_reset_after")
PER_HOUR = 20  # roles/xmpp/defaults/main.yml
EACH = 3600 // PER_HOUR  # seconds
OF_ONE_ADDRESS = 5
FAILED = 6
FULL = "{conexizan:registration}full"
SAID = {
    "en": r"Too many accounts .* Please come back in (?:(\d+) minutes|a minute) or later\.",
    "de": r"zu viele Konten .* versuch es frühestens in (?:(\d+) Minuten|einer Minute) noch einmal\.",
}
# The digits of a picture, for a newcomer who comes a minute after the last one, or from another address.
_DIGITS_OF_NEXT = """run([Challenge, Which]) ->
    {atomic, ok} = mnesia:clear_table(mod_register_ip),
    Which =:= "same" orelse
        ets:select_delete(mod_xmpp_registration_lines, [{{'_', '$1'}, [{is_integer, '$1'}], [true]}]),
    [Entry] = ets:lookup(captcha, list_to_binary(Challenge)),
    io:put_chars(element(4, Entry)).
"""
# When the limit of the service is as new again, in milliseconds of ejabberd's clock.
_FULL_AT = """run([]) ->
    [Time] = [Time || {_, Time} <- ets:tab2list(mod_xmpp_registration_rate), is_integer(Time)],
    io:put_chars(integer_to_list(Time)).
"""
_PASS = """run([Seconds]) ->
    Table = mod_xmpp_registration_rate,
    [Moved] = [{Key, Time - list_to_integer(Seconds) * 1000} || {Key, Time} <- ets:tab2list(Table), is_integer(Time)],
    ets:insert(Table, Moved).
"""
# What a stream in each of these states is for the limit.
_MARK = """run(States) ->
    Module = "mod_xmpp_registration_rate",
    [begin
         {ok, Tokens, _} = erl_scan:string(Module ++ ":mark(" ++ State ++ ", packet), erase(" ++ Module ++ ")."),
         {ok, Code} = erl_parse:parse_exprs(Tokens),
         {value, Mark, _} = erl_eval:exprs(Code, []),
         io:format("~0p~n", [Mark])
     end || State <- States].
"""


@pytest.fixture(scope="module")
def unused_limits(service: Service) -> None:
    """Once is enough: each of these tests leaves them so."""
    reset_limits(service)


@pytest.fixture
def newcomers(service: Service) -> Iterator[list[Account]]:
    """Those who got an account, which is deleted afterwards."""
    made: list[Account] = []
    yield made
    service.unregister(made)


def fields(account: Account, form: Form, digits: str) -> dict[str, str]:
    return {"username": account.name, "password": account.password, "challenge": form.challenge, "ocr": digits}


@contextlib.contextmanager
def arriving(service: Service) -> Iterator[Stream]:
    """The stream of one newcomer: ejabberd ends those that nobody logs in on."""
    with connected(service) as stream:
        stream.starttls()
        yield stream


def come(service: Service, account: Account, address: str = "another", language: str = "en") -> ET.Element:
    """The server's answer to somebody who reads the picture and comes from the same address, or from another one."""
    with arriving(service) as stream:
        form = ask_form(stream)
        digits = run_in_erlang(service, _DIGITS_OF_NEXT, form.challenge, address)
        return hand_in(stream, **fields(account, form, digits), language=language)


def minutes(answer: ET.Element, language: str = "en") -> int:
    """How long the server says to wait, in words that an app shows, to a newcomer whom it tells to do so."""
    assert refusal(answer) == "resource-constraint", ET.tostring(answer)
    error = answer.find(f"{CLIENT}error")
    assert error is not None
    assert error.get("type") == "wait"
    text = error.find("{urn:ietf:params:xml:ns:xmpp-stanzas}text")
    assert text is not None
    assert text.get("{http://www.w3.org/XML/1998/namespace}lang") == language
    found = re.search(SAID[language], text.text or "")
    assert found is not None, text.text
    told = int(found[1] or 1)
    assert (seconds(answer) + 59) // 60 == told
    return told


def seconds(answer: ET.Element) -> int:
    """The same for programs."""
    full = answer.find(f"{CLIENT}error/{FULL}")
    assert full is not None, ET.tostring(answer)
    return int(full.get("seconds", ""))


def full_at(service: Service) -> int:
    return int(run_in_erlang(service, _FULL_AT))


def pass_time(service: Service, seconds: int) -> None:
    """As if so much time passed, for the limit of the service."""
    run_in_erlang(service, _PASS, str(seconds))


def fill(service: Service, made: list[Account], count: int) -> None:
    """That many newcomers get their accounts, each from an address of its own."""
    for _ in range(count):
        made.append(newcomer())
        assert refusal(come(service, made[-1])) == ""


@flooding
@pytest.mark.attack("flooding the service with new accounts from many addresses, with `xmpp_registration: open`")
async def test_flood_is_stopped_for_strangers_only(
    service: Service, register: Register, newcomers: list[Account]
) -> None:
    """Failed attempts do not count. One address gets its share. Then it is full, for all, also after a restart, but not
    for whoever is invited, or made by the operator, or here already."""
    (alice,) = register(1)
    for _ in range(FAILED):
        with arriving(service) as stream:
            form = ask_form(stream)
            digits = read_picture(service, form.challenge)
            assert refusal(hand_in(stream, **fields(newcomer(), form, wrong(digits)))) == "not-allowed"
    assert refusal(come(service, Account(alice.name, "mine now 7%x"))) == "conflict"
    assert refusal(come(service, Account(newcomer().name, "abc"))) == "not-acceptable"
    for _ in range(OF_ONE_ADDRESS):
        newcomers.append(newcomer())
        assert refusal(come(service, newcomers[-1], "same")) == ""
    assert 1 < minutes(come(service, newcomer(), "same")) <= 60 // OF_ONE_ADDRESS
    full = full_at(service)
    fill(service, newcomers, PER_HOUR - OF_ONE_ADDRESS)
    # Each has used up three minutes. What time has given back since the first one came, Flood takes.
    assert full_at(service) - full == (PER_HOUR - OF_ONE_ADDRESS) * EACH * 1000
    for restarted in False, True:
        flood = Flood(service, LONG)
        if restarted:
            service.restart()
        for language in SAID:
            assert minutes(come(service, newcomer(), language=language), language) in flood.minutes()
        # What is wrong otherwise is told as ever.
        assert refusal(come(service, Account(alice.name, "mine now 7%x"))) == "conflict"
    challenge = await plain_form(service)
    guest = newcomer()
    answers = await plainly(service, guest, challenge)
    assert re.search(SAID["de"], answers), answers
    await nobody_else_notices(service, alice, guest, newcomers)


async def plainly(service: Service, account: Account, challenge: str) -> str:
    """What the form without scripts says to somebody who reads German."""
    key = run_in_erlang(service, _DIGITS_OF_NEXT, challenge, "another")
    data = {"username": account.name, "host": service.domain, "id": challenge, "key": key}
    data |= {"password": account.password, "password2": account.password}
    answer = await service.fetch(
        "POST", f"https://{service.domain}{PLAIN}", data=data, headers={"Accept-Language": "de"}
    )
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    return answer.body.decode()


async def nobody_else_notices(service: Service, alice: Account, guest: Account, made: list[Account]) -> None:
    """Invited people, in both ways, the operator, and those who are here."""
    token = invite(service)
    with arriving(service) as stream:
        assert refusal(show_invitation(stream, token)) == ""
        assert refusal(ask_for(service, stream, guest)) == ""
        made.append(guest)
    done = service.run_playbook("invite", "uses=2", "format=json")
    token = json.loads(done.stdout)["url"].partition("preauth=")[2]
    for _ in range(2):
        with arriving(service) as stream:
            made.append(newcomer())
            assert refusal(show_invitation(stream, token)) == ""
            assert refusal(ask_without_form(stream, made[-1])) == ""
    made.extend(service.register(1))
    for known in (alice, *made[-4:]):
        async with login(service, known):
            pass


@flooding
def test_wait_is_over_when_it_was_said(service: Service, newcomers: list[Account]) -> None:
    """And not earlier. One more gets an account then, and the next has to wait for three minutes more."""
    Flood(service, LONG)
    said = seconds(come(service, newcomer()))
    # The rest cannot pass by itself within this test.
    pass_time(service, said - TIMEOUT)
    assert refusal(come(service, newcomer())) == "resource-constraint"
    pass_time(service, TIMEOUT)
    full = full_at(service)
    newcomers.append(newcomer())
    assert refusal(come(service, newcomers[-1])) == ""
    assert full_at(service) - full == EACH * 1000


STATES = {
    "#{ip => {{192, 0, 2, 1}, 50000}}": "{stranger,{192,0,2,1}}",
    "#{ip => undefined}": "{stranger,nobody}",
    "#{}": "{stranger,nobody}",
    "#{ip => {{192, 0, 2, 1}, 50000}, invite => invitation}": "undefined",
}


def test_stranger_counts_also_without_an_address(service: Service) -> None:
    assert run_in_erlang(service, _MARK, *STATES).splitlines() == list(STATES.values())


@flooding
def test_nothing_of_a_newcomer_is_kept_for_the_limit(service: Service, newcomers: list[Account]) -> None:
    """Over a restart, one time without a name or an address; in memory, a checksum."""
    fill(service, newcomers, 1)
    service.host.check_output("systemctl stop ejabberd")
    size = int(service.host.check_output("stat --format=%s /run/xmpp-guard/mod_xmpp_registration_rate"))
    kept = service.host.run("grep --text --quiet %s /run/xmpp-guard/mod_xmpp_registration_rate", newcomers[0].name)
    service.host.check_output("systemctl start ejabberd")
    service.wait_until_ready()
    assert kept.rc == 1
    assert size < 128  # a moment, a secret, and one checksum with its time
