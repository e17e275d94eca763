"""Words on starts: one that ended elsewhere in its score is named."""

from pathlib import Path

import numpy as np

from metaplast.figures.identifiability import part
from metaplast.inspection.starts import Agreement
from metaplast.results.statistics import Estimate

ONE = Estimate(0.5, 0.4, 0.6, 16)


def agreement(lost: Estimate) -> Agreement:
    """Three starts; the second differs from the first by `lost`, the third by nothing."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    level = Estimate(0.01, -0.01, 0.03, 16)
    return Agreement(
        names=["post*pre"],
        values={"post*pre": ONE},
        cosine=np.ones((3, 3)),
        weights=dict.fromkeys(pairs, ONE),
        outputs=dict.fromkeys(pairs, ONE),
        scores={(0, 1): lost, (0, 2): level, (1, 2): lost},
        weights_at_start=ONE,
        outputs_at_start=ONE,
        along_stiff=float("nan"),
        stiff_share=float("nan"),
        n_starts=3,
    )


def words(lost: Estimate, folder: Path) -> str:
    page = part("no curvature", {}, agreement(lost), folder)
    return " ".join(page.section.paragraphs)


def test_a_start_that_ended_elsewhere_is_named(tmp_path: Path) -> None:
    said = words(Estimate(0.37, 0.34, 0.4, 16), tmp_path)
    assert "first minus start 2 +0.37 [+0.34, +0.4]" in said and "start 3" not in said
    assert "is not level" not in words(Estimate(0.01, -0.01, 0.03, 16), tmp_path)
