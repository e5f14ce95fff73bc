# SPDX-License-Identifier: GPL-3.0-or-later
"""The front door: check every ``xmpp_*`` setting on the controller and report all problems at once.

Types, choices and examples come from ``meta/argument_specs.yml`` of the calling role. What a value must look like
beyond its type stands in ``RULES`` below, what settings must be among each other in ``Checker.check_together``.
Each problem has three parts: what is wrong, with the value; where to change it; an example that would pass.

A value keeps the type it is written with. A quoted number or a quoted "yes" is a text, and a text in the place of a
number or of true is refused rather than guessed at: in a template, the text "false" counts as true.
"""

from __future__ import annotations

import ast
import base64
import datetime
import difflib
import ipaddress
import json
import os
import pwd
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.conexizan.xmpp.plugins.action.npm_package import ActionModule as NpmPackage
from ansible_collections.conexizan.xmpp.plugins.filter.hidden_sign import hidden_sign
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.secrets import contents, files
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.website.mistakes import mistakes

SPEC_FILE = "meta/argument_specs.yml"
ENTRY_POINT = "settings"

# ---------------------------------------------------------------------- what a single value must look like
# A shape returns what is wrong with a text, to follow "xmpp_… is …, which ", or None.

DOMAIN_MAX = 253  # RFC 1035 2.3.4, written out
LABEL_MAX = 63
OWN_DOMAIN_MAX = DOMAIN_MAX - len("upload.")
METRICS_PORT = 9100
RESERVED = ("example.org", "example.com", "example.net", "invalid")
# Networks whose addresses only their own members reach (RFC 1918, RFC 6598, RFC 4193).
PRIVATE_NETWORKS = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)
LEAST_KEY_BYTES = 16  # half of what SHA-256 gives; tsig-keygen makes 32
FIRST_DAY = datetime.date(1999, 1, 4)  # of Jabber, which became XMPP
# What a browser runs or opens locally where an address is meant.
UNSAFE_SCHEMES = ("about", "blob", "data", "file", "filesystem", "jar", "javascript", "vbscript", "view-source")
# Folders that the system of the controller owns, or that hold much else.
SHARED_FOLDERS = (
    *("/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/var", "/var/lib"),
    *("/tmp", "/var/tmp"),  # noqa: S108  # refused, not used
)
SYSTEM_TREES = ("/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr")
# Nobody can own a name below these, so no public authority certifies one (RFC 2606, 6761, 6762, 7686, 8375, 9476).
# ("test" is left out: whoever tests something may have reasons of their own.)
UNCERTIFIED = ("alt", "example", "home.arpa", "internal", "local", "localhost", "onion")
PUBLIC_AUTHORITY = ".letsencrypt.org"
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LOCALPART = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def domain(value: str) -> str | None:
    """A lower-case fully qualified domain name (RFC 1035, RFC 5890)."""
    if "/" in value:
        return "is a web address: only the name of the host in it is meant"
    if "@" in value:
        return "is the address of an account: only the part after the @ is meant"
    if is_address(value):
        return "is an IP address: a name is needed"
    if ":" in value:
        return "ends in a port: only the name is meant"
    if value.endswith("."):
        return "ends in a dot"
    if not value.isascii():
        return f"has letters that DNS does not know: write it in its xn-- form{a_label(value)} (RFC 5890)"
    if value != value.lower():
        return "is not in lower case"
    if len(value) > DOMAIN_MAX:
        return f"has {len(value)} characters: DNS allows {DOMAIN_MAX} (RFC 1035)"
    labels = value.split(".")
    for label in labels:
        if not label:
            return "has two dots in a row, or begins with one"
        if len(label) > LABEL_MAX:
            return f"has a part of {len(label)} characters between dots: DNS allows {LABEL_MAX} (RFC 1035)"
        if not LABEL.fullmatch(label):
            return f'has the part "{label}": only letters, digits and, between them, hyphens are allowed (RFC 1035)'
        if label.startswith("xn--") and not is_a_label(label):
            return f'has the part "{label}", which is not a valid xn-- form (RFC 5890)'
    if len(labels) == 1:
        return "has no dot: a full domain name is needed"
    if labels[-1].isdigit():
        return "ends in a number: no top-level domain is a number"
    return None


def own_domain(value: str) -> str | None:
    """A domain that can be the operator's own."""
    if any(f".{value.lower()}".endswith(f".{name}") for name in RESERVED):
        return "is not filled in yet: it is reserved for examples (RFC 2606), put your own domain there"
    if wrong := domain(value):
        return wrong
    if len(value) > OWN_DOMAIN_MAX:
        return f"has {len(value)} characters: {OWN_DOMAIN_MAX} are possible, so that upload.… fits into DNS (RFC 1035)"
    return None


def localpart(value: str) -> str | None:
    """The part of an address before the @, in its simple form (RFC 7622 3.3 allows more than clients show safely)."""
    if "@" in value:
        return "is a whole address: only the part before the @ is meant"
    if value != value.lower():
        return "is not in lower case"
    if len(value) > LABEL_MAX:
        return f"has {len(value)} characters: at most {LABEL_MAX} are possible"
    if not LOCALPART.fullmatch(value):
        return "must be lower-case letters and digits, and between them also . _ -"
    return None


def contact(value: str) -> str | None:
    """A mailto:, xmpp: or https: address (XEP-0157)."""
    scheme, colon, rest = value.partition(":")
    if not colon or scheme not in ("mailto", "xmpp", "https"):
        return "must begin with mailto: or xmpp: or https:"
    if re.search(r"\s", value):
        return "has white space in it"
    if scheme == "https":
        host = re.fullmatch(r"//([^/?#:]+)(:\d{1,5})?([/?#].*)?", rest)
        return wrong_host(host[1]) if host else "must go on with // and the name of a host"
    user, at, host_name = rest.partition("@")
    if not at or not re.fullmatch(r"[^\s@/?#:<>\"]+", user):
        return f"must go on with name@domain after {scheme}:"
    return wrong_host(host_name)


def https_url(value: str) -> str | None:
    """An https: address, of a test network's server maybe, so with any port."""
    found = re.fullmatch(r"https://([^/?#:\s]+)(:\d{1,5})?/\S*", value)
    if not found:
        return "is not an address of the form https://name/path"
    return None if is_address(found[1]) else wrong_host(found[1])


def email(value: str) -> str | None:
    """An e-mail address, without a scheme."""
    name, at, host = value.partition("@")
    if value.startswith("mailto:") or not at or not re.fullmatch(r"[^\s@<>\",;:]+", name):
        return "must be of the form name@domain"
    return wrong_host(host)


def base64url(value: str) -> str | None:
    """A key as ACME authorities show it (RFC 4648 5)."""
    found = re.fullmatch(r"([A-Za-z0-9_-]{16,})={0,2}", value)
    # Four characters hold three bytes, so one character alone at the end holds none.
    return None if found and len(found[1]) % 4 != 1 else "is not in base64url form"


def name_server(value: str) -> str | None:
    """The address of a server; its name could not be looked up where it is the server that knows it."""
    if value.startswith("["):
        return "has brackets around the address: leave them out"
    return None if is_address(value) else "is not an IP address"


def stun_server(value: str) -> str | None:
    """A server that is asked over IPv4, with a port or without."""
    host, _, port = value.partition(":") if value.count(":") == 1 else (value, "", "3478")
    if is_address(host) and ":" in host:
        return "is an IPv6 address: the question is which IPv4 address the server sees"
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return "has something else than a port, 1 to 65535, behind the colon"
    return None if is_address(host) else domain(host)


def split_address(value: str, port: int) -> tuple[str, int]:
    """Return address and port of ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT, which the value may not be."""
    found = re.fullmatch(r"(?:\[([^\[\]]+)\]|([^:\[\]]+)):(\d{1,5})", value, re.ASCII)
    return (found[1] or found[2], int(found[3])) if found else (value, port)


def metrics_address(value: str) -> str | None:
    """An address of the host, with a port or without; an IPv6 address with a port is in brackets."""
    address, port = split_address(value, METRICS_PORT)
    if address.startswith("[") or not is_address(address):
        return "is not an IP address, with or without a port"
    if not 1024 <= port <= 49151:
        return "has a port that is not from 1024 to 49151"
    if ipaddress.ip_address(address).is_unspecified:
        return "means every address of the host: anybody could read it, name one"
    if not ipaddress.ip_address(address).is_loopback and not is_private(address):
        return "is not private: everybody who reaches it can read it, name a loopback address or that of a VPN"
    return None


