"""What the frozen libraries leave out: docstrings, of which every role would hold 3 MB in memory. Not assertions.

Our own modules keep theirs: help texts and API descriptions are made from them.
"""

import ast
import marshal
from collections.abc import Iterable
from importlib.util import MAGIC_NUMBER
from pathlib import Path

OURS = "pinai_subnet"
_HEADER = MAGIC_NUMBER + bytes(12)
"""Of a compiled file that names neither time nor size of its source: the same source gives the same bytes."""

Entry = tuple[str, str | None, str]
"""A module as the freezer lists it: its name, its file (`-` or None for a namespace), its kind."""


def undocumented(tree: ast.Module) -> ast.Module:
    """Take the docstrings out of a syntax tree; everything else keeps its place, so that tracebacks stay true."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        # A second bare string would become the docstring once the first is gone.
        while ast.get_docstring(node, clean=False) is not None:
            text = node.body.pop(0)
            if not node.body and not isinstance(node, ast.Module):
                node.body.append(ast.copy_location(ast.Pass(), text))
    return tree


def without_docstrings(entries: Iterable[Entry], target: Path) -> list[Entry]:
    """Return the freezer's entries with every library's module compiled into `target` without docstrings."""
    kept = []
    for name, path, kind in entries:
        if path and path.endswith(".py") and name.partition(".")[0] != OURS:
            source = Path(path)
            tree = undocumented(ast.parse(source.read_bytes()))
            code = compile(tree, path, "exec", dont_inherit=True, optimize=0)
            # The freezer knows a package by its file's name.
            compiled = target.joinpath(*name.split("."), f"{source.stem}.pyc")
            compiled.parent.mkdir(parents=True, exist_ok=True)
            compiled.write_bytes(_HEADER + marshal.dumps(code))
            kept.append((name, str(compiled), kind))
        else:
            kept.append((name, path, kind))
    return kept
