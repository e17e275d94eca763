"""A page for every plug-in that `metaplast list` shows, and a page for every kind.

All of it comes from the code: the registry, the specs, the docstrings, the programs of the rules.
"""

import dataclasses
import inspect
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from docs._build import plugins_facts as facts
from docs._build import plugins_figures as figures_of
from docs._build.plugins_docstring import Docstring, read
from docs._build.plugins_latex import Unreadable, equation
from docs._build.plugins_latex import name as symbol_of
from docs._build.plugins_prose import prose, symbol, unit, without_shape, without_unit
from docs._build.specs import Field, fields
from docs._build.tables import table
from docs._build.values import differing, flow, yaml
from metaplast import registry
from metaplast.language.grammar import SIGNALS, field_of
from metaplast.registry import KINDS
from metaplast.reuse._notation import symbol as notation
from metaplast.reuse.export import latex
from metaplast.reuse.export._program import Unsupported
from metaplast.reuse.signal_words import of_field
from metaplast.rules.base import AbstractRule
from metaplast.runs import catalogue
from metaplast.runs.config import Sources
from metaplast.spec import encode

FOLDER = "reference/plugins"
WORDS = {
    "rule": "rule={name}",
    "neuron": "network.neuron={name}",
    "connection": "network.connection={name}",
    "transmission": "network.transmission={name}",
    "network": "network={name}",
    "feedback": "feedback={name}",
    "genome": "genome={name}",
    "objective": "objective={name}",
    "likelihood": "task.likelihood={name}",
    "task": "task={name}",
    "outer": "outer={name}",
    "logging": "logging={name}",
}
"""{kind: the word of the command line that takes a plug-in}"""
KEYS = {
    "neuron": ("network", "neuron"),
    "connection": ("network", "connection"),
    "transmission": ("network", "transmission"),
    "likelihood": ("task", "likelihood"),
}
"""{kind: the way to its place in a config} where that is not the kind itself."""
TITLES = {
    "rule": "Rules",
    "neuron": "Neurons",
    "connection": "Connections",
    "transmission": "Transmissions",
    "network": "Networks",
    "feedback": "Feedbacks",
    "genome": "Genomes",
    "objective": "Objectives",
    "likelihood": "Likelihoods",
    "task": "Tasks",
    "outer": "Outer loops",
    "reference": "References",
    "logging": "Loggers",
}
_SHOWN_APART = ("Source", "Sources", "Limits", "Limit", "Raises", "State", "Fixed point")


class Site(NamedTuple):
    """The generated files, by their address in the site.

    pages: Markdown.
    figures: SVG.
    """

    pages: dict[str, str]
    figures: dict[str, str]


class Named(NamedTuple):
    """A plug-in by its name.

    kind: one of KINDS.
    name: as `metaplast list` shows it.
    words: the line that stands there.
    """

    kind: str
    name: str
    words: str


def pages() -> dict[str, str]:
    """{address: Markdown} of every page."""
    return site().pages


def figures() -> dict[str, str]:
    """{address: SVG} of every figure of the pages."""
    return site().figures


@lru_cache
def site() -> Site:
    """All pages and figures."""
    made: dict[str, str] = {f"{FOLDER}/index.md": _overview()}
    drawn: dict[str, str] = {}
    for kind, room in KINDS.items():
        folder = f"{FOLDER}/{room.plural}"
        everything = listed(kind)
        made[f"{folder}/index.md"] = _index(kind, everything)
        for each in everything:
            shown = figures_of.of(kind, each.name)
            for index, figure in enumerate(shown):
                drawn[f"{folder}/{_file_of(each, index)}"] = figure.svg
            made[f"{folder}/{each.name}.md"] = page(each, shown)
    return Site(made, drawn)


@lru_cache
def listed(kind: str) -> tuple[Named, ...]:
    """The plug-ins of a kind that are files of its room or of its config group.

    Args:
        kind: one of KINDS.
    """
    room = KINDS[kind]
    shown = []
    for name, words in catalogue.listed(kind, Sources()):
        if not facts.is_data(kind, name):
            module = registry.find(kind, name).__module__
            if not (module.startswith(f"{room.package}.") and module.endswith(f".{name}")):
                continue
        shown.append(Named(kind, name, words))
    return tuple(shown)


