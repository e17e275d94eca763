"""metaplast doctor: is this machine ready."""

import click


@click.command("doctor")
def command() -> None:
    """Print versions, devices and the compilation cache, and run one plastic step."""
    from metaplast.cli import _setup

    _setup.prepare()
    import os

    import jax

    from metaplast import train
    from metaplast.launch.run import environment
    from metaplast.problem import MetaProblem

    for name, value in environment().items():
        click.echo(f"{name:14} {value}")
    click.echo(f"{'devices':14} {', '.join(str(d) for d in jax.devices())}")
    click.echo(f"{'cache':14} {os.environ.get('JAX_COMPILATION_CACHE_DIR', 'off')}")
    problem = MetaProblem()
    theta = jax.tree.map(lambda x: x[None], problem.init(jax.random.key(0)))
    loss, _ = train.evaluate(problem, theta, train.sample(problem.lifetime.task, jax.random.key(1), 2, "train"))
    click.echo(f"{'one life':14} loss {float(loss[0]):.4g}")
