# SPDX-License-Identifier: GPL-3.0-or-later
"""When the Erlang modules are compiled anew, that nothing half done is used, and which ones are to be active."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.conexizan.xmpp.plugins.module_utils.health import server

from ..kit.playbook import CHECKOUT
from .loading import load

modules: Any = load("roles/ejabberd/templates/usr/local/lib/xmpp/ejabberd-modules")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with two sources, an Erlang, and a compiler that copies; in `log` is what it was called with."""
    for name, content in {"modules/a.erl": "a", "modules/b.erl": "b", "erlang/27/OTP_VERSION": "27.3"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="ascii")
    (tmp_path / "compiled").mkdir()
    monkeypatch.setattr(modules, "SOURCES", tmp_path / "modules")
    monkeypatch.setattr(modules, "ERLANG", tmp_path / "erlang")
    monkeypatch.setattr(modules, "COMPILED", tmp_path / "compiled")
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules"])

    def compiler(command: list[str], **options: Any) -> None:
        assert options == {"check": True, "cwd": "/", "env": modules.ENVIRONMENT}
        *_, folder, first, _second = command
        (Path(folder) / "a.beam").write_text("compiled " + Path(first).read_text(encoding="ascii"), encoding="ascii")
        with (tmp_path / "log").open("a", encoding="ascii") as log:
            log.write("called\n")
        if Path(first).read_text(encoding="ascii") == "wrong":
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(modules.subprocess, "run", compiler)
    return tmp_path


def calls(host: Path) -> int:
    return len((host / "log").read_text(encoding="ascii").splitlines())


def folders(host: Path) -> list[Path]:
    """What is compiled, and what leads to it."""
    return [one for one in (host / "compiled").iterdir() if one.name != modules.LOCK]


def content(host: Path) -> str:
    return (host / "compiled/current/a.beam").read_text(encoding="ascii")


@pytest.mark.parametrize(
    ("changed", "text", "times"),
    [("", "", 1), ("modules/a.erl", "A", 2), ("modules/c.erl", "", 2), ("erlang/27/OTP_VERSION", "27.4", 2)],
)
def test_compiled_again_when_anything_changed(
    host: Path, changed: str, text: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules.main()
    if changed:
        (host / changed).write_text(text, encoding="ascii")
        if changed.endswith("c.erl"):
            (host / "modules/b.erl").unlink()  # the number stays, the name is another
    modules.main()
    assert calls(host) == times
    assert content(host) == ("compiled A" if text == "A" else "compiled a")
    assert len(folders(host)) == 2, "what was before is gone"


def test_what_cannot_be_compiled_leaves_what_was(host: Path) -> None:
    modules.main()
    (host / "modules/a.erl").write_text("wrong", encoding="ascii")
    with pytest.raises(subprocess.CalledProcessError):
        modules.main()
    assert content(host) == "compiled a"
    (host / "modules/a.erl").write_text("right", encoding="ascii")
    modules.main()
    assert content(host) == "compiled right"
    assert len(folders(host)) == 2


def test_looking_compiles_nothing(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    modules.main()
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules", "--look"])
    modules.main()
    folder = capsys.readouterr().out.strip()
    assert Path(folder) == (host / "compiled/current").resolve()
    (host / "modules/a.erl").write_text("A", encoding="ascii")
    modules.main()
    assert (capsys.readouterr().out.strip(), calls(host)) == ("", 1)


def test_what_is_compiled_ahead_is_used_at_the_next_start(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules.main()
    (host / "modules/a.erl").write_text("A", encoding="ascii")
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules", "--ahead"])
    modules.main()
    assert (content(host), calls(host)) == ("compiled a", 2), "what runs may load some of them yet"
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules"])
    modules.main()
    assert (content(host), calls(host)) == ("compiled A", 2)


def test_who_looks_waits_for_who_compiles(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half = host / "compiled" / f"{modules.HALF}x"
    half.mkdir()
    folder = host / "compiled" / modules.checksum()
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            half.rename(folder)

    monkeypatch.setattr(modules.time, "sleep", sleep)
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules", "--look"])
    modules.main()
    assert (capsys.readouterr().out.strip(), len(waited)) == (str(folder), 2)


def test_who_looks_does_not_wait_for_ever(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (host / "compiled" / f"{modules.HALF}of-a-compiler-that-was-killed").mkdir()
    monkeypatch.setattr(modules, "PATIENCE", 0.2)
    monkeypatch.setattr(sys, "argv", ["ejabberd-modules", "--look"])
    modules.main()
    assert capsys.readouterr().out.strip() == ""


def test_nobody_else_can_hold_the_lock(host: Path) -> None:
    """A folder that all can read can be locked by all, and so could a file."""
    open_to_all = os.open(host / "compiled", os.O_RDONLY)
    modules.fcntl.flock(open_to_all, modules.fcntl.LOCK_SH)
    starting = threading.Thread(target=modules.main, daemon=True)
    starting.start()
    starting.join(10)
    assert not starting.is_alive()
    os.close(open_to_all)
    assert (host / "compiled" / modules.LOCK).stat().st_mode & 0o777 == 0o600
    assert content(host) == "compiled a"


def test_module_whose_setting_is_off_is_not_missed(tmp_path: Path) -> None:
    for name in ("mod_on", "mod_off"):
        text = "hooks(Do, Host) ->\n    ejabberd_hooks:Do(some_hook, Host, ?MODULE, run, 50),\n"
        (tmp_path / f"{name}.erl").write_text(text)
    configuration = tmp_path / "xmpp.yml"
    configuration.write_text("modules:\n  mod_on:\n    days: 3\n  # mod_off: {}\n")
    assert server.wanted_hooks(tmp_path, configuration) == {"some_hook mod_on"}
    configuration.write_text("modules:\n  mod_on: {}\n  mod_off: {}\n")
    assert server.wanted_hooks(tmp_path, configuration) == {"some_hook mod_on", "some_hook mod_off"}


def test_hooks_are_written_out() -> None:
    """Whoever checks a host reads them in the sources, as does whoever looks for one with grep."""
    folder = CHECKOUT / "roles/ejabberd/templates/usr/local/lib/xmpp/modules"
    sources = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.erl")}
    assert len(sources) > 30
    unread = re.compile(r"ejabberd_hooks:Do\((?![a-z]\w*, (?:Host, )?\?MODULE,).*")
    other = {name: unread.findall(text) for name, text in sources.items()}
    assert {name: lines for name, lines in other.items() if lines} == {}
