"""The protocol on the wire: .proto sources, generated code, codecs between messages and values, errors as statuses."""
