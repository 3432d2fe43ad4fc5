"""Adapters of `ports.statements`: one file per technology."""
