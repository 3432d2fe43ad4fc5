"""The building keeps its shape: names, sizes, docstrings, where errors may be swallowed, what is never called."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "services" / "pinai_subnet"
MODULE_LINES = 400
FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"common", "utils", "util", "helpers", "core", "base", "manager", "types", "misc"}
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen"}

SWALLOW = {
    "runtime/grpc_boundary.py": "the gRPC boundary",
    "runtime/http_middleware.py": "the HTTP boundary",
    "runtime/lifecycle.py": "supervision of loops, drains and resources",
    "runtime/sqlite.py": "a job's failure is delivered to its caller",
    "validator/grouping.py": "a group's failure is delivered to its callers",
    "consensus/node.py": "supervision of the engine's thread",
    "consensus/engine.py": "the digest of a state that may be broken, for the log",
    "agent/bidder.py": "an author's pricing is a boundary",
    "agent/tasks/launcher.py": "a forked child ends in its own function, whatever happens",
}
"""Files in which a handler of everything need not raise, each with its reason."""

MODULES = sorted(
    path for path in SOURCES.rglob("*.py") if "pb" not in path.relative_to(SOURCES).parts
)


def name_of(path: Path) -> str:
    return path.relative_to(SOURCES).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def pure_modules() -> list[str]:
    """The modules that the import contract holds to purity."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [pure] = [c for c in contracts["contracts"] if c["name"].startswith("Rules are pure")]
    return list(pure["source_modules"])


def test_no_module_or_package_is_a_shared_bucket() -> None:
    parts = {part for path in MODULES for part in path.relative_to(SOURCES).with_suffix("").parts}
    assert sorted(parts & FORBIDDEN_NAMES) == []


def test_modules_and_functions_stay_small() -> None:
    large = []
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > MODULE_LINES:
            large.append(f"{name_of(path)}: {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    large.append(f"{name_of(path)}:{node.lineno} {node.name}: {length} lines")
    assert large == []


def test_every_module_says_what_it_is() -> None:
    assert [name_of(path) for path in MODULES if not ast.get_docstring(tree_of(path))] == []


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def test_everything_is_caught_only_at_boundaries_or_to_raise() -> None:
    found = []
    used = set()
    for path in MODULES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node):
                if isinstance(node.body[-1], ast.Raise):
                    continue
                used.add(name_of(path))
                if name_of(path) not in SWALLOW:
                    found.append(f"{name_of(path)}:{node.lineno}")
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
                suppressed = {ast.unparse(word) for word in node.args}
                if suppressed & {"Exception", "BaseException"}:
                    found.append(f"{name_of(path)}:{node.lineno} suppress")
    assert found == []
    assert sorted(set(SWALLOW) - used - {"runtime/sqlite.py"}) == [], "no longer needed"


def _dangers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            yield from {name.partition(".")[0] for name in names} & FORBIDDEN_IMPORTS
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FORBIDDEN_CALLS:
                yield called
            for keyword in node.keywords:
                if keyword.arg == "shell" and ast.unparse(keyword.value) != "False":
                    yield "shell"
                if keyword.arg == "verify" and ast.unparse(keyword.value) == "False":
                    yield "unverified TLS"


def test_nothing_deserialises_code_or_starts_a_shell() -> None:
    assert {
        name_of(path): found for path in MODULES if (found := sorted(_dangers(tree_of(path))))
    } == {}


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from pickle import loads", "eval(x)", "yaml.load(x)", "run(c, shell=True)"],
)
def test_dangers_are_found(text: str) -> None:
    assert list(_dangers(ast.parse(text)))


def test_every_module_that_claims_to_be_pure_is_held_to_it() -> None:
    listed = pure_modules()
    claims = []
    for path in MODULES:
        text = " ".join((ast.get_docstring(tree_of(path)) or "").split())
        module = "pinai_subnet." + name_of(path).removesuffix(".py").replace("/", ".")
        held = any(module == one or module.startswith(one + ".") for one in listed)
        if re.search(r"(^|[.:;] )Pure\b(?! but)", text) and not held:
            claims.append(module)
    assert claims == []


def test_every_module_held_to_purity_exists() -> None:
    for module in pure_modules():
        path = SOURCES.parent / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), module
