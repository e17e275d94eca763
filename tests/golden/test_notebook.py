"""A notebook in a real kernel: what its cells show, a stop, and plots of the user beside ours."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.golden

NOTEBOOK = '''
import json
import sys

import nbformat
from nbclient import NotebookClient

CELLS = (
    """
import jax.numpy as jnp
import metaplast as mp
from metaplast.rules.base import KernelRule

@mp.spec
class MyRule(KernelRule):
    per_synapse = False

    def init(self, key, connection):
        return {"gain": jnp.asarray(0.02)}

    def kernel(self, theta, state, synapse, dt):
        return state, theta["gain"] * synapse.post.activity * synapse.pre.activity

tiny = {
    "rule": MyRule,
    "task": {"n_steps": 6},
    "evaluation": {"validation": 4, "heldout": 4, "candidates": 1},
}
run = mp.train("oja", steps=3, run_dir="whole", **tiny)
run
""",
    "run.scores",
    "run.rule",
    "run.plot.curves()",
    """
import matplotlib.pyplot as plt

plt.plot([1, 2])
plt.show()
""",
    """
import os, signal, threading, time

def interrupt():
    while not os.path.exists("cut/config.yaml") or len(mp.open("cut").metrics) < 3:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    mp.train("oja", steps=100_000, run_dir="cut", **tiny)
except KeyboardInterrupt as stopped:
    print(stopped)
""",
    "print(mp.open('cut').finished, len(mp.open('cut').metrics) >= 3)",
)
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
with open("shown.json", "w") as file:
    json.dump([[dict(output) for output in cell.outputs] for cell in notebook.cells], file)
'''


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with Jupyter's kernel, above the packages of this one."""
    folder = tmp_path_factory.mktemp("jupyter")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    binary = folder / "bin" / "python"
    subprocess.run([binary, "-m", "pip", "install", "-q", "nbclient", "ipykernel"], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([binary, "-c", ask], check=True, capture_output=True, text=True)
    below = Path(own.stdout.strip()) / "below.pth"
    below.write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return binary


def test_cells_in_a_kernel(python: Path, tmp_path: Path) -> None:
    subprocess.run([python, "-c", NOTEBOOK], cwd=tmp_path, check=True)
    whole, scores, rule, curves, own, stopped, after = json.loads(
        (tmp_path / "shown.json").read_text()
    )
    progress, shown = whole
    assert progress["data"]["text/plain"].splitlines()[-1].split()[-1] == "done"
    assert "my_rule" in shown["data"]["text/html"]
    assert "discovered" in scores[0]["data"]["text/html"]
    assert "<pre>delta_w" in rule[0]["data"]["text/html"]
    assert curves[0]["data"]["image/png"]
    assert any("image/png" in output["data"] for output in own if "data" in output)
    assert "go on with mp.resume('cut')" in stopped[-1]["text"]
    assert after[0]["text"] == "False True\n"
