# SPDX-License-Identifier: GPL-3.0-or-later
"""An HTTP server for the HTTP-01 challenges of the first order, before nginx is installed."""

from __future__ import annotations

import contextlib
import errno
import functools
import http.server
import re
import socket
import threading
from collections.abc import Iterator

from . import files


class ChallengeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves HTTP-01 challenges and nothing else, and logs nothing about who asks."""

    def send_head(self):  # type: ignore[no-untyped-def]  # its type is private to http.server
        """Reject whatever is not a challenge."""
        if not re.fullmatch(r"/\.well-known/acme-challenge/[\w-]+", self.path):
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class DualStackServer(http.server.ThreadingHTTPServer):
    """Listens on IPv6 and IPv4, as nginx does later."""

    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Accept IPv4 connections too."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


@contextlib.contextmanager
def answer_challenges() -> Iterator[None]:
    """Answer on port 80 for the first order; afterwards nginx does."""
    for folder in (files.WEBROOT.parent, files.WEBROOT):
        files.open_folder(folder)
    try:
        server = DualStackServer(("", 80), functools.partial(ChallengeHandler, directory=str(files.WEBROOT)))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        yield
        return
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
