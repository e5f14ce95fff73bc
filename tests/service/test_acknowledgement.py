# SPDX-License-Identifier: GPL-3.0-or-later
"""An acknowledgement (XEP-0198) comes when a message is stored, not when it is on its way, nor when it was refused."""

from __future__ import annotations

import contextlib
import secrets
import shlex
from collections.abc import Iterator
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from ..kit.clients import login
from ..kit.erlang import HOLD, RELEASE, refusing, run_in_erlang
from ..kit.raw_rooms import MUC_OWNER
from ..kit.service import Account, Register, Service
from ..kit.sessions import SM, logged_in, until
from ..kit.stream import CLIENT, Stream

Keeper = Literal["session", "room", "disk"]
# Whoever is to store it: the session of the recipient, the room, or what flushes to the disk.
KEEPERS: dict[Keeper, str] = {
    "session": "element(2, hd(ejabberd_sm:get_session_sids(Name, Host)))",
    "room": "element(2, mod_muc:find_online_room(Name, Host))",
    "disk": "whereis(gen_mod:get_module_proc(Host, mod_xmpp_durable_ack))",
}
# The log's file is the first part of the process's state.
FLUSH = """run([Host, End]) ->
    Flusher = gen_mod:get_module_proc(list_to_binary(Host), mod_xmpp_durable_ack),
    {File, _, _} = sys:get_state(Flusher),
    New = filename:rootname(File, "/none") ++ End,
    {New, _, _} = sys:replace_state(Flusher, fun(State) -> setelement(1, State, New) end).
"""
# Where a contact is when somebody writes.
Contact = Literal["online", "asleep", "away"]


@contextlib.contextmanager
def held(service: Service, keeper: Keeper, address: str) -> Iterator[None]:
    run_in_erlang(service, HOLD, address, KEEPERS[keeper])
    try:
        yield
    finally:
        run_in_erlang(service, RELEASE)


@contextlib.contextmanager
def session(service: Service, account: Account) -> Iterator[Stream]:
    """Logged in and online, with stream management."""
    with logged_in(service, account) as stream:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        until(stream, f"{{{SM}}}enabled")
        stream.send("<presence/>")
        until(stream, f"{CLIENT}presence")
        yield stream


def acknowledged(stream: Stream) -> int:
    stream.send(f"<r xmlns='{SM}'/>")
    return int(until(stream, f"{{{SM}}}a")["h"])