def _file_of(plugin: Named, index: int) -> str:
    """The name of the file of a figure."""
    return f"{plugin.name}.svg" if index == 0 else f"{plugin.name}_{index}.svg"


def page(plugin: Named, shown: Sequence[figures_of.Figure] = ()) -> str:
    """The page of one plug-in.

    Args:
        plugin: its name.
        shown: its figures.
    """
    made = facts.instance(plugin.kind, plugin.name)
    cls = type(made)
    docstring = read(cls.__doc__ or "")
    is_data = facts.is_data(plugin.kind, plugin.name)
    lines = [f"# {plugin.name}", ""]
    if is_data:
        lines += [*_of_data(plugin, made), ""]
    else:
        lines += [prose(docstring.claim, plugin.kind), ""]
    lines += _equations(docstring, cls, made, is_data)
    if not (is_data and _is_told_by_terms(made)):
        lines += _symbols(docstring, cls)
    if shown:
        lines += ["## Pictures", ""]
    for index, figure in enumerate(shown):
        lines += [f"![{figure.alt}]({_file_of(plugin, index)})", "", prose(figure.caption), ""]
    lines += _fields(cls, made, docstring, is_data)
    if isinstance(made, AbstractRule):
        lines += _locality(made)
    lines += _arrays(made, docstring)
    lines += _limits(docstring, plugin.kind)
    lines += _notes(
        docstring, plugin.kind, "Rule `" + registry.name_of(cls) + "`" if is_data else ""
    )
    lines += _shared(cls, plugin.kind)
    lines += _source(plugin, docstring, is_data)
    lines += _use(plugin, made, is_data)
    lines += _experiments(plugin, made, is_data)
    return "\n".join(lines).rstrip() + "\n"


def _of_data(plugin: Named, made: Any) -> list[str]:
    """The claim of a file of the group `rule`, and the form that it sets."""
    form = registry.name_of(type(made))
    return [
        f"{prose(' '.join(_comment(plugin)))}",
        "",
        f"`{plugin.name}` is data: the rule [`{form}`]({form}.md) with the numbers below.",
    ]


def _comment(plugin: Named) -> list[str]:
    """The comment at the head of a file of a group, without its line of sources."""
    return [line for line in _head(plugin) if not line.startswith("Source:")]