def key_name(value: str) -> str | None:
    """The name of a TSIG key, which looks like a domain but need not be one (RFC 8945 4.2)."""
    return None if re.fullmatch(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", value) else "is no name of a key"


def base64_key(value: str) -> str | None:
    """A key as tsig-keygen and keymgr show it (RFC 4648 4)."""
    try:
        size = len(base64.b64decode(value, validate=True))
    except ValueError:
        return "is not in base64 form"
    if size < LEAST_KEY_BYTES:
        return (
            f"is a key of {size} byte{'s' * (size != 1)}: at least {LEAST_KEY_BYTES} are needed (tsig-keygen makes one)"
        )
    return None


def wrong_host(value: str) -> str | None:
    """Like domain(), about the domain inside of an address."""
    return None if domain(value) is None else f'has "{value}" where a lower-case domain name is meant'


def public_address(value: str) -> str | None:
    """An address that others can reach; private ones may be right in a test network."""
    if "%" in value:
        return "carries the name of an interface: leave out the % and what follows"
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "is not an IP address" + (": a network is given, leave out the / and what follows" * ("/" in value))
    if getattr(address, "ipv4_mapped", None):
        return "is an IPv4 address in IPv6 form: write the IPv4 address"
    for kind, found in (
        ("the loopback address: only the host itself reaches it", address.is_loopback),
        ("the unspecified address", address.is_unspecified),
        ("a multicast address", address.is_multicast),
        ("a link-local address: only the local network reaches it", address.is_link_local),
        ("a reserved address", address.is_reserved),
    ):
        if found:
            return f"is {kind}"
    return None


def room_address(value: str) -> str | None:
    """The address of a room."""
    room, at, host = value.partition("@")
    if not at or not room or re.search(r"[\s/?#]", value):
        return "must be name@domain"
    return wrong_host(host)


def web_address(value: str) -> str | None:
    """An https: address."""
    return contact(value) if value.startswith("https:") else "must begin with https://"


def payable(value: str) -> str | None:
    """What a QR code can hold and a wallet reads."""
    if re.search(r"\s", value):
        return "has white space in it"
    if re.search(r"[<>\"`\\]", value):
        return 'has one of the characters < > " ` \\ in it, which no address has'
    scheme = value.partition(":")[0].lower()
    if scheme in UNSAFE_SCHEMES:
        return f"begins with {scheme}:, which is no way to pay: a browser would run it, or open a file of the reader"
    if scheme == "http":
        return "is a web address without TLS: it must begin with https://"
    return contact(value) if value.startswith("https:") else None


def day(value: str) -> str | None:
    """A date."""
    try:
        found = datetime.date.fromisoformat(value)
    except ValueError:
        return "is no date like 2026-11-22"
    if found.isoformat() != value:
        return "must be like 2026-11-22"
    if found < FIRST_DAY:
        return "is before the first XMPP service was opened"
    # A day more: it is tomorrow already somewhere.
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    return "is in the future" if found > tomorrow else None


def country(value: str) -> str | None:
    """A country as ISO 3166 abbreviates it."""
    return None if re.fullmatch(r"[A-Z]{2}", value) else "must be the two capital letters of a country (ISO 3166)"


# Top folders and folders below /var that belong to the system: what is in them is written, emptied or replaced by it.
SYSTEM_FOLDERS = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib32|lib64|libx32|lost\+found|proc|root|run|sbin|sys|tmp|usr"
    r"|var/(cache|lib/(apt|dpkg|systemd)|lock|log|mail|run|spool|tmp|www))(/|$)"
)


def local_repository(value: str) -> str | None:
    """A folder for backups on the host that is nobody else's. (check_backup knows the service's own folders.)"""
    if "//" in value:
        return "has two slashes in a row"
    if SYSTEM_FOLDERS.match(value):
        return "is a folder of the system, which the backup cannot write to, or where it does not last"
    if Path(value).as_posix() in ("/", "/media", "/opt", "/srv", "/var", "/var/backups", "/var/lib"):
        return "is a folder for folders: name one in it that is for the backups alone"
    return None


def repository(value: str) -> str | None:
    """A place for backups as restic writes it, without a password in it: it is shown."""
    kind, colon, rest = value.partition(":")
    if not value.startswith("/") and (not colon or kind not in ("sftp", "s3")):
        return "must begin with / or sftp: or s3:"
    if re.search(r"\s", value):
        return "has white space in it"
    # It stands in units of systemd, in tmpfiles.d, on command lines and in what people are told to type.
    if odd := re.search(r"[^\w./:@+,=~\[\]-]", value):
        return f"has the character {odd[0]} in it: letters, digits and . _ - + , = ~ @ are possible in a path"
    if {"..", "."} & set(rest.split("/") if colon else value.split("/")):
        return "has the part . or .. in its path: write the path that is meant"
    if value.startswith("/"):
        return local_repository(value)
    if kind == "s3" and not re.fullmatch(r"https?://[^@/?#\s]+/[^@?#\s]+", rest):
        return "must go on with https://host/bucket after s3:"
    # restic's two forms: user@host:folder, and with a port //user@host:port/folder
    if kind == "sftp" and not re.fullmatch(
        r"(//)?[^@:/\s-][^@:/\s]*@([^@:/\s-][^@:/\s]*|\[[0-9a-f:]+\])(:\d+/|/|:)\S+", rest
    ):
        return "must go on with user@host:/folder after sftp:"
    return None


def optional_folder(value: str) -> str | None:
    """A path, unless there is no inventory to be beside of: xmpp_secrets_dir says so."""
    return None if value.startswith("None/") else absolute_path(value)


def absolute_path(value: str) -> str | None:
    """A path that means the same wherever Ansible is started."""
    if value.startswith("None/"):
        return "comes from an inventory that is no file, so it has no folder (inventory_dir)"
    if not value.startswith("/"):
        return "is not an absolute path: begin it with / or with {{ inventory_dir }}/"
    return None


def is_address(value: str) -> bool:
    """Whether the value is an IP address, also in the brackets of an URL."""
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def is_private(value: str) -> bool:
    """Whether only members of its own network reach an IP address, as far as the address itself says."""
    address = ipaddress.ip_address(value)
    return any(address in network for network in PRIVATE_NETWORKS if network.version == address.version)


def is_a_label(label: str) -> bool:
    """Whether an xn-- label stands for an international one."""
    try:
        decoded = label[len("xn--") :].encode().decode("punycode")
    except UnicodeError:
        return False
    return decoded.isprintable() and not decoded.isascii()


def a_label(value: str) -> str:
    """Return ", xn--…" if the form is certain (Python knows IDNA 2003, which maps a few letters away)."""
    try:
        encoded = value.lower().encode("idna")
        return f", {encoded.decode()}" if encoded.decode("idna") == value.lower() else ""
    except UnicodeError:
        return ""


@dataclass(frozen=True)
class Rule:
    """What the specification cannot say about a value, or about each entry of a list."""

    shape: Callable[[str], str | None] | None = None
    low: int = 0
    high: int = 0  # numbers: the bounds; texts: the most characters
    empty: bool = False  # "" or [] has a meaning
    prose: bool = False  # a text for people, in any script; others have no character that cannot be seen
    lines: bool = False  # a text may have several lines
    unique: Callable[[Any], object] | None = None  # what two entries of a list must not have in common
    discreet: bool = False  # the words of the shape quote nothing of the value, so they can be said of a secret


def same(value: Any) -> object:
    """Entries that are equal are the same."""
    return value


RULES: dict[str, Rule] = {
    "xmpp_domain": Rule(own_domain),
    "xmpp_host_domain": Rule(domain),
    "xmpp_more_domains": Rule(own_domain, empty=True, unique=same),
    "xmpp_name": Rule(prose=True, high=DOMAIN_MAX),  # by default the domain
    "xmpp_languages": Rule(unique=same),
    "xmpp_muc_domain": Rule(domain),
    "xmpp_upload_domain": Rule(domain),
    "xmpp_turn_domain": Rule(domain),
    "xmpp_proxy_domain": Rule(domain),
    "xmpp_pubsub_domain": Rule(domain),
    "xmpp_certificate_file": Rule(absolute_path, empty=True),
    "xmpp_certificate_key_file": Rule(absolute_path, empty=True),
    "xmpp_acme_directory": Rule(https_url),
    "xmpp_acme_hook_file": Rule(absolute_path, empty=True),
    "xmpp_acme_email": Rule(email, empty=True),
    "xmpp_acme_eab_kid": Rule(high=200, empty=True),
    "xmpp_acme_eab_secret": Rule(base64url, empty=True, discreet=True),
    "xmpp_acme_ca_file": Rule(absolute_path, empty=True),
    "xmpp_dns_server": Rule(name_server, empty=True),
    "xmpp_dns_key_name": Rule(key_name, empty=True),
    "xmpp_dns_key_secret": Rule(base64_key, empty=True, discreet=True),
    "xmpp_stun_server": Rule(stun_server, empty=True),
    "xmpp_federation_allow": Rule(domain, empty=True, unique=same),
    "xmpp_federation_block": Rule(domain, empty=True, unique=same),
    "xmpp_push_servers": Rule(domain, empty=True, unique=same),
    "xmpp_block_lists": Rule(domain, empty=True, unique=same),
    "xmpp_admins": Rule(localpart, unique=same),
    "xmpp_contact_addresses": Rule(contact, unique=same),
    "xmpp_status_url": Rule(https_url, empty=True),
    "xmpp_rooms": Rule(empty=True, unique=lambda room: room.get("name")),
    "xmpp_rooms.name": Rule(localpart),
    "xmpp_rooms.title": Rule(prose=True, high=100),
    "xmpp_rooms.description": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_recommended_rooms": Rule(empty=True, unique=lambda room: room.get("address")),
    "xmpp_recommended_rooms.address": Rule(room_address, high=1000),
    "xmpp_recommended_rooms.title": Rule(prose=True, high=100),
    "xmpp_recommended_rooms.description": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_room_search_url": Rule(web_address, empty=True),
    "xmpp_donations": Rule(empty=True, unique=lambda way: way.get("address")),
    "xmpp_donations.name": Rule(prose=True, high=100),
    "xmpp_donations.address": Rule(payable, high=1000),
    "xmpp_donations.note": Rule(prose=True, high=1000, empty=True, lines=True),
    "xmpp_provider": Rule(empty=True),
    "xmpp_provider.since": Rule(day),
    "xmpp_provider.locations": Rule(country, unique=same),
    "xmpp_provider.bus_factor": Rule(low=-1, high=1000),
    "xmpp_website_dir": Rule(optional_folder),
    "xmpp_archive_days": Rule(low=1, high=3650),
    "xmpp_archive_quota_mib": Rule(low=1, high=1048576),
    "xmpp_upload_days": Rule(low=1, high=3650),
    "xmpp_upload_max_mib": Rule(low=1, high=4096),
    "xmpp_upload_quota_mib": Rule(low=1, high=1048576),
    "xmpp_upload_total_mib": Rule(low=0, high=1073741824),
    "xmpp_backup_repository": Rule(repository, empty=True),
    "xmpp_backup_days": Rule(low=1, high=365),
    "xmpp_backup_s3_key_id": Rule(high=200, empty=True),
    "xmpp_backup_s3_secret": Rule(empty=True),
    "xmpp_https_port": Rule(low=1, high=49151),  # above are the ports of the relay (RFC 6335: dynamic ports)
    "xmpp_public_addresses": Rule(public_address, empty=True, unique=ipaddress.ip_address),
    "xmpp_metrics": Rule(metrics_address, empty=True),
    "xmpp_secrets_dir": Rule(absolute_path),
}
NO_RULE = Rule()

