# SPDX-License-Identifier: GPL-3.0-or-later
"""Guessing passwords: it soon takes a minute for each, for a whole line (a /64 of IPv6), and keeps nobody else out."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import secrets
from collections.abc import Iterator

import pytest

from ..kit.clients import login
from ..kit.erlang import run_in_erlang
from ..kit.guesses import AT_ONCE, PICTURES, fresh_v4, guess, say
from ..kit.newcomer import INVITATION, invite, newcomer
from ..kit.service import Account, Register, Service
from ..kit.stream import BIND2_REQUEST, FAST, SASL, SASL2, connected, token_proof
from ..kit.traces import PLACES, SERVICES, holding

END = "</stream:stream>"
REMEMBERED = "/run/xmpp-guard"


@contextlib.contextmanager
def addresses(service: Service, *wanted: str) -> Iterator[None]:
    """The host has these addresses, beside its own."""
    try:
        for address in wanted:
            service.host.check_output(f"ip address add {address} dev lo")
        yield
    finally:
        for address in wanted:
            service.host.check_output(f"ip address del {address} dev lo")


@pytest.mark.attack("guessing passwords")
@pytest.mark.parametrize("sasl2", [False, True], ids=["SASL", "SASL 2"])
def test_guesses_get_slow_and_nobody_else_is_kept_out(service: Service, register: Register, sasl2: bool) -> None:
    owner, guest = register(2)
    attacker, elsewhere = fresh_v4(), fresh_v4()
    # Who is at home at the attacker's address is not kept out by him.
    housemate = (attacker, guest, guest.password)
    assert guess(service, [housemate], sasl2) == ["success"]

    wrong = [(attacker, owner, f"guess {number}") for number in range(AT_ONCE)]
    assert set(guess(service, wrong, sasl2)) == {"not-authorized"}
    right = (attacker, owner, owner.password)
    assert guess(service, [*wrong[:2], right], sasl2) == ["policy-violation"] * 3, "right as well as wrong"
    assert guess(service, [housemate], sasl2) == ["success"]
    # Not even at the end of a stream of guesses is the account itself closed.
    assert guess(service, [(elsewhere, owner, owner.password)], sasl2) == ["success"]


def begin(source: str, account: Account, *more: str) -> tuple[str, ...]:
    """A login that is begun, for say()."""
    first = base64.b64encode(f"n,,n={account.name},r={secrets.token_hex(9)}".encode()).decode()
    return source, f"<auth xmlns='{SASL[1:-1]}' mechanism='SCRAM-SHA-512'>{first}</auth>", *more


# How an attempt ends without an answer to the server's question.
ENDS = {
    "hung up": (END,),
    "aborted": (f"<abort xmlns='{SASL[1:-1]}'/>{END}",),
    "begun again": (f"<auth xmlns='{SASL[1:-1]}' mechanism='SCRAM-SHA-512'>biws</auth>{END}",),
}


@pytest.mark.attack("logins that are started and aborted")
@pytest.mark.parametrize("end", ENDS)
def test_attempt_that_is_given_up_counts_and_then_nothing_is_said_of_a_name(
    service: Service, register: Register, end: str
) -> None:
    owner, guest = register(2)
    missing = Account(f"nobody-{secrets.token_hex(5)}", "")
    attacker, answers = fresh_v4(), "<challenge|<failure|policy-violation"
    housemate = (attacker, guest, guest.password)
    assert guess(service, [housemate]) == ["success"]
    given_up = [begin(attacker, (owner, missing)[number % 2], *ENDS[end]) for number in range(AT_ONCE)]
    assert set(say(service, answers, given_up)) == {"<challenge"}
    assert say(service, answers, [begin(attacker, owner), begin(attacker, missing)]) == ["policy-violation"] * 2
    right = (attacker, owner, owner.password)
    assert guess(service, [right, housemate]) == ["policy-violation", "success"]


def made_up_salt(service: Service, account: Account) -> str:
    """What a login to this account is answered with, of which an account's own lasts as long as its password."""
    (answer,) = say(service, "<challenge[^<]*", [begin(fresh_v4(), account)])
    return base64.b64decode(answer.partition(">")[2]).decode().split(",")[1]


