"""Shell scripts with `pipefail` ask no pipe whether grep finds something: grep ends at the first match, and then the
program that still writes has failed, now and then. A rollback once removed a container because of that.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = sorted(
    path
    for path in (*(ROOT / "deployment").rglob("*.sh"), *(ROOT / "scripts").iterdir())
    if path.is_file()
)


def test_no_script_asks_a_pipe_whether_grep_finds_something() -> None:
    assert len(SCRIPTS) > 10
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SCRIPTS
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"(?<!\|)\|\s*grep\s+-\w*q", line)
    ]
    assert found == []
