"""The error of a run that cannot go on for want of finite losses."""


class Diverged(RuntimeError):
    """A run has no finite losses to go by (exit code 6). The message is one line."""
