"""The ledger is a pure function: nothing it is made of reads a clock, a socket, a file or a random number."""

import ast
from pathlib import Path

import pinai_subnet

ROOT = Path(pinai_subnet.__file__).parent
IMPURE = {
    *("asyncio", "time", "datetime", "random", "secrets", "os", "sys", "socket", "threading"),
    *("subprocess", "pathlib", "io", "pickle", "yaml"),
    *("grpc", "google", "pydantic", "structlog", "fastapi", "httpx", "msgspec", "sqlite3"),
}


def imports_of(module: str) -> set[str]:
    path = ROOT.parent / (module.replace(".", "/") + ".py")
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def reachable(module: str) -> dict[str, set[str]]:
    """Every module of ours below this one, with what it imports."""
    seen: dict[str, set[str]] = {}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen[current] = imports_of(current)
            waiting += [name for name in seen[current] if name.startswith("pinai_subnet.")]
    return seen


def test_nothing_the_ledger_is_made_of_imports_the_world() -> None:
    modules = reachable("pinai_subnet.validator.ledger")
    impure = {
        (module, name)
        for module, names in modules.items()
        for name in names
        if name.split(".")[0] in IMPURE
    }
    assert not impure
    assert "pinai_subnet.validator.sealing" in modules
    assert {name.split(".")[1] for name in modules} == {"protocol", "validator"}
