"""e-prop as plain loops over synapses, with the eligibility vectors as Bellec et al. (2020) write
them.
"""

import math
from typing import Any

import numpy as np

from metaplast.rules.eprop import Eprop


def step(rule: Eprop, theta: Any, state: Any, view: Any, dt: float) -> tuple[Any, np.ndarray]:
    """eps_a is stored as the next step meets it: psi eps_v + (rho - psi beta) eps_a, all of the
    step that ends here.
    """
    tau = {
        name: getattr(rule, name) * math.exp(5.0 * float(theta.get(f"log_{name}", 0.0)))
        for name in _CONSTANTS
    }
    alpha, rho = math.exp(-dt / tau["tau_m"]), math.exp(-dt / tau["tau_a"])
    kappa = math.exp(-dt / tau["tau_out"]) if rule.tau_out else 0.0
    zeta = 1.0 if rule.soma_input == "jump" else 1.0 - alpha
    share = 1.0 if rule.readout_input == "jump" or not rule.tau_out else 1.0 - kappa
    psi, signal = view.post.gain, view.post.learning_signal
    eps_v = alpha * state.pre["eprop_eps"] + zeta * view.pre.activity
    rate = np.zeros(len(psi))
    if rule.rate_cost:
        rate = (
            math.exp(-dt / tau["tau_rate"]) * state.post["eprop_f"]
            + view.post.activity / tau["tau_rate"]
        )
    old_a = state.synapse.get("eprop_a", np.zeros(view.weight.shape))
    old_bar = state.synapse.get("eprop_ebar", np.zeros(view.weight.shape))
    delta, eps_a, bar = (
        np.zeros(view.weight.shape),
        np.zeros(view.weight.shape),
        np.zeros(view.weight.shape),
    )
    for j, i in np.ndindex(*delta.shape):
        e = psi[j] * (eps_v[i] - rule.beta * old_a[j, i])
        eps_a[j, i] = psi[j] * eps_v[i] + (rho - psi[j] * rule.beta) * old_a[j, i]
        bar[j, i] = kappa * old_bar[j, i] + share * e
        told = signal[j] * bar[j, i] + rule.rate_cost * (rate[j] - rule.target_rate) * e
        delta[j, i] = -tau["rate"] * told
    new = state.replace(
        pre={"eprop_eps": eps_v},
        post={"eprop_f": rate} if rule.rate_cost else {},
        synapse={
            **({"eprop_a": eps_a} if rule.beta else {}),
            **({"eprop_ebar": bar} if rule.tau_out else {}),
        },
    )
    return new, delta


_CONSTANTS = ("rate", "tau_m", "tau_a", "tau_out", "tau_rate")
