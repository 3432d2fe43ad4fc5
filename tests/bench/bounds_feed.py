"""A worker that makes the commands of very many intents ahead of the ledger that takes them: signed, encoded, framed.

Framed bytes on standard output instead of JSON lines: for every hundred intents a count of commands, then each with its
length before it. Runs as a module of its own.
"""

import struct
import sys

from tests.bench.intent_lives import KEYS, PARAMETERS, until_judged

from pinai_subnet.validator.command_codec import encode_command

LENGTH = struct.Struct("<I")


def main() -> None:
    """Write so many hundreds as the argument says."""
    out = sys.stdout.buffer
    for number in range(int(sys.argv[1])):
        commands = [
            encode_command(command, KEYS[command.stamp.proposer], PARAMETERS.subnet_id)
            for command in until_judged(number)
        ]
        out.write(LENGTH.pack(len(commands)))
        for data in commands:
            out.write(LENGTH.pack(len(data)))
            out.write(data)


if __name__ == "__main__":
    main()
