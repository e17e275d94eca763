"""Neural activity and choices, recorded together."""

from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from metaplast.likelihoods.base import AbstractLikelihood, Part
from metaplast.likelihoods.bernoulli import Bernoulli
from metaplast.likelihoods.gaussian import Gaussian
from metaplast.registry import BadInput, register
from metaplast.signals import Key
from metaplast.spec import Count, plugin, spec


@register("likelihood", "joint")
@spec
class Joint(AbstractLikelihood):
    """-log P(y | a) = -log P(units | a) - log P(choice | a): given the activity a, the two are
    independent.

    Of the n_out columns the last n_choices are the choice, judged by `choices`; those before are
    recorded units, judged by `units`. A gaussian's sd is then no mere unit: a value of activity
    that is off by sd costs 1/2, as much as 0.5 nats of a choice, so that twice the sd makes
    activity count a quarter against choices.
    Raises: BadInput for a joint likelihood inside, or no column left for units.
    """

    units: Annotated[AbstractLikelihood, plugin("likelihood")] = Gaussian()
    choices: Annotated[AbstractLikelihood, plugin("likelihood")] = Bernoulli()
    n_choices: Count = 1

    def __post_init__(self) -> None:
        for name, inner in (("units", self.units), ("choices", self.choices)):
            if isinstance(inner, Joint):
                raise BadInput(
                    f"likelihood joint: {name}=joint",
                    "a likelihood of one kind of values",
                    "name that one",
                )

    def parts(self, n_out: int) -> tuple[Part, ...]:
        n = n_out - self.n_choices
        if n < 1:
            given = f"likelihood joint: n_choices={self.n_choices} of {n_out} columns"
            raise BadInput(
                given,
                "units before the choice",
                "lower n_choices, or take the likelihood of choices alone",
            )
        return (
            Part("activity", self.units, slice(0, n)),
            Part("choice", self.choices, slice(n, n_out)),
        )

    def _joined(self, of: Callable[..., Any], *values: Any) -> list[Any]:
        """of(likelihood, its columns of the values [..., n_out]) for both parts."""
        parts = self.parts(values[0].shape[-1])
        return [
            of(part.likelihood, *(value[..., part.columns] for value in values)) for part in parts
        ]

    def loss(self, activity: Array, value: Array) -> Array:
        return jnp.concatenate(
            self._joined(lambda part, a, y: part.loss(a, y), activity, value), axis=-1
        )

    def saturated(self, value: Array) -> Array:
        return jnp.concatenate(self._joined(lambda part, y: part.saturated(y), value), axis=-1)

    def mean(self, activity: Array) -> Array:
        return jnp.concatenate(self._joined(lambda part, a: part.mean(a), activity), axis=-1)

    def activity(self, mean: np.ndarray) -> np.ndarray:
        return np.concatenate(self._joined(lambda part, m: part.activity(m), mean), axis=-1)

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        """spread: of the units."""
        (_, units, first), (_, choices, last) = self.parts(activity.shape[-1])
        k_units, k_choices = jax.random.split(key)
        drawn = (
            units.draw(k_units, activity[..., first], spread),
            choices.draw(k_choices, activity[..., last], jnp.zeros(())),
        )
        return jnp.concatenate(drawn, axis=-1)

    def check(self, values: np.ndarray) -> None:
        """Flat values do not say which part they are of: `parts` are checked one by one."""

    def share(self, n_out: int) -> np.ndarray:
        units, choices = self.parts(n_out)
        n = n_out - self.n_choices
        return np.concatenate([units.likelihood.share(n), choices.likelihood.share(self.n_choices)])
