# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that certbot renews for others on this host, and whether it still can beside the service."""

from __future__ import annotations

import re
from pathlib import Path

LETSENCRYPT = Path("/etc/letsencrypt")
DROPINS = Path("/etc/systemd/system/certbot.service.d")
# They take port 80, or rewrite a configuration of a web server that is not in use any more.
ALONE = ("standalone", "nginx", "apache")
LINEAGE = "xmpp_"  # as LINEAGE in acme.py of the role certificates


def parameters(text: str) -> dict[str, str]:
    """Return what is in a file of certbot's about one certificate (the section renewalparams)."""
    section = re.split(r"^\[+\s*renewalparams\s*\]+\s*$", text, flags=re.MULTILINE)[-1].partition("\n[")[0]
    return dict(re.findall(r"^(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", section, re.MULTILINE))


def own_dropin() -> bool:
    """Tell whether the operator has a drop-in for certbot, which may allow it more."""
    return any(path.name not in ("xmpp.conf", "sandbox.conf") for path in DROPINS.glob("*.conf"))


def lost_renewals(*, confined: bool) -> list[str]:
    """Return the certificates of others that certbot could not renew any more.

    *confined* says whether the service uses certbot itself, and so puts it into a sandbox.
    """
    faults = []
    for path in sorted((LETSENCRYPT / "renewal").glob("*.conf")):
        if path.stem.startswith(LINEAGE):
            continue
        found = parameters(path.read_text(encoding="utf-8", errors="replace"))
        way = found.get("authenticator", "")
        webroot = found.get("webroot_path", "").strip(",") or "the folder of the site"
        if way in ALONE:
            faults.append(
                f"certbot renews the certificate {path.stem} by its plugin {way}, which does not work beside the web "
                "server of the service. Let it use the folder of the site, on the host: certbot reconfigure "
                f"--cert-name {path.stem} --webroot --webroot-path FOLDER"
            )
        elif confined and way == "webroot" and not own_dropin():
            faults.append(
                f"certbot renews the certificate {path.stem} by files in {webroot}, where its sandbox would not let it "
                "write. Allow it by a drop-in of yours, for example /etc/systemd/system/certbot.service.d/own.conf: "
                f"[Service] and below it, ReadWritePaths={webroot}"
            )
    return faults
