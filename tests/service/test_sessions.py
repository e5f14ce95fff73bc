# SPDX-License-Identifier: GPL-3.0-or-later
"""An account has ten sessions; for one more, the one goes that nobody misses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from ..kit.service import PATIENCE, Account, Register, Service
from ..kit.sessions import SM, logged_in, until
from ..kit.stream import Stream

SESSIONS = 10


class Devices:
    """The sessions of one account, each with its full address."""

    def __init__(self, service: Service, account: Account, stack: contextlib.ExitStack) -> None:
        self.account = account
        self._service = service
        self._stack = stack

    def log_in(self) -> tuple[Stream, str]:
        stream = self._stack.enter_context(logged_in(self._service, self.account))
        return stream, stream.bind().partition("/")[2]

    def fall_asleep(self) -> tuple[str, str]:
        """A phone whose line is cut; its name, and the number by which it can come back."""
        stream, name = self.log_in()
        stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        number = until(stream, f"{{{SM}}}enabled")["id"]
        stream.close()
        return name, number

    def wait_until(self, alive: set[str]) -> None:
        """Bounded: what is ended says goodbye first."""
        deadline = time.monotonic() + PATIENCE
        while (found := set(self._resources())) != alive:
            assert time.monotonic() < deadline, f"these are there: {found}, and not these: {alive}"

    def _resources(self) -> list[str]:
        user = {"user": self.account.name, "host": self._service.domain}
        resources: list[str] = self._service.api(("user_resources", user))[0]
        return resources


@pytest.fixture
def devices(service: Service, register: Register) -> Iterator[Devices]:
    (account,) = register(1)
    with contextlib.ExitStack() as stack:
        yield Devices(service, account, stack)


def ping(stream: Stream) -> None:
    assert stream.query("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"


def test_phone_that_comes_back_again_and_again_ends_its_own(devices: Devices) -> None:
    """The desktop was there first, and goes on. The phone's oldest sessions go."""
    desktop, name = devices.log_in()
    asleep = [devices.fall_asleep()[0] for _ in range(SESSIONS - 1)]
    devices.wait_until({name, *asleep})
    phones = [devices.log_in()[1] for _ in range(2)]
    devices.wait_until({name, *asleep[2:], *phones})
    ping(desktop)


def test_of_ten_that_are_awake_the_silent_one_goes(devices: Devices) -> None:
    """It is told that it was replaced. Not the oldest, which somebody writes with."""
    streams = [devices.log_in() for _ in range(SESSIONS)]
    for number, (stream, _) in enumerate(streams):
        if number != 4:
            ping(stream)
    new = devices.log_in()[1]
    devices.wait_until({new, *(name for number, (_, name) in enumerate(streams) if number != 4)})
    assert streams[4][0].read().find("{urn:ietf:params:xml:ns:xmpp-streams}conflict") is not None


def test_coming_back_to_a_session_ends_none(devices: Devices, service: Service) -> None:
    """With ten, one of which is asleep: the phone takes its own up again, and nobody is in the way."""
    streams = [devices.log_in() for _ in range(SESSIONS - 1)]
    asleep, number = devices.fall_asleep()
    names = {asleep, *(name for _, name in streams)}
    devices.wait_until(names)
    with logged_in(service, devices.account) as back:
        back.send(f"<resume xmlns='{SM}' h='0' previd='{number}'/>")
        until(back, f"{{{SM}}}resumed")
        for stream, _ in streams:
            ping(stream)
        devices.wait_until(names)
