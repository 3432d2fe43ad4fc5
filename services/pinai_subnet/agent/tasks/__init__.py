"""The tasks that simple-agent does: echo, json-transform, script. Examples of handlers, safe with hostile payloads."""
