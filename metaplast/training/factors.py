"""The factors of a grid as data: for every level, the words that make it from a config."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from metaplast import registry
from metaplast.inspection.horizons import LENGTHS, PASSES, check_drawn, lasting
from metaplast.registry import BadInput, NotInstalled
from metaplast.results.grid import NEEDS_PACKAGE, NO_WORLD
from metaplast.runs.job import Config
from metaplast.runs.values import split_values
from metaplast.tasks import SPLITS, AbstractTaskFamily

WIDTHS = (0.5, 2.0, 4.0)
DEPTHS = (1, 2, 3, 4, 5, 6)
HORIZONS = (0.5, 2.0, 4.0, 8.0)
POPULATIONS = ("hidden", "n_recurrent", "n_e", "n_i")
"""Fields of networks that hold the size of a population that may be chosen."""
UNITS = 40
"""Units of a hidden layer where the network has none."""
REWARP = 0.3
"""The variation of images that come again, see inner_tasks/_few_shot.py."""
NEURONS = {
    False: ("linear", "relu", "sigmoid", "softplus", "tanh"),
    True: ("adex", "alif", "izhikevich", "lif"),
}
"""{whether they spike: kinds of hidden neurons}"""
NOISES = (
    *(("label_noise", 0.1), ("label_noise", 0.3)),
    *(("input_noise", 0.3), ("input_noise", 1.0)),
)
NAMED = ("task", "width", "depth", "horizon", "neuron", "noise", "pair")


class Level(NamedTuple):
    """One level of a factor.

    label: its name in tables.
    words: the words that make it.
    note: a fact about it, or "".
    refused: why the config cannot have it, or "".
    refusal: the kind of that, see `results.grid.GridCell`.
    """

    label: str
    words: tuple[str, ...] = ()
    note: str = ""
    refused: str = ""
    refusal: str = NO_WORLD


class Factor(NamedTuple):
    """A factor: its name and its levels."""

    name: str
    levels: tuple[Level, ...]


def factors(config: Config, asked: Sequence[str] = ()) -> list[Factor]:
    """The factors of a grid around a config.

    Args:
        config: the config of the searched row.
        asked: names of NAMED, and own factors such as `task.shots=5,20,80`; empty: all of NAMED.

    Raises: BadInput for an unknown name.
    """
    found = []
    for word in asked or NAMED:
        if "=" in word:
            found.append(own(word))
        elif word in NAMED:
            found.append(Factor(word, _LEVELS[word](config)))
        else:
            listed = f"one of {', '.join(NAMED)}, or A.B=VALUE,VALUE"
            raise BadInput(f"--factor {word}", listed, registry.nearest(word, NAMED, "see --help"))
    return found


def own(word: str) -> Factor:
    """A factor that a user writes: `task.shots=5,20`, or `network.hidden=[20],[40,40]`."""
    key, _, values = word.partition("=")
    levels = []
    for value in split_values(values):
        if not key or not value:
            raise BadInput(f"--factor {word}", "A.B=VALUE,VALUE", "name a field and its values")
        levels.append(Level(value, (f"{key}={value}",)))
    return Factor(key, tuple(levels))


def tasks(config: Config) -> tuple[Level, ...]:
    """Other task families that answer as the task of the config does."""
    shape = config.task.shape()
    levels = []
    for name in registry.names("task"):
        try:
            family: Any = registry.find("task", name)()
            other = family.shape()
        except (BadInput, TypeError, ValueError):
            continue  # it needs fields, or data that are not here
        if type(family) is type(config.task):
            continue
        is_alike = other.classes == shape.classes and other.offers >= shape.offers
        if not is_alike or not shape.classes:
            continue
        words = [f"task={name}"]
        if hasattr(family, "split_seed"):
            words.append(f"task.split_seed={config.seed}")
        levels.append(Level(name, tuple(words)))
    if not levels:
        return (Level("any", refused="no other task family answers as this one does"),)
    return tuple(levels)


def widths(config: Config) -> tuple[Level, ...]:
    """Narrower and wider networks."""
    return tuple(_wide(config, factor) for factor in WIDTHS)


def _wide(config: Config, factor: float) -> Level:
    words = []
    for name in POPULATIONS:
        size = getattr(config.network, name, None)
        if isinstance(size, int):
            words.append(f"network.{name}={_scaled(size, factor)}")
        elif isinstance(size, tuple) and size:
            words.append(f"network.{name}={[_scaled(n, factor) for n in size]}")
    if not words:
        return Level(f"x{factor:g}", refused="the network has no population of a chosen size")
    return Level(f"x{factor:g}", tuple(words))


def _scaled(n: int, factor: float) -> int:
    return max(1, round(n * factor))


def depths(config: Config) -> tuple[Level, ...]:
    """Networks with 1 to 6 hidden layers of equal width, but for the depth of the config."""
    levels = []
    for depth in DEPTHS:
        if depth != len(getattr(config.network, "hidden", ())):
            levels.append(_deep(config, depth))
    return tuple(levels)


def _deep(config: Config, depth: int, width: float = 1.0) -> Level:
    hidden = getattr(config.network, "hidden", None)
    if hidden is None:
        return Level(str(depth), refused="the network is no chain of layers")
    n = _scaled(max(hidden, default=UNITS), width)
    return Level(str(depth), (f"network.hidden={[n] * depth}",))


def horizons(config: Config) -> tuple[Level, ...]:
    """Lives that learn for a shorter or longer time."""
    return tuple(_long(config.task, factor) for factor in HORIZONS)


def _long(family: AbstractTaskFamily, factor: float) -> Level:
    """A level of the horizon: new examples while there are any, then the same ones again."""
    label = f"x{factor:g}"
    try:
        changed, _ = lasting(family, factor, "heldout", LENGTHS)
        _check_splits(changed)
    except BadInput as error:
        refusal = NEEDS_PACKAGE if isinstance(error, NotInstalled) else NO_WORLD
        return _again(family, factor, Level(label, refused=str(error), refusal=refusal))
    return Level(label, _difference(family, changed))


def _again(family: Any, factor: float, refusal: Level) -> Level:
    """The level in which the examples come again; `refusal` where the family cannot show them so.

    Images come again under a fresh variation where the family has one.
    """
    n_passes = getattr(family, PASSES, None)
    if n_passes is None or factor < 1 or n_passes * factor != round(n_passes * factor):
        return refusal
    fields: dict[str, Any] = {PASSES: round(n_passes * factor)}
    under = ""
    if hasattr(family, "rewarp"):
        fields["rewarp"] = REWARP
        under = ", each time under a fresh warp"
    try:
        changed = dataclasses.replace(family, **fields)
        _check_splits(changed)
    except (BadInput, ValidationError):
        return refusal
    note = f"the examples run out: each comes {fields[PASSES]} times{under}"
    return Level(refusal.label, _difference(family, changed), note)


def _check_splits(family: AbstractTaskFamily) -> None:
    """Raises: BadInput where the family has no tasks of a split."""
    for split in SPLITS:
        check_drawn(family, split)


def _difference(old: Any, new: Any) -> tuple[str, ...]:
    """The words that make one task family from another of the same class."""
    words = []
    for each in dataclasses.fields(old):
        value = getattr(new, each.name)
        if value != getattr(old, each.name):
            words.append(f"task.{each.name}={value}")
    return tuple(words)


def neurons(config: Config) -> tuple[Level, ...]:
    """Other kinds of hidden neurons, which spike where those of the config do."""
    neuron: Any = getattr(config.network, "neuron", None)
    if neuron is None or getattr(config.network, "hidden", None) == ():
        return (Level("any", refused="the network has no hidden neurons of a chosen kind"),)
    levels = []
    for name in NEURONS[neuron.spiking]:
        if name != registry.name_of(type(neuron)):
            levels.append(Level(name, (f"network.neuron={name}",)))
    return tuple(levels)


def noises(config: Config) -> tuple[Level, ...]:
    """Wrong labels and noisy inputs."""
    return tuple(_noisy(config, name, size) for name, size in NOISES)


def _noisy(config: Config, name: str, size: float) -> Level:
    label = f"{name.partition('_')[0]} {size:g}"
    if not hasattr(config.task, name):
        return Level(label, refused=f"the task has no {name}")
    return Level(label, (f"task.{name}={size:g}",))


def pairs(config: Config) -> tuple[Level, ...]:
    """Three pairs of factors at once."""
    deep = _deep(config, 3)
    return (
        _deep(config, 3, width=2.0)._replace(label="width x2 + depth 3"),
        _both("horizon x2 + labels", _long(config.task, 2.0), _noisy(config, "label_noise", 0.3)),
        _both("depth 3 + horizon x2", deep, _long(config.task, 2.0)),
    )


def _both(label: str, one: Level, other: Level) -> Level:
    """Two levels of different factors at once."""
    refused = one if one.refused else other
    return Level(
        label,
        (*one.words, *other.words),
        note="; ".join(filter(None, (one.note, other.note))),
        refused=refused.refused,
        refusal=refused.refusal,
    )


_LEVELS = {
    "task": tasks,
    "width": widths,
    "depth": depths,
    "horizon": horizons,
    "neuron": neurons,
    "noise": noises,
    "pair": pairs,
}
