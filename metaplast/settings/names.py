"""Names of rows, folders and files that several rooms share."""

import re

DISCOVERED = "discovered"
"""The row of the searched rule."""
CONFIG = "config.yaml"
"""The file that every run folder holds: the composed config."""
RULE_FILE = "rule.safetensors"
"""The file of the searched rule, in the folder of a run or of a fit."""
SPARSE_RULE_FILE = "rule.sparse.safetensors"
"""The file of the smallest rule that is as good, beside the page of a run."""
REPORT = "report.html"
"""The page of a run, of a fit or of a rule."""
FIGURES = "figures"
CAUGHT = "metaplast.caught"
"""The logger of errors that a part of a program told in words and left behind (`--debug`)."""
"""The folder of the pictures of a page."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""A name that can become a folder."""
