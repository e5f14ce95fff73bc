# SPDX-License-Identifier: GPL-3.0-or-later
"""The secrets of a service: their files on the controller, and what may be in them."""
