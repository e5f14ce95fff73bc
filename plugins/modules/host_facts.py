#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything the roles need to know of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_facts
short_description: What the roles need to know of a host, in one round trip
description:
  - Reads the Debian release, the mirror the host installs from, the ports sshd listens on, the host's addresses and the
    installed versions of some packages. M(ansible.builtin.setup) knows neither mirror nor sshd and takes much longer.
  - Changes nothing. Returns C(ansible_facts.xmpp_host).
options:
  packages:
    description: Packages whose installed version is wanted (shell patterns).
    type: list
    elements: str
    default: []
  ports:
    description: >-
      Ports that the service needs. With any, what else is on the host is looked at too: who has them, whose firewall
      shuts them, which web sites, files and units and whose relay are there; and what the service takes away is said.
    type: list
    elements: dict
    default: []
    suboptions:
      protocol: {description: Transport protocol., type: str, choices: [tcp, udp], default: tcp}
      first: {description: The port., type: int, required: true}
      last: {description: The last one, if a free one is taken of several; else the same., type: int}
      unit: {description: The unit that listens there., type: str, required: true}
      address: {description: Where; C(public) is everywhere but on loopback., type: str, default: "*"}
      inner: {description: Whether only the host itself may reach it., type: bool, default: false}
      setting: {description: "A setting that avoids the port, in words for the operator.", type: str, default: ""}
  own_units:
    description: Services that the roles configure; a port of the service that one of them has is not taken.
    type: list
    elements: str
    default: []
  names:
    description: Names that the web server of the service answers to.
    type: list
    elements: str
    default: []
  https_port:
    description: Port of HTTPS.
    type: int
    default: 443
  https_listen:
    description: Where the web servers of HTTPS listen, as nginx writes it; by default on the port, at all addresses.
    type: list
    elements: str
    default: []
  firewall:
    description: Whether the service brings a firewall of its own.
    type: bool
    default: false
  without_firewall:
    description: The setting that does without it, as the operator writes it.
    type: str
    default: ""
  folders:
    description: Folders of the service, in which nothing may be a symbolic link.
    type: list
    elements: str
    default: []
  apart:
    description: A folder that must not be in one of I(places).
    type: str
    default: ""
  places:
    description: What goes with the service.
    type: list
    elements: str
    default: []
  files:
    description: Paths at which roles put files; what others have there is reported.
    type: list
    elements: str
    default: []
  removes:
    description: Packages that the service removes.
    type: list
    elements: str
    default: []
  deletes:
    description: Logs that the service deletes (shell patterns).
    type: list
    elements: str
    default: []
  acme:
    description: Whether the service uses certbot.
    type: bool
    default: false
  mdns:
    description: Whether the firewall of the service lets mDNS in.
    type: bool
    default: false
  secrets:
    description:
      - C(folder), where the service's secrets are on the controller, and C(accounts), the addresses of administrators.
      - If given, those on the host are compared with these, see C(identity.strange_secrets).
    type: dict
  moderators:
    description: Addresses of accounts that the service must have.
    type: list
    elements: str
    default: []
  metrics:
    description: The address where the host's counters are to be read, with or without a port; empty without counters.
    type: str
    default: ""
  stun_server:
    description: Who tells the host its public address, with or without a port.
    type: str
    default: ""
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Gather facts of the host
  conexizan.xmpp.host_facts:
    packages: [nginx]
"""

RETURN = r"""
ansible_facts:
  description:
    - "C(xmpp_host) with C(release) (codename), C(name), C(mirror) (URI of the Debian archive in use), C(signed_by) (the
      keyring for backports from there), C(has_backports) (the operator has added them),
      C(certificates_due) (C(xmpp-certificates) has something to do, as far as its settings on the host say),
      C(default_release) (of apt), C(ssh_ports), C(ipv4) and C(ipv6) (source addresses of
      the default routes, of IPv6 the lasting one, or empty), C(has_ipv6), C(memory_mib), C(versions) (package to
      installed version), C(trees) (the roles that have files on the host, by M(tree)),
      C(tree_digests) (one checksum of these files by role, where they stand as M(tree) has written them),
      C(acknowledged) (number of the last change that the operator has acknowledged; 0 before there were any, -1 on a
      host without the service),
      C(packages) (those that the service has C(added), those that are C(gone) for it, and those that have C(been)),
      C(time_daemon) (installed package, if any), C(links) (symbolic links that are, or
      are in, one of I(folders), with the folder that they lead to; empty for a file), C(inside) (which of I(places) the
      folder I(apart) is really in, or empty), C(half_restored) (a restore was interrupted), C(beside) (in
      words, what on the host does not go with the service), C(own_default_site) (nginx's is the operator's by now) and
      C(identity): C(foreign) (folders with data of an ejabberd that is not this service's), C(served) (the domains
      that ejabberd was configured for last, by what people have there: C(accounts), C(rooms), C(nodes), C(uploads)) and
      C(population) (how many there are, by domain and kind), C(missing) (which of I(moderators) have no account),
      C(known_secrets) (names of the secrets on the host) and
      C(strange_secrets) (those of which the folder has none, or others: C(name), C(state), and the folder where they
      were C(found))."
  type: dict
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours
from ansible_collections.conexizan.xmpp.plugins.module_utils.facts.gather import gather

LISTS = (
    *("packages", "own_units", "names", "https_listen", "folders", "places"),
    *("files", "removes", "deletes", "moderators"),
)
FLAGS = ("firewall", "acme", "mdns")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            **{name: {"type": "list", "elements": "str", "default": []} for name in LISTS},
            "apart": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": neighbours.PORT},
            "https_port": {"type": "int", "default": 443},
            **{name: {"type": "bool", "default": False} for name in FLAGS},
            "without_firewall": {"type": "str", "default": ""},
            "secrets": {"type": "dict", "no_log": False},
            "metrics": {"type": "str", "default": ""},
            "stun_server": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    facts, notes = gather(module.params)
    for note in notes if not facts["beside"] else []:
        module.warn(note)
    module.exit_json(changed=False, ansible_facts={"xmpp_host": facts})


if __name__ == "__main__":
    main()
