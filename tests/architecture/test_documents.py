"""What the documents name exists: commands, flags, targets, files, modules, variables, ports and error codes."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from pinai_subnet.cli.main import application
from pinai_subnet.cli.ports import PortPlan
from pinai_subnet.runtime.dotenv import parse_dotenv
from pinai_subnet.wire.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "services" / "pinai_subnet"
DOCUMENTS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in ("README.md", "services/ARCHITECTURE.md", ".env.example", "Makefile")
} | {f"config/{path.name}": path.read_text("utf-8") for path in (ROOT / "config").glob("*.yaml")}
SAID = DOCUMENTS | {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(SOURCES.rglob("*.py"))
    if "pb" not in path.relative_to(SOURCES).parts
}
"""Documents, and sources with the advice they give."""

COMMAND = re.compile(r"(?:`|^\.venv/bin/)subnetctl +(?P<words>[^`\n]*)", re.MULTILINE)
READ_BY_CODE = {
    "LOG_LEVEL",
    "LOG_FORMAT",
    "LOG_FILE",
    "LOG_MAX_MB",
    "LOG_FILES",
    "LOG_REPEAT_SECONDS",
}
PLACEHOLDERS = {"VAR", "VARIABLE", "MAX", "NAME"}


def quoted(text: str) -> Iterator[str]:
    """What stands in single backticks in a document, its fenced blocks left out."""
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def commands(node: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of subnetctl with its words."""
    if hasattr(node, "commands"):
        yield words, node
        for name, inner in node.commands.items():
            yield from commands(inner, (*words, name))
    else:
        yield words, node


COMMANDS = dict(commands(get_command(application())))


def problem_with(line: str) -> str | None:
    """What is wrong with a `subnetctl` line, as subnetctl itself would see it."""
    words = [word.rstrip(".,;:)…'\"") for word in line.partition("#")[0].split()]
    words = [word for word in words if word]
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in COMMANDS:
        path = (*path, words.pop(0))
    if not path:
        return f"no command: {line}"
    known = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    if hasattr(COMMANDS[path], "commands") and words and not words[0].startswith("-"):
        return f"no command: {line}"
    wrong = [word for word in words if word.startswith("--") and word not in known]
    return f"no flag {wrong[0]}: {line}" if wrong else None


def test_every_named_command_and_flag_exists() -> None:
    """In documents, in comments and in every `fix` that an operator is told."""
    found = [
        f"{name}: {problem}"
        for name, text in SAID.items()
        for match in COMMAND.finditer(text)
        if "{" not in match["words"].partition("--")[0]
        if (problem := problem_with(match["words"]))
    ]
    assert found == []


@pytest.mark.parametrize("line", ["key show", "keys new --secret", "intents list", "status --all"])
def test_commands_that_do_not_exist_are_noticed(line: str) -> None:
    assert problem_with(line)


def test_json_and_home_are_taken_where_the_readme_says() -> None:
    """Every command but `demo` takes --json, every command about a network --home."""
    files = {"keys new", "keys address", "keys pubkey", "backup inspect", "compose carry-record"}
    without_home = {"explain", "version", *files}
    without_home |= {"compose prometheus", "compose write", "compose keys", "compose init"}
    for words, command in COMMANDS.items():
        if hasattr(command, "commands"):
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in known) is (words != ("demo",)), words
        assert ("--home" in known) is (" ".join(words) not in without_home), words


