# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy hooks, and the rollback if one fails."""

from __future__ import annotations

import datetime
from pathlib import Path

import certificates.x509
import pytest
from certificates import cli
from cryptography.hazmat.primitives import serialization

from .certificates import CHAT, Paths, certificate, hook, provide, told


def test_failed_hook_is_reported_and_runs_again(certificate_folders: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    _, hooks = certificate_folders
    hook(hooks, "echo no such service >&2; exit 1")
    assert cli.main() == 1
    assert "no such service" in capsys.readouterr().err
    hook(hooks, "echo told >> $(dirname $0)/told")
    assert cli.main() == 0
    assert told(hooks) == 1


# Fails like a service that cannot use one certificate, and records what it was shown.
PICKY = """grep -qf "$(dirname $0)/refused" HOME/chat.test/fullchain.pem && { echo 'too weak' >&2; exit 1; }
echo told >> $(dirname $0)/told"""


def refuse(home: Path, hooks: Path, name: str = "chat.test/fullchain.pem") -> None:
    """From now on a service rejects the certificate in this file."""
    (hooks / "refused").write_text((home / name).read_text(encoding="ascii").splitlines()[3], encoding="ascii")
    hook(hooks, PICKY.replace("HOME", str(home)))


def test_all_services_keep_the_old_certificate_if_one_rejects_the_new_one(
    certificate_folders: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The previous files are restored and the hooks run again; the next run tries the new ones again."""
    home, hooks = certificate_folders
    cli.main()
    before = {path: path.read_bytes() for path in home.glob("*/*.pem")} | {
        home / "ca.crt": (home / "ca.crt").read_bytes()
    }
    modes = {path: path.stat().st_mode for path in before}
    provide(home, CHAT)
    refuse(home, hooks, "provided/fullchain.pem")
    for runs in (2, 3):
        assert cli.main() == 1
        said = capsys.readouterr().err
        assert "nginx.hook: too weak" in said
        assert "Rolled back to the previous certificates." in said
        assert {path: path.read_bytes() for path in before} == before
        assert {path: path.stat().st_mode for path in before} == modes
        assert told(hooks) == runs
    provide(home, CHAT)
    assert cli.main() == 0
    assert certificate(home).public_bytes(serialization.Encoding.PEM) == (home / "provided/fullchain.pem").read_bytes()


def test_previous_certificate_may_be_rejected_as_well(
    certificate_folders: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """A service that is broken for another reason: its hook runs again next time."""
    home, hooks = certificate_folders
    cli.main()
    before = certificate(home)
    provide(home, CHAT)
    hook(hooks, "echo broken >&2; exit 1")
    assert cli.main() == 1
    assert "Failed with the previous certificates too: " in capsys.readouterr().err
    assert certificate(home) == before
    hook(hooks, "echo told >> $(dirname $0)/told")
    assert cli.main() == 0
    assert certificate(home) != before


@pytest.mark.parametrize("end", ["expired", "damaged"])
def test_no_rollback_to_a_useless_certificate(
    certificate_folders: Paths, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    home, hooks = certificate_folders
    cli.main()
    if end == "expired":
        later = certificates.x509.now() + datetime.timedelta(days=91)
        monkeypatch.setattr(certificates.x509, "now", lambda: later)
    else:
        (home / "chat.test/fullchain.pem").write_text("nothing", encoding="ascii")
        provide(home, CHAT)
    hook(hooks, "exit 1")
    assert cli.main() == 1
    assert certificate(home).not_valid_after_utc > certificates.x509.now()
