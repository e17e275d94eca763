"""metaplast export: a rule as a file of another simulator or language."""

from pathlib import Path

import click

from metaplast.cli import _complete, _options
from metaplast.cli._paths import Given


@click.command("export")
@click.argument("rule", shell_complete=_complete.rules)
@click.option(
    "--to",
    "target",
    required=True,
    metavar="TARGET",
    shell_complete=_complete.targets,
    help="One of python, optax, brian2, nestml, lava, latex, json.",
)
@click.option("--out", type=Given("file"), help="The file that is written (default: print it).")
@click.option("--edge", help="The edge whose rule is exported, for a file with several rules.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@_options.modules
def command(
    rule: str,
    target: str,
    out: Path | None,
    edge: str | None,
    force: bool,
    modules: tuple[str, ...],
) -> None:
    """Write a rule as a file that another program runs.

    RULE is a rule.safetensors, the folder of a run, the name of a known rule such as oja, or of a
    rule of the zoo such as zoo/oja. The file begins with the formula, the grade of the export and
    how to use it. The grade is `faithful`, or `approximate` with the measured error. What a target
    cannot say is refused. An existing file is replaced with --force alone.

    Example: metaplast export oja --to python --out oja.py
    """
    from metaplast.runs import start_up

    start_up.prepare(modules)
    from metaplast.reuse.export.exported import check_target, demand_text, export, write
    from metaplast.reuse.export.source import subject_of

    check_target(target)
    exported = export(subject_of(rule, edge), target)
    demand_text(exported, rule, target)
    if out is None:
        click.echo(exported.text, nl=False)
        return
    write(exported, out, force)
    click.echo(f"{exported.grade}: {' '.join(exported.reasons)}", err=True)
