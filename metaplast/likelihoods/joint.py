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
    """Recorded units and a choice, which are independent given the activity a.

        -log P(y | a) = -log P(units | a) - log P(choice | a)

    The last n_choices of the n_out columns are the choice. The columns before are recorded units.
    The sd of a gaussian is no mere unit then: a value of activity that is off by sd costs 1/2, as
    much as 0.5 nats of a choice. With twice the sd, activity counts a quarter against choices.

    Args:
        units: the likelihood of recorded units.
        choices: the likelihood of the choice.
        n_choices: the number of columns of the choice.

    Raises:
        BadInput: for a joint likelihood inside, or no column left for units.

    Source: elementary.
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
            raise BadInput(
                f"likelihood joint: n_choices={self.n_choices} of {n_out} columns",
                "units before the choice",
                "lower n_choices, or take the likelihood of choices alone",
            )
        return (
            Part("activity", self.units, slice(0, n)),
            Part("choice", self.choices, slice(n, n_out)),
        )

    def _each(self, function: Callable[..., Any], *values: Any) -> list[Any]:
        """function(likelihood, its columns of the values [..., n_out]) for both parts."""
        results = []
        for part in self.parts(values[0].shape[-1]):
            columns = [value[..., part.columns] for value in values]
            results.append(function(part.likelihood, *columns))
        return results

    def loss(self, activity: Array, value: Array) -> Array:
        return jnp.concatenate(
            self._each(lambda part, a, y: part.loss(a, y), activity, value), axis=-1
        )

    def saturated(self, value: Array) -> Array:
        return jnp.concatenate(self._each(lambda part, y: part.saturated(y), value), axis=-1)

    def mean(self, activity: Array) -> Array:
        return jnp.concatenate(self._each(lambda part, a: part.mean(a), activity), axis=-1)

    def activity(self, mean: np.ndarray) -> np.ndarray:
        return np.concatenate(self._each(lambda part, m: part.activity(m), mean), axis=-1)

    def draw(self, key: Key, activity: Array, spread: Array) -> Array:
        """Draw units and choice, each with its own key. `spread` belongs to the units."""
        units, choice = self.parts(activity.shape[-1])
        k_units, k_choice = jax.random.split(key)
        drawn_units = units.likelihood.draw(k_units, activity[..., units.columns], spread)
        drawn_choice = choice.likelihood.draw(
            k_choice, activity[..., choice.columns], jnp.zeros(())
        )
        return jnp.concatenate((drawn_units, drawn_choice), axis=-1)

    def check(self, values: np.ndarray) -> None:
        """Flat values do not say which part they are of: `parts` are checked one by one."""

    def share(self, n_out: int) -> np.ndarray:
        units, choices = self.parts(n_out)
        n = n_out - self.n_choices
        return np.concatenate([units.likelihood.share(n), choices.likelihood.share(self.n_choices)])