# The names that the service is reached by. Each is a service of its own, and the certificate must have each.
COMPONENTS = ("xmpp_muc_domain", "xmpp_upload_domain", "xmpp_turn_domain", "xmpp_proxy_domain", "xmpp_pubsub_domain")

TYPES: dict[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "path": (str, "a path"),
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "list": (list, "a list"),
    "dict": (dict, "a set of keys and values"),
}
SHOWN_MAX = 120  # characters of a value in a message
SECRET = re.compile(r"_(secret|password)$")

# How a value is written where it stands.
YAML, INI, INI_HOST, COMMAND_LINE, TEMPLATE = (
    "YAML",
    "INI",
    "INI, in the line of a host",
    "the command line",
    "template",
)

Keys = tuple[str | int, ...]  # the way to a value: the setting, then list indexes (from 0) and keys


# ---------------------------------------------------------------------- all settings
@dataclass(frozen=True)
class Problem:
    """One thing to correct."""

    keys: Keys
    wrong: str
    example: str | None = None  # lines of YAML
    place: str | None = None  # where to change it, if that is no setting


class Checker:
    """Collects the problems of one host's settings."""

    def __init__(
        self,
        options: Mapping[str, Any],
        variables: Mapping[str, Any],
        template: Callable[[Any], Any],
        defaults: Mapping[str, Any],
        notation: Callable[[Keys], str] = lambda _: YAML,
    ) -> None:
        """Take the specification, the variables of the host as they are written, the defaults, and who knows how."""
        self.options = options
        self.variables = variables
        self.template = template
        self.defaults = defaults
        self.notation = notation
        self.problems: list[Problem] = []
        self.values: dict[str, Any] = {}  # the settings without a problem
        self.begun: set[str] = set()
        self.done: set[str] = set()

    def check(
        self,
        renamed: Mapping[str, str],
        taken_ports: Mapping[int, str],
        changes: int,
        places: list[str],
        read: Callable[[str], bytes],
    ) -> None:
        """Check everything. *changes* is how many there are to acknowledge, *places* is what belongs to the service."""
        self.check_names(renamed)
        for name in self.options:
            self.check_setting(name)
        self.check_together(taken_ports)
        self.check_backup(places)
        if not 0 <= (number := self.values.get("xmpp_acknowledged", 0)) <= changes:
            wrong = f"is not the number of a change in CHANGELOG.md: the last one is {changes}"
            self.complain(("xmpp_acknowledged",), number, wrong)
        self.check_files(read)
        order = list(self.options)
        self.problems.sort(key=lambda problem: order.index(problem.keys[0]) if problem.keys[0] in order else -1)

    def check_names(self, renamed: Mapping[str, str]) -> None:
        """Refuse names that are no settings. Their values are not shown: who knows what they hold."""
        for name in sorted(self.variables.keys() - self.options.keys()):
            ours = name.lower().startswith("xmpp_")
            if name in renamed:
                self.add((name,), f"{name} is now called {renamed[name]}.", self.example(renamed[name]))
            elif ours or re.match(r"[xmp]{2,5}_?[a-z]", name.lower()):
                near = difflib.get_close_matches(name.lower(), self.options, n=1, cutoff=0.75)
                maybe = f"Did you mean {near[0]}?" if near else "All settings are listed in docs/settings.md."
                if ours or near:
                    self.add((name,), f"{name} is not a setting. {maybe}", self.example(near[0]) if near else None)

    def check_setting(self, name: str) -> None:
        """Check one setting on its own, after those that it follows from; one mistake is reported once."""
        if name in self.begun:
            return
        self.begun.add(name)
        if name in self.variables:
            raw = self.variables[name]
            sources = names_in(raw) & self.options.keys()
            for source in sorted(sources):
                self.check_setting(source)
            if not (sources & self.done) - self.values.keys():
                self.check_computed(name, raw)
        elif self.options[name].get("required"):
            self.add((name,), f"{name} is not set, and nothing can stand in for it.")
        self.done.add(name)

    def check_computed(self, name: str, raw: Any) -> None:
        """Compute a setting and check what comes out."""
        before = len(self.problems)
        try:
            value = self.template(raw)
        except (AnsibleError, RecursionError) as error:
            self.add((name,), f"{name} cannot be computed: {first_words(error)}.")
            return
        self.check_value((name,), value, self.options[name])
        if len(self.problems) == before:
            self.values[name] = value

    def check_value(self, keys: Keys, value: Any, option: Mapping[str, Any]) -> None:
        """Check type, choices and shape of a value and of what is in it."""
        rule = RULES.get(rule_name(keys), NO_RULE)
        kind, wanted = TYPES[option.get("type", "str")]
        in_list = isinstance(keys[-1], int)
        if value is False and "off" in option.get("choices", ()):
            return  # YAML takes an unquoted off for false
        empty = value is None or (isinstance(value, str) and value.isspace())
        if empty or (value in ("", [], {}) and (in_list or not rule.empty)):
            way_out = "" if in_list or option.get("required") else " Give it a value, or remove it to have the default."
            self.add(keys, f"{label(keys)} is empty.{way_out}")
        elif (choices := option.get("choices")) and kind is str and not isinstance(value, (str, list)):
            self.complain(
                keys, value, f"must be one of: {', '.join(choices)}"
            )  # yes is true in YAML, quotes do not help
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            notation = TEMPLATE if is_template(self.variables.get(str(keys[0]))) else self.notation(keys)
            meant = None if notation == YAML or len(keys) > 1 else as_meant(value, kind)
            self.add(
                keys,
                f"{label(keys)} is {self.show(keys, value)}, {type_mistake(value, kind, wanted, notation)}.",
                None if meant is None else yaml_line(str(keys[0]), meant),
            )
        elif isinstance(value, list):
            self.check_list(keys, value, option, rule)
        elif isinstance(value, dict):
            self.check_dict(keys, value, option)
        elif (choices := option.get("choices")) and value not in choices:
            self.complain(keys, value, f"must be one of: {', '.join(choices)}")
        elif isinstance(value, str):
            self.check_text(keys, value, rule)
        elif isinstance(value, int) and rule.high and not rule.low <= value <= rule.high:
            self.complain(keys, value, f"must be from {rule.low} to {rule.high}")

    def check_text(self, keys: Keys, value: str, rule: Rule) -> None:
        """Check a text that is not empty, or may be."""
        if not value:
            return
        if value != value.strip():
            self.complain(keys, value, "begins or ends with white space")
        elif sign := self.hidden_sign(value, rule):
            self.complain(keys, value, f"contains {sign}: remove it")
        elif rule.high and len(value) > rule.high:
            self.complain(keys, value, f"has {len(value)} characters: at most {rule.high} are possible")
        elif rule.shape and (wrong := rule.shape(value)):
            self.complain(keys, value, wrong, discreet=rule.discreet)

    def hidden_sign(self, value: str, rule: Rule) -> str:
        """Return the first character that the text must not have, or nothing."""
        return hidden_sign(value, lines=rule.lines, strict=not rule.prose)

    def check_list(self, keys: Keys, value: list[Any], option: Mapping[str, Any], rule: Rule) -> None:
        """Check the entries of a list; compare them if each is right."""
        entry = {**option, "type": option.get("elements", "str")}
        before = len(self.problems)
        for index, item in enumerate(value):
            self.check_value((*keys, index), item, entry)
        if not rule.unique or len(self.problems) > before:
            return
        seen: dict[object, int] = {}
        for index, item in enumerate(value):
            first = seen.setdefault(rule.unique(item), index)
            if first != index:
                what = self.show(keys, rule.unique(item) if isinstance(item, dict) else item)
                if isinstance(item, dict) and rule.unique(item) == item.get("name"):
                    what = f"the name {what}"
                self.add((*keys, index), f"{label((*keys, index))} repeats {what} of entry {first + 1}.")

    def check_dict(self, keys: Keys, value: dict[str, Any], option: Mapping[str, Any]) -> None:
        """Check the keys of an entry and what they hold."""
        known = option.get("options", {})
        for key in value:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                maybe = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known)}."
                self.add((*keys, key), f'{label(keys)} has the unknown key "{key}". {maybe}')
        for key, part in known.items():
            if key in value:
                self.check_value((*keys, key), value[key], part)
            elif part.get("required"):
                self.add(keys, f"{label(keys)} has no {key}.")

    def check_together(self, taken_ports: Mapping[int, str]) -> None:
        """Check settings against each other, as far as each is right."""
        owner: dict[str, str] = {}
        for name in ("xmpp_domain", "xmpp_host_domain", *COMPONENTS):
            if name not in self.values or (name == "xmpp_host_domain" and self.values[name] in owner):
                continue
            first = owner.setdefault(self.values[name], name)
            if first != name:
                blamed, other = (first, name) if self.is_default(name) and not self.is_default(first) else (name, first)
                self.complain((blamed,), self.values[blamed], f"is {other} as well: each needs a name of its own")

        self.check_domains(owner)
        self.check_challenge()
        self.check_dynamic_address()
        self.check_federation()
        self.check_addresses()
        self.check_unused()
        if {"xmpp_upload_max_mib", "xmpp_upload_quota_mib"} <= self.values.keys():
            largest, quota = self.values["xmpp_upload_max_mib"], self.values["xmpp_upload_quota_mib"]
            if quota < largest:
                name = "xmpp_upload_max_mib" if self.is_default("xmpp_upload_quota_mib") else "xmpp_upload_quota_mib"
                self.add(
                    (name,),
                    f"xmpp_upload_quota_mib is {quota}, less than xmpp_upload_max_mib, {largest}: "
                    "an account could not upload the largest file.",
                    yaml_line("xmpp_upload_quota_mib", 10 * largest),
                )
        if {"xmpp_upload_max_mib", "xmpp_upload_total_mib"} <= self.values.keys():
            largest, total = self.values["xmpp_upload_max_mib"], self.values["xmpp_upload_total_mib"]
            if 0 < total < largest:
                self.add(
                    ("xmpp_upload_total_mib",),
                    f"xmpp_upload_total_mib is {total}, less than xmpp_upload_max_mib, {largest}: "
                    "the largest file could never be uploaded. 0 is half of the disk.",
                    yaml_line("xmpp_upload_total_mib", 100 * largest),
                )

        port = self.values.get("xmpp_https_port", 0)
        ssh = self.ssh_port()
        if port in taken_ports:
            self.complain(("xmpp_https_port",), port, f"is used by another part of the service: {taken_ports[port]}")
        elif port and port == ssh:
            self.complain(("xmpp_https_port",), port, "is the port of SSH on this host (ansible_port)")

        metrics = self.values.get("xmpp_metrics")
        taken = {ssh: "SSH (ansible_port)", **taken_ports, port: "the web site"}
        if metrics and (number := split_address(metrics, METRICS_PORT)[1]) in taken:
            self.complain(("xmpp_metrics",), metrics, f"has a port of another part of the service: {taken[number]}")

        source = self.values.get("xmpp_certificates")
        for name in ("xmpp_certificate_file", "xmpp_certificate_key_file"):
            if name not in self.values:
                continue
            if source == "provided" and not self.values[name]:
                wrong = f'xmpp_certificates is "provided", but {name} is not set: both files are needed.'
                self.add(("xmpp_certificates",), wrong, self.example(name))
            elif source in ("acme", "selfsigned") and self.values[name]:
                wrong = f'is not used, because xmpp_certificates is "{source}": remove it, or set xmpp_certificates'
                self.complain((name,), self.values[name], wrong, yaml_line("xmpp_certificates", "provided"))

    def check_domains(self, owner: dict[str, str]) -> None:
        """Check the further domains: each needs names of its own, that follow from those of xmpp_domain."""
        main, more = self.values.get("xmpp_domain"), self.values.get("xmpp_more_domains")
        if not main or not more:
            return
        parts = [self.values[name] for name in COMPONENTS if name in self.values and name != "xmpp_turn_domain"]
        labels = [part.removesuffix(f".{main}") for part in parts]
        for index, other in enumerate(more):
            taken = next((name for name in (other, *(f"{label}.{other}" for label in labels)) if name in owner), None)
            if taken:
                wrong = f"needs the name {taken}, which is {owner[taken]} already"
                self.complain(("xmpp_more_domains", index), other, wrong)
            for name in (other, *(f"{label}.{other}" for label in labels)):
                owner.setdefault(name, f"a part of {other}")
        inner = [other for other in more if other.endswith(f".{main}")]
        for name in COMPONENTS:
            part = self.values.get(name)
            if part and name != "xmpp_turn_domain" and not part.endswith(f".{main}"):
                wrong = f"must end in .{main}, so that the parts of those in xmpp_more_domains can be named like it"
                self.complain((name,), part, wrong, yaml_line(name, f"{name.split('_')[1]}.{main}"))
            # A server lists the parts below its own name, so apps of the other domain alone would find this one.
            elif (
                part
                and name != "xmpp_turn_domain"
                and (of := next((one for one in inner if part.endswith(f".{one}")), None))
            ):
                wrong = f"is below {of} of xmpp_more_domains, where apps of {main} do not find it"
                self.complain((name,), part, wrong, yaml_line(name, f"{name.split('_')[1]}.{main}"))

    def check_challenge(self) -> None:
        """Check that what an order needs is there."""
        if self.values.get("xmpp_certificates") != "acme":
            return
        self.check_authority()
        challenge = self.values.get("xmpp_acme_challenge")
        needed = {
            "dns": ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"),
            "hook": ("xmpp_acme_hook_file",),
        }
        for name in needed.get(str(challenge), ()):
            if self.values.get(name) == "":
                self.add((name,), f'xmpp_acme_challenge is "{challenge}", but {name} is not set.')
        pair = ("xmpp_acme_eab_kid", "xmpp_acme_eab_secret")
        if all(name in self.values for name in pair) and bool(self.values[pair[0]]) != bool(self.values[pair[1]]):
            missing = next(name for name in pair if not self.values[name])
            self.add((missing,), f"{missing} is not set, but an external account needs both {pair[0]} and {pair[1]}.")

    def check_authority(self) -> None:
        """Check that the authority can certify such names: it would be found out after minutes, on the host."""
        host = re.sub(r"^https://|[:/].*", "", self.values.get("xmpp_acme_directory", ""))
        if not f".{host}".endswith(PUBLIC_AUTHORITY):
            return
        names: list[tuple[Keys, str]] = [
            ((name,), self.values[name]) for name in ("xmpp_domain", "xmpp_host_domain") if name in self.values
        ]
        names += [(("xmpp_more_domains", at), one) for at, one in enumerate(self.values.get("xmpp_more_domains", []))]
        told: set[str] = set()
        for keys, name in names:
            top = next((top for top in UNCERTIFIED if name.endswith(f".{top}")), None)
            if top and name not in told:
                told.add(name)
                wrong = (
                    f"ends in .{top}, where no public authority certifies anything, and xmpp_certificates is "
                    '"acme": take a domain of your own, or an authority of the host\'s own'
                )
                self.complain(keys, name, wrong, yaml_line("xmpp_certificates", "selfsigned"))

    def check_dynamic_address(self) -> None:
        """Check that what a dynamic update needs is there."""
        if self.values.get("xmpp_dynamic_address"):
            for name in ("xmpp_dns_server", "xmpp_dns_key_name", "xmpp_dns_key_secret"):
                if self.values.get(name) == "":
                    self.add((name,), f"xmpp_dynamic_address is true, but {name} is not set.")

    def check_federation(self) -> None:
        """Check that the lists of other servers are used, and do not contradict each other or ourselves."""
        mode = self.values.get("xmpp_federation")
        allowed, blocked = (self.values.get(f"xmpp_federation_{kind}", []) for kind in ("allow", "block"))
        if mode == "allowlist" and self.values.get("xmpp_federation_allow") == []:
            wrong = 'xmpp_federation_allow is empty, but xmpp_federation is "allowlist": name the domains to talk to.'
            self.add(("xmpp_federation_allow",), wrong)
        if mode != "allowlist" and mode is not None and allowed:
            wrong = 'is not used unless xmpp_federation is "allowlist": remove it, or set xmpp_federation'
            self.complain(("xmpp_federation_allow",), allowed, wrong, yaml_line("xmpp_federation", "allowlist"))
        if mode in (False, "off") and blocked:
            wrong = 'is not used, because xmpp_federation is "off": remove it'
            self.complain(("xmpp_federation_block",), blocked, wrong)
        if mode in (False, "off") and self.values.get("xmpp_block_lists"):
            wrong = 'cannot be fetched, because xmpp_federation is "off": remove it'
            self.complain(("xmpp_block_lists",), self.values["xmpp_block_lists"], wrong)
        ours = self.own_names()
        for index, name in enumerate(blocked):
            if any(is_below(own, name) for own in ours):
                wrong = "is this service's own domain, or above it"
                self.complain(("xmpp_federation_block", index), name, wrong)
        for setting in ("xmpp_federation_allow", "xmpp_block_lists"):
            for index, name in enumerate(self.values.get(setting, [])):
                if name in self.domains():
                    self.complain((setting, index), name, "is this service's own domain: only other servers are meant")
        for index, name in enumerate(allowed):
            above = next((entry for entry, other in enumerate(blocked) if is_below(name, other)), None)
            if above is not None:
                blocks = f"entry {above + 1} of xmpp_federation_block, {blocked[above]}, refuses: remove one of the two"
                self.complain(("xmpp_federation_allow", index), name, blocks)
        for index, name in enumerate(self.values.get("xmpp_push_servers", [])):
            if name in self.domains():
                wrong = "is this service's own domain: the server that wakes up an app is its maker's"
                self.complain(("xmpp_push_servers", index), name, wrong)
            if any(is_below(name, one) for one in blocked):
                wrong = "is shut out by xmpp_federation_block: take it out of one of the two"
                self.complain(("xmpp_push_servers", index), name, wrong)

    def domains(self) -> list[str]:
        """Return the domains of the service, as far as they are right."""
        return [name for name in (self.values.get("xmpp_domain"), *self.values.get("xmpp_more_domains", [])) if name]

    def own_names(self) -> set[str]:
        """Return every name that the service is reached by."""
        return {*self.certificate_names(), self.values.get("xmpp_turn_domain", "")} - {""}

    def ssh_port(self) -> int:
        """Return the port that Ansible reaches the host at, 22 if it is not told or cannot be known."""
        raw = self.variables.get("ansible_port", self.variables.get("ansible_ssh_port", 22))
        try:
            return int(self.template(raw))
        except (AnsibleError, TypeError, ValueError):
            return 22

    def check_addresses(self) -> None:
        """Check the addresses that the outside knows: one of each kind, and a STUN server that is another's."""
        public = self.values.get("xmpp_public_addresses", [])
        first: dict[int, int] = {}
        for index, address in enumerate(public):
            version = ipaddress.ip_address(address).version
            if first.setdefault(version, index) != index:
                wrong = f"is an IPv{version} address like entry {first[version] + 1}: apps are told one of each kind"
                self.complain(("xmpp_public_addresses", index), address, wrong)
        private = [index for index, address in enumerate(public) if is_private(address)]
        if 0 < len(private) < len(public):
            wrong = "is private, and others are public: where those are reached from, this one is not, remove it"
            self.complain(("xmpp_public_addresses", private[0]), public[private[0]], wrong)
        server = self.values.get("xmpp_stun_server", "")
        host = server.partition(":")[0]
        if host and (
            host in {*self.own_names(), *public} or (is_address(host) and ipaddress.ip_address(host).is_loopback)
        ):
            wrong = "is this service itself, which cannot see its own address from outside: name a server of others"
            self.complain(("xmpp_stun_server",), server, wrong)

    def check_unused(self) -> None:
        """Refuse what has no effect beside the other settings: whoever set it believes that it has."""
        certificates, challenge = self.values.get("xmpp_certificates"), self.values.get("xmpp_acme_challenge")
        repository = self.values.get("xmpp_backup_repository")
        reasons: dict[str, tuple[str, ...]] = {}
        if certificates in ("provided", "selfsigned"):
            reasons[f'xmpp_certificates is "{certificates}"'] = tuple(
                f"xmpp_acme_{part}"
                for part in ("directory", "challenge", "hook_file", "email", "eab_kid", "eab_secret", "ca_file")
            )
        elif certificates == "acme" and challenge in ("http", "dns"):
            reasons[f'xmpp_acme_challenge is "{challenge}"'] = ("xmpp_acme_hook_file",)
        if repository == "":
            reasons["xmpp_backup_repository is empty"] = tuple(
                f"xmpp_backup_{part}" for part in ("days", "uploads", "s3_key_id", "s3_secret")
            )
        elif repository and not repository.startswith("s3:"):
            reasons["xmpp_backup_repository is not in S3"] = ("xmpp_backup_s3_key_id", "xmpp_backup_s3_secret")
        if self.values.get("xmpp_calls") is False and self.values.get("xmpp_dynamic_address") is False:
            reasons["neither xmpp_calls nor xmpp_dynamic_address is true"] = ("xmpp_stun_server",)
        for reason, names in reasons.items():
            for name in names:
                if name in self.values and self.values[name] != self.defaults.get(name):
                    wrong = f"is not used, because {reason}: remove it"
                    self.complain((name,), self.values[name], wrong, discreet=True)

    def check_backup(self, places: list[str]) -> None:
        """Check that a repository outlives the service, whose *places* go with it, and that S3's keys are there."""
        value = str(self.values.get("xmpp_backup_repository"))
        for place in places:
            if value.startswith("/") and Path(value).is_relative_to(place):
                wrong = f"is in {place}, which is the service's own: playbooks/remove.yml would delete the backups, too"
                self.complain(("xmpp_backup_repository",), value, wrong)
        if value.startswith("s3:"):
            for name in ("xmpp_backup_s3_key_id", "xmpp_backup_s3_secret"):
                if self.values.get(name) == "":
                    self.add((name,), f"xmpp_backup_repository is in S3, but {name} is not set.")

    def check_files(self, read: Callable[[str], bytes]) -> None:
        """Check the folder of the secrets, if there is one yet, and the files of a provided certificate."""
        folder = self.values.get("xmpp_secrets_dir")
        if folder and (wrong := self.wrong_folder(folder)):
            self.complain(("xmpp_secrets_dir",), folder, wrong)
        pages = self.values.get("xmpp_website_dir")
        if pages and os.path.exists(pages) and not os.path.isdir(pages):
            self.complain(("xmpp_website_dir",), pages, "is a file: a folder is needed")
        elif pages and not os.path.isdir(pages) and not self.is_default("xmpp_website_dir"):
            self.complain(("xmpp_website_dir",), pages, "does not exist: make the folder, or remove the setting")
        for name, judge in (("xmpp_acme_hook_file", no_program), ("xmpp_acme_ca_file", no_authority)):
            path = self.values.get(name)
            if not path:
                continue
            try:
                wrong = judge(read(path))
            except (AnsibleError, OSError):
                wrong = "is not a file that can be read"
            if wrong:
                self.complain((name,), path, wrong)
        names = ("xmpp_certificate_file", "xmpp_certificate_key_file")
        if self.values.get("xmpp_certificates") != "provided" or not all(self.values.get(name) for name in names):
            return
        contents: dict[str, bytes] = {}
        for name in names:
            try:
                contents[name] = read(self.values[name])
            except (AnsibleError, OSError) as error:
                reason = first_words(error) if Path(self.values[name]).exists() else "it does not exist"
                self.complain((name,), self.values[name], f"cannot be read: {reason}")
        needed = self.certificate_names()
        for name, wrong in certificate_mistakes(contents.get(names[0]), contents.get(names[1]), needed):
            self.complain((name,), self.values[name], wrong)

    def wrong_folder(self, folder: str) -> str | None:
        """Return what is wrong with the folder of the secrets, if anything."""
        path = os.path.normpath(folder)
        if path in SHARED_FOLDERS or any(f"{path}/".startswith(f"{tree}/") for tree in (*SYSTEM_TREES, "/etc/ansible")):
            return "is a folder of the system: name one for the secrets alone"
        if path == "/etc" or path == os.path.expanduser("~"):
            return "is a folder with much else in it: name one for the secrets alone"
        if os.path.exists(path) and not os.path.isdir(path):
            return "is a file: a folder is needed"
        return closed_folder(Path(path))

    def certificate_names(self) -> list[str]:
        """Return the names of the settings that a provided certificate must have."""
        settings = ["xmpp_domain", "xmpp_host_domain", *COMPONENTS]
        if self.values.get("xmpp_calls") is False:
            settings.remove("xmpp_turn_domain")
        names = [self.values[name] for name in settings if name in self.values]
        main = self.values.get("xmpp_domain", "")
        for other in self.values.get("xmpp_more_domains", []):
            parts = [self.values[name] for name in COMPONENTS if name in self.values and name != "xmpp_turn_domain"]
            names += [other, *(part.removesuffix(main) + other for part in parts if part.endswith(f".{main}"))]
        return list(dict.fromkeys(names))

    # ------------------------------------------------------------------ words
    def complain(
        self, keys: Keys, value: Any, wrong: str, example: str | None = None, *, discreet: bool = False
    ) -> None:
        """Add a problem with a value; if the value is a secret, only what is *discreet* is said of it."""
        if self.is_secret(keys) and not discreet:
            wrong = "is not valid (its help is in docs/settings.md)"
        self.add(keys, f"{label(keys)} is {self.show(keys, value)}, which {wrong}.", example)

    def add(self, keys: Keys, wrong: str, example: str | None = None) -> None:
        """Add a problem; without an example of its own, the one of the setting is shown."""
        self.problems.append(Problem(keys, wrong, example or self.example(str(keys[0]))))

    def example(self, name: str) -> str | None:
        """Return the setting with the example of the specification, as lines of YAML."""
        option = self.options.get(name, {})
        return yaml_line(name, option["example"]) if "example" in option else None

    def is_default(self, name: str) -> bool:
        """Whether the operator said nothing about it."""
        return name in self.defaults and bool(self.variables.get(name) == self.defaults[name])

    def is_secret(self, keys: Keys) -> bool:
        """Whether the value must not be shown."""
        name = str(keys[0])
        marked = SECRET.search(name) or self.options[name].get("no_log", False)
        return bool(marked) or is_vaulted(self.variables.get(name))

    def show(self, keys: Keys, value: Any) -> str:
        """Return a value as the operator may see it on a terminal: short, in one line, and no secret."""
        if self.is_secret(keys):
            return "a value that is not shown"
        return in_one_line(value)


