# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of the service while it is attacked: real clients, who measure how long they wait."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import threading
import time

from ..kit.clients import login
from ..kit.service import Account, Service

# Seconds that a round may take on a busy test machine: a message there, one back, a login, a page of the site.
# Usually it takes less than so many, or so many times what it took before the attack, if that is more.
PATIENCE, USUALLY, TIMES = 60.0, 3.0, 5
PAUSE = 0.1


class Bystander:
    """A thread of its own: an attack may block the test's."""

    def __init__(self, service: Service, accounts: list[Account]) -> None:
        self._service = service
        self._accounts = accounts
        self._rounds: list[float] = []
        self._enough = threading.Event()
        self._again = threading.Condition()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Return when the first round is over: all is well before the attack."""
        self._thread.start()
        self.wait(1)

    def wait(self, rounds: int) -> None:
        """Return after so many more rounds, with an attack under way."""
        with self._again:
            wanted = len(self._rounds) + rounds
            limit = rounds * PATIENCE + PATIENCE
            assert self._again.wait_for(lambda: self._failure or len(self._rounds) >= wanted, limit), "users are stuck"
        self._check()

    def finish(self) -> None:
        """One more round, to see that all is well after the attack, and the judgement of all."""
        self.wait(1)
        self._enough.set()
        self._thread.join(2 * PATIENCE)
        self._check()
        assert statistics.median(self._rounds) < max(USUALLY, TIMES * self._rounds[0]), self._rounds

    def _check(self) -> None:
        if self._failure:
            raise AssertionError(
                f"users noticed, after {len(self._rounds)} rounds: {self._failure!r}"
            ) from self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as failure:
            with self._again:
                self._failure = failure
                self._again.notify_all()

    async def _live(self) -> None:
        alice, bob, carol = self._accounts
        async with login(self._service, alice) as one, login(self._service, bob) as other:
            await one.online()
            await other.online()
            while not self._enough.is_set():
                began = time.monotonic()
                async with asyncio.timeout(PATIENCE):
                    for sender, receiver in ((one, other), (other, one)):
                        text = secrets.token_hex(8)
                        sender.say(receiver.boundjid.bare, text)
                        await receiver.hear(text)
                    async with login(self._service, carol):
                        pass
                    answer = await self._service.fetch("GET", f"https://{self._service.domain}/en/")
                    assert answer.status == 200
                with self._again:
                    self._rounds.append(time.monotonic() - began)
                    self._again.notify_all()
                await asyncio.sleep(PAUSE)  # people are not machines
