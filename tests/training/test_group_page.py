"""A group of seeds ends with one page over all of them."""

from pathlib import Path

from metaplast.runs.config import read_yaml
from metaplast.training.kind import KIND
from tests._runs import start_run

PLAIN = read_yaml(
    """
task: {name: teacher_student, n_in: 3, n_out: 2, n_steps: 4}
network: {name: feedforward, hidden: [], output: {name: tanh}}
rule: {name: polynomial, rate: 0.1, terms: [post*pre], initial: [0.5]}
outer: {name: bptt, steps: 2}
problem: {n_tasks: 2}
evaluation: {validation: 4, heldout: 4}
seeds: 2
""",
    "test",
)


def test_a_group_of_seeds_has_a_page_that_its_text_names(tmp_path: Path) -> None:
    folder = start_run(PLAIN, tmp_path / "group")
    page = (folder / "report.html").read_text()
    assert "How sure: 2 seeds" in page
    assert "seed-0" in page and "seed-1" in page
    text = KIND.render(folder)
    assert f"report   {folder / 'report.html'}" in text
    assert text.index("How sure: 2 seeds") < text.index("Next: ") < text.index("95 % t intervals")
