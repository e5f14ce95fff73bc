#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a host that runs the service, in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_health
short_description: Find faults of a host that stop the service, or soon will
description:
  - Checks the version of this project that deployed the host, services, timers, disks, memory, clock, retention (which
    a wrong clock suspends), security updates, the versions of ejabberd and its libraries, our modules in it, its
    database, a pending restart, the journal and the firewall.
  - Changes nothing, and connects to no other machine.
options:
  services:
    description: Units that must run.
    type: list
    elements: str
    required: true
  timers:
    description: Timers of Debian that the service relies on, besides xmpp-*.
    type: list
    elements: str
    default: []
  firewall:
    description: Whether the service's own firewall rules must be there.
    type: bool
    required: true
  metrics:
    description: Where metrics are served, as ADDRESS:PORT with an IPv6 address in brackets; empty without metrics.
    type: str
    default: ""
  ports:
    description: Ports of the service, as M(host_facts) takes them.
    type: list
    elements: dict
    default: []
    suboptions:
      protocol: {description: Transport protocol., type: str, choices: [tcp, udp], default: tcp}
      first: {description: The port., type: int, required: true}
      last: {description: The last one of several., type: int}
      unit: {description: The unit that listens there., type: str, required: true}
      address: {description: Where., type: str, default: "*"}
      inner: {description: Whether only the host itself may reach it., type: bool, default: false}
      setting: {description: "A setting that avoids the port, in words for the operator.", type: str, default: ""}
  own_units:
    description: Services that the roles configure, as M(host_facts) takes them.
    type: list
    elements: str
    default: []
  addresses:
    description: Addresses of the host.
    type: list
    elements: str
    default: []
  contacts:
    description: Contact addresses on this service.
    type: list
    elements: str
    default: []
  version:
    description: The version of this project, as the lookup C(version) returns it.
    type: str
    required: true
  tested:
    description: The upstream versions that the tests ran with, of ejabberd and of its libraries, by package.
    type: dict
    required: true
  now:
    description: The time on the controller, in seconds since 1970.
    type: float
    required: true
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Check the health of the host
  conexizan.xmpp.host_health:
    services: [ejabberd.service, nginx.service]
    timers: [apt-daily.timer]
    firewall: true
    tested: {ejabberd: "26.07", erlang-p1-xmpp: 1.13.4}
    version: "{{ lookup('conexizan.xmpp.version') }}"
    now: "{{ now().timestamp() }}"
"""

RETURN = r"""
rows:
  description: Each with C(subject), C(status) (pass, warn, fail), C(found) and C(fix).
  type: list
  elements: dict
  returned: always
shut:
  description: >-
    Ports that another firewall of the host blocks, with C(owner), C(protocol) and C(port).
  type: list
  elements: dict
  returned: always
authority:
  description: The certificate of the host's own CA, or empty.
  type: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils import neighbours
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.look import look
from ansible_collections.conexizan.xmpp.plugins.module_utils.health.ports import judge_neighbours

AUTHORITY = Path("/etc/xmpp/certificates/ca.crt")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "str", "required": True},
            "timers": {"type": "list", "elements": "str", "default": []},
            "firewall": {"type": "bool", "required": True},
            "metrics": {"type": "str", "default": ""},
            "ports": {"type": "list", "elements": "dict", "default": [], "options": neighbours.PORT},
            "own_units": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "contacts": {"type": "list", "elements": "str", "default": []},
            "version": {"type": "str", "required": True},
            "tested": {"type": "dict", "required": True},
            "now": {"type": "float", "required": True},
        },
        supports_check_mode=True,
    )
    asked = module.params
    rows = look(
        asked["services"],
        asked["timers"],
        firewall=asked["firewall"],
        metrics=asked["metrics"],
        contacts=asked["contacts"],
        tested=asked["tested"],
        version=asked["version"],
        now=asked["now"],
    )
    ports = neighbours.whole(asked["ports"])
    shut = neighbours.shut_ports([port for port in ports if not port["inner"]], asked["addresses"]) if ports else []
    held = neighbours.held_ports(neighbours.sockets(), ports, asked["own_units"])
    rows += judge_neighbours(held, shut, firewall=asked["firewall"])
    closed = [{"owner": one.owner, "protocol": protocol, "port": port} for one in shut for protocol, port in one.ports]
    authority = AUTHORITY.read_text(encoding="ascii") if AUTHORITY.exists() else ""
    module.exit_json(changed=False, rows=rows, shut=closed, authority=authority)


if __name__ == "__main__":
    main()
