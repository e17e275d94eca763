"""Both sides of the benchmark of fits give equal numbers at toy size; nothing is timed."""

from functools import partial

import jax
import numpy as np
import pytest

from benchmarks import fits, plain_fit
from inner_tasks.odour_choice import OdourChoice
from metaplast import search_loop
from metaplast.testing.base import quick_jit


@pytest.mark.system  # a program of many seconds
def test_a_fit_and_the_plain_script_have_the_same_loss_and_gradient():
    task = fits.FirstRows(OdourChoice(n_sessions=4, n_trials=4, n_hidden=3), n_rows=9)
    sessions = task.whole("train")
    c = 0.5 * jax.random.normal(jax.random.key(0), (81,))
    assert sessions.observed.shape == (3, 9, 1)
    assert sessions.observed.all()
    batch = search_loop.draw_tasks(sessions, jax.random.key(0), 3)
    loss, grad = quick_jit(partial(fits.loss_and_grad, fits.problem(task, 3)))(c, batch)
    wanted, slope = quick_jit(jax.value_and_grad(plain_fit.many))(c, fits.plainly(sessions))
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)
    np.testing.assert_allclose(grad, slope, rtol=1e-4, atol=1e-6)
    # the control: not the penalty alone
    assert np.ptp(slope - plain_fit.STRENGTH * np.sign(c)) > 0.01
