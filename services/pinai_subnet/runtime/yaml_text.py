"""YAML text to plain data in which every value knows its line. Not validation, not variables.

Only the part of YAML that configuration needs: no anchors, no aliases, no tags. Unquoted words mean what they do in
YAML 1.2: `true` and `false` are booleans, decimal numbers are numbers, everything else (`off`, `yes`, `0x12`, `1:30`)
is text.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from pinai_subnet.runtime.errors import StartupProblem

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """A safe loader that resolves only the YAML 1.2 core words and refuses aliases."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base class declares it and fills a copy per class

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Refuse anchors and aliases: one value in two places has no single line to name."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(
                None, None, "anchors and aliases are not supported", event.start_mark
            )
        return super().compose_node(parent, index)


_WORDS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", [*"-+0123456789"]),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", [*"-+0123456789"]),
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
)
for _word, _pattern, _first in _WORDS:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_word}", re.compile(f"^(?:{_pattern})$"), _first
    )


@dataclass(frozen=True, slots=True)
class Scalar:
    """One scalar as written: its text, and whether quotes or YAML say that it is text."""

    text: str
    tag: str


@dataclass(slots=True)
class Document:
    """The data of one YAML text. Scalars are still `Scalar`; `lines` has the line of every key and item."""

    name: str
    root: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[StartupProblem] = field(default_factory=list)

    def where(self, path: Path) -> str:
        """Return `file:line dotted.path` of a value, or of its nearest parent that exists."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                break
        else:
            line = 1
        return f"{self.name}:{line} {dotted(path)}".rstrip()


def dotted(path: Path) -> str:
    """Return `a.b[0].c`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, name: str) -> Document:
    """Parse YAML text; problems (SN-C002, SN-C003) are collected in the document."""
    document = Document(name)
    try:
        node = _compose(text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 1
        message = ", ".join(part for part in (exc.context, exc.problem) if part)
        document.problems.append(_not_yaml(f"{name}:{line}", f"not valid YAML: {message}"))
        return document
    except yaml.YAMLError as exc:
        reason = getattr(exc, "reason", "unreadable text")
        document.problems.append(_not_yaml(name, f"not valid YAML: {reason}"))
        return document
    if node is not None:
        document.root = _walk(document, node, ())
    return document


def _compose(text: str) -> Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _walk(document: Document, node: Node, path: Path) -> Any:
    line = node.start_mark.line + 1
    document.lines.setdefault(path, line)
    if isinstance(node, MappingNode) and node.tag == "tag:yaml.org,2002:map":
        return _mapping(document, node, path)
    if isinstance(node, SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        return [_walk(document, item, (*path, index)) for index, item in enumerate(node.value)]
    if isinstance(node, ScalarNode) and node.tag.startswith("tag:yaml.org,2002:"):
        return Scalar(node.value, node.tag.removeprefix("tag:yaml.org,2002:"))
    document.problems.append(
        _not_yaml(document.where(path), f"the YAML tag {node.tag} is not supported")
    )
    return None


def _mapping(document: Document, node: MappingNode, path: Path) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode):
            document.problems.append(
                _not_yaml(f"{document.name}:{line}", "a key must be plain text")
            )
            continue
        key = key_node.value
        here = (*path, key)
        if key in result:
            document.problems.append(
                StartupProblem(
                    "SN-C003",
                    f"the key {dotted(here)} is given twice, at lines {document.lines[here]} and {line}",
                    f"{document.name}:{line}",
                    "keep one of the two",
                )
            )
            continue
        document.lines[here] = line
        result[key] = _walk(document, value_node, here)
    return result


def _not_yaml(where: str, message: str) -> StartupProblem:
    return StartupProblem("SN-C002", message, where, "correct the YAML at this place")
