# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives (XEP-0313) are read in pages that are bounded, and whole; who reads much keeps nobody else waiting."""

from __future__ import annotations

import contextlib
from typing import Literal
from xml.etree import ElementTree as ET

import pytest
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from ..kit.archives import MIB, RSM, asked
from ..kit.clients import Client, Inbox, login
from ..kit.erlang import HOLD, RELEASE, run_in_erlang
from ..kit.nodes import LARGE, ids, items, publish
from ..kit.rooms import PUBLIC, made_room
from ..kit.service import Register, Service
from ..kit.sessions import CONSTRAINT, came_until, logged_in, online
from ..kit.stream import CLIENT, Stream

PAGE = 50  # messages at once
WAITING = 200  # requests of one app
WORDS = [f"{number} of many" for number in range(60)]

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


# Ways to have the size of something else measured: ejabberd takes the last of several elements, and none of another
# namespace.
FIELD = "<field var='with'><value>nobody@elsewhere.example</value></field>"
ALL = f"<set xmlns='{RSM}'><max>50</max></set>"
NEWEST = f"<set xmlns='{RSM}'><max>50</max><before/></set>"
DECOYS = {
    "form": f"<x xmlns='jabber:x:data' type='submit'>{FIELD}</x><x xmlns='jabber:x:data' type='submit'/>",
    "form of another namespace": f"<x xmlns='urn:test'>{FIELD}</x>",
    "field": f"<x xmlns='jabber:x:data' type='submit'>{FIELD}{FIELD.replace('nobody@elsewhere.example', '{bob}')}</x>",
    "set": f"<set xmlns='{RSM}'><max>50</max><after>9999999999999999</after></set>{ALL}",
    "place": f"<set xmlns='{RSM}'><max>50</max><before>1</before><before/></set>",
    "place of another namespace": f"<set xmlns='{RSM}'><max>50</max><before xmlns='urn:test'>1</before></set>",
    "place before all": f"<set xmlns='{RSM}'><max>50</max><before>-1</before></set>",
    "element": f"<with xmlns='urn:xmpp:mam:tmp'>nobody@elsewhere.example</with>{NEWEST}",
    "oldest way, form": f"<x xmlns='jabber:x:data' type='submit'>{FIELD}</x>{ALL}",
    "oldest way, element": f"<with>nobody@elsewhere.example</with><with>{{bob}}</with>{ALL}",
}


@pytest.mark.attack("requesting pages of large messages and not reading them")
def test_size_of_a_page_is_that_of_what_comes(service: Service, register: Register) -> None:
    alice, bob = register(2)
    with logged_in(service, alice) as stream:
        online(stream)
        for number in range(8):
            stream.send(f"<message to='{bob.jid}' type='chat'><body>{number} {LARGE}</body></message>")
        sizes: dict[str, int] = {}
        for name, inside in DECOYS.items():
            kind, namespace = ("get", "urn:xmpp:mam:tmp") if name.startswith("oldest") else ("set", "urn:xmpp:mam:2")
            query = f"<query xmlns='{namespace}'>{inside.format(bob=bob.jid)}</query>"
            stream.send(f"<iq type='{kind}' id='page'>{query}</iq>")
            came = came_until(stream, lambda one: one.get("id") == "page")
            sizes[name] = sum(len(one.findtext(".//{jabber:client}body", "")) for one in came)
    assert {name: size for name, size in sizes.items() if not 0 < size <= MIB} == {}


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


MEMORY = 'run([]) -> io:format("~b", [erlang:memory(total)]).'


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
        # One that is named beside it is not what is measured, an item without a name names none.
        large = items()
        decoys = ("<items node='none'/>", "<items xmlns='urn:test' node='none'/>")
        asked_for = [large.replace("<items", f"{decoy}<items", 1) for decoy in decoys]
        asked_for += [items(inside) for inside in ("<item/>", "<item id=''/>", "<item xmlns='urn:test' id='i0'/>")]
        assert [len(ids(stream.query("get", one))) for one in asked_for] == [5] * 5


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


async def test_an_archive_is_emptied_by_its_owner_alone(service: Service, register: Register) -> None:
    """As the account page does it; what others have stays with them."""
    alice, bob = register(2)
    delete = "<delete xmlns='conexizan:archive'/>"
    async with login(service, alice) as client, login(service, bob) as other:
        await other.online()
        for word in WORDS[:3]:
            client.say(bob.jid, word)
        await other.hear(WORDS[2])
        with pytest.raises(IqError) as refusal:
            await other.query("set", delete, to=alice.jid)
        assert refusal.value.condition == "not-allowed"
        with pytest.raises(IqError) as refusal:
            await client.query("set", "<preview xmlns='conexizan:archive'/>")
        assert refusal.value.condition == "bad-request"
        assert await client.archive() == WORDS[:3]
        await client.query("set", delete)
        assert await client.archive() == []
        assert await other.archive() == WORDS[:3]
        client.say(bob.jid, "afterwards")
        await other.hear("afterwards")
        assert await client.archive() == ["afterwards"]
