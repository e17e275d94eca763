"""A rule file as plain JSON, with the numbers as text."""

import json
from typing import Any

import numpy as np

from metaplast.registry import BadInput, Plain
from metaplast.reuse import formula
from metaplast.reuse.document import check
from metaplast.reuse.export._header import header
from metaplast.reuse.export.exported import Exported, Subject
from metaplast.reuse.rule_file import DTYPES, RuleFile

SCHEMA = "metaplast.rule.json/1"
REASON = "It holds the whole document and every number; the same rule file is made of it again."
USAGE = (
    "`document` is the document of the rule file, `tensors` are its numbers by name.",
    "`terms` are the coefficients as they act, by entry, before the rate.",
    "metaplast.reuse.export.json.read(text) gives the document and the tensors for save_rule.",
)


def export(subject: Subject) -> Exported:
    """The rule file that holds a rule, as JSON.

    Args:
        subject: the rule.
    """
    tensors = {}
    for name, values in sorted(subject.tensors.items()):
        tensors[name] = {
            "dtype": _dtype(values),
            "shape": list(values.shape),
            "values": values.tolist(),
        }
    content = {
        "schema": SCHEMA,
        "about": header(subject, "json", "faithful", (REASON,), USAGE, mark=""),
        "terms": formula.terms(subject.document, subject.tensors),
        "document": subject.document,
        "tensors": tensors,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    return Exported(text, "faithful", (REASON,))


def read(text: str) -> RuleFile:
    """The document and the tensors of an exported rule.

    Args:
        text: the text of the export.

    Raises: BadInput for a text of another kind or version, or content that is not whole.
    """
    where = "exported rule"
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(where, "JSON text", "export it again") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise BadInput(f"{where}: another schema", SCHEMA, "use the version that wrote it")
    tensors = {}
    try:
        for name, entry in content["tensors"].items():
            values = np.asarray(entry["values"], DTYPES[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
        document: Plain = dict(content["document"])
        check(document, tensors, where)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{where}: {error}", "document and tensors", "export it again") from None
    return RuleFile(document, tensors)


def _dtype(values: np.ndarray) -> str:
    """The name of the dtype of a tensor in a rule file."""
    for name, dtype in DTYPES.items():
        if values.dtype == dtype:
            return name
    raise BadInput(f"dtype {values.dtype}", f"one of {', '.join(DTYPES)}", "convert it")
