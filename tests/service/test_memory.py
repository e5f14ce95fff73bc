# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory: sessions that sleep or never acknowledge, apps with many features, stanzas of nothing but tags."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

import pytest

from ..kit.erlang import run_in_erlang
from ..kit.floods import LARGE, REFILL
from ..kit.service import Account, Register, Service, sql, wait_for
from ..kit.sessions import INFO, SM, back_online, came, came_until, logged_in, online, until
from ..kit.strangers import befriended
from ..kit.stream import CLIENT, Stream

SLEEPING = 4 * 1024 * 1024  # bytes that come while a session sleeps
DENIED = 8 * 1024 * 1024  # bytes that an app denies to have got
SESSIONS = 60  # of BOSH, at once
MEMORY = {"ejabberd": 65, "nginx": 15, "coturn": 15}  # percent of the host's
NEW_APPS = 20  # that one account shows at once
NAME = 1024  # bytes of an app's name
FEATURES = 500  # of an app
ELEMENTS = 5000  # of a stanza
MEMORY_OF_A_STANZA = 1.5  # MiB
# The largest parts of the compiler, of those that are not needed for what ejabberd compiles as it starts.
LOADED = """run([]) ->
    [io:format("~s ", [Module]) || Module <- [compile, beam_ssa_opt, beam_ssa_type, beam_block, sys_core_fold],
                                   code:is_loaded(Module) =/= false].
"""


def test_optimizations_of_the_compiler_are_not_in_memory(service: Service) -> None:
    assert run_in_erlang(service, LOADED).split() == ["compile"]


