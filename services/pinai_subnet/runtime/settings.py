"""Settings: YAML files and variables to frozen pydantic models, with every problem of every file reported at once.

Not what the settings mean: each process declares its own models on top of `Settings`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import pydantic
import yaml

from pinai_subnet.runtime import yaml_text
from pinai_subnet.runtime.errors import StartupError, StartupProblem
from pinai_subnet.runtime.expansion import expand
from pinai_subnet.runtime.private_key import read_private_key
from pinai_subnet.runtime.secret_names import MASK, is_secret_name, looks_like_private_key
from pinai_subnet.runtime.settings_models import Settings, is_secret_field
from pinai_subnet.runtime.settings_problems import describe

__all__ = [
    "Loaded",
    "Settings",
    "SettingsLoader",
    "load_settings",
    "read_private_key",
    "render",
    "show",
]

M = TypeVar("M", bound=pydantic.BaseModel)
P = TypeVar("P")


class _Unresolved:
    """Stands for a value whose variable is missing: fits no declared type, so nothing is concluded from it."""


class Loaded(Generic[M]):
    """One file's settings, available once the loader found no problem; knows where each value was written."""

    def __init__(
        self,
        value: M | None,
        document: yaml_text.Document,
        loader: "SettingsLoader",
        data: Any,
    ) -> None:
        """Made by `SettingsLoader.load`."""
        self._value = value
        self._document = document
        self._loader = loader
        self._data = data

    @property
    def ok(self) -> bool:
        """Say whether this file was valid, so that checks across files can be made before `finish`."""
        return self._value is not None

    @property
    def value(self) -> M:
        """Return the model; raise `StartupError` with all problems so far if the file was not valid."""
        if self._value is None:
            raise StartupError(self._loader.problems)
        return self._value

    def part(self, declared: type[P], *path: str | int) -> P | None:
        """Return one value of the file even where others are wrong, so that a start reports the problems of both.

        None where it is absent or itself wrong, which was reported already.
        """
        node = self._data
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return None
        try:
            found: P = pydantic.TypeAdapter(declared).validate_python(node)
        except pydantic.ValidationError:
            return None
        return found

    def private_key(self) -> bytes | None:
        """Read the key that `private_key` or `private_key_file` gives, also where other settings are wrong.

        Raises `StartupError` as `read_private_key` does; None where what is written there was reported already.
        """
        value = self.part(pydantic.SecretStr, "private_key")
        file = self.part(Path, "private_key_file") if self.part(str, "private_key_file") else None
        if value is None and file is None and not self.ok:
            return None
        where = self.where("private_key_file" if file else "private_key")
        return read_private_key(value, file, where)

    def where(self, *path: str | int) -> str:
        """Return `file:line a.b` for a value, for checks that go beyond one field."""
        return self._document.where(path)


