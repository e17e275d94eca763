"""Rules of the house that a program can check: no way from data to code, nothing left for later."""

import ast
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("metaplast", "outer_loops", "inner_tasks", "configs")
SOURCES: list[Path] = []
for _package in PACKAGES:
    SOURCES += sorted((ROOT / _package).rglob("*.py"))
# data never becomes code
NO_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "sympify",
    "parse_expr",
    "lambdify",
}
NO_METHODS = {
    ("yaml", "load"),
    ("yaml", "unsafe_load"),
    ("yaml", "full_load"),
    ("os", "system"),
    ("os", "popen"),
}
NO_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "joblib",
    "sympy",
}
NO_WORDS = ("TODO", "FIXME", "XXX", "NotImplementedError")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@lru_cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _called(node: ast.Call) -> tuple[str, str]:
    """(the part before the last dot, the last name) of a called function."""
    function = node.func
    if isinstance(function, ast.Attribute):
        return ast.unparse(function.value), function.attr
    return "", function.id if isinstance(function, ast.Name) else ""


def faults(tree: ast.AST) -> list[str]:
    """Every way from data to code that stands in a program."""
    ways = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ways += [f"import {a.name}" for a in node.names if a.name.split(".")[0] in NO_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in NO_MODULES:
            ways.append(f"from {node.module}")
        elif isinstance(node, ast.Call):
            owner, name = _called(node)
            if (not owner or owner in NO_MODULES or owner == "builtins") and name in NO_CALLS:
                ways.append(f"{name}()")
            if (owner, name) in NO_METHODS or name == "allow_pickle":
                ways.append(f"{owner}.{name}()")
            for keyword in node.keywords:
                on = isinstance(keyword.value, ast.Constant) and not keyword.value.value
                if keyword.arg in ("shell", "allow_pickle") and not on:
                    ways.append(f"{keyword.arg}=")
    return ways


def test_data_never_becomes_code():
    by_file = {_name(path): faults(_tree(path)) for path in SOURCES}
    assert not {name: what for name, what in by_file.items() if what}


@pytest.mark.parametrize(
    "program",
    [
        "import pickle",
        "from cloudpickle import loads",
        "import sympy.parsing",
        "eval(text)",
        "exec(text)",
        "builtins.eval(text)",
        "sympify(text)",
        "sympy.sympify(text)",
        "yaml.load(text)",
        "os.system(text)",
        "run(text, shell=True)",
        "run(text, shell=on)",
        "numpy.load(path, allow_pickle=True)",
        "__import__(name)",
    ],
)
def test_what_is_forbidden_is_found(program):
    assert len(faults(ast.parse(program))) == 1
    assert not faults(
        ast.parse("jax.block_until_ready(model.eval(x)); re.compile(p); run(x, shell=False)")
    )


def test_nothing_is_left_for_later_or_unexplained():
    for path in SOURCES:
        text = path.read_text()
        assert not [word for word in NO_WORDS if word in text], path
        assert path.name == "__init__.py" or ast.get_docstring(_tree(path)), path


def test_there_are_sources():
    assert len(SOURCES) > 50
