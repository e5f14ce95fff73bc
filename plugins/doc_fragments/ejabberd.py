# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that talk to a running ejabberd have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Read by ansible-doc."""

    DOCUMENTATION = r"""
options:
  socket:
    description: Path of ejabberd's API socket.
    type: path
    default: /run/ejabberd/api.sock
attributes:
  check_mode: {support: full}
"""
