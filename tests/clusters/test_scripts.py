"""The batch scripts: what they hold, what the shell thinks of them, and what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from metaplast.clusters import submit
from metaplast.clusters.resources import Resources
from metaplast.clusters.script import AFTER, JOB, scripts
from metaplast.registry import BadInput
from tests.clusters._cluster import Cluster, launch_of
from tests.system._commands import here

WORDS = ("experiment=oja", "rows={}", "outer.steps=2")
SEVERAL = Resources(
    nodes=2, tasks_per_node=4, cpus=3, gpus=4, time="1-00:00:00", more=("qos=long",)
)


@pytest.mark.parametrize("members", [(), ("seed-0", "seed-1")], ids=["run", "sweep"])
@pytest.mark.parametrize("resources", [Resources(), SEVERAL], ids=["one", "several"])
def test_the_scripts_pass_shellcheck(members, resources, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("shellcheck")
    texts = scripts(launch_of(tmp_path / "run", resources, members, tmp_path))
    for text in texts.values():
        done = subprocess.run(
            [str(program), "--severity=style", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_a_job_of_several_processes_starts_them_all() -> None:
    texts = scripts(launch_of(Path("/a/run"), SEVERAL, (), Path("/bin")))
    srun = "srun --kill-on-bad-exit=1 --cpus-per-task=3 metaplast"
    assert f"begin=({srun} train experiment=oja distributed=auto --run-dir /a/run" in texts[JOB]
    assert f"go_on=({srun} resume /a/run distributed=auto --quiet)" in texts[JOB]
    for option in ("nodes=2", "ntasks-per-node=4", "gpus-per-node=4", "time=1-00:00:00"):
        assert f"#SBATCH --{option}\n" in texts[JOB]
    assert "#SBATCH --qos=long\n" in texts[AFTER]
    for option in ("nodes", "gpus-per-node", "time=1", "signal"):
        assert f"#SBATCH --{option}" not in texts[AFTER]


def test_a_member_is_named_by_its_place_in_the_array() -> None:
    launch = launch_of(Path("/a/run"), Resources(), ("x", "y", "z"), Path("/bin"))
    job = scripts(launch._replace(at_once=2))[JOB]
    assert "#SBATCH --array=0-2%2\n" in job
    assert 'metaplast sweep --run-dir /a/run --member "$SLURM_ARRAY_TASK_ID" --quiet' in job
    # The number of a task may be that of the whole array.
    assert "job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n" in job


def test_without_slurm_nothing_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, error = here("launch", "slurm", *WORDS, "--run-dir", "run", cwd=tmp_path)
    assert code == 2 and error.startswith("error: sbatch, not on PATH - expected ")
    assert not list(tmp_path.iterdir())


def test_a_job_that_slurm_refuses_is_not_written(tmp_path: Path, monkeypatch) -> None:
    cluster = Cluster(tmp_path, monkeypatch)
    launch = launch_of(tmp_path / "run", Resources(partition="nope"), (), cluster.bin)
    with pytest.raises(BadInput, match="invalid partition specified: nope"):
        submit.check_job(launch)


def test_the_verb_plans_a_sweep_and_submits_its_jobs(tmp_path: Path, monkeypatch) -> None:
    cluster = Cluster(tmp_path, monkeypatch)
    folder = tmp_path / "here"
    folder.mkdir()
    words = ("launch", "slurm", *WORDS, "--array", "outer=bptt,es", "--run-dir", "sweep")
    code, out, error = here(*words, "--partition", "nope", cwd=folder)
    assert code == 2 and "invalid partition" in error and not list(folder.iterdir())
    code, out, error = here(*words, "--partition", "short", cwd=folder)
    assert code == 0, error
    assert [line.split(maxsplit=1)[1] for line in out.splitlines()] == [
        str(folder / "sweep.slurm"),
        "1, then 3",
        "scancel --name=metaplast-sweep",
    ]
    assert (folder / "sweep" / "sweep.json").is_file()
    assert "names=(outer-bptt outer-es)\n" in (folder / "sweep.slurm" / JOB).read_text()
    assert {path.name for path in (folder / "sweep.slurm").iterdir()} == {JOB, AFTER, "job"}
    assert len(list(cluster.folder.glob("*.sh"))) == 2


def test_a_dry_run_prints_the_scripts_and_submits_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ("launch", "slurm", *WORDS, "--run-dir", "run", "--setup", "module load cuda")
    code, out, error = here(*words, "--dry-run", cwd=tmp_path)
    assert code == 0, error
    assert "\nmodule load cuda\n" in out
    for name in (JOB, AFTER):
        assert (tmp_path / "run.slurm" / name).read_text() in out
    assert not (tmp_path / "run").exists()
