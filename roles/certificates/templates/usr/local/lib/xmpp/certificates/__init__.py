# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the service's domains: issued by this host's CA, provided by the operator, or ordered by ACME."""
