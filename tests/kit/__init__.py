# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests share: the service under test, its clients, and what they do. No test module is imported by another."""

from __future__ import annotations

import pkgutil

import pytest

# An assertion that fails here shows its values, as in a test.
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__)))