def in_one_line(value: Any) -> str:
    """Return a value as it may be shown on a terminal: short, in one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def first_words(error: Exception) -> str:
    """Return the first line of an error, to stand inside a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def mentions(value: Any, name: str) -> bool:
    """Whether a template in a value refers to a variable."""
    if isinstance(value, str):
        return ("{{" in value or "{%" in value) and bool(re.search(rf"\b{re.escape(name)}\b", value))
    if isinstance(value, Mapping):
        return any(mentions(item, name) for item in value.values())
    return isinstance(value, list) and any(mentions(item, name) for item in value)


def is_below(name: str, other: str) -> bool:
    """Whether a domain is another one, or below it."""
    return f".{name}".endswith(f".{other}")


def names_in(value: Any) -> set[str]:
    """Return the settings that the templates in a value refer to."""
    if isinstance(value, str):
        return set(re.findall(r"\bxmpp_\w+", value)) if "{{" in value or "{%" in value else set()
    if isinstance(value, Mapping):
        return set().union(*(names_in(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(names_in(item) for item in value))
    return set()


def rule_name(keys: Keys) -> str:
    """Return the name in RULES: xmpp_rooms.title for each room's title."""
    return ".".join(key for key in keys if isinstance(key, str))


def label(keys: Keys) -> str:
    """Return what people call a value: xmpp_rooms (entry 2, title)."""
    name, *rest = keys
    inner = ", ".join(f"entry {key + 1}" if isinstance(key, int) else str(key) for key in rest)
    return f"{name} ({inner})" if inner else str(name)


def yaml_line(name: str, value: Any) -> str:
    """Return a setting as YAML that can be pasted; an entry of several keys gets a line for each."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        lines = [f"{name}:"]
        for item in value:
            pairs = [f"{key}: {scalar(part)}" for key, part in item.items()]
            lines += ["  - " + pairs[0], *("    " + pair for pair in pairs[1:])]
        return "\n".join(lines)
    if isinstance(value, list):
        return f"{name}: [{', '.join(scalar(item) for item in value)}]"
    return f"{name}: {scalar(value)}"


def scalar(value: Any) -> str:
    """Return a value as YAML; a text stays without quotes where that is safe."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w .-]*[\w.]", value):
        plain = value.lower() not in ("yes", "no", "on", "off", "true", "false", "null")
        return value if plain else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def is_template(raw: Any) -> bool:
    """Whether a value is written as a template."""
    return isinstance(raw, str) and "{{" in raw


def as_meant(value: Any, kind: type) -> bool | int | None:
    """Return what a text says if it is read as true, false or a number; nothing if it cannot be."""
    if isinstance(value, str) and kind is bool:
        return {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(value.lower())
    if isinstance(value, str) and kind is int and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    return None


def in_notation(example: str, notation: str) -> str:
    """Return an example, which is in YAML, as the place takes it where it belongs."""
    if notation not in (COMMAND_LINE, INI, INI_HOST):
        return example
    ((name, value),) = yaml.safe_load(example).items()
    if notation == COMMAND_LINE:
        text = json.dumps({name: value}, ensure_ascii=False).replace("'", "\\u0027")
        return f"-e '{text}'"
    # A value is read as one of Python's if it can be, else as a text.
    text = value if isinstance(value, str) and not is_literal(value) else repr(value)
    return f"{name}={shlex.quote(text) if notation == INI_HOST else text}"


def is_literal(text: str) -> bool:
    """Whether Python takes a text for a value."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def type_mistake(value: Any, kind: type, wanted: str, notation: str = YAML) -> str:
    """Return what is wrong with the type, and how the value is written right where it stands."""
    given = next((words for known, words in TYPES.values() if isinstance(value, known)), "something else")
    if isinstance(value, datetime.date):
        given = "a date"
    elif isinstance(value, float):
        given = "a number with a fraction"
    hint = ""
    if notation == TEMPLATE:
        filters = {bool: "bool", int: "int", str: "string"}
        hint = f": let the template end in | {filters[kind]}" if kind in filters else ""
    elif notation == COMMAND_LINE and isinstance(value, str):
        hint = ": after -e, NAME=VALUE is always a text, so write it as JSON"
    elif notation in (INI, INI_HOST) and isinstance(value, str) and kind is bool:
        hint = ": in this file, write True or False, with a capital letter and without quotes"
    elif notation in (INI, INI_HOST) and kind is list:
        hint = ": in this file, write it in brackets, each entry in quotes"
    elif kind in (bool, int) and as_meant(value, kind) is not None:
        hint = ": write it without quotes"
    elif kind is str and not isinstance(value, (list, dict)):
        hint = ": write it in quotes"
    elif kind is list:
        hint = ": write it in brackets, or each entry on a line of its own behind a hyphen"
    return f"which is {given} where {wanted} is meant{hint}"


# ---------------------------------------------------------------------- files
def closed_folder(folder: Path) -> str | None:
    """Return why this user cannot use a folder, or the first part of the way to it that is there."""
    place = folder
    while not os.path.lexists(place):
        place = place.parent
    # Ansible makes a file beside a secret while it reads that, so reading is not enough for the folder.
    whole = os.R_OK | os.W_OK | os.X_OK
    inside = sorted(place.iterdir()) if place == folder and os.access(place, whole) else []
    for one in (place, *inside):
        if not os.access(one, whole if one.is_dir() else os.R_OK):
            user, owner = name_of(os.geteuid()), name_of(one.stat().st_uid)
            wrong = f"{user} cannot read and write ({one} is of {owner})"
            if place == folder:
                return f"{wrong}: run Ansible as {owner}, or give it to {user}: sudo chown -R {user} {folder}"
            return f"{wrong}: name a folder of {user}'s"
    return None


def name_of(user: int) -> str:
    """Return the name of a user of this machine, or the number of one that has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def no_program(content: bytes) -> str | None:
    """Return why the host's kernel would not run a file (execve(2)); it is installed as executable."""
    first = content.partition(b"\n")[0]
    if content.startswith(b"\x7fELF"):
        return None
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return "has line ends of Windows: store it with those of Unix (LF)"
    if not re.match(rb"#! ?/\S", first):
        return "is no program: it must begin with #! and the path of what runs it, such as #!/bin/sh"
    return None


def no_authority(content: bytes) -> str | None:
    """Return why a file has no certificate to check another one with."""
    from cryptography import x509

    if b"PRIVATE KEY-----" in content:
        return "has a private key in it: only the certificate of the authority is meant"
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        return "has no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    return None


# ---------------------------------------------------------------------- certificates
# What ejabberd, nginx, coturn and today's browsers can all use. (ejabberd passes over others without a word; browsers
# know no P-521; nginx and coturn refuse RSA below this, and certificates signed with these digests.)
RSA_BITS = 2048
CURVES = {"secp256r1": "P-256", "secp384r1": "P-384"}
KEYS = f"RSA of {RSA_BITS} bits or more, {' or '.join(CURVES.values())} is needed"
WEAK_DIGESTS = ("md5", "sha1")
MARKER = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]+)-----\s*")
# Beside certificates, and left out on the host: what programs put into the same file.
BESIDE = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "EC PARAMETERS", "DH PARAMETERS")
# What openssl writes between certificates, and comments.
REMARK = re.compile(r"\s|#|(Bag|Key) Attributes|[A-Za-z][\w .-]*[:=]")
BYTE_ORDER_MARKS = ("\ufeff", "\xff\xfe", "\xfe\xff")


