"""The figures of the gallery that show a fit, on a tiny one."""

from dataclasses import replace
from pathlib import Path

import jax
import pytest

import metaplast as mp
from benchmarks.gallery import figures, words
from benchmarks.gallery.__main__ import write
from benchmarks.gallery.finished import finished
from metaplast.figures.style import save

pytestmark = pytest.mark.system


def test_a_fit_has_a_page_and_every_figure_of_fits(tmp_path: Path) -> None:
    folder = tmp_path / "spike_pairing"
    few = {"starts": 1, "bootstrap": 2}
    mp.fit(experiment=folder.name, run_dir=folder, quiet=True, fit=few, outer={"steps": 2})
    out = tmp_path / "gallery"
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)  # as another run in this process may leave it
    try:
        assert write(tmp_path, out, [folder.name]) == [folder.name]
    finally:
        jax.config.update("jax_enable_x64", before)
    text = (out / "spike_pairing.md").read_text()
    run = finished(folder)
    assert run is not None
    fitted = run.fitted.discovered.numbers["tau_pre"]
    assert f"{fitted:.3g}" in text and "true 0.017" in text
    entry = words.read().experiments[folder.name]
    options = {"nulls": {"mean": "the mean"}}
    for kind in ("numbers", "explained"):
        file = tmp_path / f"{kind}.svg"
        save(figures.draw(run, replace(entry, kind=kind, options=options)), file)
        assert "<text" in file.read_text()
