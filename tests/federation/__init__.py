# SPDX-License-Identifier: GPL-3.0-or-later
"""What two services are to each other: real clients on both, a name server and a certificate authority between them."""
