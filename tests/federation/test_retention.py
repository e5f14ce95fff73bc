# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left on the disk of a day of use, once the account is deleted and time has passed: nothing. The ledger
knows of everything that was there meanwhile."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from ..kit.clients import login, report
from ..kit.erlang import run_in_erlang
from ..kit.service import DATABASE, Account, Service
from . import day
from .between import Register, audit

pytestmark = [pytest.mark.timeout(1200), pytest.mark.usefixtures("apart")]

# Of group_vars/federation.yml: who comes from the household. Of IPv6, the network alone would tell as much.
CLIENT4, CLIENT6, NETWORK6 = "192.31.196.77", "2620:4f:8000:77::7", "2620:4f:8000:77::"
# One more than the archive's and the files' default.
DAYS = 31

CLOCK = "/run/conexizan-clock"
DROP_IN = "/run/systemd/system/ejabberd.service.d/zz-clock.conf"
# The library looks at the file once a second.
UNIT = f"""[Service]
Environment="LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1" FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_CACHE_DURATION=1
Environment=FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 "ERL_AFLAGS=+C single_time_warp"
"""
# Erlang follows a clock that jumps when it is told that now it is right; it takes back no second by itself.
JUMP = """run([Wanted]) -> jump(list_to_integer(Wanted), 100).
jump(Wanted, Tries) when Tries > 0 ->
    case os:system_time(second) > Wanted of
        true ->
            erlang:system_flag(time_offset, finalize),
            true = erlang:system_time(second) > Wanted;
        false ->
            timer:sleep(100),
            jump(Wanted, Tries - 1)
    end.
"""


@pytest.fixture
def clock(alpha: Service) -> Iterator[Callable[[int], None]]:
    """Lets days pass for ejabberd, which goes on running: ``clock(31)``."""
    host = alpha.host

    def pass_by(days: int) -> None:
        host.check_output(f"printf +{days}d > {CLOCK}")
        run_in_erlang(alpha, JUMP, str(int(time.time()) + days * 86400 - 60))

    try:
        host.check_output(f"printf +0d > {CLOCK}")
        host.check_output(f"mkdir -p $(dirname {DROP_IN}) && printf %s {shlex.quote(UNIT)} > {DROP_IN}")
        host.check_output("systemctl daemon-reload")
        yield pass_by
    finally:
        host.check_output(f"rm -f {DROP_IN} {CLOCK} && systemctl daemon-reload && systemctl restart ejabberd")
        alpha.wait_until_ready()


async def test_day_of_use_leaves_nothing(
    alpha: Service, beta: Service, names: Host, register: Register, clock: Callable[[int], None]
) -> None:
    """Accounts on the web and in an app, wrong passwords, messages, rooms, a profile, files, a call, a complaint: first
    all of it is found where the ledger says; in the end, none of it is found."""
    alpha.restart()  # with the clock; and nobody has registered
    word = secrets.token_hex(6)
    home = day.household(alpha, names)
    account, other = (
        Account(f"{name}-{word}", f"{secrets.token_urlsafe(9)}{word}", alpha.domain) for name in ("gone", "lost")
    )
    friend, far = register(alpha), register(beta)

    await day.register_on_the_web(home, account)
    day.register_in_an_app(home, other)
    await day.fail_to_log_in(home, account, f"wrong {word}")
    await day.fail_to_log_in(home, Account(f"nobody-{word}", "x", alpha.domain), f"wrong {word}")
    day.come_back_by_token(home, account, word)
    async with (
        login(home, account) as client,
        login(home, other, address=home.address6) as second,
        login(alpha, friend) as near,
        login(beta, far) as remote,
    ):
        for one in (client, second, near, remote):
            await one.online()
        assert day.seen_from(alpha)[account.jid] == CLIENT4
        assert day.seen_from(alpha)[other.jid] in (CLIENT6, NETWORK6)
        await day.publish_profile(client, word)
        await day.talk_to(client, near, word)
        await day.talk_to(client, remote, word)
        await day.talk_to(second, client, word)
        await day.meet_in_rooms(client, near, word)
        await day.send_file(client, word)
        await day.call(client)
        await report(client, far.jid, word)
        await near.stop()
        client.say(friend.jid, f"waiting {word}")
        await client.query("get", "<ping xmlns='urn:xmpp:ping'/>")  # answered when what was said before is on its way

        # Before anything is deleted: the search does find, and the ledger knows of each place.
        needles = [word, CLIENT4, CLIENT6, NETWORK6]
        code, before = audit(*needles)
        assert sum(find["hits"].get("text", 0) for path, find in before.items() if path.startswith(DATABASE)) > 10
        assert {path for path, find in before.items() if not find["known"]} == set()
        assert [path for path, find in before.items() if "client" in find["hits"]] == []
        assert code == 0

        await day.delete_account(second)
        await day.delete_account(client)
        await remote.stop()
    alpha.host.check_output("systemctl start xmpp-checkpoint.service")

    clock(DAYS)
    # Started anew: the run of its timer may be under way, and has begun before that day.
    alpha.host.check_output("systemctl restart xmpp-expire.service")
    alpha.host.check_output(f"faketime -f +{DAYS}d systemd-tmpfiles --clean")
    code, after = audit(*needles)
    assert after == {}
    assert code == 0
