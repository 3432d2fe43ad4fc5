"""`subnetctl keys`: make a key file, or show what belongs to one. A private key is never printed."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from pinai_subnet.adapters.signer.local import LocalSigner
from pinai_subnet.cli.screen import Screen
from pinai_subnet.runtime.errors import cannot_start
from pinai_subnet.runtime.settings import read_private_key

app = typer.Typer(no_args_is_help=True, help="Make keys and show their addresses.")

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def new_private_key() -> bytes:
    """Return 32 random bytes that are a valid secp256k1 key."""
    while True:
        candidate = secrets.token_bytes(32)
        if 0 < int.from_bytes(candidate, "big") < CURVE_ORDER:
            return candidate


def write_private_key(path: Path, private_key: bytes) -> None:
    """Write a key file of mode 600; an existing file is never overwritten (SN-K020)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise cannot_start(
            "SN-K020",
            f"{path} exists; a key is never overwritten",
            where=str(path),
            fix="choose another file name, or move the old key away yourself",
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(private_key.hex() + "\n")


KeyFile = Annotated[
    Path, typer.Argument(help="file with 64 hex digits, mode 600", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command("new")
def new(file: KeyFile, as_json: AsJson = False) -> None:
    """Make a new private key in FILE (mode 600) and print its address and public key."""
    private_key = new_private_key()
    write_private_key(file, private_key)
    _show(LocalSigner(private_key), as_json=as_json, file=file)


@app.command("address")
def address(file: KeyFile, as_json: AsJson = False) -> None:
    """Print the address of the key in FILE."""
    signer = LocalSigner(read_private_key(None, file, str(file)))
    Screen(as_json=as_json).result({"address": signer.address}, signer.address)


@app.command("pubkey")
def pubkey(file: KeyFile, as_json: AsJson = False) -> None:
    """Print the uncompressed public key (130 hex digits) of the key in FILE."""
    signer = LocalSigner(read_private_key(None, file, str(file)))
    Screen(as_json=as_json).result({"public_key": signer.public_key.hex()}, signer.public_key.hex())


def _show(signer: LocalSigner, *, as_json: bool, file: Path) -> None:
    facts = {"file": str(file), "address": signer.address, "public_key": signer.public_key.hex()}
    Screen(as_json=as_json).result(
        facts, "\n".join(f"{name}: {value}" for name, value in facts.items())
    )
