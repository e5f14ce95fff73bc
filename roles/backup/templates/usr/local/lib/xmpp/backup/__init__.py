# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the service with restic, and restores of them (docs/decisions/backup.md); started by xmpp-backup."""
