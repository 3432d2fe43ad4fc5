"""Adapters of `ports.signing_record`: one file per technology."""
