# SPDX-License-Identifier: GPL-3.0-or-later
"""What contributors are told to type, word for word, in a clone that nobody keeps: it fixes, measures and locks."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..kit.documentation import ALL, block
from ..kit.playbook import CHECKOUT, packed

pytestmark = pytest.mark.timeout(2400)

NAME = "contributing"
HOSTS = ("bench-site", "bench-apt", "bench-browser", "bench-ejabberd", "bench-prosody", NAME)
LOCKS = {"requirements-dev.txt", "requirements.txt", "tests/browser/package-lock.json"}
# The round trips of a second run that has nothing to do: what grows here, every run of every operator pays for.
REMOTE_MODULE_CALLS = 3
PATH = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder != str(Path(sys.executable).parent)]
# A clone has an environment of its own; and npm, if it is told so, writes where this machine has packages from.
ENVIRONMENT = {
    **os.environ,
    "PATH": os.pathsep.join(PATH),
    "npm_config_omit_lockfile_registry_resolved": "false",
}


def told(command: str) -> str:
    """A command that stands in the documentation, if it does."""
    assert command in ALL, f"no page says {command}"
    return command


def run(folder: Path, command: str) -> str:
    """What a command says; fails with all of it if the command does."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def changed(clone: Path) -> set[str]:
    """The files that are not as they were."""
    return set(run(clone, "git diff --name-only; git ls-files --others --exclude-standard").split("\n")) - {""}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """This repository as it is here, on a disk: /tmp may be memory."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "--"]
    folder = Path(tempfile.mkdtemp(prefix="conexizan-", dir="/var/tmp"))
    try:
        subprocess.run(["tar", "--extract"], cwd=folder, input=packed(), check=True)
        run(folder, "git init --quiet && git add --all")
        lend_packages(folder)
        lend_tools(folder)
        yield folder
    finally:
        subprocess.run(["script/testbed", "down", "--any-clone", *HOSTS], cwd=CHECKOUT, check=True)
        # What the test bed keeps there is root's.
        subprocess.run([*as_root, "rm", "-rf", folder], check=True)


def lend_packages(folder: Path) -> None:
    """The .deb files that this clone's hosts have kept, where they take no space: others are downloaded."""
    kept, state = CHECKOUT / ".cache/testbed/archives", folder / ".cache/testbed"
    if kept.is_dir() and kept.stat().st_dev == folder.stat().st_dev:
        state.mkdir(parents=True)
        script = 'mkdir "$2" && find "$1" -maxdepth 1 -name "*.deb" -exec ln -f -t "$2" {} +'
        as_root = [] if os.geteuid() == 0 else ["sudo", "--"]
        subprocess.run([*as_root, "sh", "-c", script, "sh", kept, state / "archives"], check=True)


def lend_tools(folder: Path) -> None:
    """What script/setup has for linters, where it takes no space; it looks itself whether that is the right one."""
    for kept in (CHECKOUT / ".cache/node", CHECKOUT / ".cache/erlang"):
        if (kept / "stamp").exists() and kept.stat().st_dev == folder.stat().st_dev:
            (folder / ".cache").mkdir(exist_ok=True)
            command: list[str | Path] = ["cp", "--archive", "--link", kept.resolve(), folder / ".cache" / kept.name]
            subprocess.run(command, check=True)


@pytest.fixture
def clone(folder: Path) -> Iterator[Path]:
    """It, with what a test has changed undone afterwards."""
    yield folder
    run(folder, "git checkout --quiet -- . && git clean -d --force --quiet")


def test_what_ruff_can_fix_is_fixed_and_lint_passes(clone: Path) -> None:
    module = clone / "tests/kit/playbook.py"
    good = module.read_text(encoding="utf-8")
    bad = good.replace("import os\nimport subprocess\n", "import subprocess, json\nimport os\n").replace('"', "'")
    assert bad != good
    module.write_text(bad + "\n\n\n", encoding="utf-8")
    run(clone, told("script/lint --fix"))
    assert module.read_text(encoding="utf-8") == good
    said = run(clone, told("script/test lint"))
    assert re.search(r"^lint +passed ", said, re.MULTILINE)
    assert "all 2 stages passed" in said, "setup and lint"
    assert changed(clone) == set()


def test_a_wrong_call_between_plugins_is_seen(clone: Path) -> None:
    """Of a module to what it shares, of what runs on the controller, of a test, of a program: mypy knows both ends."""
    (line,) = re.findall(r"^check mypy (mypy .*)$", (clone / "script/lint").read_text(encoding="utf-8"), re.MULTILINE)
    program = "roles/metrics/templates/usr/local/lib/xmpp/metrics"
    calls = {
        "plugins/modules/tree.py": "content_of(1, 2)",
        "plugins/action/secrets.py": "files.move(7)",
        "tests/unit/test_services.py": "services.action(NGINX)",
        program: 'Api().call("stats", name=None)',
    }
    for file, call in calls.items():
        module = clone / file
        module.write_text(f"{module.read_text(encoding='utf-8')}\n\n{call}\n", encoding="utf-8")
    said = run(clone, f"python=({program}); ! .venv/bin/{line}")
    for file in calls:
        assert re.search(rf"{file}:\d+: error: .*\[(call-arg|arg-type)\]", said), said


