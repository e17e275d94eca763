"""Names of rows and folders."""

import re

DISCOVERED = "discovered"  # the name of the row that a run is about
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # of what becomes a folder