@pytest.mark.parametrize("keeper", KEEPERS)
async def test_acknowledgement_waits_for_who_stores(service: Service, register: Register, keeper: Keeper) -> None:
    """A request is answered in the meantime with the count of what is safe, and the rest of the server goes on."""
    alice, bob = register(2)
    text = f"text {secrets.token_hex(12)}"
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    to, kind = (room, "groupchat") if keeper == "room" else (bob.jid, "chat")
    with session(service, alice) as stream, session(service, bob):
        stream.send(f"<presence to='{room}/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        until(stream, f"{CLIENT}presence")
        stream.query("set", f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>", room)
        before = acknowledged(stream)
        with held(service, keeper, f"@{service.domain}" if keeper == "disk" else to):
            stream.send(f"<message to='{to}' type='{kind}'><body>{text}</body></message>")
            assert acknowledged(stream) == before, "acknowledged before it was stored"
        assert acknowledged(stream) == before + 1
    async with login(service, alice if keeper == "room" else bob) as client:
        assert text in await client.archive(room if keeper == "room" else None)


def test_request_is_answered_in_order_and_each(service: Service, register: Register) -> None:
    """Many at once: as many answers, and none goes back behind the one before."""
    alice, bob = register(2)
    with session(service, alice) as stream, session(service, bob):
        for _ in range(50):
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message><r xmlns='{SM}'/>")
        counts = [int(until(stream, f"{{{SM}}}a")["h"]) for _ in range(50)]
    assert counts == sorted(counts)
    assert counts[-1] - counts[0] <= 49
    assert counts[-1] == 51  # and one presence


@pytest.mark.parametrize("waiting", [False, True], ids=["at once", "with an answer on its way"])
def test_who_comes_back_is_told_the_count(service: Service, register: Register, waiting: bool) -> None:
    alice, bob = register(2)
    with session(service, bob):
        with logged_in(service, alice) as stream:
            stream.bind()
            stream.send(f"<enable xmlns='{SM}' resume='true'/>")
            name = until(stream, f"{{{SM}}}enabled")["id"]
            stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message>")
            if waiting:
                stream.send(f"<r xmlns='{SM}'/>")
        with logged_in(service, alice) as stream:
            stream.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            assert until(stream, f"{{{SM}}}resumed")["h"] == "1"
            assert acknowledged(stream) == 1


def test_who_comes_back_sends_again_what_is_not_safe(service: Service, register: Register) -> None:
    alice, bob = register(2)
    message = f"<message to='{bob.jid}' type='chat'><body>text</body></message>"
    with session(service, bob), logged_in(service, alice) as stream, logged_in(service, alice) as back:
        stream.bind()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        name = until(stream, f"{{{SM}}}enabled")["id"]
        stream.send(message)
        assert acknowledged(stream) == 1
        with held(service, "session", bob.jid):
            stream.send(message)
            back.send(f"<resume xmlns='{SM}' h='0' previd='{name}'/>")
            assert until(back, f"{{{SM}}}resumed")["h"] == "1"
            back.send(message)
            assert acknowledged(back) == 1
        assert acknowledged(back) == 2


def test_failed_flush_loses_nobody(service: Service, register: Register) -> None:
    """Once the disk works again, whoever had not stored by then is asked again."""
    alice, bob = register(2)
    with session(service, alice) as stream, session(service, bob):
        before = acknowledged(stream)
        with held(service, "session", bob.jid):
            run_in_erlang(service, FLUSH, service.domain, "/none")
            try:
                stream.send(f"<message to='{bob.jid}' type='chat'><body>text</body></message>")
                assert acknowledged(stream) == before, "acknowledged, and never flushed"
            finally:
                run_in_erlang(service, FLUSH, service.domain, "")
            assert acknowledged(stream) == before, "acknowledged, and the recipient's session has not stored it"
        assert acknowledged(stream) == before + 1


def trigger(table: str, user: str) -> tuple[str, str]:
    """Refuse the rows of this user in this table; and no more."""
    when = f"BEFORE INSERT ON {table} WHEN NEW.username = '{user}'"
    return f"CREATE TRIGGER refuse {when} BEGIN SELECT RAISE(ABORT, 'no'); END", "DROP TRIGGER refuse"


@contextlib.contextmanager
def contact(service: Service, account: Account, where: Contact) -> Iterator[Stream | None]:
    """Somebody online; whose phone sleeps, and could resume its session; or who is not logged in."""
    if where == "away":
        yield None
        return
    with contextlib.ExitStack() as connection:
        stream = connection.enter_context(session(service, account))
        if where == "asleep":
            connection.close()
        yield stream if where == "online" else None


def answer(stream: Stream, name: str) -> ET.Element:
    """The error for the message of this id."""
    while (element := stream.read()).get("id") != name or element.tag != f"{CLIENT}message":
        pass
    assert element.get("type") == "error", ET.tostring(element)
    return element


def heard(stream: Stream) -> list[str]:
    """The ids of the messages that have come until now."""
    stream.send("<iq id='now' type='get'><ping xmlns='urn:xmpp:ping'/></iq>")
    names = []
    while (element := stream.read()).get("id") != "now":
        names += [element.get("id", "")] if element.tag == f"{CLIENT}message" else []
    return names


REFUSED: list[tuple[str, Contact]] = [
    ("sender's archive", "online"),
    ("sender's archive", "away"),
    ("recipient's archive", "online"),
    ("recipient's archive", "asleep"),
    ("recipient's archive", "away"),
    ("mailbox", "away"),
    ("everything", "online"),
    ("everything", "asleep"),
    ("everything", "away"),
]


@pytest.mark.parametrize(("what", "where"), REFUSED)
async def test_what_is_not_stored_comes_back(service: Service, register: Register, what: str, where: Contact) -> None:
    """The sender learns it, nobody gets it, and with the next message all is well again."""
    alice, bob = register(2)
    refused, stored = (f"m{secrets.token_hex(12)}" for _ in range(2))
    statements = {
        "sender's archive": trigger("archive", alice.name),
        "recipient's archive": trigger("archive", bob.name),
        "mailbox": trigger("spool", bob.name),
        "everything": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    }

    def message(text: str) -> str:
        return f"<message to='{bob.jid}' type='chat' id='{text}'><body>{text}</body></message>"

    with session(service, alice) as stream, contact(service, bob, where) as receiver:
        before = acknowledged(stream)
        with refusing(service, *statements[what]):
            stream.send(message(refused))
            named = answer(stream, refused).find("{urn:xmpp:sid:0}stanza-id")
        stream.send(message(stored))
        assert acknowledged(stream) == before + 2
        if receiver is not None:
            assert heard(receiver) == [stored]
    async with login(service, bob) as client:
        archived = await client.archive()
    assert stored in archived
    # ejabberd takes the archive first, and what the mailbox then refuses stays there.
    assert (refused in archived) == (what == "mailbox")
    assert (named is not None) == (refused in archived), "the name of an entry that is not there"


def test_room_does_not_say_what_it_could_not_store(service: Service, register: Register) -> None:
    alice, bob = register(2)
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    with session(service, alice) as owner, session(service, bob) as guest:
        owner.send(f"<presence to='{room}/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        until(owner, f"{CLIENT}presence")
        owner.query("set", f"<query xmlns='{MUC_OWNER}'><x xmlns='jabber:x:data' type='submit'/></query>", room)
        guest.send(f"<presence to='{room}/bob'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
        until(guest, f"{CLIENT}message")  # its subject, the last that a newcomer gets
        before = acknowledged(owner)
        with refusing(service, *trigger("archive", room)):
            owner.send(f"<message to='{room}' type='groupchat' id='refused'><body>text</body></message>")
            error = answer(owner, "refused")
            assert error.get("from") == room
            assert error.find("{urn:xmpp:sid:0}stanza-id") is None, "the name of an entry that is not there"
        owner.send(f"<message to='{room}' type='groupchat' id='stored'><body>text</body></message>")
        assert acknowledged(owner) == before + 2
        assert heard(guest) == ["stored"]


def test_roster_that_is_refused_is_no_fault_of_the_next_message(service: Service, register: Register) -> None:
    alice, bob = register(2)
    with session(service, alice) as stream, session(service, bob) as receiver:
        with refusing(service, *trigger("rosterusers", alice.name)):
            item = f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}'/></query>"
            assert stream.query("set", item).get("type") == "error"
        stream.send(f"<message to='{bob.jid}' type='chat' id='stored'><body>text</body></message>")
        acknowledged(stream)
        assert heard(receiver) == ["stored"]


FOLDER, SMALL = "/var/lib/ejabberd", "/run/conexizan-small"
# A disk of this service's own, which something else fills.
ON_A_SMALL_DISK = f"""systemctl stop ejabberd && mkdir {SMALL} &&
mount -t tmpfs -o size=$(($(du -sm {FOLDER} | cut -f1) + 8))m conexizan {SMALL} &&
cp -a {FOLDER}/. {SMALL} && chown --reference={FOLDER} {SMALL} && chmod --reference={FOLDER} {SMALL} &&
mount --bind {SMALL} {FOLDER} && systemctl start ejabberd"""
ON_ITS_OWN = f"systemctl stop ejabberd; umount {FOLDER}; umount {SMALL}; rmdir {SMALL}; systemctl start ejabberd"
# The files are as large as they may grow.
FILL = f"systemctl start xmpp-checkpoint.service && ! head -c 1G /dev/zero 2>/dev/null >{FOLDER}/full"


@pytest.mark.timeout(600)
async def test_full_disk(service: Service, register: Register) -> None:
    """What was not stored comes back, the journal says once why and names nobody, and room is all that it takes."""
    alice, bob = register(2)
    began = service.host.check_output("date +%s.%N")
    service.host.check_output(ON_A_SMALL_DISK)
    try:
        service.wait_until_ready()
        with session(service, alice) as stream, contact(service, bob, "asleep"):
            before = acknowledged(stream)
            service.host.check_output(shlex.join(["sh", "-c", FILL]))
            names = [f"m{secrets.token_hex(12)}" for _ in range(5)]
            for name in names:
                stream.send(f"<message to='{bob.jid}' type='chat' id='{name}'><body>{name}</body></message>")
                answer(stream, name)
            service.host.check_output(f"rm {FOLDER}/full")
            stream.send(f"<message to='{bob.jid}' type='chat' id='stored'><body>stored</body></message>")
            assert acknowledged(stream) == before + 6
        async with login(service, bob) as client:
            assert [text for text in await client.archive() if text in {*names, "stored"}] == ["stored"]
        said = service.host.check_output(f"journalctl --unit ejabberd --since @{began} --output cat --grep refuses")
        assert len(said.splitlines()) == 1, said
        assert "The database refuses to write: the disk is full. Messages come back to their senders." in said
    finally:
        service.host.check_output(ON_ITS_OWN)
        service.wait_until_ready()
