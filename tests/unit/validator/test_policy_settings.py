"""Policies as operators write them."""

from pathlib import Path

import pytest

from pinai_subnet.runtime.errors import StartupError
from pinai_subnet.runtime.settings import SettingsLoader
from pinai_subnet.validator.policy import Policy, PolicyBook
from pinai_subnet.validator.policy_settings import PolicySection, load_policies

SHIPPED = Path(__file__).parents[3] / "config"


def book_of(tmp_path: Path, text: str) -> PolicyBook:
    (tmp_path / "policy_config.yaml").write_text(text)
    loader = SettingsLoader({})
    policies = load_policies(loader, tmp_path)
    loader.finish()
    assert policies is not None
    return policies.book()


def test_the_shipped_file_is_the_default_policy() -> None:
    """D1: the file is read, and what it says is what the code's default says."""
    loader = SettingsLoader({})
    policies = load_policies(loader, SHIPPED)
    loader.finish()
    assert policies is not None
    assert policies.book().default == Policy()


def test_the_shipped_file_names_every_key() -> None:
    text = (SHIPPED / "policy_config.yaml").read_text()
    missing = [name for name in PolicySection.model_fields if f"{name}:" not in text]
    assert missing == []


def test_a_type_overrides_only_what_it_writes(tmp_path: Path) -> None:
    book = book_of(
        tmp_path,
        "validator:\n"
        "  default: {max_age_seconds: 60, accept_partial: true}\n"
        "  intent_types:\n"
        "    render: {required_evidence: [proof_exec], weights: {lease: 1, evidence: 0, output: 0}}\n",
    )
    render = book.for_type("render")
    assert render.policy_id == "render"
    assert render.required_evidence == ("proof_exec",)
    assert render.max_age_seconds == 60
    assert render.accept_partial
    assert render.weights.lease == 1
    assert book.for_type("echo").required_evidence == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("validator: {default: {max_age_second: 1}}", "SN-C004"),
        ("validator: {default: {required_evidence: [proof]}}", "SN-C005"),
        (
            "validator: {default: {weighted_scoring: true, weights: {lease: 0, evidence: 0, output: 0}}}",
            "SN-V097",
        ),
        ("validator: {unknown_assignment: maybe}", "SN-C005"),
    ],
)
def test_a_contradictory_or_unknown_key_stops_the_start(
    tmp_path: Path, text: str, code: str
) -> None:
    with pytest.raises(StartupError) as caught:
        book_of(tmp_path, text)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_no_file_means_the_default_policy(tmp_path: Path) -> None:
    loader = SettingsLoader({})
    policies = load_policies(loader, tmp_path)
    loader.finish()
    assert policies is not None
    assert policies.book().default == Policy()
