"""Runs a module of the network under cProfile: `profiled.py OUTPUT MODULE ARGUMENT...`; writes statistics at its end.

Counts the processor time of the main thread, not the clock: on a busy machine the clock also counts who else ran.
"""

import cProfile
import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the module that the arguments name as if it had been started itself."""
    output, module, *arguments = sys.argv[1:]
    # Started as a file, because the members of a network do not see the repository; its folder hides nothing then.
    sys.path.remove(str(Path(__file__).parent))
    sys.argv = [module, *arguments]
    profile = cProfile.Profile(time.thread_time)
    try:
        profile.runcall(runpy.run_module, module, run_name="__main__", alter_sys=True)
    finally:
        profile.dump_stats(output)


if __name__ == "__main__":
    main()