@pytest.mark.attack("filling the memory of a session that sleeps, or never acknowledges")
def test_memory_for_a_session_that_sleeps_is_bounded(service: Service, register: Register) -> None:
    """With more the session ends, and what a contact wrote waits in the mailbox."""
    alice, *friends = register(3)
    with logged_in(service, alice) as stream:
        managed(stream)
    count = 2 * SLEEPING // len(LARGE)  # some come before ejabberd knows that the connection is gone
    with contacts(service, alice, *friends) as writers:
        for number in range(count):
            writers[number % 2].send(f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        for writer, friend in zip(writers, friends, strict=True):
            assert [one for one in came(writer, friend.jid) if one.get("type") == "error"] == []
    assert numbers_kept(service, alice, count) == set(range(count))


@pytest.mark.attack("filling the memory of a session that sleeps, or never acknowledges")
@pytest.mark.parametrize("again", [False, True], ids=["once", "taken up again"])
def test_memory_for_what_is_never_acknowledged_is_bounded(service: Service, register: Register, again: bool) -> None:
    """By an app that reads everything, and answers each request with how much it had at the start."""
    alice, *friends = register(3)
    count = DENIED // len(LARGE) + 20
    with contacts(service, alice, *friends) as writers, contextlib.ExitStack() as connections:
        stream = connections.enter_context(logged_in(service, alice))
        name = managed(stream)

        def deny_until(arrived: Callable[[ET.Element], bool]) -> None:
            while not arrived(element := stream.read()):
                if element.tag == f"{{{SM}}}r":
                    stream.send(f"<a xmlns='{SM}' h='0'/>")

        for number in range(count):
            if again and number == count // 2:
                stream = connections.enter_context(logged_in(service, alice))
                stream.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            message = f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>"
            writers[number % 2].send(message)
            deny_until(functools.partial(begins, f"{number} "))
        with pytest.raises(ConnectionError):  # noqa: PT012  # the answer to each is one more that is not acknowledged
            while True:
                time.sleep(0.2)
                stream.send("<iq type='get' id='ping'><ping xmlns='urn:xmpp:ping'/></iq>")
                deny_until(lambda one: one.get("id") == "ping")
    assert set(range(count)) <= numbers_kept(service, alice, count)


@pytest.mark.parametrize("waits", [True, False], ids=["mailbox", "while it reads"])
def test_app_that_acknowledges_gets_any_burst(service: Service, register: Register, waits: bool) -> None:
    """Acknowledgements are read after what came in one go."""
    alice, *friends = register(3)
    count = DENIED // len(LARGE) + 10
    with contacts(service, alice, *friends) as writers, logged_in(service, alice) as stream:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        until(stream, f"{{{SM}}}enabled")
        if not waits:
            stream.send("<presence/>")
        for number in range(count):
            writers[number % 2].send(f"<message to='{alice.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        if waits:
            for writer, friend in zip(writers, friends, strict=True):
                came(writer, friend.jid)
            stream.send("<presence/>")
        seen: set[int] = set()
        handled = 0
        while len(seen) < count:
            element = stream.read()
            if element.tag == f"{{{SM}}}r":
                stream.send(f"<a xmlns='{SM}' h='{handled}'/>")
            elif not element.tag.startswith(f"{{{SM}}}"):
                handled += 1
            if (body := element.findtext(f"{CLIENT}body", "")).endswith(LARGE):
                seen.add(int(body.split(" ")[0]))
        assert seen == set(range(count))
        assert stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


def begins(start: str, element: ET.Element) -> bool:
    """Is it a message with a text that begins so?"""
    return element.findtext(f"{CLIENT}body", "").startswith(start)


@contextlib.contextmanager
def contacts(service: Service, account: Account, *friends: Account) -> Iterator[list[Stream]]:
    """Friends who are online: each may send some megabytes at once."""
    with contextlib.ExitStack() as connections:
        streams = []
        for friend in friends:
            befriended(service, account, friend.jid)
            streams.append(connections.enter_context(logged_in(service, friend)))
            online(streams[-1])
        yield streams


def managed(stream: Stream) -> str:
    """Online with stream management (XEP-0198); returns the name of the session."""
    stream.bind()
    stream.send(f"<enable xmlns='{SM}' resume='true'/>")
    name = until(stream, f"{{{SM}}}enabled")["id"]
    stream.send("<presence/>")
    until(stream, f"{CLIENT}presence")
    return name


def numbers_kept(service: Service, account: Account, count: int) -> set[int]:
    """The numbers in front of the texts that waited, once a session that ends has put so many into the mailbox."""
    waiting = f"SELECT count(*) FROM spool WHERE username = '{account.name}'"
    wait_for(lambda: sql(service, waiting)[0][0] >= count)
    (sessions,) = service.api(("user_sessions_info", {"user": account.name, "host": service.domain}))
    assert sessions == []
    with logged_in(service, account) as back:
        bodies = [one.findtext(f"{CLIENT}body", "") for one in back_online(back)]
        return {int(body.split(" ")[0]) for body in bodies if body.endswith(LARGE)}


@pytest.mark.attack("BOSH sessions without an account")
@pytest.mark.usefixtures("limits_reset_after")
async def test_sessions_of_bosh_are_limited(service: Service) -> None:
    body = (
        f"<body xmlns='http://jabber.org/protocol/httpbind' to='{service.domain}' rid='1' ver='1.11' wait='1' hold='1' "
        "xml:lang='en' content='text/xml; charset=utf-8'{extra}/>"
    )
    made: list[bool] = []
    async with service.web() as web:

        async def make(number: int) -> bool:
            # One that names its session in another place than the protocol has it makes one as well.
            extra = " xsid='1' x='sid='" if number % 2 else ""
            async with web.post(f"https://{service.domain}/bosh", data=body.format(extra=extra).encode()) as answer:
                return answer.status == 200 and b"sid=" in await answer.read()

        for _ in range(6):
            made += await asyncio.gather(*(make(number) for number in range(30)))
    assert SESSIONS <= sum(made) <= SESSIONS + 2 * REFILL


@pytest.mark.attack("requesting pages of large messages and not reading them")
@pytest.mark.parametrize("unit", MEMORY)
def test_services_leave_memory_to_the_host(service: Service, unit: str) -> None:
    """What one of them takes too much is taken from itself: together they may not have all of it."""
    has = int(service.host.check_output("awk '/^MemTotal/ {printf \"%.0f\", $2 * 1024}' /proc/meminfo"))
    show = f"systemctl show --value --property={{}} {unit}.service"
    high, most = (int(service.host.check_output(show.format(name))) for name in ("MemoryHigh", "MemoryMax"))
    assert 0.05 * has < high < most <= (MEMORY[unit] + 1) / 100 * has


# How one account makes itself look like many apps.
APPS = {
    "names": lambda number: f"node='https://{number}.test' ver='1'",
    "checksums": lambda number: f"node='https://app.test' ver='{number}' hash='sha-1'",
    "parts": lambda number: (
        f"node='https://app.test' ver='1' ext='{' '.join(f'x{number}y{part}' for part in range(99))}'"
    ),
}


@pytest.mark.attack("filling the table of what apps can do (XEP-0115)")
@pytest.mark.parametrize("name", APPS)
def test_what_apps_can_do_is_not_asked_without_end(service: Service, register: Register, name: str) -> None:
    """Each answer is stored. One app that shows itself again and again is one."""
    (account,) = register(1)
    with logged_in(service, account) as stream:
        stream.bind()
        stream.send(
            "<presence><c xmlns='http://jabber.org/protocol/caps' node='https://one.test' ver='1'/></presence>" * 50
        )
        for number in range(60):
            stream.send(f"<presence><c xmlns='http://jabber.org/protocol/caps' {APPS[name](number)}/></presence>")
        stream.send("<iq type='get' id='end'><query xmlns='jabber:iq:roster'/></iq>")
        questions, shown = 0, 0
        while (stanza := stream.read()).get("id") != "end":
            questions += stanza.find(f"{{{INFO}}}query") is not None
            shown += stanza.tag == f"{CLIENT}presence"
        assert shown == 110, "the presence itself arrives"
        assert 1 <= questions <= NEW_APPS + 1


@pytest.mark.attack("filling the table of what apps can do (XEP-0115)")
@pytest.mark.parametrize("much", ["name", "features"])
def test_what_an_app_can_do_is_bounded(service: Service, register: Register, much: str) -> None:
    """A row for each feature, with the app's name in each."""
    (mallory,) = register(1)
    node = f"urn:test:{secrets.token_hex(6)}"
    long = node + ("x" * NAME if much == "name" else "")
    with logged_in(service, mallory) as attacker:
        online(attacker)
        attacker.send(
            f"<presence><c xmlns='http://jabber.org/protocol/caps' hash='' node='{long}' ver='1'/></presence>"
        )
        attacker.send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
        asked = 0
        while (stanza := attacker.read()).get("id") != "end":
            if (query := stanza.find(f"{{{INFO}}}query")) is not None:
                asked += 1
                features = "".join(f"<feature var='urn:test:{number}'/>" for number in range(FEATURES + 1))
                attacker.send(
                    f"<iq type='result' id='{stanza.get('id')}' to='{service.domain}'>"
                    f"<query xmlns='{INFO}' node='{query.get('node')}'>{features}</query></iq>"
                )
                attacker.send("<iq type='get' id='end'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert asked == (1 if much == "features" else 0)
    assert sql(service, f"SELECT count(*) FROM caps_features WHERE node LIKE '{node}%'") == [[0]]


@pytest.mark.attack("stanzas that consist of elements or attributes only")
@pytest.mark.parametrize(
    "inside",
    [
        "<x/>" * (ELEMENTS + 1000),
        "<x " + " ".join(f"a{number}=''" for number in range(20_000)) + "/>",
        ("<x " + " ".join(f"a{number}=''" for number in range(10)) + "/>") * int(1666 * MEMORY_OF_A_STANZA),
    ],
    ids=["elements", "attributes", "both"],
)
def test_stanza_that_would_take_much_memory_ends_its_stream(service: Service, register: Register, inside: str) -> None:
    (mallory,) = register(1)
    with logged_in(service, mallory) as attacker:
        own = online(attacker)
        with pytest.raises(ConnectionError):  # noqa: PT012  # it may end while somebody still talks
            attacker.send(f"<message to='{own}'><y xmlns='urn:test'>{inside}</y></message>")
            came_until(attacker, lambda _: False)


def test_message_with_the_keys_of_a_large_room_passes(service: Service, register: Register) -> None:
    """XEP-0384: a key for each device of each of a thousand people."""
    (alice,) = register(1)
    keys = "".join(f"<key rid='{number}'>{secrets.token_urlsafe(34)}</key>" for number in range(2500))
    with logged_in(service, alice) as stream:
        own = online(stream)
        header = f"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>{keys}</header></encrypted>"
        stream.send(f"<message to='{own}' id='keys'>{header}</message>")
        arrived = came(stream, own)
        assert [
            len(list(one.iter("{eu.siacs.conversations.axolotl}key"))) for one in arrived if one.get("id") == "keys"
        ] == [2500]
