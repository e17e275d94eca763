"""Names of rows and folders."""

import re

DISCOVERED = "discovered"
"""The row of the searched rule."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A name that can become a folder."""
