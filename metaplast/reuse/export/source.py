"""The rule of a file, of the folder of a run, or of a name, as the subject of an export.

The rule is loaded as `load_rule` loads it: its reference vector is computed anew and compared.
"""

import os

from metaplast.connections.dense import Dense
from metaplast.language.account import plain
from metaplast.reuse.ask import account_of, node_of
from metaplast.reuse.describe import versions
from metaplast.reuse.export.exported import Subject
from metaplast.reuse.known import is_name, rule_path
from metaplast.reuse.load import Rule, load_rule
from metaplast.reuse.reference import N_POST, N_PRE, reference
from metaplast.reuse.rule_file import RuleFile, flatten, read_rule
from metaplast.spec import encode

ANY_STEP = 1e-3
"""Seconds of a step at which the reference vector of a known rule is computed."""


def subject_of(path_or_name: str | os.PathLike[str], edge: str | None = None) -> Subject:
    """The subject of an export.

    Args:
        path_or_name: the path of a rule file or of the folder of a run, or the name of a known
            rule.
        edge: the edge whose rule is exported, for a file with several rules.

    Raises: BadInput, one line, for a bad file, an unknown name, or a missing edge.
    """
    path_or_name = rule_path(path_or_name)
    rule = load_rule(path_or_name, edge)
    file = _file(rule) if is_name(path_or_name) else read_rule(path_or_name)
    return Subject(
        name=rule.name,
        rule=node_of(rule.spec, rule.theta),
        formula=rule.formula,
        reads=tuple(sorted(rule.reads)),
        clock=rule.clock,
        dt=rule.dt,
        version=versions()["metaplast"],
        document=file.document,
        tensors=file.tensors,
    )


def _file(rule: Rule) -> RuleFile:
    """A rule file of a known rule, as it would be on a small full matrix of synapses."""
    connection = Dense(N_POST, N_PRE)
    channels = []
    for field in sorted(rule.reads):
        if field.startswith("modulators."):
            channels.append(field.removeprefix("modulators."))
    facts = {
        "n_post": N_POST,
        "n_pre": N_PRE,
        "shape": list(connection.shape),
        "spec": encode(connection),
    }
    slot = {
        "edges": "*",
        "shared": True,
        "rule": encode(rule.spec),
        "account": plain(account_of(rule.spec)),
        "connections": {"pre_to_post": facts},
        "clock": rule.clock,
        "reads": sorted(rule.reads),
        "reach": rule.reach,
    }
    vector = reference(rule.spec, rule.theta, tuple(channels), ANY_STEP)
    document = {
        "slots": {"rule": slot},
        "reference": {"rule": vector.tolist()},
        "dt": ANY_STEP,
        "activity_reference": rule.activity_reference,
        "provenance": {"known_rule": rule.name, "versions": versions()},
        "scores": [],
    }
    return RuleFile(document, flatten("rule", rule.theta))
