# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives (XEP-0313) are read in pages that are bounded, and whole; who reads much keeps nobody else waiting."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from ..kit.clients import Client, Inbox, login
from ..kit.erlang import HOLD, RELEASE, STATEMENT, run_in_erlang
from ..kit.nodes import LARGE, ids, items, publish
from ..kit.raw_rooms import made_room as made_raw_room
from ..kit.rooms import PUBLIC, made_room
from ..kit.service import Account, Register, Service, sql, wait_for
from ..kit.sessions import CONSTRAINT, back_online, came, logged_in, online
from ..kit.strangers import befriended
from ..kit.stream import CLIENT, Stream

PAGE = 50  # messages at once
MIB = 1024 * 1024
WAITING = 200  # requests of one app
ROWS = 100_000  # of an archive that is read slowly
SOME = 25_000
WORDS = [f"{number} of many" for number in range(60)]
RSM = "http://jabber.org/protocol/rsm"

# How a page is asked for: the namespace, what stands in the set of XEP-0059, and how much comes.
PAGES = {
    "large": ("urn:xmpp:mam:2", "<max>250</max>", PAGE),
    "large, from the end": ("urn:xmpp:mam:2", "<max>250</max><before/>", PAGE),
    "two numbers": ("urn:xmpp:mam:2", "<max>250</max><max>200</max>", PAGE),
    "no number": ("urn:xmpp:mam:1", "", PAGE),
    "small": ("urn:xmpp:mam:2", "<max>7</max>", 7),
    "only how many": ("urn:xmpp:mam:2", "<max>0</max>", 0),
    "oldest way": ("urn:xmpp:mam:tmp", "<max>250</max>", PAGE),
    "oldest way, no number": ("urn:xmpp:mam:tmp", "", PAGE),
    "oldest way, a number of something else": ("urn:xmpp:mam:tmp", "<max xmlns='urn:test'>250</max>", PAGE),
}


def asked(namespace: str, inside: str) -> str:
    inside = f"<set xmlns='{RSM}'>{inside}</set>" if inside else ""
    return f"<query xmlns='{namespace}'>{inside}</query>"


def results(client: Client, namespace: str) -> Inbox:
    found = Inbox()
    path = f"{{jabber:client}}message/{{{namespace}}}result"
    client.register_handler(Callback(f"archive {namespace}", MatchXPath(path), found.put))
    return found


@pytest.mark.attack("requesting pages of large messages and not reading them")
async def test_a_page_is_bounded(service: Service, register: Register) -> None:
    """However it is asked for; and it does not say that it is all."""
    alice, bob = register(2)
    async with login(service, alice) as client:
        for word in WORDS:
            client.say(bob.jid, word)
        await client.query("get", "<query xmlns='jabber:iq:roster'/>")  # or the last might still be on their way
        for name, (namespace, inside, expected) in PAGES.items():
            kind: Literal["get", "set"] = "get" if namespace.endswith("tmp") else "set"
            page = results(client, namespace)
            answer = await client.query(kind, asked(namespace, inside))
            assert len(page.all(lambda _: True)) == expected, name
            assert answer.findtext(f".//{{{RSM}}}count") == str(len(WORDS)), name
            assert answer.find(f"{{{namespace}}}fin[@complete='true']") is None, name
            client.remove_handler(f"archive {namespace}")


@pytest.mark.parametrize("of", ["account", "room"])
async def test_an_archive_is_read_page_by_page(service: Service, register: Register, of: str) -> None:
    """An app that asks for more than it gets goes on at the end of each page, and has everything once."""
    alice, bob = register(2)
    async with login(service, alice) as client, contextlib.AsyncExitStack() as stack:
        whose = alice.jid if of == "account" else await stack.enter_async_context(made_room(client, **PUBLIC))
        for word in WORDS:
            client.say(*((bob.jid, word, "chat") if of == "account" else (whose, word, "groupchat")))
        await client.query(
            "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=whose
        )  # they are all there
        found = results(client, "urn:xmpp:mam:2")
        pages, after, complete = 0, "", False
        while not complete:
            answer = await client.query("set", asked("urn:xmpp:mam:2", f"<max>250</max>{after}"), to=whose)
            complete = answer.find("{urn:xmpp:mam:2}fin[@complete='true']") is not None
            after = f"<after>{answer.findtext(f'.//{{{RSM}}}last')}</after>"
            pages += 1
        bodies = [one.findtext(".//{jabber:client}body") for one in found.all(lambda _: True)]
        assert [body for body in bodies if body] == WORDS
        assert pages == 2


