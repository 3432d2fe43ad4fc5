"""Runs a module of the network with a ledger that keeps less: `limited.py {"max_ended": 500} MODULE ARGUMENT...`.

The bounds of the ledger are agreed rules and no settings, and reaching them takes longer than a benchmark lasts.
"""

import json
import runpy
import sys
from pathlib import Path

from pinai_subnet.validator.limits import LedgerLimits


def main() -> None:
    """Change the defaults, then run the module that the arguments name as if it had been started itself."""
    changes, module, *arguments = sys.argv[1:]
    # Started as a file, because the members of a network do not see the repository; its folder hides nothing then.
    sys.path.remove(str(Path(__file__).parent))
    sys.argv = [module, *arguments]
    defaults = LedgerLimits.__init__.__kwdefaults__
    wanted = json.loads(changes)
    if wanted.keys() - defaults.keys():
        raise SystemExit(f"no limits of the ledger: {wanted.keys() - defaults.keys()}")
    defaults.update(wanted)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
