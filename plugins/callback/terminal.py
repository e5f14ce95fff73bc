# SPDX-License-Identifier: GPL-3.0-or-later
# More than 150 lines: what it refuses and how it says a failure are small functions that no other plugin calls.
"""Ansible's own output, but each failure said once, for people; and aside (to stderr) for -e format=json."""

from __future__ import annotations

import difflib
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from ansible import constants, context
from ansible.executor.task_result import CallbackTaskResult
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.display import Display
from ansible_collections.conexizan.xmpp.plugins.filter.control_character import plain

DOCUMENTATION = r"""
name: terminal
type: stdout
short_description: Ansible's own output, aside if it is not what was asked for
description:
  - >-
    The callback ansible.builtin.default. With C(-e format=json), it prints to stderr, and stdout has only what the
    action C(show) prints.
  - >-
    What failed with a message alone is said once, in whole lines; with C(-v) as Ansible does it, with the place in the
    playbook.
  - A tag that nothing has, and an inventory without hosts, end the run before it begins, with a code that is not 0.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

# Ansible's own, and those that Molecule skips in every run.
SPECIAL_TAGS = {"all", "always", "never", "tagged", "untagged", "molecule-notest", "notest"}
# What a result has besides its message that a person need not read.
SILENT = {"assertion", "changed", "deprecations", "evaluated_to", "exception", "failed", "invocation", "warnings"}


class Aside:
    """A display that prints to stderr."""

    def __init__(self, display: Display) -> None:
        """Take the display that has the terminal."""
        self._display = display

    def __getattr__(self, name: str) -> Any:
        """Return everything else as that display has it."""
        return getattr(self._display, name)

    def display(self, *args: Any, **options: Any) -> None:
        """Print to stderr."""
        self._display.display(*args, **(options | {"stderr": True}))

    banner = Display.banner


def message(result: Mapping[str, Any]) -> str | None:
    """Return what a failed task has to say, if that is a message for people and nothing else."""
    told = {key for key in result if not key.startswith("_")} - SILENT
    text = result.get("msg")
    # A mistake in a playbook: where it is says more than the words.
    if not isinstance(text, str) or told - {"msg", "problems"} or "Error while resolving" in text:
        return None
    return plain("\n\n".join([text.strip(), *map(str, result.get("problems", ()))]))


def wrapped(text: str, width: int) -> str:
    """Return a text in lines of a terminal's width; what is indented or has a line of its own stays as it is."""
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


def is_rescued(task: Any) -> bool:
    """Tell whether another task goes on where this one has failed."""
    while (task := task._parent) is not None:
        if isinstance(task, Block) and task.rescue:
            return True
    return False


def unknown_tags(asked: Iterable[str], plays: Iterable[Play]) -> dict[str, str]:
    """Return each tag that is asked for and nothing has, with one that is written nearly so, or nothing."""
    every = [task for play in plays for block in play.compile() for task in tasks_of(block)]
    # A role that always runs is run as well if it is asked for.
    always = {task._role.get_name(include_role_fqcn=False) for task in every if task._role and "always" in task.tags}
    known = {tag for task in every for tag in task.tags} | always
    return {
        tag: next(iter(difflib.get_close_matches(tag, sorted(known), n=1)), "")
        for tag in asked
        if tag not in known | SPECIAL_TAGS
    }


def tasks_of(block: Block) -> Iterable[Any]:
    """Yield the tasks of a block and of those in it."""
    for one in [*block.block, *block.rescue, *block.always]:
        if isinstance(one, Block):
            yield from tasks_of(one)
        else:
            yield one


class CallbackModule(Default):  # type: ignore[misc]  # a class of ansible-core, which ships no types
    """Print what Ansible does."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "terminal"
    _display: Any

    def refuse(self, wrong: str) -> NoReturn:
        """End the run: of what else a callback raises Ansible makes a warning."""
        self._display.error(wrong, wrap_text=False)
        raise SystemExit(2)

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Refuse tags that nothing has: nothing, or everything, would be done, and that would be a success.

        A tag to be skipped may be one of other playbooks (programs that run any playbook name some): only one that is
        nearly a tag of this one is refused.
        """
        asked, skipped = context.CLIARGS.get("tags", ()), context.CLIARGS.get("skip_tags", ())
        if {*asked, *skipped} - SPECIAL_TAGS:
            for tag, near in unknown_tags([*asked, *skipped], playbook.get_plays()).items():
                if tag not in asked and not near:
                    continue
                maybe = f"Did you mean {near}?" if near else "ansible-playbook --list-tags shows those there are."
                self.refuse(f'The tag "{tag}" is on nothing in {playbook._file_name}. {maybe}')
        super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Step aside before the first line, if a format for programs is asked for."""
        if play.get_variable_manager().extra_vars.get("format") == "json" and not isinstance(self._display, Aside):
            self._display = Aside(self._display)
            self.set_option("display_failed_stderr", True)
        super().v2_playbook_on_play_start(play)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Refuse an inventory in which there is nothing to do."""
        if not self._play.get_variable_manager()._inventory.hosts:
            sources = ", ".join(map(str, context.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST))
            self.refuse(
                f"There is no host in {sources}, so nothing was done. inventories/home/hosts.yml shows what one has."
            )
        super().v2_playbook_on_no_hosts_matched()

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        """Say what went wrong once, if it is a message for people; where a rescue says it, leave it to that."""
        answer = result.result
        hidden = "censored" in answer and is_rescued(result.task)
        text = "" if hidden else message(answer)
        plain = not ignore_errors and not self._display.verbosity and self.get_option("result_format") == "yaml"
        if not plain or text is None or (result.task.loop and "results" in answer):
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if self._last_task_banner != result.task._uuid:
            self._print_task_banner(result.task)
        self._handle_warnings(answer)
        if sys.stdout.isatty():
            text = wrapped(text, shutil.get_terminal_size().columns)
        line = f"fatal: [{self.host_label(result)}]: FAILED!" + (f"\n{text}" if text else "")
        self._display.display(line, color=constants.COLOR_ERROR, stderr=self.get_option("display_failed_stderr"))
