# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, ports, name servers and counters."""

from __future__ import annotations

from ..known import Cases

CASES: Cases = {
    "calls off behind NAT": ({"xmpp_calls": False, "xmpp_public_addresses": ["203.0.113.7", "2001:db8::7"]}, []),
    "addresses": (
        {"xmpp_public_addresses": ["home.test", "127.0.0.1", "::1", "192.0.2.0/24", "fe80::1", "0.0.0.0", "224.0.0.1"]},
        [
            ("xmpp_public_addresses (entry 1)", "is not an IP address"),
            ("xmpp_public_addresses (entry 2)", "is the loopback address"),
            ("xmpp_public_addresses (entry 3)", "is the loopback address"),
            ("xmpp_public_addresses (entry 4)", "is not an IP address"),
            ("xmpp_public_addresses (entry 5)", "is a link-local address"),
            ("xmpp_public_addresses (entry 6)", "is the unspecified address"),
            ("xmpp_public_addresses (entry 7)", "is a multicast address"),
        ],
    ),
    "mapped address": (
        {"xmpp_public_addresses": ["::ffff:203.0.113.7"]},
        [("xmpp_public_addresses (entry 1)", "is an IPv4-mapped IPv6 address")],
    ),
    "address twice, spelt differently": (
        {"xmpp_public_addresses": ["2001:db8::1", "2001:db8:0::1"]},
        [("xmpp_public_addresses (entry 2)", 'repeats "2001:db8:0::1" of entry 1')],
    ),
    # relays of others
    "relays": (
        {
            "xmpp_relays": [
                {"host": "turn.neighbour.test", "secret": "7hVmqMxLpTq9"},
                {"host": "relay.test", "username": "friends", "password": "pYrd83kQ", "port": 80, "tls_port": 0},
            ]
        },
        [],
    ),
    "relays that cannot be used": (
        {
            "xmpp_relays": [
                {"host": "turn.friends.test", "secret": "hidden"},
                {"host": "one.test"},
                {"host": "two.test", "secret": "hidden", "username": "friends", "password": "hidden"},
                {"host": "three.test", "username": "friends"},
                {"host": "four.test", "password": "hidden"},
            ]
        },
        [
            ("xmpp_relays (entry 1, host)", "is this service itself"),
            ("xmpp_relays (entry 2)", "has neither secret nor username and password"),
            ("xmpp_relays (entry 3)", "has secret and username and password: give secret alone"),
            ("xmpp_relays (entry 4)", "has username: give"),
            ("xmpp_relays (entry 5)", "has password: give"),
        ],
    ),
    "relays written wrongly": (
        {
            "xmpp_relays": [
                {"host": "turn:one.test", "secret": " hidden"},
                {"host": "two.test", "secret": "hidden", "port": 0},
                {"host": "three.test", "secret": "hidden", "tls_port": 65536},
                {"secret": "hidden"},
                {"host": "four.test", "secert": "hidden"},
            ]
        },
        [
            ("xmpp_relays (entry 1, host)", "contains a port: give only the name"),
            ("xmpp_relays (entry 1, secret)", "is a value that is not shown"),
            ("xmpp_relays (entry 2, port)", "must be from 1 to 65535"),
            ("xmpp_relays (entry 3, tls_port)", "must be from 0 to 65535"),
            ("xmpp_relays (entry 4)", "has no host"),
            ("xmpp_relays (entry 5)", 'has the unknown key "secert"'),
        ],
    ),
    "relay twice": (
        {"xmpp_relays": [{"host": "one.test", "secret": "a1"}, {"host": "one.test", "secret": "a2"}]},
        [("xmpp_relays (entry 2)", 'repeats "one.test" of entry 1')],
    ),
    # dynamic addresses
    "dynamic address": (
        {
            "xmpp_dynamic_address": True,
            "xmpp_dns_server": "2001:db8::53",
            "xmpp_dns_key_name": "Home_update.friends.test.",
            "xmpp_dns_key_secret": "bXkgb3duIGtleSwgbm90IHRoaXMgb25l",
            "xmpp_stun_server": "turn.neighbour.test:3478",
        },
        [],
    ),
    "stun server without a port": ({"xmpp_stun_server": "203.0.113.7"}, []),
    "dynamic address without a name server": (
        {"xmpp_dynamic_address": True},
        [
            ("xmpp_dynamic_address", f"is true, but {name} is not set")
            for name in ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret")
        ],
    ),
    "name server and key": (
        {
            "xmpp_dns_server": "https://dns.test",
            "xmpp_dns_key_name": "update key",
            "xmpp_dns_key_algorithm": "hmac-md5",
            "xmpp_dns_key_secret": "not base64",
            "xmpp_stun_server": "turn.neighbour.test:0",
        },
        [
            ("xmpp_dns_server", "is not an IP address"),
            ("xmpp_dns_key_name", "is not a TSIG key name"),
            ("xmpp_dns_key_algorithm", "must be one of: hmac-sha256, hmac-sha384, hmac-sha512"),
            ("xmpp_dns_key_secret", "is not base64"),
            ("xmpp_stun_server", "needs a port from 1 to 65535 after the colon"),
        ],
    ),
    "name server in brackets": (
        {"xmpp_dns_server": "[2001:db8::53]", "xmpp_stun_server": "2001:db8::7"},
        [
            ("xmpp_dns_server", "has brackets around the address"),
            ("xmpp_stun_server", "is an IPv6 address"),
        ],
    ),
    # alerts
    "program for alerts": ({"xmpp_alert_command": "/usr/local/bin/alert-me"}, []),
    **{
        f"program for alerts: {path}": ({"xmpp_alert_command": path}, [("xmpp_alert_command", wrong)])
        for path, wrong in (
            ("alert", "is not an absolute path"),
            ("/usr/local/bin/alert --now", "takes a path alone, without arguments"),
            ("/usr/local/bin/", "is a folder"),
            ("/root/alert", "is in a folder that the program's sandbox hides"),
        )
    },
    # counters
    **{
        f"metrics on {place}": ({"xmpp_metrics": place}, [])
        for place in ("127.0.0.1", "127.0.0.1:9101", "::1", "[::1]:9100", "10.8.0.1:9100")
    },
    **{
        f"metrics on {place}": ({"xmpp_metrics": place}, [("xmpp_metrics", wrong)])
        for place, wrong in (
            ("localhost:9100", "is not an IP address with or without a port"),
            ("127.0.0.1:", "is not an IP address with or without a port"),
            ("[::1]", "is not an IP address with or without a port"),
            ("::1:99999x", "is not an IP address with or without a port"),
            ("127.0.0.1:80", "has a port that is not from 1024 to 49151"),
            ("[::1]:65000", "has a port that is not from 1024 to 49151"),
            *(
                (
                    place,
                    "is a public address",
                )
                for place in ("203.0.113.7", "[2a01:db8::7]:9100", "169.254.1.1", "fe80::1")
            ),
            ("0.0.0.0", "means all addresses of the host"),
            ("[::]:9100", "means all addresses of the host"),
            ("127.0.0.1:5280", "has a port that is already used by the service"),
        )
    },
    "metrics where the web site is": (
        {"xmpp_metrics": "127.0.0.1", "xmpp_https_port": 9100},
        [("xmpp_metrics", "has a port that is already used by the service")],
    ),
    "port taken": (
        {"xmpp_https_port": 5223},
        [("xmpp_https_port", "is already used by the service")],
    ),
    # addresses among each other
    "two addresses of a kind": (
        {"xmpp_public_addresses": ["203.0.113.7", "2001:db8::7", "203.0.113.8", "203.0.113.9"]},
        [(f"xmpp_public_addresses (entry {entry})", "is a second IPv4 address beside entry 1") for entry in (3, 4)],
    ),
    **{
        f"private address {private} beside a public one": (
            {"xmpp_public_addresses": [public, private]},
            [("xmpp_public_addresses (entry 2)", "is private, but others are public")],
        )
        for public, private in (
            ("203.0.113.7", "fd00::7"),
            ("2001:db8::7", "192.168.1.7"),
            ("2001:db8::7", "100.64.1.7"),
        )
    },
    "private addresses of a local network": ({"xmpp_public_addresses": ["192.168.1.7", "fd00::7"]}, []),
    # ports
    "single port": (
        {"xmpp_single_port": True, "xmpp_calls": False, "xmpp_federation": "off", "xmpp_push_servers": []},
        [],
    ),
    "single port that is another one": (
        {"xmpp_single_port": True, "xmpp_https_port": 8443},
        [("xmpp_single_port", "is not used, because xmpp_https_port is 8443")],
    ),
    "port of what is behind the single port": (
        {"xmpp_https_port": 5284},
        [("xmpp_https_port", "is already used by the service")],
    ),
    "port of SSH": (
        {"xmpp_https_port": 2222, "ansible_port": 2222},
        [("xmpp_https_port", "is the port of SSH on this host")],
    ),
    "port of SSH, computed": (
        {"xmpp_https_port": 2222, "ansible_ssh_port": "{{ own_port }}", "own_port": "2222"},
        [("xmpp_https_port", "is the port of SSH on this host")],
    ),
    "counters on the port of SSH": (
        {"xmpp_metrics": "10.8.0.1:2222", "ansible_port": 2222},
        [("xmpp_metrics", "has a port that is already used by the service")],
    ),
}