def pem_blocks(content: bytes) -> tuple[list[tuple[str, int, bytes]], str]:
    """Return the blocks of a file, each with its kind and line, and what is wrong with the file (RFC 7468)."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    if text.startswith(BYTE_ORDER_MARKS):
        return (
            [],
            "begins with a byte order mark, which programs take for a part of the certificate: save it without one",
        )
    found: list[tuple[str, int, bytes]] = []
    kind, start, lines = "", 0, [""]
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        marker = MARKER.fullmatch(line)
        if "-----" in line and not marker:
            return found, f"has {quoted(line)} in line {number}: BEGIN and END each need a line of their own"
        if marker and marker[1] == "BEGIN" and not kind:
            kind, start, lines = marker[2], number, [line]
        elif marker and marker[1] == "END" and marker[2] == kind:
            found.append((kind, start, "\n".join([*lines, line, ""]).encode()))
            kind = ""
        elif marker:
            return found, f"has {quoted(line)} in line {number}, where a block {'goes on' if kind else 'would begin'}"
        elif kind:
            lines.append(line)
        elif line and not REMARK.match(line):
            return found, f"has {quoted(line)} in line {number}, where only certificates are meant"
    return found, f"ends within the block that begins in line {start}" if kind else ""


def quoted(line: str) -> str:
    """Return a line of a file as it can be shown."""
    shown = "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in line)
    return f'"{shown}"' if len(shown) <= SHOWN_MAX else f'"{shown[:SHOWN_MAX]}…"'


def unusable_key(certificate: Any) -> str | None:
    """Return what is wrong with the kind of a certificate's key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return f"has a key of a kind that is not known: {KEYS}"
    # RSASSA-PSS, RSA that is good for one kind of signature only. (Older libraries do not tell.)
    kind = getattr(getattr(certificate, "public_key_algorithm_oid", None), "dotted_string", "")
    if kind == "1.2.840.113549.1.1.10":
        return f"has a key of the kind RSASSA-PSS, which ejabberd cannot use: {KEYS}"
    if isinstance(key, rsa.RSAPublicKey):
        return None if key.key_size >= RSA_BITS else f"has an RSA key of {key.key_size} bits, which is too weak: {KEYS}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in CURVES else f"has a key on the curve {key.curve.name}: {KEYS}"
    name = type(key).__name__.strip("_").removesuffix("PublicKey")
    return f"has a key of the kind {name}, which ejabberd cannot use: {KEYS}"


