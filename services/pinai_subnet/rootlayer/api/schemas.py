"""OpenAPI schemas of protobuf messages in their JSON form, read off the descriptors so that they cannot be wrong."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Schema = dict[str, Any]

_UINT32 = {"type": "integer", "minimum": 0}
_INT32 = {"type": "integer", "format": "int32"}
_INT64: Schema = {
    "oneOf": [{"type": "string", "pattern": "^-?[0-9]+$"}, {"type": "integer"}],
    "description": "64-bit integer; sent as a decimal string, a number is read as well.",
}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte", "description": "Base64."},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_UINT64: _INT64,
}


def message_schema(kind: type[Message]) -> Schema:
    """Return the schema of a message: lowerCamelCase properties, unknown ones refused."""
    return _message(kind.DESCRIPTOR)


def _message(descriptor: Any) -> Schema:
    return {
        "type": "object",
        "title": descriptor.name,
        "additionalProperties": False,
        "properties": {field.json_name: _field(field) for field in descriptor.fields},
    }


def query_parameters(kind: type[Message]) -> list[Schema]:
    """Return a flat message's fields as query parameters."""
    return [
        {"name": field.json_name, "in": "query", "required": False, "schema": _field(field)}
        for field in kind.DESCRIPTOR.fields
    ]


def object_schema(title: str, **properties: Schema) -> Schema:
    """Return the schema of an answer of our own; every property is always present."""
    return {
        "type": "object",
        "title": title,
        "required": list(properties),
        "properties": properties,
    }


def array_of(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def _field(field: Any) -> Schema:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": _one(message.fields_by_name["value"]),
        }
    return array_of(_one(field)) if field.is_repeated else _one(field)


def _one(field: Any) -> Schema:
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return _SCALARS[field.type]
