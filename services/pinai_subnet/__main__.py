"""The one executable behind every role: `validator …`, `python -m pinai_subnet validator …` or a link of that name."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pinai_subnet.bootstrap.arguments import Arguments
from pinai_subnet.bootstrap.roles import ROLES
from pinai_subnet.runtime.errors import EXIT_CONFIG, EXIT_OK

USAGE_ERROR = 64

_NEVER_IN_ROLES = ("pygments", "rich")
"""Libraries that others load when they can, and do without: 3 MB of a role for tracebacks that it writes plainly."""


def _role_parser(role: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=role, description=f"Runs the {role} of one subnet.")
    parser.add_argument(
        "--config-dir",
        type=Path,
        default=Path("config"),
        help="directory of the YAML files (default: config)",
    )
    parser.add_argument("--id", default=None, help="which member this is, e.g. validator-1")
    parser.add_argument(
        "--render",
        type=Path,
        default=None,
        metavar="DIR",
        help="check the configuration, write it to DIR with its variables filled in, and run from there",
    )
    parser.add_argument(
        "--hold",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="where configuration or host is wrong, say so and wait this long before ending (default: 0)",
    )
    if role == "validator":
        parser.add_argument(
            "--takeover",
            action="store_true",
            help="end whichever other process has this identity, on whichever host",
        )
        parser.add_argument(
            "--rejoin-empty",
            action="store_true",
            help="the data is lost or damaged: come back without a vote and fetch everything",
        )
    parser.add_argument("--version", action="store_true", help="print version and commit")
    return parser


def _print_version(role: str) -> int:
    """Print the version; what finds it costs as much as everything else here, and no other start needs it."""
    version = importlib.import_module("pinai_subnet.bootstrap.version")
    sys.stdout.write(version.version_text(role) + "\n")
    return EXIT_OK


def _leave_out() -> None:
    """Let imports of what roles never use fail as if it were not installed; only the command line needs it."""
    for name in _NEVER_IN_ROLES:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # documented: None refuses the import


def _run_role(role: str, options: argparse.Namespace) -> int:
    _leave_out()
    arguments = Arguments(
        config_dir=options.config_dir,
        id=options.id,
        takeover=getattr(options, "takeover", False),
        rejoin_empty=getattr(options, "rejoin_empty", False),
    )
    if options.render is not None:
        rendering = importlib.import_module("pinai_subnet.bootstrap.rendering")
        if status := int(rendering.render_role(role, arguments, options.render)):
            return status
        arguments = replace(arguments, config_dir=options.render)
    return int(importlib.import_module(ROLES[role]).main(arguments))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the role named by the executable or by the first argument; return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    role = Path(sys.argv[0]).name
    if role not in ROLES and role != "subnetctl":
        if not words or (words[0] not in ROLES and words[0] != "subnetctl"):
            sys.stderr.write(f"usage: pinai-subnet {{{'|'.join([*ROLES, 'subnetctl'])}}} …\n")
            return USAGE_ERROR
        role = words.pop(0)
    if role == "subnetctl":
        return int(importlib.import_module("pinai_subnet.cli.main").main(words))
    options = _role_parser(role).parse_args(words)
    if options.version:
        return _print_version(role)
    status = _run_role(role, options)
    if status == EXIT_CONFIG and options.hold:
        importlib.import_module("pinai_subnet.bootstrap.holding").hold(role, options.hold)
    return status


if __name__ == "__main__":
    sys.exit(main())