@pytest.mark.attack("guessing passwords")
@pytest.mark.attack("testing by logins whether an account exists")
def test_who_got_in_before_a_restart_is_not_kept_out_after_it(service: Service, register: Register) -> None:
    """One guesser behind an address that many share, such as an office, must not keep them all out until he stops."""
    owner, guest = register(2)
    shared = fresh_v4()
    housemate = (shared, guest, guest.password)
    assert guess(service, [housemate]) == ["success"]
    missing = Account(f"nobody-{secrets.token_hex(5)}", "")
    salt = made_up_salt(service, missing)
    service.restart()
    assert made_up_salt(service, missing) == salt, "or whoever asks before and after would know"
    guess(service, [(shared, owner, f"guess {number}") for number in range(AT_ONCE)])
    assert guess(service, [(shared, owner, owner.password), housemate]) == ["policy-violation", "success"]

    assert service.host.check_output(f"stat --file-system --format=%T {REMEMBERED}") == "tmpfs"
    assert service.host.check_output(f"stat --format='%a %U' {REMEMBERED}") == "700 ejabberd"
    kept = {name.partition(".")[0] for name in service.host.check_output(f"ls {REMEMBERED}").split()}
    assert kept == {"mod_xmpp_guard_known", "mod_xmpp_registration_rate", "mod_xmpp_newcomers"}
    written = base64.b64decode(service.host.check_output(f"cat {REMEMBERED}/* | base64 -w0"))
    assert len(written) > 64, "the search looks at the right place"
    for personal in (guest.name.encode(), shared.encode(), ipaddress.ip_address(shared).packed):
        assert personal not in written


# An account gets in from so many networks; says how many of these are remembered.
GET_IN = """run([Name, Host, Networks]) ->
    Known = fun() -> ets:info(mod_xmpp_guard_known, size) end,
    Before = Known(),
    [#{} = mod_xmpp_login_throttle:judge(
               #{ip => {{16#2001, 16#db8, 0, Network, 0, 0, 0, 0}, 1}, lserver => list_to_binary(Host)},
               true, list_to_binary(Name))
     || Network <- lists:seq(1, list_to_integer(Networks))],
    io:put_chars(integer_to_list(Known() - Before)).
"""
NETWORKS = 100


@pytest.mark.attack("guessing passwords")
def test_one_account_does_not_fill_the_list_of_who_got_in(service: Service, register: Register) -> None:
    """Who has a network of 65,536 lines logs in from each; others are remembered as before."""
    mallory, alice = register(2)
    most = run_in_erlang(service, GET_IN, mallory.name, service.domain, str(2 * NETWORKS))
    assert int(most) == NETWORKS
    assert run_in_erlang(service, GET_IN, alice.name, service.domain, "3") == "3"


def test_own_account_does_not_give_new_guesses(service: Service, register: Register) -> None:
    """A success in between forgives nothing, as it does in ejabberd's own module for this."""
    owner, mallory = register(2)
    attacker = fresh_v4()
    tries = [(attacker, owner, f"guess {number}") for number in range(AT_ONCE)]
    assert set(guess(service, tries[: AT_ONCE - 1])) == {"not-authorized"}
    assert guess(service, [(attacker, mallory, mallory.password)]) == ["success"]
    assert guess(service, tries[-2:]) == ["not-authorized", "policy-violation"]


def test_a_person_who_mistypes_gets_in(service: Service, register: Register) -> None:
    (alice,) = register(1)
    here = fresh_v4()
    wrong = [(here, alice, f"mistyped {number}") for number in range(10)]
    assert guess(service, [*wrong, (here, alice, alice.password)])[-1] == "success"


@pytest.mark.attack("guessing passwords")
def test_token_of_an_app_lets_in_where_passwords_do_not(service: Service, register: Register) -> None:
    """Somebody's old app that tries a wrong password again and again does not shut out the others at home."""
    (alice,) = register(1)
    home, kind, agent = fresh_v4(), "HT-SHA-256-NONE", "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87771'/>"
    with connected(service, user=alice) as stream:
        stream.starttls()
        request = f"{agent}<request-token xmlns='{FAST[1:-1]}' mechanism='{kind}'/>{BIND2_REQUEST}"
        given = stream.scram2("SCRAM-SHA-512-PLUS", alice, request).find(f"{FAST}token")
    assert given is not None
    guess(service, [(home, alice, f"guess {number}") for number in range(AT_ONCE)])
    assert guess(service, [(home, alice, alice.password)]) == ["policy-violation"]

    def words(token: str) -> str:
        proof = base64.b64encode(token_proof(alice, token, b"")).decode()
        inside = f"<initial-response>{proof}</initial-response>{agent}<fast xmlns='{FAST[1:-1]}'/>{BIND2_REQUEST}"
        return f"<authenticate xmlns='{SASL2[1:-1]}' mechanism='{kind}'>{inside}</authenticate>"

    answers = "<success|not-authorized|policy-violation"
    sayings = [(home, words("a guess")), (home, words(given.get("token", "")))]
    assert say(service, answers, sayings, f" from='{alice.jid}'") == ["policy-violation", "<success"]


