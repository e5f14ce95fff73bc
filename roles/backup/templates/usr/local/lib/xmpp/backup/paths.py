# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on the host.

A restore of an earlier version may have been interrupted here: what is in STATE keeps its names and its format.
"""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = Path("/etc/xmpp/backup")
STATE = Path("/var/lib/xmpp-backup")
CACHE = Path("/var/cache/xmpp-backup")
STATUS = STATE / "status.json"
DESCRIPTION = STATE / "description.json"
# The backup that `prepare` has fetched and checked.
STAGED = STATE / "staged"
# The data from before a restore. LIST says which of the paths existed. It is called HALF while data is being moved, in
# either direction; ejabberd does not start then (ejabberd.service.d/xmpp.conf).
ASIDE = STATE / "aside"
LIST, HALF = ASIDE / "list.json", ASIDE / "half.json"
DATABASE = Path("/var/lib/ejabberd/xmpp.db")
UPLOADS = Path("/srv/xmpp/upload/data")
# Of certbot's files, those of this service, and all of lego's. The keys in use are made from these, or come from the
# inventory.
CERTIFICATES = [
    (Path("/etc/letsencrypt"), ("accounts", "archive/xmpp_*", "live/xmpp_*", "renewal/xmpp_*")),
    (Path("/etc/xmpp/certificates"), ("ca.crt", "ca.key", "lego")),
]
# When each restored upload is deleted: their files are new, so systemd-tmpfiles cannot know their age.
EXPIRY = Path("/etc/tmpfiles.d/xmpp-restored.conf")
# The database in the repository.
DUMP = "xmpp.sql"
