"""A runbook on a page is the file's text, readable and harmless."""

import html
import re
from pathlib import Path

import pytest

from pinai_subnet.console.runbooks import Runbooks, html_of

PAGES = Path(__file__).resolve().parents[3] / "deployment" / "observability" / "runbooks"


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_a_page_says_what_its_file_says_and_leads_to_pages_that_are_there(path: Path) -> None:
    runbooks = Runbooks()
    shown = runbooks.find(path.stem)
    assert shown is not None
    told = html.unescape(re.sub(r"<[^>]*>", " ", shown))
    text = path.read_text(encoding="utf-8").partition("\n")[2]
    assert words(told) == words(re.sub(r"\]\(\w+\.md\)|```sh", " ", text))
    assert not re.search(r"\*\*|`|\]\(", told)
    for name in re.findall(r'href="/runbooks/(\w+)"', shown):
        assert name in runbooks.names
    assert "<pre><code>subnetctl " in shown


def test_there_is_no_page_that_nobody_wrote() -> None:
    runbooks = Runbooks()
    assert list(runbooks.names) == sorted(path.stem for path in PAGES.glob("*.md"))
    assert runbooks.find("../runbooks/NoLeader") is None


def test_what_looks_like_html_is_shown_as_text() -> None:
    shown = html_of(
        "# T\n\n**<b>** `<i>` <script>1</script> [x](javascript:1)\n\n```sh\n<a>&\n```\n"
    )
    assert shown == (
        "<p><strong>&lt;b&gt;</strong> <code>&lt;i&gt;</code> &lt;script&gt;1&lt;/script&gt; [x](javascript:1)</p>\n"
        "<pre><code>&lt;a&gt;&amp;</code></pre>"
    )
