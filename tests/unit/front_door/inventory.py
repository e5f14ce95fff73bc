# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory of several files with mistakes, and where each is."""

from __future__ import annotations

from .files import vaulted

HOSTS = """\
places:
  hosts:
    first:
      xmpp_calls: "no"
      xmpp_firewall:
    second:
      xmpp_firewall:
      xmpp_rooms:
        - name: news
          title: News
          moderated:
        - name: News
          title: News
      xmpp_rom: 1
    third:
"""

GROUP = """\
# Settings of the group
xmpp_domain: Friends.test

xmpp_archive_days:
"""

HOST = """\
xmpp_archive_days:
"""

SECRET = "Hunter.Two"

FILES = {
    "inventory/hosts.yml": HOSTS,
    "inventory/group_vars/places.yml": GROUP,
    "inventory/host_vars/second.yml": HOST,
    "inventory/host_vars/third.yml": vaulted("xmpp_name", SECRET + "\n"),
    "host_vars/nowhere.test.yml": "xmpp_domain: friends.test\n",
}

PLACES = {
    ("first", "xmpp_domain"): "inventory/group_vars/places.yml:2",
    ("first", "xmpp_calls"): "inventory/hosts.yml:4",
    ("first", "xmpp_firewall"): "inventory/hosts.yml:5",
    ("first", "xmpp_archive_days"): "inventory/group_vars/places.yml:4",
    ("second", "xmpp_firewall"): "inventory/hosts.yml:7",
    ("second", "xmpp_rooms (entry 1, moderated)"): "inventory/hosts.yml:11",
    ("second", "xmpp_rooms (entry 2, name)"): "inventory/hosts.yml:12",
    ("second", "xmpp_rom"): "inventory/hosts.yml:14",
    ("second", "xmpp_archive_days"): "inventory/host_vars/second.yml:1",
    ("third", "xmpp_name"): "inventory/host_vars/third.yml:1",
}
