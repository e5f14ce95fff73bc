#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search a host's disk for what can be traced to a person, and hold it against the ledger."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit
short_description: Find personal data on a host's disk, and hold it against the ledger
description:
  - Reads every file that a service can have written, the journal as journalctl shows it, and what is in compressed
    files, and looks for names of accounts and rooms (C(name@domain), a name beside its domain as in a table's row) and
    for addresses of clients. What no entry of the ledger covers is a failed row.
  - Changes nothing, not even a file's access time. It takes little memory, the disk only while nobody else wants it,
    and a small part of the processor where others want it too.
  - Of ejabberd's database, it reads the bytes as of any file, and looks into the tables as well, by a connection that
    only reads. Rows that are older than the ledger says, rows of accounts and rooms that no longer exist, tables that
    no entry names, and tables that Mnesia keeps on disk are failed rows, with table, number and age, never with what
    is in them. (Not judged by age is what apps can do. It stays while such an app is connected.)
  - Not read are what Debian's packages brought (below C(/usr)), what the roles wrote from the settings, and files that
    people sent (they are counted). Any address is a find where services write; in C(/etc), in C(/usr) and among the
    packages' own lists, where addresses are configuration and version numbers look like some, only those of clients
    that are connected now are. The host's own addresses, its routers and its name servers are nobody's.
  - Who is logged in over ssh now administers the host. Their address is no find in what logind keeps of the session,
    nor in the journal's lines of ssh and of sessions; anywhere else it is.
  - With O(needles), only those texts are looked for, in every file there is, and the tables are left alone. A file
    below C(/usr) that is byte for byte what a package brought is looked at no further.
options:
  ledger:
    description: The entries, as the lookup C(ledger) returns them.
    type: list
    elements: dict
    required: true
  logs_nobody:
    description: >-
      What the names of services begin with that log no person, beside C(xmpp-); an entry for the journal does not
      excuse what is found in their lines.
    type: list
    elements: str
    required: true
  domains:
    description: The service's domains and those of its parts.
    type: list
    elements: str
    default: []
  known_addresses:
    description: Addresses and networks that belong to no client.
    type: list
    elements: str
    default: []
  needles:
    description:
      - Texts or addresses to look for. Each also as UTF-16, hexadecimal, base64 (at each of the three offsets) and in
        an address's other forms; of an account, also the hash that names its folder of sent files.
    type: list
    elements: str
    default: []
  names:
    description: Return what was found, not only how often. Otherwise it does not leave the host.
    type: bool
    default: false
author: [Conexizan contributors (@conexizan)]
attributes:
  check_mode: {support: full}
"""

EXAMPLES = r"""
- name: Search the host
  conexizan.xmpp.audit:
    ledger: "{{ lookup('conexizan.xmpp.ledger') }}"
    logs_nobody: "{{ lookup('conexizan.xmpp.footprint', 'logs_nobody') }}"
    domains: [example.org, muc.example.org]
"""

RETURN = r"""
rows:
  description: What the filter check_report takes.
  type: list
  returned: always
finds:
  description: Each file with a find, C(path), C(entries) (names in the ledger), C(hits) (kind to number), C(known)
    (whether the ledger covers all) and, if wanted, C(names). Of a table, C(path) is the database with the table's name,
    and C(days) the age of the oldest row, if it has one.
  type: list
  returned: always
searched:
  description: How many C(files) and C(bytes) were read.
  type: dict
  returned: always
"""

import os
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit import report, tables
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.finders import needle_finder
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.ledger import Ledger, ssh_addresses
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.people import finders_of
from ansible_collections.conexizan.xmpp.plugins.module_utils.audit.search import Audit
from ansible_collections.conexizan.xmpp.plugins.module_utils.database_tables import Finding
from ansible_collections.conexizan.xmpp.plugins.module_utils.report import PASS, Row, row


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "ledger": {"type": "list", "elements": "dict", "required": True},
            "logs_nobody": {"type": "list", "elements": "str", "required": True},
            "domains": {"type": "list", "elements": "str", "default": []},
            "known_addresses": {"type": "list", "elements": "str", "default": []},
            "needles": {"type": "list", "elements": "str", "default": []},
            "names": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    os.nice(10)  # with 19, a host that is busy all the time would never get to the end
    subprocess.run(["ionice", "--class", "idle", "--pid", str(os.getpid())], check=False, capture_output=True)
    ledger, logs_nobody, names = params["ledger"], tuple(params["logs_nobody"]), params["names"]
    notes: list[Row] = []
    everything = bool(params["needles"])
    found: list[Finding] = []
    count = 0
    if everything:
        search = Audit(Ledger(ledger, logs_nobody), [needle_finder(params["needles"])], [], everything)
    else:
        finders, where_services_write = finders_of(params["domains"], params["known_addresses"], notes)
        search = Audit(Ledger(ledger, logs_nobody, ssh_addresses()), finders, where_services_write, everything)
        count, found = tables.inside_or_why(ledger, notes)
    search.run()
    if found:
        found = tables.still_there(found, ledger, notes)
    if count and not found:
        notes.append(row(f"{tables.TABLES}s", PASS, f"{count} tables, none with expired rows or rows without an owner"))
    module.exit_json(
        changed=False,
        rows=notes + report.rows(search, names=names) + [tables.table_row(one) for one in found],
        finds=report.as_data(search, names=names) + [tables.table_find(one, ledger, names) for one in found],
        searched={"files": search.files, "bytes": search.bytes},
    )


if __name__ == "__main__":
    main()
