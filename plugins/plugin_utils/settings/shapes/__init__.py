# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes of texts: each function returns what is wrong with a text, to follow "xmpp_… is …, which ", or None."""
