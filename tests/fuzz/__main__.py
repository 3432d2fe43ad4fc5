"""Coverage-guided fuzzing with atheris: `make fuzz SECONDS=60 [SURFACE=command]`. Each surface runs in its own process.

What a surface learns stays in build/fuzz/<surface>/ and is where the next run starts; a finding is written there as
`crash-...` and replayed with `python -m tests.fuzz --replay <surface> <file>`.
"""

import argparse
import importlib.util
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

DIRECTORY = Path("build/fuzz")


def main() -> int:
    """Run all surfaces, or the chosen one, one after the other; return 1 if any had a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each surface")
    parser.add_argument("--surface", help="only this one")
    parser.add_argument("--replay", nargs=2, metavar=("SURFACE", "FILE"))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.replay:
        return replay(chosen.replay[0], Path(chosen.replay[1]))
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (it has wheels for Linux only): nothing was fuzzed")
        return 0
    if chosen.child:
        return child(chosen.child, chosen.seconds)
    return parent(chosen.surface, chosen.seconds)


def parent(only: str | None, seconds: int) -> int:
    """Start one process per surface and say how each ended."""
    from tests.fuzz.surfaces import SURFACES  # noqa: PLC0415 - children instrument it first

    names = [one.name for one in SURFACES if only in (None, one.name)]
    if not names:
        print(f"no surface {only!r}; known: {', '.join(one.name for one in SURFACES)}")
        return 2
    failed = []
    for place, name in enumerate(names, start=1):
        print(f"[{place}/{len(names)}] {name}: {seconds} s", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", "--child", name, "--seconds", str(seconds)]
        log = DIRECTORY / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            status = subprocess.run(command, stdout=out, stderr=out, check=False).returncode
        lines = log.read_text(errors="replace").splitlines()
        print("   " + next((one for one in reversed(lines) if "exec/s" in one), "no progress line"))
        if status != 0:
            failed.append(name)
            print(f"   FINDING: see {log}")
    print(f"{len(names) - len(failed)} of {len(names)} surfaces without a finding")
    return 1 if failed else 0


def child(name: str, seconds: int) -> int:
    """Fuzz one surface; libFuzzer ends the process."""
    import atheris  # noqa: PLC0415 - optional

    with atheris.instrument_imports(include=["pinai_subnet"], enable_loader_override=False):
        from tests.fuzz.surfaces import SURFACES, refuses_or_takes  # noqa: PLC0415

    surface = next(one for one in SURFACES if one.name == name)
    corpus = DIRECTORY / name
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in surface.seeds():
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=16384",
        "-rss_limit_mb=2048",
        "-timeout=20",
        f"-artifact_prefix={corpus}/",
    ]

    def once(data: bytes) -> None:
        refuses_or_takes(surface, data)

    atheris.Setup([sys.argv[0], *options, str(corpus)], once)
    atheris.Fuzz()
    return 0


def replay(name: str, path: Path) -> int:
    """Feed one file to a surface, without atheris, and let what comes out show."""
    from tests.fuzz.surfaces import SURFACES, refuses_or_takes  # noqa: PLC0415

    surface = next(one for one in SURFACES if one.name == name)
    print("taken" if refuses_or_takes(surface, path.read_bytes()) else "refused with a code")
    return 0


if __name__ == "__main__":
    sys.exit(main())