def weak_signature(certificate: Any) -> str | None:
    """Return what is wrong with the signature of a certificate that another one has signed."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if digest is None or digest.name not in WEAK_DIGESTS or certificate.issuer == certificate.subject:
        return None
    return f"is signed with {digest.name.upper()}, which is no longer taken: ask the authority for a new one"


def chain_mistakes(chain: bytes) -> tuple[list[Any], list[str]]:
    """Return the certificates of a file, and what is wrong with the file; each block is looked at."""
    from cryptography import x509

    blocks, wrong = pem_blocks(chain)
    if wrong and b"-----BEGIN" in chain:
        return [], [wrong]
    certificates, wrongs = [], []
    for kind, line, block in blocks:
        if kind != "CERTIFICATE":
            if kind not in BESIDE:
                wrongs.append(f"has a block {kind} in line {line}, where only certificates are meant")
            continue
        try:
            certificate = x509.load_pem_x509_certificate(block)
        except ValueError:
            wrongs.append(f"has a block CERTIFICATE in line {line} that is no certificate, or damaged")
            continue
        certificates.append(certificate)
        # The kind of key of an authority is its own business: it is for those who connect to judge.
        faults = [weak_signature(certificate)] + ([unusable_key(certificate)] if len(certificates) == 1 else [])
        wrongs += [f"{fault}" if len(certificates) == 1 else f"(line {line}) {fault}" for fault in faults if fault]
    if not certificates and not wrongs:
        wrongs.append("has no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    return certificates, wrongs


def certificate_mistakes(chain: bytes | None, key: bytes | None, names: list[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a certificate and its key, each with the setting to blame."""
    # A dependency of ansible-core, slow to load and needed here only.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    file, key_file = "xmpp_certificate_file", "xmpp_certificate_key_file"
    certificates: list[Any] = []
    private = None
    if chain is not None:
        certificates, wrongs = chain_mistakes(chain)
        yield from ((file, wrong) for wrong in wrongs)
    if key is not None:
        try:
            private = load_pem_private_key(key, password=None)
        except TypeError:
            yield key_file, "is protected by a passphrase: store it without one (Ansible Vault may encrypt it)"
        except (ValueError, UnsupportedAlgorithm):
            yield key_file, "has no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
    if not certificates:
        return
    certificate = certificates[0]
    if private is not None:
        ours = [number for number, one in enumerate(certificates, 1) if public_half(one) == public_half(private)]
        if not ours:
            yield key_file, "does not belong to the first certificate in xmpp_certificate_file"
        elif ours[0] != 1:
            yield (
                file,
                f"has the certificate of the key in place {ours[0]}: it must come first, what certifies it behind it",
            )
            return
    now = datetime.datetime.now(datetime.UTC)
    if certificate.not_valid_after_utc < now:
        yield file, f"has expired on {certificate.not_valid_after_utc:%d %B %Y}"
    elif certificate.not_valid_before_utc > now:
        yield file, f"is not valid before {certificate.not_valid_before_utc:%d %B %Y}"
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        written = set(alternatives.get_values_for_type(x509.DNSName))
        covered = {name.lower() for name in written}
    except x509.ExtensionNotFound:
        written = covered = set()
    # DNS knows no case, but ejabberd looks the name up as it is asked for it.
    capitals = sorted(
        name for name in names for one in (name, f"*.{name.partition('.')[2]}") if one in covered and one not in written
    )
    lower = {name for name in names if {name, f"*.{name.partition('.')[2]}"} & written}
    if capitals := [name for name in dict.fromkeys(capitals) if name not in lower]:
        yield (
            file,
            (
                f"has {', '.join(capitals)} in capitals, by which ejabberd does not find it: "
                "ask the authority for one with these names in lower case"
            ),
        )
    missing = [name for name in names if name not in covered and "*." + name.partition(".")[2] not in covered]
    if missing:
        yield file, f"is not valid for {', '.join(missing)}"


