"""Names of the files that hold the results of trainings."""

SUMMARY = "summary.json"
"""Of a run."""
GROUP = "group.json"
"""Of a group of runs."""
