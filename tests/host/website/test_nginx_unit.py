# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit of nginx needs."""

from __future__ import annotations

from testinfra.host import Host


def test_nginx_needs_the_disk_of_uploads(host: Host) -> None:
    """Without it, uploads would be written below the place where it is mounted later."""
    needed = host.check_output("systemctl show --property=RequiresMountsFor --value nginx.service")
    assert "/srv/xmpp/upload" in needed.split()