def test_faults_in_javascript_are_seen(clone: Path) -> None:
    """In what browsers run, a template among it, and in what nginx runs, which has nothing of a browser."""
    (line,) = re.findall(r"^check eslint (.*)$", (clone / "script/lint").read_text(encoding="utf-8"), re.MULTILINE)
    website = "templates/srv/xmpp/website"
    seeds = [
        (f"roles/registration/{website}/register.js", "const forgotten = 1;", "no-unused-vars"),
        (f"roles/registration/{website}/register.js", "name.trim();", "no-undef"),
        (f"roles/webchat/{website}/chat/chat.js.j2", "if (uploads == {{ limit }}) throw uploads;", "eqeqeq"),
        ("roles/uploads/templates/etc/nginx/njs/xmpp-upload.js", "document.title;", "no-undef"),
    ]
    for file, seed, _ in seeds:
        with (clone / file).open("a", encoding="utf-8") as source:
            source.write(f"{seed}\n")
    said = run(clone, f"! {line}")
    for file, seed, rule in seeds:
        assert re.search(rf"/{file}\n(?: +\d.*\n)* +\d+:\d+ +error .* {rule}\n", said), (seed, said)


def test_faults_in_erlang_are_seen(clone: Path) -> None:
    """In a module and in an escript, in one that another one calls, and in what ejabberd asks of a module."""
    assert "\ncheck erlang script/check-erlang\n" in (clone / "script/lint").read_text(encoding="utf-8")
    xmpp = clone / "roles/ejabberd/templates/usr/local/lib/xmpp"
    seeds = [
        (
            "modules/xmpp_sum.erl",
            "new(Table) ->",
            "new(Table) -> Forgotten = 1,",
            r"xmpp_sum\.erl:\d+:\d+: variable 'Forgotten' is unused",
        ),
        ("xep0227", "dry(Verb) ->", "dry(Verb) -> Forgotten = 1,", r"xep0227:\d+:\d+: variable 'Forgotten' is unused"),
        (
            "modules/xmpp_bosh.erl",
            "xmpp_token_bucket:new(",
            "xmpp_token_bucket:newer(",
            r"xmpp_bosh: calls xmpp_token_bucket:newer/1",
        ),
        (
            "modules/mod_xmpp_photo.erl",
            "depends/2, ",
            "",
            r"mod_xmpp_photo\.erl:\d+:\d+: undefined callback function depends/2",
        ),
    ]
    for file, good, bad, _ in seeds:
        source = (xmpp / file).read_text(encoding="utf-8")
        assert source.count(good) == 1, file
        (xmpp / file).write_text(source.replace(good, bad), encoding="utf-8")
    said = run(clone, "! script/check-erlang")
    for file, _, _, message in seeds:
        assert re.search(message, said), (file, said)


def test_one_works_on_a_role(clone: Path) -> None:
    """In one shell, as the first line asks for; under another name, since the scenario itself may be running."""
    for folder in ("molecule", "tests/host"):
        (clone / folder / "firewall").rename(clone / folder / NAME)
    run(clone, f"sed -i 's/\\bfirewall:/{NAME}:/; s/-firewall$/-{NAME}/' molecule/inventory/hosts.yml")
    run(clone, f"sed -i 's/hosts: firewall/hosts: {NAME}/' molecule/{NAME}/*.yml")
    said = run(clone, block("molecule converge").replace("firewall", NAME))
    assert re.search(rf"{NAME} +: ok=\d+", said), said
    assert re.search(r" [1-9]\d* passed", said), said


def test_a_host_that_ended_with_its_machine_is_in_nobodys_way(clone: Path) -> None:
    """Another clone has it anew; one that runs is refused to it."""
    up = f"script/testbed up {NAME}"
    process = json.loads(subprocess.check_output(up.split(), cwd=clone, env=ENVIRONMENT))["process"]
    other = subprocess.run(up.split(), cwd=CHECKOUT, stderr=subprocess.PIPE, text=True, check=False)
    assert other.returncode == 1
    assert "belongs to another clone" in other.stderr
    as_root = "" if os.geteuid() == 0 else "sudo "
    # podman's own process for it first: nobody is left who would tell.
    kill = f"kill -KILL $({as_root}podman inspect --format {{{{.State.ConmonPid}}}} conexizan-{NAME}) {process}"
    run(clone, f"{as_root}bash -c '{kill}; tail --pid={process} --follow /dev/null'")
    assert '"state": "lost"' in run(clone, f"script/testbed list | grep {NAME}")
    run(CHECKOUT, f"{up} && script/testbed down {NAME}")


