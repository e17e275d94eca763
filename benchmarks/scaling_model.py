"""A model of the seconds of an outer step against the number of devices.

    seconds = fixed + ceil(lives / devices) per_life + messages latency + sent / bandwidth

fixed: the work that every device does, such as the update of theta
per_life: the seconds of a life
messages: the messages that wait for one another; a ring of D devices has D - 1 in an all-gather,
    and 2 (D - 1) in an all-reduce
sent: the bytes that one device sends, (D - 1) / D of a gathered array, twice that of a reduced one
"""

import math
from typing import NamedTuple


class Line(NamedTuple):
    """A number that grows with the number of lives: at_none + each lives."""

    at_none: float
    each: float

    def at(self, lives: float) -> float:
        """The number with so many lives."""
        return self.at_none + self.each * lives


def line(few: tuple[float, float], many: tuple[float, float]) -> Line:
    """The line through (lives, number) of few and of many lives. It is not negative at none."""
    each = (many[1] - few[1]) / (many[0] - few[0])
    return Line(max(0.0, many[1] - each * many[0]), each)


class Job(NamedTuple):
    """The measured constants of an outer step.

    lives: the lives of a measured step.
    compute: seconds on one device.
    gathered: bytes of the results of all all-gathers.
    reduced: bytes of the results of all all-reduces.
    gathers: the number of all-gathers.
    reduces: the number of all-reduces.
    """

    lives: int
    compute: Line
    gathered: Line
    reduced: Line
    gathers: int
    reduces: int


class Wire(NamedTuple):
    """The way between devices.

    latency: seconds of a message without content.
    bandwidth: bytes a second.
    """

    latency: float
    bandwidth: float


def sent(job: Job, devices: int, lives: float) -> float:
    """The bytes that one device sends in a step."""
    whole = job.gathered.at(lives) + 2.0 * job.reduced.at(lives)
    return whole * (devices - 1) / devices


def seconds(job: Job, devices: int, lives: float, wire: Wire) -> float:
    """The seconds of a step of so many lives on devices that work at the same time."""
    compute = job.compute.at(math.ceil(lives / devices))
    messages = (job.gathers + 2 * job.reduces) * (devices - 1)
    return compute + messages * wire.latency + sent(job, devices, lives) / wire.bandwidth


def processor_seconds(job: Job, devices: int, lives: float) -> float:
    """The CPU seconds of a step on virtual devices of one core, whose messages cost nothing."""
    return devices * job.compute.at(math.ceil(lives / devices))


def efficiency(job: Job, devices: int, lives_each: float, wire: Wire) -> float:
    """The speed of many devices over that of as many alone, with so many lives on each."""
    alone = job.compute.at(lives_each)
    return alone / seconds(job, devices, lives_each * devices, wire)
