"""Weights & Biases, offline by default."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from metaplast.registry import register
from metaplast.runs.loggers.base import AbstractLogger, Plain, Sink
from metaplast.settings.names import FIGURES, RULE_FILE
from metaplast.spec import spec


@register("logging", "wandb")
@spec
class Wandb(AbstractLogger):
    """Config, metrics, scores, figures, and the rule file as an artifact.

    No arguments, environment, host, user, code or console output are handed over. Each row has its
    own axis `<row>/outer_step`. An offline run that was resumed appears once for every start, each
    time whole.

    mode: `offline` writes under RUN/wandb and opens no connection; `wandb sync` uploads it later.
        `online` uses the account that wandb finds.
    project: as in wandb.
    entity: as in wandb.
    Source: the package wandb.
    """

    mode: Literal["offline", "online"] = "offline"
    project: str = "metaplast"
    entity: str = ""

    def open(self, run: Path, config: Plain) -> Sink:
        import wandb

        silent: dict[str, Any] = {
            "console": "off",
            "silent": True,
            "quiet": True,
            "init_timeout": 60,
        }
        private: dict[str, Any] = {
            "disable_git": True,
            "disable_code": True,
            "save_code": False,
            "host": "",
            "username": "",
            "email": "",
        }
        machine: dict[str, Any] = {
            "x_disable_meta": True,
            "x_disable_stats": True,
            "x_disable_machine_info": True,
        }
        session = wandb.init(
            project=self.project,
            entity=self.entity or None,
            dir=str(run),
            name=run.name,
            id=hashlib.sha256(str(run.absolute()).encode()).hexdigest()[:16],
            resume="allow" if self.mode == "online" else None,
            mode=self.mode,
            config=config,
            settings=wandb.Settings(**silent, **private, **machine),
        )
        known: set[str] = set()

        def log(row: str, step: int, numbers: Mapping[str, float]) -> None:
            if row not in known:
                known.add(row)
                session.define_metric(f"{row}/*", step_metric=f"{row}/outer_step")
            line: dict[str, float] = {f"{row}/outer_step": step}
            line |= {f"{row}/{name}": value for name, value in numbers.items()}
            session.log(line)

        def finish(run: Path, summary: Plain | None) -> None:
            for entry in (summary or {}).get("scores", []):
                session.summary[f"heldout/{entry['metric']}/{entry['name']}"] = entry["mean"]
            if summary:
                for figure in sorted((run / FIGURES).glob("*.svg")):
                    drawn = wandb.Html(figure.read_text(encoding="utf-8"), inject=False)
                    session.log({f"figures/{figure.stem}": drawn})
            rule = run / RULE_FILE
            if summary and rule.is_file():
                artifact = wandb.Artifact("rule", type="rule")
                artifact.add_file(str(rule))
                session.log_artifact(artifact)
            session.finish(exit_code=0 if summary else 1)

        return Sink(log, finish)