class SettingsLoader:
    """Loads several files, keeps every problem, and raises them together in `finish`."""

    def __init__(
        self, environ: Mapping[str, str], *, origins: Mapping[str, str] | None = None
    ) -> None:
        """Expand variables from `environ`; `origins` says where each was set (`.env:14`), for messages."""
        self._environ = environ
        self._origins = origins or {}
        self.problems: list[StartupProblem] = []

    def load(self, model: type[M], path: Path, *, optional: bool = False) -> Loaded[M]:
        """Load one file into `model`; an `optional` file that does not exist counts as empty."""
        before = len(self.problems)
        document = self._read(path, optional=optional)
        unresolved: dict[yaml_text.Path, tuple[str, ...]] = {}
        names: dict[yaml_text.Path, tuple[str, ...]] = {}
        self._refuse_literal_secrets(model, document)
        data = self._expanded(document, document.root, (), unresolved, names)
        value: M | None = None
        if not document.problems:
            try:
                value = model.model_validate({} if data is None else data)
            except pydantic.ValidationError as exc:
                errors = [e for e in exc.errors() if not _within(e["loc"], unresolved)]
                self.problems += describe(model, document, errors, names)
        return Loaded(value if len(self.problems) == before else None, document, self, data)

    def report(self, code: str, message: str, *, where: str | None, fix: str) -> None:
        """Add a problem found by a check that goes beyond one field or one file."""
        self.problems.append(StartupProblem(code, message, where, fix))

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Keep the problems of a `StartupError` raised inside and go on."""
        try:
            yield
        except StartupError as exc:
            self.problems += exc.problems

    def finish(self) -> None:
        """Raise one `StartupError` with all problems, if there are any."""
        if self.problems:
            raise StartupError(self.problems)

    def _read(self, path: Path, *, optional: bool) -> yaml_text.Document:
        document = yaml_text.Document(str(path))
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as exc:
            message = f"byte {exc.start} is not UTF-8"
            document.problems.append(
                StartupProblem("SN-C002", message, str(path), "save the file as UTF-8 text")
            )
        except OSError as exc:
            if not (optional and isinstance(exc, FileNotFoundError)):
                document.problems.append(
                    StartupProblem(
                        "SN-C008",
                        f"cannot read {path}: {exc.strerror}",
                        str(path),
                        "make it with `subnetctl init`, or correct --config-dir and the file's permissions",
                    )
                )
        else:
            document = yaml_text.parse(text, str(path))
            if document.root is not None and not isinstance(document.root, dict):
                document.problems.append(
                    StartupProblem(
                        "SN-C002",
                        "expected keys and values at the top level",
                        str(path),
                        "write `key: value` lines",
                    )
                )
        self.problems += document.problems
        return document

    def _refuse_literal_secrets(
        self, model: type[pydantic.BaseModel], document: yaml_text.Document
    ) -> None:
        for path, scalar in _scalars(document.root, ()):
            declared = is_secret_field(model, path)
            named = any(isinstance(part, str) and is_secret_name(part) for part in path[-2:])
            literal = scalar.text.strip()
            without_variables = "${" not in literal
            hidden_default = not without_variables and any(
                looks_like_private_key(part)
                for part in literal.replace("}", "\n").replace(":-", "\n").split("\n")
            )
            written = declared and literal and without_variables and scalar.tag != "null"
            if written or hidden_default or (named and looks_like_private_key(literal)):
                self.report(
                    "SN-C007",
                    "a secret is written in YAML; secrets come from a variable or a key file",
                    where=document.where(path),
                    fix="move the value to .env and write ${VARIABLE} here; treat the old value as leaked",
                )

    def _expanded(
        self,
        document: yaml_text.Document,
        node: Any,
        path: yaml_text.Path,
        unresolved: dict[yaml_text.Path, tuple[str, ...]],
        names: dict[yaml_text.Path, tuple[str, ...]],
    ) -> Any:
        if isinstance(node, dict):
            return {
                key: self._expanded(document, item, (*path, key), unresolved, names)
                for key, item in node.items()
            }
        if isinstance(node, list):
            return [
                self._expanded(document, item, (*path, index), unresolved, names)
                for index, item in enumerate(node)
            ]
        if not isinstance(node, yaml_text.Scalar):
            return node
        if node.tag != "str":
            return _typed(node)
        result = expand(node.text, self._environ)
        names[path] = result.names
        for name, message in result.missing:
            self.report(
                "SN-C001",
                self._missing(name) + (f": {message}" if message else ""),
                where=document.where(path),
                fix=f"set {name} in .env or in the environment",
            )
        for form in result.malformed:
            shown = form if len(form) <= 40 and not looks_like_private_key(form[2:-1]) else "${…}"
            self.report(
                "SN-C012",
                f"{shown} is not a variable; expected ${{VAR}}, ${{VAR:-default}} or ${{VAR:?message}}",
                where=document.where(path),
                fix="correct it, or write $$ for a literal dollar sign",
            )
        if result.missing or result.malformed:
            unresolved[path] = result.names
            return _Unresolved()
        return result.text

    def _missing(self, name: str) -> str:
        if name not in self._environ:
            return f"{name} is not set"
        origin = self._origins.get(name)
        return f"{name} is empty" + (f" ({origin})" if origin else "")


def load_settings(model: type[M], path: Path, *, environ: Mapping[str, str]) -> M:
    """Load one file; raise `StartupError` with every problem in it."""
    loader = SettingsLoader(environ)
    loaded = loader.load(model, path)
    loader.finish()
    return loaded.value


def show(
    path: Path, *, environ: Mapping[str, str], model: type[pydantic.BaseModel] | None = None
) -> str:
    """Return the expanded YAML with secrets masked: by field name, and by type where a model is given."""
    return _dump(_masked(_expanded_file(path, environ), (), model))


def render(path: Path, out: Path, *, environ: Mapping[str, str]) -> None:
    """Write the expanded YAML to `out` with mode 0600; loading it gives the same values.

    Secrets, known by their field's name, stay the variables that they are: whoever may read them has them already.
    """
    source = yaml_text.parse(path.read_text("utf-8-sig"), str(path))
    secrets = {
        found: scalar.text
        for found, scalar in _scalars(source.root, ())
        if is_secret_name(next((part for part in reversed(found) if isinstance(part, str)), ""))
    }
    text = _dump(_rendered(_expanded_file(path, environ), (), secrets))
    partial = out.with_name(out.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(out)


class _AnyKeys(pydantic.RootModel[dict[str, Any]]):
    """Accepts every mapping: expansion without a schema."""


def _expanded_file(path: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    return load_settings(_AnyKeys, path, environ=environ).root


def _dump(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _masked(node: Any, path: yaml_text.Path, model: type[pydantic.BaseModel] | None) -> Any:
    if isinstance(node, dict):
        return {key: _masked(item, (*path, key), model) for key, item in node.items()}
    if isinstance(node, list):
        return [_masked(item, (*path, index), model) for index, item in enumerate(node)]
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    secret = is_secret_name(name) or (model is not None and is_secret_field(model, path))
    return MASK if secret and node not in (None, "") and not isinstance(node, bool) else node


def _rendered(node: Any, path: yaml_text.Path, secrets: Mapping[yaml_text.Path, str]) -> Any:
    """Return the values as they are written again: secrets as in the source, in other texts `$` doubled."""
    if isinstance(node, dict):
        return {key: _rendered(item, (*path, key), secrets) for key, item in node.items()}
    if isinstance(node, list):
        return [_rendered(item, (*path, index), secrets) for index, item in enumerate(node)]
    if isinstance(node, str):
        return secrets[path] if path in secrets else node.replace("$", "$$")
    return node


def _typed(scalar: yaml_text.Scalar) -> Any:
    match scalar.tag:
        case "bool":
            return scalar.text.lower() == "true"
        case "int":
            return int(scalar.text)
        case "float":
            return float(scalar.text)
        case "null":
            return None
    return scalar.text


def _scalars(node: Any, path: yaml_text.Path) -> Iterator[tuple[yaml_text.Path, yaml_text.Scalar]]:
    if isinstance(node, dict):
        for key, item in node.items():
            yield from _scalars(item, (*path, key))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _scalars(item, (*path, index))
    elif isinstance(node, yaml_text.Scalar):
        yield path, node


def _within(location: tuple[str | int, ...], paths: Mapping[yaml_text.Path, object]) -> bool:
    return any(location[: len(path)] == path for path in paths)
