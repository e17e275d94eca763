"""The rule file of the smallest rule that is as good: `rule.sparse.safetensors`."""

from pathlib import Path

from metaplast.inspection.parsimony import Parsimony
from metaplast.inspection.sparse_rule import sparse_rule
from metaplast.reuse.rule_file import RuleFile, save_rule
from metaplast.settings.names import SPARSE_RULE_FILE


def write_sparse(parsimony: Parsimony, folder: Path) -> tuple[Path, RuleFile]:
    """Write the rule file of the chosen rule.

    Args:
        parsimony: the front and the chosen rule.
        folder: the folder of the file.

    Returns: the path of the file, and its content.
    """
    file = sparse_rule(parsimony)
    path = folder / SPARSE_RULE_FILE
    save_rule(path, file.document, file.tensors)
    return path, file
