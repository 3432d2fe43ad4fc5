"""The table from errors to statuses is complete, and every code of the runtime is explained."""

import re
from pathlib import Path

import pytest
from grpc import StatusCode

import pinai_subnet.runtime
from pinai_subnet.ports.errors import DependencyError, Unreachable
from pinai_subnet.protocol.errors import SubnetError, WrongState
from pinai_subnet.runtime.problems import GrpcStatus
from pinai_subnet.wire.catalogue import CATALOGUE
from pinai_subnet.wire.status import grpc_status, http_problem


@pytest.mark.parametrize("kind", SubnetError.__subclasses__())
def test_every_refusal_has_the_status_its_docstring_promises(kind: type[SubnetError]) -> None:
    error = kind("SN-N101", "why")
    grpc, http = grpc_status(error), http_problem(error)
    assert grpc is not None
    assert http is not None
    promised = re.search(r"\((?:gRPC )?([A-Z_]+), (?:HTTP )?(\d+)\)", kind.__doc__ or "")
    assert promised is not None
    assert grpc.status.name == promised[1]
    assert http.status == int(promised[2])
    assert grpc.details == "SN-N101 why"
    assert grpc.metadata == (("x-error-code", "SN-N101"),)
    assert http.code == "SN-N101"


def test_a_subclass_has_the_status_of_its_nearest_parent() -> None:
    class Closed(WrongState):
        """The window is closed."""

    class Offline(Unreachable):
        """Unreachable in a special way."""

    closed, offline = grpc_status(Closed("SN-M101", "x")), grpc_status(Offline("SN-S001", "x"))
    assert closed is not None
    assert offline is not None
    assert closed.status is GrpcStatus.FAILED_PRECONDITION
    assert offline.status is GrpcStatus.UNAVAILABLE


@pytest.mark.parametrize("status", GrpcStatus)
def test_every_status_is_one_of_grpcs_own(status: GrpcStatus) -> None:
    assert status.name in StatusCode.__members__


@pytest.mark.parametrize("error", [ValueError("x"), TimeoutError(), KeyError("k")])
def test_an_unexpected_error_has_no_row(error: Exception) -> None:
    assert grpc_status(error) is None
    assert http_problem(error) is None


def test_long_texts_are_cut_before_they_reach_the_wire() -> None:
    error = DependencyError("SN-S001", "x" * 100_000)
    grpc, http = grpc_status(error), http_problem(error)
    assert grpc is not None
    assert http is not None
    assert len(grpc.details) < 1100
    assert len(http.body()["detail"]) <= 1024


def test_every_code_of_the_runtime_is_in_the_catalogue() -> None:
    (folder,) = pinai_subnet.runtime.__path__
    used = {
        code
        for module in Path(folder).glob("*.py")
        for code in re.findall(r"\"(SN-[A-Z]\d{3})\"", module.read_text())
    }
    assert len(used) > 30
    assert used <= CATALOGUE.keys()
