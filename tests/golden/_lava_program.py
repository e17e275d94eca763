"""Run by a Python that has Lava: live exported rules on its model of Loihi, and give the weights.

    python _lava_program.py FOLDER NAME ...

FOLDER holds NAME.py, as metaplast exports it, and spikes.npz with `pre` [step, n_pre], `post`
[step, n_post] and weights `first` [n_post, n_pre]. It writes FOLDER/NAME.npy, the weights at the
end.
"""

import runpy
import sys
from pathlib import Path

import numpy as np


def weights(folder: Path, name: str) -> np.ndarray:
    """The weights at the end, by the model of integers."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import LearningDense
    from lava.proc.io.source import RingBuffer
    from lava.utils.weightutils import SignMode

    given = np.load(folder / "spikes.npz")
    rule = runpy.run_path(str(folder / f"{name}.py"))["learning_rule"]()
    synapses = LearningDense(
        weights=given["first"], learning_rule=rule, sign_mode=SignMode.EXCITATORY
    )
    RingBuffer(data=given["pre"].T.astype(int)).s_out.connect(synapses.s_in)
    RingBuffer(data=given["post"].T.astype(int)).s_out.connect(synapses.s_in_bap)
    synapses.run(RunSteps(len(given["pre"])), Loihi2SimCfg(select_tag="fixed_pt"))
    found = synapses.weights.get()
    synapses.stop()
    return found


def main() -> None:
    """Live every rule that is named."""
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        np.save(folder / f"{name}.npy", weights(folder, name))


if __name__ == "__main__":
    main()
