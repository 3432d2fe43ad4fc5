"""What a process does that could not start: stay, offline, and say why, for as long as it was told. Not a retry."""

import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from pinai_subnet.runtime.errors import EXIT_CONFIG


def hold(role: str, seconds: float) -> None:
    """Wait, and end at once with the status of a wrong configuration when told to stop.

    Under a supervisor that starts again at once, a start that cannot succeed would fill the log and change nothing.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(EXIT_CONFIG)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    sys.stderr.write(f"{role} is not started; looking again in {seconds:g} s\n")
    sys.stderr.flush()
    time.sleep(seconds)
