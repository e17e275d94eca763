"""metaplast fit: the plasticity rules that explain a recording."""

from pathlib import Path

import click

from metaplast.cli import _options
from metaplast.cli._complete import Word
from metaplast.cli._paths import Given


@click.command("fit")
@click.argument("words", nargs=-1, type=Word(), metavar="[DATA] [WORDS]...")
@click.option(
    "--describe", is_flag=True, help="Describe the data as they were read, and fit nothing."
)
@click.option(
    "--recover",
    "truth",
    multiple=True,
    metavar="WORD",
    help="Fit values that are simulated from this rule (rule=oja, rule.rate=0.1, ...) on your "
    "stimuli, trials, mask and noise, in place of your values. It shows the terms that so much "
    "data can tell. It may be given several times.",
)
@click.option(
    "--run-dir", type=Given("folder"), help="Folder of the fit (default: runs/<date>-fit-...)."
)
@_options.config_dir
@_options.modules
@click.option("--json", "as_json", is_flag=True, help="Print fit.json instead of the text.")
@_options.quiet
def command(
    words: tuple[str, ...],
    describe: bool,
    truth: tuple[str, ...],
    run_dir: Path | None,
    config_dir: Path | None,
    modules: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Fit families of plasticity rules to recordings.

    Null models without plasticity are fitted beside them.

    DATA is an .npz file (docs/guides/fit.md) or an .nwb file. Without DATA, a made-up example or
    the simulated data of experiment=NAME are fitted.

    WORDS are experiment=NAME, group=NAME and a.b=value, as in train. The file sets its likelihood,
    given weights and rewards, unless WORDS set them.

    Example: metaplast fit trials.npz network.hidden=[10] fit.bootstrap=200
    """
    from metaplast.runs import folder, start_up

    if run_dir is not None:
        folder.check_free(run_dir)  # before the slow import of JAX
    start_up.prepare(modules)
    from metaplast.cli import _run
    from metaplast.fitting import data_reading
    from metaplast.fitting.kind import KIND, plan_of
    from metaplast.fitting.request import request_of
    from metaplast.runs.config import Sources
    from metaplast.runs.lifecycle import Request

    plain, recover = request_of(words, truth, Sources(config_dir))
    request = Request(plain, {"recover": recover})
    if describe:
        click.echo("\n".join(data_reading.reading_of(plan_of(request).job).description))
        return
    _run.start(KIND, request, run_dir, modules=modules, as_json=as_json, quiet=quiet)
