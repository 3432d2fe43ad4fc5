"""Every key of the shipped configuration is declared, documented, used, and shown by a test to change behaviour."""

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from tests.architecture.configuration_proofs import ARRIVAL, PROOFS

from pinai_subnet.agent.settings import AgentSettings
from pinai_subnet.console.settings import ConsoleSettings
from pinai_subnet.matcher.settings import MatcherPolicy, MatcherSettings
from pinai_subnet.registry.settings import RegistrySettings
from pinai_subnet.rootlayer.settings import RootLayerSettings
from pinai_subnet.validator.policy_settings import ValidatorPolicies
from pinai_subnet.validator.settings import ValidatorSettings
from pinai_subnet.wire.auth_file import AuthFile
from pinai_subnet.wire.network_file import NetworkFile

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
TESTS = ROOT / "tests"
MODELS: dict[str, type[BaseModel]] = {
    "agent.yaml": AgentSettings,
    "auth_config.yaml": AuthFile,
    "console.yaml": ConsoleSettings,
    "matcher.yaml": MatcherSettings,
    "network.yaml": NetworkFile,
    "registry.yaml": RegistrySettings,
    "rootlayer.yaml": RootLayerSettings,
    "validator.yaml": ValidatorSettings,
}
POLICIES: dict[str, type[BaseModel]] = {"matcher": MatcherPolicy, "validator": ValidatorPolicies}
KEY_LINE = re.compile(r"(?P<indent> *)(?P<item>- )?(?P<key>[\w-]+):(?P<value>.*)")


def document(file: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CONFIG / file).read_text(encoding="utf-8"))
    return loaded


def leaves(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every key that has a value, with its dotted path; of a list of sections the first stands for all."""
    if isinstance(node, dict) and node:
        for key, item in node.items():
            yield from leaves(item, (*path, str(key)))
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        yield from leaves(node[0], (*path, "*"))
    else:
        yield ".".join(path), node


def all_keys() -> dict[str, Any]:
    return {
        f"{path.name}:{key}": value
        for path in sorted(CONFIG.glob("*.yaml"))
        for key, value in leaves(document(path.name))
    }


def is_number(value: Any) -> bool:
    if isinstance(value, str) and ":-" in value:
        value = value.removesuffix("}").partition(":-")[2]
        return bool(re.fullmatch(r"[0-9.]+", value)) and value.count(".") <= 1
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_every_key_has_a_proof() -> None:
    """Known defects D1 to D4: settings that nothing reads."""
    unproven = [k for k, value in all_keys().items() if k not in PROOFS and not is_number(value)]
    assert unproven == []


def test_no_proof_is_for_a_key_that_is_gone() -> None:
    assert sorted(set(PROOFS) - set(all_keys())) == []


def test_every_proof_exists() -> None:
    named = {ARRIVAL, *(test for tests in PROOFS.values() for test in tests)}
    existing: dict[str, set[str]] = {}
    for test in named:
        file = test.partition("::")[0]
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        existing[file] = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    missing = [t for t in named if t.partition("::")[2] not in existing[t.partition("::")[0]]]
    assert sorted(missing) == []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _differences(model: type[BaseModel], node: dict[str, Any], path: str) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    yield from (f"{path}{name} is declared but not shipped" for name in set(fields) - set(node))
    yield from (f"{path}{name} is shipped but not declared" for name in set(node) - set(fields))
    for name, value in node.items():
        inner = value[0] if isinstance(value, list) and value else value
        if name in fields and isinstance(inner, dict) and inner:
            for section in _models(fields[name].annotation):
                yield from _differences(section, inner, f"{path}{name}.")


@pytest.mark.parametrize("file", list(MODELS))
def test_declared_and_shipped_keys_are_the_same(file: str) -> None:
    assert list(_differences(MODELS[file], document(file), f"{file}:")) == []


@pytest.mark.parametrize("section", list(POLICIES))
def test_declared_and_shipped_policies_are_the_same(section: str) -> None:
    shipped = document("policy_config.yaml")
    assert set(shipped) == set(POLICIES)
    assert list(_differences(POLICIES[section], shipped[section], f"{section}.")) == []


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_every_key_is_explained(path: Path) -> None:
    """A comment on its line, above it, or at the section it belongs to."""
    unexplained, sections = [], list[tuple[int, bool]]()
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        match = KEY_LINE.fullmatch(line)
        if match is None:
            continue
        depth = len(match["indent"]) + len(match["item"] or "")
        while sections and sections[-1][0] >= depth:
            sections.pop()
        above = number > 0 and lines[number - 1].lstrip().startswith("#")
        explained = "#" in line or above or any(said for _, said in sections)
        if match["value"].partition("#")[0].strip() and not explained:
            unexplained.append(f"{path.name}:{number + 1} {match['key']}")
        sections.append((depth, explained))
    assert unexplained == []
