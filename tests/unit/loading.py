# SPDX-License-Identifier: GPL-3.0-or-later
"""Load what is no package: Ansible modules and scripts that are installed on a host; and YAML as Ansible has it."""

from __future__ import annotations

import functools
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).parents[2]
# The project's plugins find each other as in a run, whatever folder the tests begin in.
init_plugin_loader([str(ROOT / "collections")])
# Programs find each other as on a host. No bytecode beside them: all that lies in a role's templates/ is its own.
sys.dont_write_bytecode = True
sys.path[:0] = map(str, sorted(ROOT.glob("roles/*/templates/usr/local/lib/xmpp")))


@functools.cache
def trusted(path: Path) -> Any:
    """Return what is in a YAML file of the project, with templates in it. It is read once, and not to be changed."""
    # Without "unsafe" this would be a copy, which takes longer than all the rest.
    return DataLoader().load_from_file(str(path), trusted_as_template=True, unsafe=True) or {}


def load(path: str) -> ModuleType:
    """Return the module at *path* below the project, whatever its name ends in."""
    name = f"under_test_{Path(path).name.replace('-', '_').removesuffix('.py')}"
    loader = SourceFileLoader(name, str(ROOT / path))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up by name
    loader.exec_module(module)
    return module
