# SPDX-License-Identifier: GPL-3.0-or-later
"""Files through the upload checks, against the same nginx without any."""

from __future__ import annotations

import statistics

from . import port
from .bed import DOMAIN, PASSWORD, Bed, load, register_on_site
from .report import Result, Row, at_least

PLAIN_NAME = f"plain.{DOMAIN}"
PLAIN_SERVER = "/etc/nginx/xmpp.d/bench-plain.conf"


def upload(bed: Bed, options: list[str]) -> Result:
    """Files through the service's checks, against a server block without any in the same nginx."""
    host = bed.site()
    register_on_site(host, 2)
    certificate = host.fetch("/etc/xmpp/certificates/ca.crt")
    # Same server process, listeners, TLS and file system; the only thing missing is what we check.
    host.shell(
        port.put_in_front()
        + f"""install -d -o www-data -g www-data -m 0750 /srv/xmpp/upload/data/bench-plain
        cat >{PLAIN_SERVER} <<'END'
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    http2 on;
    server_name {PLAIN_NAME};
    ssl_certificate /etc/xmpp/certificates/{DOMAIN}/fullchain.pem;
    ssl_certificate_key /etc/xmpp/certificates/{DOMAIN}/privkey.pem;
    include /etc/nginx/xmpp.tls.conf;
    client_max_body_size 0;
    client_body_temp_path /srv/xmpp/upload/tmp;
    client_body_buffer_size 128k;
    gzip off;
    root /srv/xmpp/upload/data/bench-plain;
    dav_methods PUT;
    create_full_put_path on;
}}
END
        systemctl reload nginx"""
    )
    try:
        arguments = ["--address", host.address, "--domain", DOMAIN, "--ca", str(certificate), "--password", PASSWORD]
        arguments += ["--account", "load0", "--upload-domain", f"upload.{DOMAIN}", "--plain-name", PLAIN_NAME]
        measured = load("uploadload", [*arguments, *options])
        by_port, ports = port.compared(host, certificate, quick="--quick" in options)
    finally:
        host.shell(f"{port.REMOVE}; rm -rf {PLAIN_SERVER} /srv/xmpp/upload/data/bench-plain; systemctl reload nginx")
    rows = []
    for batch in dict.fromkeys(entry["batch"] for entry in measured):
        for method, column in (("PUT", "put_seconds"), ("GET", "get_seconds")):
            times = {
                side: statistics.median(
                    entry[column] for entry in measured if entry["batch"] == batch and entry["side"] == side
                )
                for side in ("service", "plain")
            }
            rows.append(
                Row(
                    f"{method} {batch}",
                    f"{times['service']:.2f} s",
                    f"{times['plain']:.2f} s without checks",
                    **at_least(times["plain"] / times["service"], 0.9, "at least 0.9x the speed"),
                )
            )
    return Result("upload", "Upload and download", rows + by_port, raw={"measured": measured, "ports": ports})
