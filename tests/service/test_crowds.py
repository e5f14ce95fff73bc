# SPDX-License-Identifier: GPL-3.0-or-later
"""Honest people, many or busy, meet no limit: what stops a flood must not stop a school, a club, a phone on a train."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Callable
from xml.etree import ElementTree as ET

import aiohttp
import pytest

from ..kit.guest import Guest, guests
from ..kit.newcomer import REGISTER, reset_limits
from ..kit.service import Account, Register, Service
from ..kit.sessions import SM
from ..kit.stream import CLIENT
from ..kit.web import BIND, FRAMING, authenticate

# For hundreds of connections on a machine that runs other tests as well.
pytestmark = pytest.mark.timeout(600)

SESSIONS = 10  # of an account
MUC = "http://jabber.org/protocol/muc"
USER = f"{{{MUC}#user}}"
CARBONS = "{urn:xmpp:carbons:2}"
FORWARDED = "{urn:xmpp:forward:0}forwarded"
MAM = "urn:xmpp:mam:2"
STRANGERS = 80  # of one address, xmpp_websocket.erl
SPEAKERS, TICKS = 20, 3  # messages a second in all, seconds


def body(element: ET.Element) -> str:
    return element.findtext(f"{CLIENT}body", "")


async def enter(guest: Guest, room: str, nick: str) -> None:
    guest.send(f"<presence to='{room}/{nick}'><x xmlns='{MUC}'><history maxstanzas='0'/></x></presence>")
    answer = await guest.until(
        lambda element: (
            element.find(f"{USER}x/{USER}status[@code='110']") is not None
            or (element.tag == f"{CLIENT}presence" and element.get("type") == "error")
        )
    )
    assert answer.get("type") is None, ET.tostring(answer)


async def hear_all(guest: Guest, texts: set[str]) -> None:
    """Each of these messages of a room, once."""
    heard: list[str] = []
    while len(heard) < len(texts):
        element = await guest.read()
        assert element.get("type") != "error", ET.tostring(element)
        if body(element):
            heard.append(body(element))
    assert set(heard) == texts


async def test_three_hundred_of_one_address_log_in_at_once_and_talk_in_a_room(
    service: Service, register: Register
) -> None:
    """As after a restart, and as in a large club: nobody is refused, and all of them hear all that twenty say."""
    accounts = register(30)
    room = f"r{secrets.token_hex(6)}@{service.name('muc')}"
    said = [{f"{tick}-{speaker}-{secrets.token_hex(4)}" for speaker in range(SPEAKERS)} for tick in range(TICKS)]
    async with guests(service, accounts, SESSIONS) as crowd:
        assert len(crowd) == 300
        await enter(crowd[0], room, "guest-0")
        # Who enters is told to moderators only, or entering would be 90,000 presences, which is another matter.
        form = (
            f"<field var='FORM_TYPE'><value>{MUC}#roomconfig</value></field>"
            "<field var='muc#roomconfig_presencebroadcast'><value>moderator</value></field>"
        )
        owner = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'>{form}</x></query>"
        assert (await crowd[0].query("set", owner, room)).get("type") == "result"
        await asyncio.gather(*(enter(guest, room, f"guest-{number}") for number, guest in enumerate(crowd[1:], 1)))
        async with asyncio.TaskGroup() as group:
            for guest in crowd:
                group.create_task(hear_all(guest, set[str]().union(*said)))
            for texts in said:
                for speaker, text in zip(crowd[::15], texts, strict=True):
                    speaker.send(f"<message to='{room}' type='groupchat'><body>{text}</body></message>")
                await asyncio.sleep(1)  # that is the speed of it
        await crowd[0].query("set", f"<query xmlns='{MUC}#owner'><destroy/></query>", room)


async def archived(guest: Guest) -> list[str | None]:
    """The numbers of what is in one's archive."""
    numbers = []
    identity = secrets.token_hex(4)
    guest.send(f"<iq type='set' id='{identity}'><query xmlns='{MAM}'/></iq>")
    while (element := await guest.read()).get("id") != identity or element.tag != f"{CLIENT}iq":
        if (result := element.find(f"{{{MAM}}}result")) is not None:
            numbers.append(result.get("id"))
    return numbers