def test_every_named_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", DOCUMENTS["Makefile"], re.MULTILINE))
    for name, text in SAID.items():
        named = re.findall(r"(?:`|^ *)make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= targets, name


def test_every_named_file_exists() -> None:
    made_when_run = {".env", ".demo/", ".network/", "build/bench/", "build/console/"}
    named = {
        path
        for name in ("README.md", "services/ARCHITECTURE.md")
        for path in [
            *re.findall(r"\]\(([^)#:]+)\)", DOCUMENTS[name]),
            *(
                text
                for text in quoted(DOCUMENTS[name])
                if re.fullmatch(r"[\w.*-]*[/.][\w./*-]+", text)
            ),
        ]
        if "/" in path or path.endswith((".md", ".yaml", ".toml"))
    }
    for path in named - made_when_run:
        if path.startswith("/"):
            continue  # a path of a URL: tests/e2e/test_readme.py
        places = (ROOT, ROOT / "services", SOURCES, ROOT / "config")
        assert any(list(place.glob(path.rstrip("/"))) for place in places), path


def test_every_named_module_exists() -> None:
    rows = {path.name for path in SOURCES.iterdir() if path.is_dir()}
    for text in (
        text for name in DOCUMENTS if name.endswith(".md") for text in quoted(DOCUMENTS[name])
    ):
        word = text.removeprefix("pinai_subnet.")
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", word) and word.partition(".")[0] in rows:
            assert importlib.util.find_spec(f"pinai_subnet.{word}"), text
        elif text.startswith("pinai_subnet"):
            assert importlib.util.find_spec(text), text


def test_every_row_of_the_map_is_a_package_and_every_package_is_on_the_map() -> None:
    rows = set(
        re.findall(r"^\| \d \| `(\w+)`", DOCUMENTS["services/ARCHITECTURE.md"], re.MULTILINE)
    )
    packages = {path.parent.name for path in SOURCES.glob("*/__init__.py")}
    assert rows == packages


def test_every_named_code_is_explained() -> None:
    named = {code for text in DOCUMENTS.values() for code in re.findall(r"SN-[A-Z]\d{3}", text)}
    assert named <= set(CATALOGUE)


def _shape(name: str) -> str:
    """A numbered name stands for all of its kind."""
    return re.sub(r"_\d+(?=_|$)", "_N", name)


def test_variables_of_the_configuration_and_of_the_example_are_the_same() -> None:
    used = {
        _shape(name)
        for path in (ROOT / "config").glob("*.yaml")
        for name in re.findall(r"\$\{([A-Z][A-Z0-9_]*)", path.read_text(encoding="utf-8"))
    } - PLACEHOLDERS
    strings = {
        node.value
        for path in (SOURCES / "cli").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    by_cli = {f"{text}N" for text in strings if re.fullmatch(r"[A-Z_]+_", text)}
    by_cli |= {text for text in strings if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", text)}
    example = parse_dotenv(DOCUMENTS[".env.example"].encode(), name=".env.example").values
    documented = {_shape(name) for name in example}
    assert sorted(used - documented) == []
    assert sorted(documented - used - by_cli - READ_BY_CODE) == []


def test_variables_that_code_reads_are_read() -> None:
    logs = (SOURCES / "runtime" / "logs.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in logs for name in READ_BY_CODE)


def test_every_documented_default_is_the_shipped_one() -> None:
    example = parse_dotenv(DOCUMENTS[".env.example"].encode(), name=".env.example").values
    defaults = {
        name: default
        for path in (ROOT / "config").glob("*.yaml")
        for name, default in re.findall(
            r"\$\{([A-Z][A-Z0-9_]*):-([^}]*)\}", path.read_text(encoding="utf-8")
        )
    }
    differing = {
        name: (value, defaults[name])
        for name, value in example.items()
        if name in defaults and value not in ("", defaults[name])
    }
    assert differing == {}


def test_the_documented_ports_are_the_ports() -> None:
    plan = PortPlan.documented(3).endpoints
    example = parse_dotenv(DOCUMENTS[".env.example"].encode(), name=".env.example").values
    assert {name: example[name] for name in example if name in plan} == {
        name: endpoint for name, endpoint in plan.items() if name in example
    }
    table = "".join(line for line in DOCUMENTS["README.md"].splitlines() if line.startswith("| "))
    said = {int(port) for port in re.findall(r"\b(\d{4})\b", table)}
    ports = {int(endpoint.rpartition(":")[2]) for endpoint in plan.values()}
    assert said == ports - {9091, 9096, 7401}, "ranges name their ends"
