"""Which field names hold secrets, and what is shown instead. One rule for settings, logs and rendered files."""

import re

MASK = "[redacted]"

_SECRET = re.compile(r"key|secret|token|passw(or)?d|passphrase|private|mnemonic", re.IGNORECASE)
_HARMLESS = re.compile(r"public|pub_?key|(_file|_path|_dir|_id|_ids|_seconds)$", re.IGNORECASE)
_KEY_TEXT = re.compile(r"(0[xX])?[0-9a-fA-F]{64}")


def is_secret_name(name: str) -> bool:
    """Say whether a field of this name may hold a secret; public keys and names of files do not."""
    return _SECRET.search(name) is not None and _HARMLESS.search(name) is None


def looks_like_private_key(text: str) -> bool:
    """Say whether the whole text is 64 hex digits, with or without 0x."""
    return _KEY_TEXT.fullmatch(text.strip()) is not None