@pytest.mark.attack("guessing passwords")
def test_all_addresses_of_a_line_count_as_one(service: Service, register: Register) -> None:
    """A /64 of IPv6, of which every line has one at least; the neighbour's is another."""
    owner, guest = register(2)
    line, neighbour = (f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:1" for _ in range(2))
    ones = [f"{line}::{number + 1:x}" for number in range(4)]
    with addresses(service, *(f"{one}/128" for one in ones), f"{neighbour}::1/128"):
        wrong = [(ones[number % 3], owner, f"guess {number}") for number in range(AT_ONCE)]
        assert set(guess(service, wrong)) == {"not-authorized"}
        assert guess(service, [(ones[3], owner, "guess"), (ones[3], guest, guest.password)]) == ["policy-violation"] * 2
        assert guess(service, [(f"{neighbour}::1", owner, owner.password)]) == ["success"]


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
def test_pictures_for_newcomers_are_counted_by_the_line(service: Service) -> None:
    """Forty a minute; and so is what follows from it, the accounts."""
    line, neighbour = (f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}:1" for _ in range(2))
    ones = [f"{line}::{number + 1:x}" for number in range(4)]
    ask = "<iq type='get' id='ask'><query xmlns='jabber:iq:register'/></iq>"
    with addresses(service, *(f"{one}/128" for one in ones), f"{neighbour}::1/128"):
        answers = say(service, "type='(result|error)'", [(ones[number % 4], ask) for number in range(PICTURES + 1)])
        assert answers == ["type='result'"] * PICTURES + ["type='error'"]
        assert say(service, "type='(result|error)'", [(f"{neighbour}::1", ask)]) == ["type='result'"]


@pytest.mark.attack("creating many accounts, with `xmpp_registration: open`")
def test_pictures_for_the_invited_are_counted_by_the_line(service: Service) -> None:
    """As those of strangers, and with these: whatever links somebody has, others get pictures with theirs."""
    attacker, guest, stranger = (fresh_v4() for _ in range(3))
    plain, other, named = invite(service), invite(service), invite(service, newcomer().name)
    ask = "<iq type='get' id='ask'><query xmlns='jabber:iq:register'/></iq>"

    def shown(token: str) -> str:
        return f"<iq type='set' id='show'><preauth xmlns='{INVITATION}' token='{token}'/></iq>{ask}"

    def answers(*sayings: tuple[str, str]) -> list[bool]:
        return ["type='result'" in answer for answer in say(service, "<iq[^>]* id='ask'[^>]*>", sayings)]

    links = [plain, named]
    assert all(answers(*((attacker, shown(links[number % 2])) for number in range(PICTURES))))
    assert answers(*((attacker, words) for words in (shown(plain), shown(named), shown(other), ask))) == [False] * 4
    # The same link, one of the same kind, one with a name, and none.
    assert answers((guest, shown(plain)), (guest, shown(other)), (guest, shown(named)), (stranger, ask)) == [True] * 4


async def test_server_knows_the_network_of_a_client_only(service: Service, register: Register) -> None:
    """The first half of an IPv6 address is all that limits need; the other half would name the device."""
    assert service.address6 is not None, "the test host has no IPv6 address"
    (alice,) = register(1)
    async with login(service, alice, address=service.address6) as client:
        sessions = service.api(("user_sessions_info", {"user": alice.name, "host": service.domain}))[0]
    (seen,) = (session["ip"] for session in sessions if session["resource"] == client.boundjid.resource)
    assert ipaddress.ip_address(seen) == ipaddress.ip_network(f"{service.address6}/64", strict=False).network_address


async def test_who_guessed_is_written_nowhere(service: Service, register: Register) -> None:
    owner, _ = register(2)
    attacker = fresh_v4()
    guess(service, [(attacker, owner, f"guess {number}") for number in range(AT_ONCE + 3)])
    units = " ".join(f"--unit={name}" for name in SERVICES)
    journal = service.host.check_output(f"journalctl --no-pager --output=json {units}")
    assert attacker not in journal
    assert owner.name not in journal
    assert holding(service.host, f"--fixed-strings --regexp={attacker}", *PLACES) == []
    async with login(service, owner):
        pass