def test_one_adds_a_setting(clone: Path) -> None:
    """With the changes of the page, all that it names agrees."""
    page = (clone / "CONTRIBUTING.md").read_text(encoding="utf-8")
    patch = "".join(re.findall(r"^```diff\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    subprocess.run(["git", "apply", "-"], cwd=clone, input=patch, check=True, text=True)
    said = run(clone, block("pytest tests/unit/test_specs.py"))
    assert re.search(r" [1-9]\d* passed", said), said
    run(clone, "source .venv/bin/activate && pytest -q tests/unit/front_door -k 'has_a_case or the_bounds'")
    (name,) = re.findall(r"^\+      (xmpp_\w+):$", patch, re.MULTILINE)
    assert f"## {name}" in (clone / "docs/settings.md").read_text(encoding="utf-8")


def test_figures_are_written_into_the_page(clone: Path) -> None:
    """As they are measured where time is short; no ratio is judged here, for other tests run beside it."""
    page = clone / "docs/performance.md"
    mark = re.compile(r"^<!-- .*figures.* -->$", re.MULTILINE)
    head, published, tail = mark.split(page.read_text(encoding="utf-8"))
    run(clone, told("script/bench all --docs") + " --quick")
    assert changed(clone) == {"docs/performance.md"}
    before, figures, after = mark.split(page.read_text(encoding="utf-8"))
    assert (before, after) == (head, tail)

    def rows(text: str) -> dict[str, list[list[str]]]:
        """The cells below each heading."""
        tables = {
            part.partition("\n")[0]: re.findall(r"^\| (.*) \|$", part, re.MULTILINE) for part in text.split("### ")[1:]
        }
        return {title: [row.split(" | ") for row in found[1:]] for title, found in tables.items()}

    # What is published is what is measured; of a new measure there may be no figures from a quiet machine yet.
    measured = rows(figures)
    for title, found in rows(published).items():
        assert len(found) <= len(measured[title]), title
    for title, found in measured.items():
        for what, ours, reference, ratio, target in found:
            assert re.match(r"\d+(\.\d+)?( |$)", ours), (title, what)
            assert re.match(r"\d+(\.\d+)?( |$)", reference), (title, what)
            assert bool(re.fullmatch(r"\*\*\d+\.\d\dx\*\*", ratio)) == bool(target), (title, what)
    assert "Messages lost: Conexizan 0, " in figures
    assert "Logins that failed after it: Conexizan 0, " in figures
    # What readers find there is no such quick glance.
    assert ("`--quick`" in published, "`--quick`" in figures) == (False, True)
    for text in (published, figures):
        calls = {what: int(ours) for what, ours, *_ in rows(text)["No-op rerun"][1:]}
        assert calls == {"remote module calls in it": REMOTE_MODULE_CALLS, "other remote commands in it": 0}


def test_locks_are_written_anew_and_say_nothing_of_this_machine(clone: Path) -> None:
    for name in LOCKS:
        (clone / name).unlink()
    run(clone, told("script/setup --lock"))
    assert changed(clone) <= LOCKS

    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {"requirements.txt": project["dependencies"]}
    wanted["requirements-dev.txt"] = wanted["requirements.txt"] + project["optional-dependencies"]["dev"]
    pins: dict[str, dict[str, str]] = {}
    for name, direct in wanted.items():
        comment, *lines = (clone / name).read_text(encoding="utf-8").splitlines()
        assert comment == "# Written by: script/setup --lock"
        found = [re.fullmatch(r"([\w.-]+)==([\w.!+]+)", line) for line in lines]
        pins[name] = {canonicalize_name(pin[1]): pin[2] for pin in found if pin}
        assert len(pins[name]) == len(lines), f"{name} has lines that are no pins"
        for requirement in map(Requirement, direct):
            assert pins[name][canonicalize_name(requirement.name)] in requirement.specifier
    assert pins["requirements.txt"].items() < pins["requirements-dev.txt"].items(), (
        ".venv of the larger set does for both"
    )

    browser = clone / "tests/browser"
    packages = json.loads((browser / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wishes = json.loads((browser / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert packages.pop("")["devDependencies"] == wishes
    assert {f"node_modules/{name}" for name in wishes} <= set(packages)
    for name, package in packages.items():
        assert len(base64.b64decode(package["integrity"].removeprefix("sha512-"), validate=True)) == 64, name
        # Whom its authors ask to be paid by, and what they say of old versions, is the same from everywhere.
        rest = {key: value for key, value in package.items() if key not in {"funding", "deprecated"}}
        assert "://" not in json.dumps(rest), f"{name} is looked for at one place only"