# ---------------------------------------------------------------------- bytes
# Which way an archive is read, and what stands in the set of XEP-0059 for the next page.
WAYS = {"from the start": ("", "<after>{last}</after>"), "from the end": ("<before/>", "<before>{first}</before>")}


@pytest.mark.attack("requesting pages of large messages and not reading them")
@pytest.mark.parametrize("of", ["account", "room"])
async def test_a_page_is_bounded_in_bytes(service: Service, register: Register, of: str) -> None:
    """However many messages are asked for. All come once, by paging on, whichever way; some are as small as any."""
    alice, bob = register(2)
    async with login(service, alice) as client, contextlib.AsyncExitStack() as stack:
        whose = alice.jid if of == "account" else await stack.enter_async_context(made_room(client, **PUBLIC))
        words = [f"{number} {LARGE if number % 4 else ''}" for number in range(12)]
        for word in words:
            client.say(*((bob.jid, word, "chat") if of == "account" else (whose, word, "groupchat")))
        await client.query("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to=whose)
        for name, (first, following) in WAYS.items():
            place, complete, pages = first, False, 0
            read: list[str] = []
            while not complete:
                page = results(client, "urn:xmpp:mam:2")
                answer = await client.query("set", asked("urn:xmpp:mam:2", f"<max>50</max>{place}"), to=whose)
                client.remove_handler("archive urn:xmpp:mam:2")
                said = [body for one in page.all(lambda _: True) if (body := one.findtext(".//{jabber:client}body"))]
                assert sum(map(len, said)) <= MIB, name
                count = answer.findtext(f".//{{{RSM}}}count")
                assert count is not None
                assert int(count) >= len(words), name
                read = read + said if place.startswith("<after") or not place else said + read
                edges = {edge: answer.findtext(f".//{{{RSM}}}{edge}") for edge in ("first", "last")}
                place = following.format(**edges)
                complete = answer.find("{urn:xmpp:mam:2}fin[@complete='true']") is not None
                pages += 1
            assert [word.split(" ")[0] for word in read] == [word.split(" ")[0] for word in words], name
            assert pages >= 2, name


def told(stream: Stream, count: int) -> list[bool]:
    """For each of so many requests that are answered next: was it refused?"""
    answers: list[bool] = []
    while len(answers) < count:
        element = stream.read()
        if element.tag == f"{CLIENT}iq" and element.get("type") in ("result", "error"):
            answers.append(element.find(CONSTRAINT) is not None)
    return answers


@pytest.mark.attack("requesting pages of large messages and not reading them")
def test_of_many_requests_at_once_some_are_refused(service: Service, register: Register) -> None:
    """Who asks a hundred rooms at once is served, who asks without end is told to wait."""
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        online(stream)
        run_in_erlang(service, HOLD, alice.jid, f"whereis('ejabberd_sql_{service.domain}_1')")
        try:
            for number in range(WAITING + 60):
                stream.send(f"<iq type='set' id='q{number}'>{asked('urn:xmpp:mam:2', '<max>1</max>')}</iq>")
            assert told(stream, 59) == [True] * 59
        finally:
            run_in_erlang(service, RELEASE)
        assert told(stream, WAITING + 1) == [False] * (WAITING + 1)


MEMORY = 'run([]) -> io:format("~b", [rpc:call(ejabberd@localhost, erlang, memory, [total])]).'


@pytest.mark.attack("requesting large nodes (XEP-0060), also from other servers")
def test_items_of_a_node_are_bounded_in_bytes(service: Service, register: Register) -> None:
    """Those that came last, and where to go on; one by name is there whichever it is. A small node comes whole."""
    (alice,) = register(1)
    with logged_in(service, alice) as stream:
        stream.bind()
        publish(stream, "urn:test", 5)
        assert len(ids(stream.query("get", items()))) == 5
        publish(stream, "urn:test", 8)
        answer = stream.query("get", items())
        assert ids(answer) == {f"i{number}" for number in range(3, 8)}
        seen = ids(answer)
        while len(seen) < 8:
            found = [answer.findtext(f".//{{{RSM}}}{edge}", "") for edge in ("first", "last")]
            before = f"<set xmlns='{RSM}'><max>50</max><before>{min(found)}</before></set>"
            answer = stream.query("get", items(beside=before))
            assert ids(answer)
            assert len(ET.tostring(answer)) < MIB + 10_000
            seen |= ids(answer)
        for attributes in (" max_items='2'", " max_items='100'"):
            assert len(ids(stream.query("get", items(attributes=attributes)))) == min(5, int(attributes[12:-1]))
        assert ids(stream.query("get", items("<item id='i0'/>"))) == {"i0"}
        assert stream.query("get", items("<item id='i0'/><item id='i1'/>")).find(CONSTRAINT) is not None


@pytest.mark.attack("requesting large nodes (XEP-0060), also from other servers")
def test_names_of_items_are_listed_if_there_are_few(service: Service, register: Register) -> None:
    """ejabberd reads all items of all nodes to tell their names (XEP-0030)."""
    alice, bob = register(2)
    names = "<query xmlns='http://jabber.org/protocol/disco#items'{}/>"
    with logged_in(service, alice) as stream, logged_in(service, bob) as other:
        stream.bind()
        other.bind()
        publish(stream, "urn:test", 2, access_model="open")
        node = " node='urn:test'"
        assert stream.query("get", names.format(""), alice.jid).get("type") == "result"
        publish(stream, "urn:test", 8, access_model="open")
        for asker in (stream, other):
            for what in ("", node):
                assert asker.query("get", names.format(what), alice.jid).find(CONSTRAINT) is not None


ASKED_AT_ONCE = {"archive": ("set", asked("urn:xmpp:mam:2", "<max>50</max>")), "node": ("get", items())}


@pytest.mark.attack("requesting pages of large messages and not reading them")
@pytest.mark.attack("requesting large nodes (XEP-0060), also from other servers")
@pytest.mark.parametrize("what", ASKED_AT_ONCE)
def test_answers_that_are_not_read_take_little_memory(service: Service, register: Register, what: str) -> None:
    """The next one is made when the one before has left for the app."""
    alice, bob = register(2)
    kind, query = ASKED_AT_ONCE[what]
    with logged_in(service, alice) as writer, contextlib.ExitStack() as stack:
        online(writer)
        if what == "archive":
            for number in range(8):
                writer.send(f"<message to='{bob.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        else:
            publish(writer, "urn:test", 8)
        writer.query("get", "<query xmlns='jabber:iq:roster'/>")
        askers = [stack.enter_context(logged_in(service, alice)) for _ in range(3)]
        for asker in askers:
            asker.bind()
        before = int(run_in_erlang(service, MEMORY))
        for asker in askers:
            asker.send("".join(f"<iq type='{kind}' id='q{number}'>{query}</iq>" for number in range(60)))
        grown = max(int(run_in_erlang(service, MEMORY)) - before for _ in range(6))
        assert grown < 48 * MIB, f"{grown / MIB:.0f} MiB"


# ---------------------------------------------------------------------- quota
SET_QUOTA = """run([Host, Size]) ->
    ok = rpc:call(ejabberd@localhost, gen_mod, update_module,
                  [list_to_binary(Host), mod_xmpp_archive, #{quota_mib => list_to_integer(Size)}]).
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
    deadline = time.monotonic() + 30
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
@pytest.mark.timeout(120)
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
