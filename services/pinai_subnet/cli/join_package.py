"""What a host needs to join a network, in one file: invitation, shared configuration, addresses. No private key.

Reads and writes bytes; asks nobody and makes no key.
"""

import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pinai_subnet.cli.home import Home, is_secret
from pinai_subnet.protocol.errors import SubnetError
from pinai_subnet.protocol.invitations import SignedInvitation
from pinai_subnet.runtime.errors import StartupError, cannot_start
from pinai_subnet.runtime.json_text import parse_json
from pinai_subnet.wire.invitations import InvitationBody, invitation_document

FORMAT = 1
SHARED_FILES = ("network.yaml", "auth_config.yaml", "policy_config.yaml")
"""What all members have alike."""
OWN_FILES = ("validator.yaml",)
"""What a validator reads besides; its variables are of its own host."""
_JSON = "join.json"
_MAX_FILE_BYTES = 1024 * 1024
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPackage:
    """An invitation with everything that is public and that all members have alike."""

    invited: SignedInvitation
    variables: Mapping[str, str]
    files: Mapping[str, str]
    """Name in `config/` -> text."""


def package_of(home: Home, invited: SignedInvitation, network: str) -> JoinPackage:
    """Return the package of a home, with this `network.yaml`; raise `StartupError` SN-K024 for a secret in it."""
    environment = home.environment()
    files = {name: (home.config / name).read_text("utf-8") for name in (*SHARED_FILES, *OWN_FILES)}
    files["network.yaml"] = network
    used = {name for file in SHARED_FILES for name in _VARIABLE.findall(files[file])}
    variables = {
        name: environment[name]
        for name in sorted(used)
        if environment.get(name) and not is_secret(name)
    }
    package = JoinPackage(invited=invited, variables=variables, files=files)
    _without_secrets(package, environment, home)
    return package


def _without_secrets(package: JoinPackage, environment: Mapping[str, str], home: Home) -> None:
    """Whatever an operator wrote where: no value of a secret variable leaves this host."""
    for place, text in (*package.files.items(), ("variables", json.dumps(dict(package.variables)))):
        for name, value in environment.items():
            secrets = value.split(",") if is_secret(name) else ()
            if any(len(one) > 7 and one.strip().removeprefix("0x") in text for one in secrets):
                raise cannot_start(
                    "SN-K024",
                    f"the value of {name} is in {place}: it would leave this host",
                    where=str(home.config / place),
                    fix=f"write ${{{name}}} there instead, or take it out",
                )


def packed(package: JoinPackage) -> bytes:
    """Return the file."""
    document = {
        "format": FORMAT,
        "invitation": invitation_document(package.invited),
        "variables": dict(package.variables),
    }
    contents = {_JSON: json.dumps(document, indent=2)}
    contents |= {f"config/{name}": text for name, text in package.files.items()}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in contents.items():
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(data: bytes, where: str) -> JoinPackage:
    """Return the package in these bytes; raise `StartupError` SN-C126 where they are none."""
    wanted = (_JSON, *(f"config/{name}" for name in (*SHARED_FILES, *OWN_FILES)))
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            texts = {name: _text(archive, name, where) for name in wanted}
        document = parse_json(texts.pop(_JSON).encode())
        variables = document["variables"]
        if document["format"] != FORMAT or not all(
            isinstance(value, str) and "\n" not in value and _VARIABLE.fullmatch("${" + name)
            for name, value in variables.items()
        ):
            raise _not_a_package(where, "its format or its variables are unknown")
        invited = InvitationBody(**document["invitation"]).value()
    except (tarfile.TarError, OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise _not_a_package(where, str(error)) from error
    except (AttributeError, ValidationError, SubnetError) as error:
        raise _not_a_package(where, str(error)) from error
    files = {name.removeprefix("config/"): text for name, text in texts.items()}
    return JoinPackage(invited=invited, variables=variables, files=files)


def _text(archive: tarfile.TarFile, name: str, where: str) -> str:
    entry = archive.getmember(name)
    if not entry.isfile() or entry.size > _MAX_FILE_BYTES:
        raise _not_a_package(where, f"{name} is no file of a sensible size")
    file = archive.extractfile(entry)
    return "" if file is None else file.read().decode()


def _not_a_package(where: str, reason: str) -> StartupError:
    return cannot_start(
        "SN-C126",
        f"this is no join package: {reason[:200]}",
        where=where,
        fix="make one on a host of the network: ./scripts/deploy.sh invite --id ID --host ADDRESS",
    )


def kept_invitation(home: Home) -> SignedInvitation | None:
    """Return the invitation that this home was made from."""
    file = home.root / "invitation.json"
    if not file.is_file():
        return None
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return InvitationBody(**document).value()


def keep_invitation(home: Home, invited: SignedInvitation) -> None:
    """Keep the invitation: a validator shows it for as long as it waits for approvals."""
    text = json.dumps(invitation_document(invited), indent=2) + "\n"
    (home.root / "invitation.json").write_text(text, encoding="utf-8")
