# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the controller that an order of certificates needs: a hook, and the certificate of a private authority."""

from __future__ import annotations

import re
from collections.abc import Callable

from ansible.errors import AnsibleError
from ansible_collections.conexizan.xmpp.plugins.plugin_utils.settings.host_settings import HostSettings


def check_acme_files(settings: HostSettings, read: Callable[[str], bytes]) -> None:
    """Check the program and the certificate that the host gets."""
    for name, judge in (("xmpp_acme_hook_file", no_program), ("xmpp_acme_ca_file", no_authority)):
        path = settings.values.get(name)
        if not path:
            continue
        try:
            wrong = judge(read(path))
        except (AnsibleError, OSError):
            wrong = "cannot be read"
        if wrong:
            settings.complain((name,), path, wrong)


def no_program(content: bytes) -> str | None:
    """Return why the host's kernel would not run a file (execve(2)); it is installed as executable."""
    first = content.partition(b"\n")[0]
    if content.startswith(b"\x7fELF"):
        return None
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return "has Windows line endings: save it with Unix ones (LF)"
    if not re.match(rb"#! ?/\S", first):
        return "is not a program: it must begin with #! and the path of its interpreter, such as #!/bin/sh"
    return None


def no_authority(content: bytes) -> str | None:
    """Return why a file has no certificate to check another one with."""
    from cryptography import x509

    if b"PRIVATE KEY-----" in content:
        return "contains a private key: give only the certificate of the certificate authority"
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        return "contains no certificate in PEM format (-----BEGIN CERTIFICATE-----)"
    return None