def public_half(owner: Any) -> bytes | None:
    """Return the public key of a certificate or a private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        encoded: bytes = owner.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (UnsupportedAlgorithm, ValueError):
        return None
    return encoded


# ---------------------------------------------------------------------- what Ansible knows about a value
def is_vaulted(value: Any) -> bool:
    """Whether the value, or a part of it, was encrypted. Tags are internal to ansible-core, so they may be missing."""
    try:
        from ansible._internal._datatag._tags import VaultedValue
        from ansible.parsing.vault import EncryptedString
    except ImportError:
        return False
    if isinstance(value, Mapping):
        return any(is_vaulted(item) for item in value.values())
    if isinstance(value, list):
        return any(is_vaulted(item) for item in value)
    return isinstance(value, EncryptedString) or VaultedValue.is_tagged_on(value)


def origin_of(value: Any) -> tuple[str | None, int | None, str | None]:
    """Return the file and the line that a value or key was written in, or else a description of its source."""
    try:
        from ansible._internal._datatag._tags import Origin
    except ImportError:
        return None, None, None
    origin = Origin.get_tag(value)
    return (origin.path, origin.line_num, origin.description) if origin else (None, None, None)


# What Ansible itself adds to the variables of a host: all those of all hosts.
ANSIBLE_OWN = ("hostvars", "vars", "groups")

ON_COMMAND_LINE = "the command line (-e)"


class Places:
    """Finds where the operator can change a value."""

    def __init__(self, variables: Mapping[str, Any], defaults_dir: Path) -> None:
        """Take the variables of the host, and the folder whose files are not the operator's."""
        self.variables = variables
        self.defaults_dir = defaults_dir

    def find(self, keys: Keys) -> str:
        """Return file and line of the innermost part that is known, or else the inventory."""
        holders: list[Any] = [self.variables]
        for key in keys:
            try:
                holders.append(holders[-1][key])
            except (LookupError, TypeError):
                break
        for depth in range(len(holders) - 1, 0, -1):
            for candidate in (key_in(holders[depth], keys[depth : depth + 1]), holders[depth]):
                if place := self.readable(*origin_of(candidate)):
                    return place
        name = str(keys[0])
        if name in self.variables and (place := self.search(name)):
            return place
        # The key of a setting stays the one of its first source when a later one overrides it: a last resort.
        return self.readable(*origin_of(key_in(self.variables, keys))) or self.inventory()

    def notation(self, keys: Keys) -> str:
        """Return how a value is written where it stands."""
        place = self.find(keys)
        if place == ON_COMMAND_LINE:
            return COMMAND_LINE
        path, _, line = place.rpartition(":")
        try:
            text = Path(path).read_text(encoding="utf-8").splitlines()[int(line) - 1]
        except (OSError, ValueError, IndexError):
            return YAML
        found = re.search(rf"(^|\s){re.escape(str(keys[0]))}\s*=", text)
        if not found or Path(path).suffix in (".yml", ".yaml", ".json"):
            return YAML
        return INI_HOST if text[: found.start()].strip() else INI

    def readable(self, path: str | None, line: int | None, description: str | None) -> str | None:
        """Return a place in words, or None if it is not the operator's."""
        if path is None:
            return ON_COMMAND_LINE if description and "'-e'" in description else None
        if self.defaults_dir in Path(path).parents:
            return None
        return shorten(Path(path)) + (f":{line}" if line else "")

    def inventory(self) -> str:
        """Return the file of the inventory."""
        file = self.variables.get("inventory_file")
        return shorten(Path(file)) if file and Path(file).exists() else "your inventory"

    def search(self, name: str) -> str | None:
        """Look for the setting in the files of the inventory: true, false and null carry no origin."""
        host = str(self.variables.get("inventory_hostname"))
        groups = [*map(str, self.variables.get("group_names", [])), "all"]
        written = re.compile(rf"(^|[\s\"'{{,]){re.escape(name)}[\"']?\s*[:=]")
        roots = (self.variables.get("playbook_dir"), self.variables.get("inventory_dir"))
        folders = [Path(str(root)) for root in roots if root]
        owners = [f"host_vars/{host}", *(f"group_vars/{group}" for group in groups)]
        for owner in owners:
            for folder in folders:
                for file in sorted([*folder.glob(f"{owner}.*"), *folder.glob(f"{owner}/**/*"), folder / owner]):
                    if found := first_line(file, written):
                        return found
        source = self.variables.get("inventory_file")
        if not source:
            return None
        return first_line(Path(source), written, behind=re.compile(rf"^\s*[\"']?{re.escape(host)}\b"))


def key_in(holder: Any, keys: Keys) -> object:
    """Return the first of the keys as the holder has it: it may know its origin, where true and null cannot."""
    return next((key for key in holder if key == keys[0]), None) if keys and isinstance(holder, Mapping) else None


def first_line(file: Path, pattern: re.Pattern[str], behind: re.Pattern[str] | None = None) -> str | None:
    """Return file:line of the first match, preferably behind (or on) the line that matches another pattern."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    hits = [number for number, line in enumerate(lines, 1) if pattern.search(line)]
    if not hits:
        return None
    start = next((number for number, line in enumerate(lines, 1) if behind and behind.search(line)), 0)
    return f"{shorten(file)}:{next((hit for hit in hits if hit >= start), hits[0])}"


def shorten(path: Path) -> str:
    """Return the path as seen from the working directory, if it is below."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


# ---------------------------------------------------------------------- the configuration of Ansible
INSTALLED = (
    "With inject_facts_as_vars = True, which is Ansible's default, a host can set variables of this run: one that "
    "somebody else controls could choose what you deploy. Put into your ansible.cfg, below [defaults]: "
    "inject_facts_as_vars = False"
)


