"""Feedback alignment through random weights that all lives share, as an inborn pathway."""

import jax

from metaplast.feedback._matrices import along_edges
from metaplast.feedback.random import Random
from metaplast.registry import register
from metaplast.signals import Key, Theta
from metaplast.spec import Seed, spec
from metaplast.wiring import Wiring


@register("feedback", "random_shared")
@spec
class RandomShared(Random):
    """Errors return through fixed random matrices, the same in all lives.

        e_l = (B_{l+1}^T e_{l+1}) * f'(u_l)

    e_l [n_l]: credit of population l.
    B: N(0, gain^2 / fan-in of the forward edge), in the layout of the edge.

    A genome that is searched can align its weights with B. With B redrawn in every life (`random`)
    it cannot.

    Args:
        gain: the scale of B.
        seed: of the matrices.

    Source: Lillicrap, Cownden, Tweed & Akerman 2016.
    """

    seed: Seed = 0

    def init_state(self, theta: Theta, wiring: Wiring, key: Key) -> Theta:
        return {"back": along_edges(wiring, jax.random.key(self.seed), self.gain)}
