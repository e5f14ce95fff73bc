# SPDX-License-Identifier: GPL-3.0-or-later
"""What the front door, ``plugins/action/check_settings.py``, knows of the settings.

``rules`` says in one table what each value must look like, ``shapes`` holds the functions in it, ``each_setting``
applies both. ``cross_checks`` compares settings with one another. ``secrets_dir``, ``website_dir``, ``acme_files`` and
``provided_certificate`` read files on the controller. ``other_variables`` looks at names that are no settings.
``host_settings`` collects the problems of a host; ``problems``, ``notation`` and ``places`` put them into words.
"""
