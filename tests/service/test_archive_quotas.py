# SPDX-License-Identifier: GPL-3.0-or-later
"""An archive and a mailbox keep so much, and who reads a long one keeps nobody waiting."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from statistics import median
from xml.etree import ElementTree as ET

import pytest

from ..kit.archives import MIB, RSM, asked
from ..kit.clients import Client, login
from ..kit.erlang import STATEMENT, run_in_erlang
from ..kit.nodes import LARGE
from ..kit.quotas import POLICY
from ..kit.raw_rooms import made_room as made_raw_room
from ..kit.rooms import PUBLIC, made_room
from ..kit.service import Account, Register, Service, sql, wait_for
from ..kit.sessions import CONSTRAINT, back_online, came, logged_in, online
from ..kit.strangers import befriended
from ..kit.stream import CLIENT, Stream

ROWS = 100_000  # of an archive that is read slowly
SOME = 25_000
# ---------------------------------------------------------------------- quota
SET_QUOTA = """run([Host, Size]) ->
    ok = gen_mod:update_module(list_to_binary(Host), mod_xmpp_archive, #{quota_mib => list_to_integer(Size)}).
"""
LEAST = 2048  # bytes that a message counts
MAILBOX = 16 * MIB


@pytest.fixture
def small_quota(service: Service) -> Iterator[None]:
    """Archives may have one MiB for a while."""
    run_in_erlang(service, SET_QUOTA, service.domain, "1")
    yield
    run_in_erlang(service, SET_QUOTA, service.domain, "1000")


async def archived(client: Client, whose: str) -> int:
    answer = await client.query("set", asked("urn:xmpp:mam:2", "<max>0</max>"), to=whose)
    return int(answer.findtext(f".//{{{RSM}}}count") or "0")


async def shrunk(client: Client, whose: str, most: int) -> int:
    """How many messages are left, as soon as there are no more than so many."""
    deadline = time.monotonic() + 60
    while (count := await archived(client, whose)) > most:
        assert time.monotonic() < deadline, f"{count} messages are still there"
    return count


@pytest.mark.attack("filling the disk with messages")
@pytest.mark.usefixtures("small_quota")
@pytest.mark.parametrize("of", ["account", "room"])
async def test_an_archive_has_a_quota(service: Service, register: Register, of: str) -> None:
    """The newest are there, up to the quota, the oldest are not; nobody else's are touched."""
    alice, bob, carol = register(3)
    async with login(service, alice) as client, contextlib.AsyncExitStack() as stack:
        whose = alice.jid if of == "account" else await stack.enter_async_context(made_room(client, **PUBLIC))
        client.say(carol.jid, "untouched")
        for number in range(15):
            word = f"{number} {LARGE}"
            client.say(*((bob.jid, word, "chat") if of == "account" else (whose, word, "groupchat")))
        await client.query("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=whose)
        assert await shrunk(client, whose, 6) >= 2  # the database has the text twice, and both count
        left = await client.archive(None if of == "account" else whose)
        assert [body.split(" ")[0] for body in left] == [str(number) for number in range(15)][-len(left) :]
    async with login(service, carol) as other:
        assert await other.archive() == ["untouched"]


@pytest.mark.attack("filling the disk with messages")
@pytest.mark.usefixtures("small_quota")
async def test_small_messages_count_as_well(service: Service, register: Register) -> None:
    alice, bob = register(2)
    fill(service, alice.name, 3000, "chat")
    async with login(service, alice) as client:
        assert await archived(client, alice.jid) == 3000
        for number in range(55):  # a tenth of the quota
            client.say(bob.jid, f"{number} is new")
        await shrunk(client, alice.jid, MIB // LEAST + 55)
        assert (await client.archive())[-1] == "54 is new"


@pytest.mark.attack("filling the disk with messages")
async def test_mailbox_is_bounded_in_bytes(service: Service, register: Register) -> None:
    """Who sends something large to somebody for whom too much waits is told; short messages arrive.

    (That large ones arrive until then is in test_floods: a session that sleeps.)
    """
    alice, friend = register(2)
    befriended(service, alice, friend.jid)
    text = f"replace(hex(zeroblob({MAILBOX // 2})), '00', 'xx')"
    fill = (
        f"INSERT INTO spool (username, server_host, xml) VALUES ('{alice.name}', '{service.domain}', '<x>' || {text})"
    )
    empty = f"DELETE FROM spool WHERE username = '{alice.name}' AND octet_length(xml) >= {MAILBOX}"
    with logged_in(service, friend) as stream:
        own = online(stream)
        run_in_erlang(service, STATEMENT, service.domain, fill)
        stream.send(f"<message to='{alice.jid}' type='chat'><body>large {LARGE}</body></message>")
        stream.send(f"<message to='{alice.jid}' type='chat'><body>small</body></message>")
        (refused,) = [one for one in came(stream, own) if one.get("type") == "error"]
        assert refused.find(CONSTRAINT) is not None
        assert refused.findtext(f"{CLIENT}body", "").startswith("large")
    run_in_erlang(service, STATEMENT, service.domain, empty)
    with logged_in(service, alice) as back:
        bodies = [one.findtext(f"{CLIENT}body", "").split(" ")[0] for one in back_online(back)]
        assert [body for body in bodies if body] == ["small"]


@pytest.mark.attack("requesting pages of large messages and not reading them")
def test_messages_of_a_mailbox_come_few_at_a_time(service: Service, register: Register) -> None:
    """ejabberd sends one as often as a request names it (XEP-0013), and keeps all copies until they are read."""
    (alice,) = register(1)
    offline = "<offline xmlns='http://jabber.org/protocol/offline'>{}</offline>"
    with logged_in(service, alice) as stream:
        stream.bind()
        stream.send(f"<message to='{alice.jid}' type='chat'><body>{LARGE}</body></message>")
        listed = "<query xmlns='http://jabber.org/protocol/disco#items' node='http://jabber.org/protocol/offline'/>"
        (item,) = stream.query("get", listed, alice.jid).iter("{http://jabber.org/protocol/disco#items}item")
        view = f"<item node='{item.get('node')}' action='view'/>"

        assert stream.query("get", offline.format(view * 300), alice.jid).find(POLICY) is not None
        for inside, count in {view: 1, view * 3: 3, "<fetch/>": 1}.items():
            stream.send(f"<iq type='get' id='view'>{offline.format(inside)}</iq>")
            bodies = [one.findtext(f"{CLIENT}body") for one in until_all(stream, count)]
            assert bodies == [LARGE] * count
        assert stream.query("set", offline.format(view.replace("view", "remove"))).get("type") == "result"


def until_all(stream: Stream, count: int) -> list[ET.Element]:
    """So many messages, and the answer, whichever comes first."""
    elements = [stream.read() for _ in range(count + 1)]
    assert [one.get("type") for one in elements if one.tag == f"{CLIENT}iq"] == ["result"]
    return [one for one in elements if one.tag == f"{CLIENT}message"]


# ---------------------------------------------------------------------- turns
LONG = """
INSERT INTO archive (username, server_host, timestamp, peer, bare_peer, xml, txt, kind, nick, origin_id)
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {rows})
SELECT '{whose}', '{host}', 1600000000000000 + {first} + n, 'x@x.test', 'x@x.test', '<message/>', '', '{kind}', '', ''
FROM number
"""


def fill(service: Service, whose: str, rows: int, kind: str) -> None:
    """Lays out a long archive; some at a time, since the database does nothing else meanwhile."""
    for first in range(0, rows, SOME):
        count = min(SOME, rows - first)
        statement = LONG.format(rows=count, first=first, whose=whose, host=service.domain, kind=kind)
        run_in_erlang(service, STATEMENT, service.domain, statement)


@contextlib.contextmanager
def under_load(streams: list[Stream], query: str, to: str) -> Iterator[None]:
    """Each session asks sixty times at once."""
    address = f" to='{to}'" if to else ""
    for stream in streams:
        stream.send("".join(f"<iq type='set' id='q{number}'{address}>{query}</iq>" for number in range(60)))
    yield


@pytest.mark.attack("reading so much of a long archive that others wait")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("of", ["account", "room"])
def test_whoever_reads_a_long_archive_keeps_nobody_waiting(service: Service, register: Register, of: str) -> None:
    """Ten sessions of one account ask for more than can be answered; somebody else logs in and adds a contact.

    How much longer that takes than without them is compared with a single one of their requests. Each of somebody
    else's statements had to wait for ten of these. (The quickest of three: what else goes on here is not meant.)
    """
    mallory, *others = register(7)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(logged_in(service, mallory)) for _ in range(10)]
        for stream in streams:
            stream.bind()
        room = made_raw_room(streams[0], service) if of == "room" else ""
        kind = "groupchat" if room else "chat"
        fill(service, room or mallory.name, ROWS, kind)
        query = asked("urn:xmpp:mam:2", "<max>1</max>")
        took = [timed(streams[0].query, "set", query, room) for _ in range(3)]
        alone = [timed(arrives, service, account) for account in others[:3]]
        with under_load(streams, query, room):
            beside = [timed(arrives, service, account) for account in others[3:]]
        later = min(beside) - min(alone)
        assert later < 10 * median(took), f"{later:.2f} s later, one request takes {median(took):.2f} s"
    if room:  # It ends when nobody is left in it; other tests look whether anything is left of such rooms.
        wait_for(lambda: sql(service, f"SELECT count(*) FROM archive WHERE username = '{room}'") == [[0]], 60)


def timed(act: Callable[..., object], *arguments: object) -> float:
    start = time.monotonic()
    act(*arguments)
    return time.monotonic() - start


def arrives(service: Service, account: Account) -> None:
    with logged_in(service, account) as stream:
        online(stream)
        friend = f"friend-{secrets.token_hex(4)}@{service.domain}"
        stream.query("set", f"<query xmlns='jabber:iq:roster'><item jid='{friend}'/></query>")
        stream.send(f"<message to='{friend}' type='chat'><body>hello</body></message>")
        stream.query("get", "<query xmlns='jabber:iq:roster'/>")