def _head(plugin: Named) -> list[str]:
    text = Sources().roots[-1].joinpath(plugin.kind, f"{plugin.name}.yaml").read_text()
    return [line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#")]


def _is_told_by_terms(made: Any) -> bool:
    """Whether the equations of a rule are those of its terms, and not those of its docstring."""
    return "terms" in encode(made) or "rule" in encode(made)


def equations(docstring: Docstring, cls: type[Any]) -> list[str]:
    """The LaTeX of the equations of a docstring, or of the nearest base that has any.

    Args:
        docstring: the docstring of the class.
        cls: the class of the plug-in.
    """
    for each in (docstring, *(read(base.__doc__ or "") for base in cls.__mro__[1:-1])):
        if each.equations:
            return [equation(one.text, one.condition) for one in each.equations]
    return []


def _equations(docstring: Docstring, cls: type[Any], made: Any, is_data: bool) -> list[str]:
    formulas = equations(docstring, cls)
    lines = []
    if docstring.graph:
        lines += ["## Graph", "", "```text", *docstring.graph, "```", ""]
    if isinstance(made, AbstractRule) and (is_data or registry.kind_of(cls) == "rule"):
        step = _step(made)
        if is_data and _is_told_by_terms(made):
            return [*lines, "## Equations", "", *_displayed(formulas), *_left_out(made), *step]
        shown = ["## Equations", "", *_displayed(formulas)]
        if step:
            shown += ['??? note "One step, as it is computed"', ""]
            shown += [f"    {line}" if line else "" for line in step]
            shown.append("")
        return [*lines, *shown]
    if formulas:
        lines += ["## Equations", "", *_displayed(formulas)]
    return lines


def _displayed(formulas: list[str]) -> list[str]:
    lines = []
    for formula in formulas:
        lines += [f"$${formula}$$", ""]
    return lines


def _left_out(made: AbstractRule) -> list[str]:
    """A sentence where the equations of a step do not show all terms of a rule."""
    starts = [start for start in encode(made).get("initial", ()) if start]
    if not starts or len(starts) == len(encode(made)["initial"]):
        return []
    return ["Terms with a coefficient of 0 at the start are left out below.", ""]


def _step(made: AbstractRule) -> list[str]:
    """The equations of one step, from the program of the exporter, and their numbers.

    A rule that draws its theta has no numbers to show, and a rule whose form is no data has no such
    equations.
    """
    try:
        step = facts.step_of(made)
    except Unsupported:
        return []
    drawn = [number for number in step.constants if isinstance(number.value, np.ndarray)]
    rows = facts.step_latex(step)
    if drawn or any("unit" in row for row in rows):
        return []
    words = "In a step of $\\Delta t$ seconds, the weight $w_{ji}$ from neuron $i$ to neuron $j$ "
    words += "changes by $\\Delta w_{ji}$. A prime marks a value after the step. "
    words += "The symbols of signals stand under [Signals](#signals)."
    numbers = []
    for number in step.constants:
        term = f"`{number.note.removeprefix('of ')}`" if number.note else ""
        numbers.append([f"${latex.constant(number.name)}$", f"{float(number.value):.6g}", term])
    lines = [words, "", *_displayed(rows)]
    if numbers:
        lines += [*table(("Number", "Value", "Term"), numbers), ""]
    return lines


def _symbols(docstring: Docstring, cls: type[Any]) -> list[str]:
    field_names = {field.name for field in dataclasses.fields(cls)}
    rows = []
    for definition in docstring.definitions:
        names = [name for name in definition.names if name not in field_names and "<" not in name]
        if names:
            meaning = without_shape(without_unit(definition.text), definition.shape)
            shown = ", ".join(map(symbol, names))
            shape = f"`{definition.shape}`" if definition.shape else ""
            rows.append([shown, prose(meaning, ""), shape, unit(definition.text)])
    if not rows:
        return []
    return ["## Symbols", "", *table(("Symbol", "Meaning", "Shape", "Unit"), rows), ""]


def _fields(cls: type[Any], made: Any, docstring: Docstring, is_data: bool) -> list[str]:
    text = " ".join(one.text for one in docstring.equations)
    rows = []
    for field in fields(cls):
        value = f"`{field.default}`"
        if is_data:
            content = differing(getattr(made, field.name))
            value = _value(content, field)
        rows.append(
            [
                f"`{field.name}`{_symbol_of(field, text)}",
                prose(without_unit(field.meaning), registry.kind_of(cls)),
                unit(field.meaning),
                field.type,
                field.bounds,
                value,
            ]
        )
    if not rows:
        return ["## Fields", "", "It has no fields.", ""]
    last = "Value" if is_data else "Default"
    heads = ("Field", "Meaning", "Unit", "Type", "Bounds", last)
    return ["## Fields", "", *table(heads, rows), ""]


def _value(content: Any, field: Field) -> str:
    """The value of a field in a file of the group `rule`; in bold where it is no default."""
    shown = flow(content)
    return f"`{shown}`" if shown == field.default else f"**`{shown}`**"


def _symbol_of(field: Field, text: str) -> str:
    """The symbol of a field in the equations, where that is more than its name."""
    if field.name not in text:
        return ""
    try:
        shown = symbol_of(field.name)
    except Unreadable:
        return ""
    return "" if shown.startswith(r"\text") else f" ${shown}$"


def _locality(made: AbstractRule) -> list[str]:
    """The signals of a rule."""
    locality = facts.locality(made)
    rows = []
    for field in locality.reads:
        meaning, its_unit = of_field(field)
        rows.append([f"`{field}`", _symbol_of_signal(field), prose(meaning), its_unit])
    words = f"Reach `{locality.reach}`, clock `{made.clock}`, as measured on its program"
    if "rule" in encode(made):
        words += " with the rule inside that stands above"
    lines = ["## Signals", "", f"{words}.", ""]
    if not rows:
        return [*lines, "As it stands it reads no signal.", ""]
    return [*lines, *table(("Field of the view", "Symbol", "Meaning", "Unit"), rows), ""]


def _symbol_of_signal(field: str) -> str:
    """The symbol of a field of the view in the equations of a step; empty where it has none."""
    if field.startswith("modulators."):
        return f"${notation(field.replace('modulators.', 'modulator.'))}$"
    for name in SIGNALS:
        if field_of(name) == field:
            return f"${facts.primed(notation(name))}$"
    return ""


def _arrays(made: Any, docstring: Docstring) -> list[str]:
    """State and theta."""
    state = facts.state(made)
    lines = ["## State", ""]
    if state is None and "State" not in docstring.labelled:
        lines = []
    if "State" in docstring.labelled:
        lines += [prose(docstring.labelled["State"]), ""]
    if state:
        rows = [[f"`{leaf.name}`", f"`{leaf.shape}`", leaf.place] for leaf in state]
        lines += [*table(("Array", "Shape", "Side"), rows), ""]
    elif state is not None:
        lines += ["None: it has no memory.", ""]
    theta = facts.theta(made)
    if theta or "theta" in docstring.labelled:
        lines += ["## Learned numbers", ""]
        if "theta" in docstring.labelled:
            lines += [prose(docstring.labelled["theta"]), ""]
        if theta:
            rows = [[f"`{leaf.name}`", f"`{leaf.shape}`"] for leaf in theta]
            lines += [*table(("Leaf of theta", "Shape"), rows), ""]
    return lines


def _limits(docstring: Docstring, kind: str) -> list[str]:
    lines = []
    for label in ("Limits", "Limit", "Fixed point"):
        if label in docstring.labelled:
            heading = "Fixed point" if label == "Fixed point" else "Limits"
            lines += [f"## {heading}", "", prose(_sentence(docstring.labelled[label]), kind), ""]
    return lines


def _sentence(text: str) -> str:
    """Words with a large first letter, unless they begin with a symbol."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() and len(first) > 1 else text


def _notes(docstring: Docstring, kind: str, title: str) -> list[str]:
    """All other paragraphs."""
    lines = []
    for label, text in docstring.labelled.items():
        if label not in _SHOWN_APART and label != "theta":
            lines += [f"**{label}:** {prose(text, kind)}", ""]
    for note in docstring.notes:
        lines += [prose(note, kind), ""]
    if "Raises" in docstring.labelled:
        lines += [f"**Refused:** {prose(docstring.labelled['Raises'], kind)}", ""]
    return [f"## {title or 'Notes'}", "", *lines] if lines else []


def _shared(cls: type[Any], kind: str) -> list[str]:
    """What a class shares with others: the docstrings of its bases that have fields."""
    lines = []
    for base in cls.__mro__[1:-1]:
        annotations = inspect.get_annotations(base)
        if not base.__dict__.get("__doc__") or not annotations or registry.BASES.get(base.__name__):
            continue
        if not base.__dict__.get("__dataclass_fields__"):
            continue
        docstring = read(str(base.__doc__))
        lines += [f"## Shared by plug-ins of class `{base.__name__}`", ""]
        lines += [prose(docstring.claim, kind), ""]
        if docstring.equations and read(cls.__doc__ or "").equations:
            lines += _displayed([equation(one.text, one.condition) for one in docstring.equations])
        for label, text in docstring.labelled.items():
            lines += [f"**{label}:** {prose(text, kind)}", ""]
        for note in docstring.notes:
            lines += [prose(note, kind), ""]
    return lines


def source(plugin: Named) -> str:
    """The source of a plug-in, as its docstring or the head of its file has it; may be empty.

    Args:
        plugin: its name.
    """
    if facts.is_data(plugin.kind, plugin.name):
        lines = [line for line in _head(plugin) if line.startswith("Source:")]
        return lines[0].removeprefix("Source:").strip() if lines else ""
    docstring = read(registry.find(plugin.kind, plugin.name).__doc__ or "")
    return docstring.labelled.get("Source", docstring.labelled.get("Sources", ""))


def _source(plugin: Named, docstring: Docstring, is_data: bool) -> list[str]:
    text = source(plugin)
    if is_data and not text:
        text = docstring.labelled.get("Source", "")
    return ["## Source", "", prose(_sentence(text), plugin.kind), ""]


def in_config(plugin: Named) -> Any:
    """Plain data that a config holds for a plug-in, with all of its own fields.

    Args:
        plugin: its name.
    """
    made = facts.instance(plugin.kind, plugin.name)
    if facts.is_data(plugin.kind, plugin.name):
        return Sources().load(plugin.kind, plugin.name)
    plain = {"name": plugin.name}
    for field in dataclasses.fields(made):
        plain[field.name] = differing(getattr(made, field.name))
    return plain


def in_python(plugin: Named) -> str:
    """A program of Python that makes a plug-in as `rule`, `neuron`, ...

    Args:
        plugin: its name.
    """
    if facts.is_data(plugin.kind, plugin.name):
        return f'import metaplast as mp\n\n{plugin.kind} = mp.load_rule("{plugin.name}")'
    made = facts.instance(plugin.kind, plugin.name)
    given = []
    for field in dataclasses.fields(made):
        value = getattr(made, field.name)
        if isinstance(value, bool | int | float | str) and len(given) < 3:
            given.append(f"{field.name}={value!r}")
    cls = type(made)
    variable = {"logging": "logger", "outer": "loop"}.get(plugin.kind, plugin.kind)
    call = f"{variable} = {cls.__name__}({', '.join(given)})"
    return f"from {cls.__module__} import {cls.__name__}\n\n{call}"


def _use(plugin: Named, made: Any, is_data: bool) -> list[str]:
    lines = ["## In a config", ""]
    if plugin.kind in WORDS:
        word = WORDS[plugin.kind].format(name=plugin.name)
        lines += [f"On the command line: `{word}`. In a file:", ""]
    plain = in_config(plugin)
    if plugin.kind == "reference":
        numbers = {name: value for name, value in plain.items() if name != "name"}
        plain = {"evaluation": {"references": {plugin.name: numbers}}}
    else:
        for key in reversed(KEYS.get(plugin.kind, (plugin.kind,))):
            plain = {key: plain}
    lines += ["```yaml", yaml(plain), "```", ""]
    return [*lines, "## In Python", "", "```python", in_python(plugin), "```", ""]


def _experiments(plugin: Named, made: Any, is_data: bool) -> list[str]:
    """The experiments that use a plug-in."""
    using = []
    for experiment, parts in facts.experiments().items():
        uses = made in parts if is_data else any(type(part) is type(made) for part in parts)
        if uses:
            using.append(f"[{experiment}](../../experiments.md#{experiment})")
    words = ", ".join(using) if using else "No experiment that ships uses it."
    return ["## Experiments", "", words, ""]


def _overview() -> str:
    lines = ["# Plug-ins", "", "The parts from which a run is put together.", ""]
    rows = []
    for kind, room in KINDS.items():
        shown = ", ".join(f"[{each.name}]({room.plural}/{each.name}.md)" for each in listed(kind))
        rows.append([f"[{TITLES[kind]}]({room.plural}/index.md)", shown])
    return "\n".join([*lines, *table(("Kind", "Names"), rows), ""])


def _index(kind: str, everything: tuple[Named, ...]) -> str:
    """The page of a kind."""
    cls = next(base for base, of_kind in registry.BASES.items() if of_kind == kind)
    claim = ""
    for each in facts.instance(kind, everything[0].name).__class__.__mro__:
        if each.__name__ == cls:
            claim = read(each.__doc__ or "").claim
    lines = [f"# {TITLES[kind]}", "", prose(claim), ""]
    heads, columns = _columns(kind)
    rows = []
    for each in everything:
        cells = [f"[`{each.name}`]({each.name}.md)", prose(each.words)]
        rows.append([*cells, *columns(facts.instance(kind, each.name))])
    return "\n".join([*lines, *table(("Name", "Claim", *heads), rows), ""])


def _columns(kind: str) -> tuple[tuple[str, ...], Any]:
    """The further columns of the table of a kind, and the function that fills them."""
    if kind == "rule":
        return ("Reach", "Clock"), lambda made: (facts.locality(made).reach, made.clock)
    if kind == "neuron":
        return ("Output", "Ports"), lambda made: (
            "spikes" if made.spiking else "graded",
            ", ".join(made.ports),
        )
    if kind == "feedback":
        return ("Needs of the task",), lambda made: (", ".join(sorted(made.needs)),)
    if kind in ("genome", "objective"):
        return ("Needs of the task",), lambda made: (", ".join(sorted(made.needs)),)
    if kind == "task":
        return ("Inputs", "Outputs", "Steps", "Differentiable"), _sizes
    return (), lambda made: ()


def _sizes(made: Any) -> tuple[str, ...]:
    try:
        shape = made.shape()
    except registry.BadInput:
        return ("", "", "", "")  # its data come with a package that is not installed here
    inputs = ", ".join(str(n) for n in shape.inputs.values())
    differentiable = "yes" if shape.differentiable else "no"
    return (inputs, str(shape.n_out), str(shape.n_steps), differentiable)
