# SPDX-License-Identifier: GPL-3.0-or-later
"""The web site: what an operator writes for it, what is wrong with that, and the files that come out."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import filter_loader

# Pages call the filter as_text by its short name, those of operators as well.
filter_loader.add_directory(str(Path(__file__).parents[2] / "filter"))
