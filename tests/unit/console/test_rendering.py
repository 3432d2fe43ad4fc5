"""How values read on a page, and that nothing of somebody else's becomes part of the page."""

import pytest
from jinja2 import UndefinedError

from pinai_subnet.console.rendering import (
    amount,
    byte_size,
    clipped,
    duration,
    make_environment,
    number,
    percent,
    short_id,
    time_text,
    with_codes,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0042, "4 ms"),
        (0.74, "0.74 s"),
        (12.34, "12.3 s"),
        (240, "4 min"),
        (7200, "2 h"),
        (86_400, "24 h"),
        (172_800, "2 d"),
        (-0.004, "-4 ms"),
    ],
)
def test_lengths_of_time(seconds: float | None, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text


def test_amounts_are_exact_whatever_their_size() -> None:
    assert amount("100000000000000") == "0.0001"
    assert amount(10**18) == "1"
    assert amount("1") == "0.000000000000000001"
    assert amount(str(10**40 + 1)) == "10000000000000000000000.000000000000000001"
    assert amount("<b>") == "<b>"
    assert amount("9" * 400).endswith("(400 characters)")


def test_counts_shares_sizes_and_ids() -> None:
    assert number(100_000) == "100\u202f000"
    assert percent(0.123, 1) == "12.3\u00a0%"
    assert byte_size(61_000_000_000) == "61.0\u00a0GB"
    assert short_id("0x" + "ab" * 32) == "0xabababab…ababab"
    assert short_id("short") == "short"
    assert clipped("x" * 500) == "x" * 400 + "… (500 characters)"


@pytest.mark.parametrize("at", [10**30, -(10**30), float("nan"), float("inf")])
def test_times_that_no_calendar_has_are_not_shown(at: float) -> None:
    assert time_text(at) == ""


def test_codes_become_links_and_everything_else_is_escaped() -> None:
    html = str(with_codes("SN-N126 <b>x</b> SN-Z999"))
    assert html == (
        '<a class="code" href="/codes/SN-N126">SN-N126</a> &lt;b&gt;x&lt;/b&gt; SN-Z999'
    )


def test_commands_look_like_commands_whatever_is_in_them() -> None:
    assert str(with_codes("try `a <b>` or `")) == "try <code>a &lt;b&gt;</code> or `"


def test_templates_escape_by_themselves_and_forgive_no_misspelling() -> None:
    environment = make_environment(lambda name: name)
    assert environment.from_string("{{ x }}").render(x="<'\">") == "&lt;&#39;&#34;&gt;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ y }}").render(x=1)


def test_no_template_marks_anything_as_safe() -> None:
    environment = make_environment(lambda name: name)
    for name in environment.list_templates():
        source = environment.loader.get_source(environment, name)[0]  # type: ignore[union-attr]
        for word in ("|safe", "| safe", "autoescape", "style=", "onclick", "javascript:"):
            assert word not in source, name
