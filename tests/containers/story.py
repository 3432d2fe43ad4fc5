"""A document as a story: its shell blocks are run as written, top to bottom, in a fresh directory. Not a test.

A fenced block without a word after the fence, or with `sh`, holds commands: each line is one, a comment behind it is
left out, and the next line begins in the directory where it ended. A block marked `text` is output or a picture.
Anything else is refused, so that nothing in a document looks like a command and is never run.
"""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.containers.deployment_kit import COMMAND_SECONDS, operator_environment
from tests.containers.kit import until

_BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMANDS = ("", "sh")
_OUTPUT = ("text",)


def commands_of(text: str) -> list[str]:
    """Return the commands of a document in their order; raise `ValueError` for a block of an unknown kind."""
    found = []
    for block in _BLOCK.finditer(text):
        if block["kind"] in _OUTPUT:
            continue
        if block["kind"] not in _COMMANDS:
            raise ValueError(f"a block is marked {block['kind']!r}: neither sh nor text")
        lines = (line.partition(" #")[0].strip() for line in block["body"].splitlines())
        found += [line for line in lines if line]
    if text.count("```") != 2 * len(_BLOCK.findall(text)):
        raise ValueError("a fence is not closed, or not at the beginning of a line")
    return found


@dataclass(kw_only=True)
class Story:
    """One reader of one document: where he is, and what he has seen."""

    place: Path
    environment: Mapping[str, str] = field(default_factory=operator_environment)
    told: dict[str, str] = field(default_factory=dict)
    """Command to what it printed, on both streams."""

    def run(self, command: str) -> None:
        """Run one line; it must succeed."""
        end = self.place / ".where"
        script = f"{command}\nstatus=$?\npwd >'{end}'\nexit $status\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.place, env=self.environment, text=True, errors="replace", check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS,
        )  # fmt: skip
        self.told[command] = done.stdout
        assert done.returncode == 0, f"{command}: status {done.returncode}\n{done.stdout}"
        self.place = Path(end.read_text().strip())
        end.unlink()

    def follow(self, command: str, text: str) -> None:
        """Run a line that goes on until the reader stops it, which he does when he has read the text."""
        seen = self.place / ".seen"
        with seen.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.place, env=self.environment, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        try:
            until(
                lambda: text in seen.read_text(errors="replace") or process.poll() is not None,
                f"{command} says {text}",
            )
            ended = process.poll()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)
        self.told[command] = seen.read_text(errors="replace")
        seen.unlink()
        assert ended is None, f"{command} ended by itself: {self.told[command]}"

    def read(
        self,
        text: str,
        *,
        before: Mapping[str, Callable[["Story"], None]] | None = None,
        follows: Mapping[str, str] | None = None,
    ) -> None:
        """Run every command of a document.

        `before` says what is done before a command (what another host does, what is looked at while all runs);
        `follows` names the commands that go on until the reader stops them, with the text that he waits for.
        """
        commands = commands_of(text)
        unknown = {*(before or {}), *(follows or {})} - set(commands)
        assert not unknown, f"the document has no such command: {unknown}"
        for command in commands:
            if before and command in before:
                before[command](self)
            if follows and command in follows:
                self.follow(command, follows[command])
            else:
                self.run(command)