async def test_ten_devices_of_one_account_see_the_same(service: Service, register: Register) -> None:
    """What comes, and what one of them writes, is on all of them, once; the archive that each reads is the same."""
    alice, bob = register(2)
    async with guests(service, [alice], SESSIONS) as devices, guests(service, [bob]) as (friend,):
        for device in (*devices, friend):
            answer = await device.query("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
            assert answer.get("type") == "result"
            device.send("<presence/>")
        for device in (*devices, friend):
            await device.query("get", "<ping xmlns='urn:xmpp:ping'/>")
        friend.send(f"<message to='{alice.jid}' type='chat'><body>to all</body></message>")
        friend.send(f"<message to='{devices[3].address}' type='chat'><body>to one</body></message>")
        for device in devices:
            seen: list[str] = []
            while len(seen) < 2:
                element = await device.read()
                copy = element.find(f"{CARBONS}received/{FORWARDED}/{CLIENT}message")
                if text := body(copy if copy is not None else element):
                    seen.append(text)
            assert sorted(seen) == ["to all", "to one"]
        devices[0].send(f"<message to='{bob.jid}' type='chat'><body>from one</body></message>")
        for device in devices[1:]:
            copied = await device.until(lambda element: element.find(f"{CARBONS}sent") is not None)
            assert copied.findtext(f".//{CLIENT}body") == "from one"
        archives = [await archived(device) for device in devices]
    assert len(archives[0]) == 3
    assert archives == [archives[0]] * SESSIONS


async def test_phone_on_a_bad_line_throws_nobody_out(service: Service, register: Register) -> None:
    """Two thousand times a day are 24 in a quarter of an hour, here in some seconds: half of the times it takes its
    session up again, else it makes a new one. The desktop goes on."""
    (alice,) = register(1)
    async with guests(service, [alice]) as (desktop,):
        desktop.send("<presence/>")
        number = ""
        for time_of_day in range(24):
            phone = await Guest.log_in(service, alice)
            if time_of_day % 2:
                phone.send(f"<resume xmlns='{SM}' h='0' previd='{number}'/>")
                answer = await phone.until(lambda element: element.tag in (f"{{{SM}}}resumed", f"{{{SM}}}failed"))
                assert answer.tag == f"{{{SM}}}resumed"
            else:
                await phone.bind()
                phone.send(f"<presence/><enable xmlns='{SM}' resume='true'/>")
                enabled = await phone.until(lambda element: element.tag == f"{{{SM}}}enabled")
                number = enabled.get("id", "")
            phone.cut()
        desktop.send(f"<message to='{desktop.address}' type='chat'><body>still here</body></message>")
        await desktop.until(lambda element: body(element) == "still here")


ARCHIVE, TEXT = 1500, 1000  # messages, bytes of each


async def rounds(one: Guest, other: Guest, enough: Callable[[int], bool]) -> list[float]:
    """Seconds that messages there and back took, as long as it is not enough."""
    took: list[float] = []
    while not enough(len(took)):
        began = time.monotonic()
        for sender, receiver in ((one, other), (other, one)):
            text = secrets.token_hex(8)
            sender.send(f"<message to='{receiver.address}' type='chat'><body>{text}</body></message>")
            await receiver.until(lambda element, text=text: body(element) == text)  # type: ignore[misc]  # a default has no type
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    return took


async def synchronize(guest: Guest, pause: float) -> int:
    """Reads an archive page by page over a slow line; returns how many messages it had."""
    count, after = 0, ""
    while True:
        identity = secrets.token_hex(4)
        place = f"<after>{after}</after>" if after else ""
        rsm = f"<set xmlns='http://jabber.org/protocol/rsm'><max>50</max>{place}</set>"
        guest.send(f"<iq type='set' id='{identity}'><query xmlns='{MAM}'>{rsm}</query></iq>")
        while (element := await guest.read()).tag != f"{CLIENT}iq" or element.get("id") != identity:
            count += element.find(f"{{{MAM}}}result") is not None
        assert element.get("type") == "result", ET.tostring(element)
        fin = element.find(f"{{{MAM}}}fin")
        assert fin is not None
        if fin.get("complete") == "true":
            return count
        after = fin.findtext(".//{http://jabber.org/protocol/rsm}last", "")
        await asyncio.sleep(pause)


async def test_first_synchronization_keeps_nobody_waiting(service: Service, register: Register) -> None:
    """A new device reads its whole history over a slow line. Compared with a conversation of others just before."""
    alice, bob, carol = register(3)
    async with guests(service, [alice]) as (writer,):
        writer.send("<presence/>")
        for _ in range(ARCHIVE // 50):  # to oneself, who is no stranger
            writer.send(f"<message to='{alice.jid}' type='chat'><body>{'x' * TEXT}</body></message>" * 50)
            await writer.query("get", "<ping xmlns='urn:xmpp:ping'/>")
    async with guests(service, [bob, carol]) as (one, other), guests(service, [alice]) as (device,):
        for guest in (one, other):
            guest.send("<presence/>")
        alone = await rounds(one, other, lambda count: count == 40)
        reading = asyncio.create_task(synchronize(device, 0.05))
        beside = await rounds(one, other, lambda _: reading.done())
        assert await reading >= ARCHIVE
    assert len(beside) > 10, "the history was no large one"
    assert statistics.median(beside) < 5 * statistics.median(alone) + 0.2, (alone, beside)


async def web_chat(service: Service, web: aiohttp.ClientSession, account: Account) -> aiohttp.ClientWebSocketResponse:
    """Somebody in a browser."""
    socket = await web.ws_connect(f"wss://{service.domain}/ws", protocols=("xmpp",))

    async def exchange(element: str) -> ET.Element:
        await socket.send_str(element)
        return ET.fromstring(await socket.receive_str(timeout=60))

    await start(socket, service)
    await authenticate(exchange, account)
    await start(socket, service)
    assert (await exchange(BIND)).get("type") == "result"
    return socket


async def start(socket: aiohttp.ClientWebSocketResponse, service: Service) -> None:
    await socket.send_str(f"<open xmlns='{FRAMING}' to='{service.domain}' version='1.0'/>")
    for _ in range(2):
        await socket.receive_str(timeout=60)


async def registration_page(service: Service, web: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
    """Somebody with the page open that asks for an account."""
    socket = await web.ws_connect(f"wss://{service.domain}/ws", protocols=("xmpp",))
    await start(socket, service)
    return socket


async def test_thirty_web_chats_and_thirty_registrations_are_behind_one_address(
    service: Service, register: Register
) -> None:
    """A school class, half of which has accounts already. Each of the others gets a picture."""
    await asyncio.to_thread(reset_limits, service)
    accounts = [account for account in register(3) for _ in range(SESSIONS)]
    async with service.web() as web:
        pages = await asyncio.gather(*(registration_page(service, web) for _ in range(30)))
        chats = await asyncio.gather(*(web_chat(service, web, account) for account in accounts))
        for page in pages:  # one after the other, since only two are drawn at a time
            await page.send_str(f"<iq xmlns='jabber:client' type='get' id='form'><query xmlns='{REGISTER}'/></iq>")
            answer = ET.fromstring(await page.receive_str(timeout=60))
            assert answer.find(".//{urn:xmpp:bob}data") is not None, ET.tostring(answer)
        for socket in (*pages, *chats):
            assert not socket.closed
            await socket.close()


@pytest.mark.attack("WebSockets without an account")
async def test_who_is_logged_in_takes_no_place_of_those_who_are_not(service: Service, register: Register) -> None:
    """Of those there are so many for one address, who are told how long to wait. A browser does not see why it got no
    WebSocket, and asks again without wanting one."""
    accounts = [account for account in register(3) for _ in range(SESSIONS)]
    url = f"https://{service.domain}/ws"
    async with service.web() as web:
        chats = await asyncio.gather(*(web_chat(service, web, account) for account in accounts))
        strangers: list[aiohttp.ClientWebSocketResponse] = []
        for _ in range(STRANGERS):
            strangers.append(await registration_page(service, web))
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await registration_page(service, web)
        answer = await service.fetch("GET", url)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        for socket in (*strangers, *chats):
            await socket.close()
    deadline = time.monotonic() + 60
    while (await service.fetch("GET", url)).status != 200:
        assert time.monotonic() < deadline, "their places stay taken"
