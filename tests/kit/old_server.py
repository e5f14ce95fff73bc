# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that people leave, on the host, and their clients there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from testinfra.host import Host

from .clients import Client
from .service import PATIENCE, Account, Service

PORT = 15222  # of the old server, on the host
with socket.socket() as _free:
    _free.bind(("127.0.0.1", 0))
    HERE = int(_free.getsockname()[1])  # what leads to it here, where tests of another host may run as well


class OldClient(Client):
    """A client of the old server, which is reached through ssh alone and needs no TLS."""

    async def start(self) -> None:
        """Connects and logs in."""
        self.enable_starttls, self.enable_plaintext = False, True
        self.plugin["feature_mechanisms"].unencrypted_scram = self.plugin["feature_mechanisms"].unencrypted_plain = True
        self.ready = asyncio.get_running_loop().create_future()
        self.connect("127.0.0.1", HERE)
        async with asyncio.timeout(PATIENCE):
            await self.ready


@contextlib.contextmanager
def tunnel(host: Host) -> Iterator[None]:
    """Leads from HERE to the old server's port on the host."""
    to = f"{HERE}:127.0.0.1:{PORT}"
    options = ["-S", "none", "-o", "ExitOnForwardFailure=yes"]  # its connection is its own, and ends with it
    command = ["ssh", "-F", host.backend.ssh_config, *options, "-N", "-L", to, ssh_name(host)]
    with subprocess.Popen(command) as process:
        try:
            wait_for_answer()
            yield
        finally:
            process.terminate()


def wait_for_answer() -> None:
    """Returns when the old server answers through the tunnel, which is open before the server is."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", HERE), timeout=5) as connection:
            connection.sendall(b"<?xml version='1.0'?>")
            connection.sendall(
                b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
            )
            if connection.recv(100):
                return
        assert time.monotonic() < deadline, f"the old server does not answer within {PATIENCE} seconds"
        time.sleep(0.2)  # ssh refuses at once: not to be asked in a busy loop


def ssh_name(host: Host) -> str:
    """The host as ssh knows it."""
    return str(host.ansible.get_variables()["ansible_host"])


def copy(host: Host, source: str, folder: Path) -> None:
    """Copies from the host; *source* may be a pattern."""
    command = ["scp", "-q", "-r", "-F", host.backend.ssh_config, f"{ssh_name(host)}:{source}", folder]
    subprocess.run(command, check=True, timeout=60)


@contextlib.asynccontextmanager
async def at_old(service: Service, account: Account, mechanism: str) -> AsyncIterator[OldClient]:
    """A client that is logged in to the old server."""
    client = OldClient(service, account, mechanism=mechanism)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()
