"""The base of all settings models, and what can be read off a model's declaration. Not loading."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr


class Settings(BaseModel):
    """Base of every settings model: frozen, unknown keys refused, defaults validated, values kept out of errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


def fields_at(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """Return the keys that the mapping at this path may have, of every model that may stand there."""
    names: list[str] = []
    for annotation in _annotations_at(model, path):
        for candidate in _models(annotation):
            names += [field.alias or name for name, field in candidate.model_fields.items()]
    return tuple(dict.fromkeys(names))


def is_secret_field(model: type[BaseModel], path: Sequence[str | int]) -> bool:
    """Say whether the value at this path is declared as a secret type."""
    return any(
        leaf in (SecretStr, SecretBytes)
        for annotation in _annotations_at(model, path)
        for leaf in _leaves(annotation)
    )


def _annotations_at(model: type[BaseModel], path: Sequence[str | int]) -> list[Any]:
    current: list[Any] = [model]
    for part in path:
        current = [child for annotation in current for child in _children(annotation, part)]
    return current


def _children(annotation: Any, part: str | int) -> Iterator[Any]:
    for leaf in _leaves(annotation):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            for name, field in leaf.model_fields.items():
                if part in (name, field.alias):
                    yield field.annotation
            continue
        origin, arguments = get_origin(leaf), get_args(leaf)
        if origin is None or not isinstance(origin, type):
            continue
        if issubclass(origin, Mapping) and len(arguments) == 2:
            yield arguments[1]
        elif isinstance(part, int) and issubclass(origin, Sequence | set | frozenset):
            yield from (argument for argument in arguments if argument is not Ellipsis)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    for leaf in _leaves(annotation):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            yield leaf


def _leaves(annotation: Any) -> Iterator[Any]:
    """Yield the alternatives of an annotation: through unions, `Annotated` and type aliases."""
    value = getattr(annotation, "__value__", None)
    if value is not None:
        yield from _leaves(value)
        return
    origin = get_origin(annotation)
    if origin is None or (
        isinstance(origin, type) and issubclass(origin, Mapping | Sequence | set | frozenset)
    ):
        yield annotation
        return
    arguments = get_args(annotation)
    for argument in arguments[:1] if hasattr(annotation, "__metadata__") else arguments:
        yield from _leaves(argument)