def refuse_other_configuration(project: Path) -> None:
    """Raise AnsibleActionFail unless Ansible runs as this project needs it.

    Its plugins are found wherever Ansible is started (collections/ lies beside site.yml, and playbooks/collections is a
    link to it), so that it is this sentence that is read there, and not that a module could not be resolved.
    """
    # What a host would log of each task, and what a host could set: the file of the project says no to both.
    if constants.DEFAULT_NO_TARGET_SYSLOG and not constants.INJECT_FACTS_AS_VARS:
        return
    used = f"but {constants.CONFIG_FILE}" if constants.CONFIG_FILE else "and no other file either"
    if project == Path.cwd() and project.stat().st_mode & stat.S_IWOTH:
        way_out = f"Everybody may write into this folder, so Ansible leaves it out. Change that: chmod o-w {project}"
    else:
        way_out = (
            f"Start it in the folder of the project: cd {project} (or: export ANSIBLE_CONFIG={project}/ansible.cfg)"
        )
    raise AnsibleActionFail(
        f"Ansible does not use the configuration of this project, {project}/ansible.cfg, {used}. {way_out}"
    )


# ---------------------------------------------------------------------- the action
def role_names(variables: Mapping[str, Any]) -> list[str]:
    """Return the names of the play's roles, without that of the collection which they may come from."""
    return [name.rpartition(".")[2] for name in variables.get("ansible_play_role_names", ())]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no type hints
    """Check the settings of the calling role; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(("renamed", "taken_ports", "changes", "places"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return all problems, for people, and fail if there is one."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        role = Path(self._task._role._role_path)
        if variables.get("ansible_collection_name"):
            # Installed by ansible-galaxy, it cannot bring a configuration; roles/xmpp/vars keeps tasks out of logs.
            if constants.INJECT_FACTS_AS_VARS:
                self._display.warning(INSTALLED)
        else:
            refuse_other_configuration(role.resolve().parents[1])
        # Ansible has read both files already; "unsafe" means without a copy, which would take longer than all the rest.
        spec = self._loader.load_from_file(str(role / SPEC_FILE), unsafe=True)["argument_specs"][ENTRY_POINT]["options"]
        defaults = self._loader.load_from_file(str(role / "defaults/main.yml"), unsafe=True)
        places = Places(variables, role / "defaults")
        checker = Checker(spec, variables, self._templar.template, defaults, places.notation)
        checker.check(
            renamed=self._task.args.get("renamed", {}),
            taken_ports=self._task.args.get("taken_ports", {}),
            changes=int(self._task.args.get("changes", 0)),
            places=self._task.args.get("places", []),
            read=lambda path: Path(self._loader.get_real_file(path)).read_bytes(),
        )
        self.check_secrets(checker, variables)
        self.check_pages(checker, spec["xmpp_languages"]["choices"], variables)
        known = self.check_roles(checker, role, variables)
        self.check_other_names(checker, role, variables, known, places)
        if not checker.problems:
            self.check_web_chat(checker, variables)
        result["changed"] = False
        if checker.problems:
            count = len(checker.problems)
            result["failed"] = True
            result["msg"] = (
                f"{count} {'corrections are' if count > 1 else 'correction is'} needed, nothing was changed yet."
            )
            result["problems"] = [report(problem, places) for problem in checker.problems]
        return result

    def check_roles(self, checker: Checker, calling: Path, variables: Mapping[str, Any]) -> dict[str, set[str]]:
        """Add what is not of its type among the variables of the play's other roles; return all of these by role."""
        known: dict[str, set[str]] = {}
        for name in role_names(variables):
            role = calling.parent / name
            if role == calling:
                continue
            options = self._loader.load_from_file(str(role / SPEC_FILE), unsafe=True)["argument_specs"][ENTRY_POINT][
                "options"
            ]
            defaults = self._loader.load_from_file(str(role / "defaults/main.yml"), unsafe=True) or {}
            known[name] = set(options)
            for variable, option in options.items():
                if variable not in variables or variables[variable] == defaults.get(variable):
                    continue
                try:
                    value = self._templar.template(variables[variable])
                except AnsibleUndefinedVariable:  # of the host, which nobody has asked yet
                    continue
                # Ansible would take a text for true or false, and a number for a text.
                kind, wanted = TYPES.get(option.get("type", "str"), (object, ""))
                if not isinstance(value, kind) or (isinstance(value, bool) and kind not in (bool, object)):
                    notation = TEMPLATE if is_template(variables[variable]) else checker.notation((variable,))
                    shown = "a value that is not shown" if SECRET.search(variable) else in_one_line(value)
                    wrong = f"{variable} is {shown}, {type_mistake(value, kind, wanted, notation)}."
                    checker.problems.append(Problem((variable,), wrong))
                    continue
                for message in ArgumentSpecValidator({variable: option}).validate({variable: value}).error_messages:
                    checker.problems.append(Problem((variable,), f"{variable}: {message.rstrip('.')}."))
        return known

    def check_other_names(
        self,
        checker: Checker,
        calling: Path,
        variables: Mapping[str, Any],
        known: Mapping[str, set[str]],
        places: Places,
    ) -> None:
        """Refuse the operator's variables that look like one of a role, and warn of those that have no effect.

        An inventory may have variables for other projects, so only what is nearly a name of ours is refused.
        """
        project = calling.resolve().parents[1]
        ours = (project / "roles", project / "playbooks", project / "site.yml")
        every = set().union(*known.values())
        for name in sorted(variables.keys() - checker.options.keys() - every):
            role = next((role for role in known if name.startswith(f"{role}_")), None)
            setting = f"xmpp_{name.lower().replace('-', '_')}"
            if not role and setting not in checker.options:
                continue
            place = places.find((name,))
            path = Path(place.rpartition(":")[0]).resolve()
            if place != ON_COMMAND_LINE and (
                not re.search(r":\d+$", place) or any(path.is_relative_to(one) for one in ours)
            ):
                continue
            near = difflib.get_close_matches(name, known[role], n=1, cutoff=0.85) if role else []
            if near:
                wrong = f"{name} is no variable of the role {role}. Did you mean {near[0]}?"
                checker.problems.append(Problem((name,), wrong))
            elif role:
                self._display.warning(
                    f"{name} is no variable of this project's role {role}: it has no effect ({place})."
                )
            elif not any(mentions(value, name) for other, value in variables.items() if other not in ANSIBLE_OWN):
                self._display.warning(f"{name} is not a setting: it has no effect. Did you mean {setting}? ({place})")

    def check_web_chat(self, checker: Checker, variables: Mapping[str, Any]) -> None:
        """Have the files of the web chat on this machine, if the play installs it: later, a host would be changed."""
        if checker.values.get("xmpp_webchat") is not True or "webchat" not in role_names(variables):
            return
        names = ("version", "integrity", "files", "folder")
        wanted = {name: self._templar.template(variables[f"__webchat_{name}"]) for name in names}
        try:
            NpmPackage.have({"name": "converse.js", **wanted})
        except AnsibleActionFail as error:
            wrong = f"xmpp_webchat is true, but {error.message}"
            checker.problems.append(Problem(("xmpp_webchat",), wrong, yaml_line("xmpp_webchat", False)))

    def check_secrets(self, checker: Checker, variables: Mapping[str, Any]) -> None:
        """Add what is wrong with the folder of the secrets, and with those that the operator may have written."""
        root, domain = checker.values.get("xmpp_secrets_dir"), checker.values.get("xmpp_domain")
        if root is None or domain is None or checker.wrong_folder(root):
            return
        folder = Path(root) / domain
        # Others than those who deploy may run the other playbooks.
        needed = "facts" in role_names(variables)
        if wrong := files.access_mistake(Path(root), folder, writing=needed and not self._task.check_mode):
            if needed:
                checker.complain(("xmpp_secrets_dir",), root, wrong)
            return
        accounts = [f"account-{admin}" for admin in checker.values.get("xmpp_admins", ())]
        for name in ("backup", "coturn", "upload", *accounts):
            path, text = files.find(folder, name) or (folder, None)
            if text is not None and (wrong := contents.secret_mistake(name, text)):
                problem = Problem(("xmpp_secrets_dir",), f"{path.name} {wrong}.", place=shorten(path))
                checker.problems.append(problem)

    def check_pages(self, checker: Checker, languages: list[str], variables: Mapping[str, Any]) -> None:
        """Add what is wrong with the pages and the notices that the operator wrote."""
        own, folder = checker.values.get("xmpp_website_dir"), variables.get("inventory_dir")
        if own is None or folder is None or any(problem.keys == ("xmpp_website_dir",) for problem in checker.problems):
            return
        found = mistakes(
            pages=Path(self._task._role._role_path).parent / "website/pages",
            own=Path(own),
            notices=Path(folder) / "notices",
            known=languages,
            languages=checker.values.get("xmpp_languages", languages),
            variables=variables,
            codes=bool(checker.values.get("xmpp_donations")) or checker.values.get("xmpp_registration") != "closed",
        )
        for mistake in found:
            place = shorten(mistake.file) + (f":{mistake.line}" if mistake.line else "")
            wrong = f"{mistake.file.name} {mistake.wrong}."
            checker.problems.append(Problem(("xmpp_website_dir",), wrong, place=place))


def report(problem: Problem, places: Places) -> str:
    """Return what is wrong, where to change it and an example, as lines for a terminal."""
    lines = [problem.wrong, f"  where:   {problem.place or places.find(problem.keys)}"]
    if problem.example:
        notation = YAML if problem.place else places.notation(problem.keys)
        first, *rest = in_notation(problem.example, notation).splitlines()
        lines += [f"  example: {first}", *(" " * 11 + line for line in rest)]
    return "\n".join(lines)
