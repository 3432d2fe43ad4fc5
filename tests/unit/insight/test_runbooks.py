"""A code leads to a runbook that exists, and whatever the console finds wrong leads to one."""

from pathlib import Path

from pinai_subnet.insight import problems
from pinai_subnet.insight.runbooks import RUNBOOK_OF
from pinai_subnet.wire.catalogue import CATALOGUE

PAGES = Path(__file__).resolve().parents[3] / "deployment" / "observability" / "runbooks"
WITHOUT = {problems.DIFFERENT}
"""No alert has the meaning of these."""


def test_every_runbook_that_a_code_leads_to_has_its_page_and_the_code_its_entry() -> None:
    assert set(RUNBOOK_OF.values()) <= {page.stem for page in PAGES.glob("*.md")}
    assert set(RUNBOOK_OF) <= set(CATALOGUE)


def test_every_problem_of_a_network_has_a_runbook() -> None:
    found = {
        code
        for name, code in vars(problems).items()
        if name.isupper() and isinstance(code, str) and code in CATALOGUE
    }
    assert len(found) == 9
    assert found - set(RUNBOOK_OF) == WITHOUT


def test_a_code_that_a_runbook_has_explained_leads_to_a_runbook() -> None:
    for page in PAGES.glob("*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("subnetctl explain "):
                assert line.removeprefix("subnetctl explain ") in RUNBOOK_OF, page.name
