"""The committed protobuf code is fresh and says what the wire contract says."""

import importlib
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

from pinai_subnet.wire.pb.rootlayer import service_pb2 as rootlayer_service_pb2
from pinai_subnet.wire.pb.subnet import checkpoint_pb2, gossip_pb2, matcher_pb2, report_pb2
from pinai_subnet.wire.pb.subnet import service_pb2 as validator_service_pb2

ROOT = Path(__file__).resolve().parents[2]
GENERATOR = ROOT / "scripts" / "generate-proto"
GENERATED = ROOT / "services" / "pinai_subnet" / "wire" / "pb"

PACKAGES = {
    "subnet": (
        "subnet.v1",
        """agent bid checkpoint execution_report gossip matcher matcher_service registry_service
        report service validation validator""",
    ),
    "rootlayer": ("rootlayer.v1", "assignment error_reason intent service validation"),
    "pinai": ("pinai.internal.v1", "bidding ledger"),
}
FILES = [(folder, name) for folder, (_, names) in PACKAGES.items() for name in names.split()]

SERVICES = {
    "subnet/matcher_service": """subnet.v1.MatcherService
        SubmitBid SubmitBidRequest SubmitBidResponse
        SubmitBidBatch SubmitBidBatchRequest SubmitBidBatchResponse
        GetIntentSnapshot GetIntentSnapshotRequest GetIntentSnapshotResponse
        StreamIntents StreamIntentsRequest stream:MatcherIntentUpdate
        StreamBids StreamBidsRequest stream:BidEvent
        PublishMatchingResult MatchingResult BidSubmissionAck
        RespondToTask RespondToTaskRequest RespondToTaskResponse
        StreamTasks StreamTasksRequest stream:ExecutionTask""",
    "subnet/service": """subnet.v1.ValidatorService
        SubmitExecutionReport ExecutionReport Receipt
        SubmitExecutionReportBatch ExecutionReportBatchRequest ExecutionReportBatchResponse
        GetCheckpoint GetCheckpointRequest CheckpointHeader
        ProposeHeader CheckpointHeader Ack
        SubmitSignature SignatureSubmission Ack
        GetSignatures GetCheckpointRequest stream:Signature
        GetValidatorSet GetCheckpointRequest ValidatorSet
        GetDoubleSignEvidences DoubleSignQuery stream:DoubleSignEvidence
        GetValidationPolicy GetValidationPolicyRequest ValidationPolicy
        GetVerificationRecords GetVerificationRecordsRequest stream:VerificationRecord
        GetValidatorMetrics GetValidatorMetricsRequest ValidatorMetrics
        GetExecutionReport GetExecutionReportRequest ExecutionReport
        ListExecutionReports ListExecutionReportsRequest ListExecutionReportsResponse""",
    "subnet/validation": """subnet.v1.ValidationService
        GetValidationPolicy PolicyQuery ValidationPolicy
        GetVerificationRecords VerificationQuery stream:VerificationRecord""",
    "subnet/registry_service": """subnet.v1.RegistryService
        RegisterAgent RegisterAgentRequest RegisterAgentResponse
        UnregisterAgent UnregisterAgentRequest UnregisterAgentResponse
        DiscoverAgents DiscoverAgentsRequest DiscoverAgentsResponse
        Heartbeat HeartbeatRequest HeartbeatResponse
        GetAgent GetAgentRequest GetAgentResponse
        ListAgents ListAgentsRequest ListAgentsResponse""",
    "rootlayer/service": """rootlayer.v1.IntentPoolService
        SubmitIntentBatch SubmitIntentBatchRequest SubmitIntentBatchResponse
        SubmitIntent SubmitIntentRequest SubmitIntentResponse
        GetIntents GetIntentsRequest GetIntentsResponse
        GetIntent GetIntentRequest Intent
        PostAssignment Assignment Ack
        PostAssignmentBatch AssignmentBatch Ack
        PostAssignments AssignmentBatch Ack
        SubmitValidationBundle ValidationBundle ValidationAck
        SubmitValidationBundleBatch ValidationBundleBatchRequest ValidationBundleBatchResponse
        rootlayer.v1.SubscriptionService
        SubscribeIntents SubscribeIntentsRequest stream:IntentStreamEvent
        SubscribeStatusUpdates SubscribeStatusRequest stream:StatusUpdateEvent
        rootlayer.v1.HealthService
        Check Empty HealthCheckResponse""",
    "pinai/ledger": """pinai.internal.v1.LedgerService
        RecordAssignments RecordAssignmentsRequest RecordAssignmentsResponse
        StreamOutcomes StreamOutcomesRequest stream:Outcome""",
    "pinai/bidding": """pinai.internal.v1.BiddingService
        DeclineIntents DeclineIntentsRequest DeclineIntentsResponse""",
}


def descriptor(folder: str, name: str) -> FileDescriptor:
    module = importlib.import_module(f"pinai_subnet.wire.pb.{folder}.{name}_pb2")
    found: FileDescriptor = module.DESCRIPTOR
    return found


def proto_of(file: FileDescriptor) -> FileDescriptorProto:
    proto = FileDescriptorProto()
    file.CopyToProto(proto)
    return proto


def message_of(file: FileDescriptor, name: str) -> DescriptorProto:
    return next(message for message in proto_of(file).message_type if message.name == name)


def numbers(message: DescriptorProto) -> list[int]:
    return [field.number for field in message.field]


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_descriptor_is_registered_under_the_public_file_name(folder: str, name: str) -> None:
    file = descriptor(folder, name)
    assert file.name == f"{folder}/{name}.proto"
    assert file.package == PACKAGES[folder][0]
    assert proto_of(file).syntax == "proto3"


def test_every_proto_file_is_generated_and_listed() -> None:
    protos = GENERATED.parent / "protos"
    assert {str(path.relative_to(protos)) for path in protos.rglob("*.proto")} == {
        f"{folder}/{name}.proto" for folder, name in FILES
    }


@pytest.mark.parametrize(("folder", "name"), FILES)
def test_services_have_exactly_the_methods_of_the_contract(folder: str, name: str) -> None:
    lines = []
    for service in descriptor(folder, name).services_by_name.values():
        lines.append(service.full_name)
        for method in proto_of(service.file).service[service.index].method:
            assert not method.client_streaming
            request, response = (
                full.rsplit(".", 1)[1] for full in (method.input_type, method.output_type)
            )
            kind = "stream:" if method.server_streaming else ""
            lines.append(f"{method.name} {request} {kind}{response}")
    expected = SERVICES.get(f"{folder}/{name}", "")
    assert sorted(lines) == sorted(line.strip() for line in expected.splitlines())


def test_checkpoint_header_has_no_field_10() -> None:
    header = message_of(checkpoint_pb2.DESCRIPTOR, "CheckpointHeader")
    assert numbers(header) == [*range(1, 10), *range(11, 18)]


def test_report_reserves_its_retired_numbers() -> None:
    report = message_of(report_pb2.DESCRIPTOR, "Report")
    retired = [number for span in report.reserved_range for number in range(span.start, span.end)]
    assert sorted(retired) == [2, 6, 7, 8]
    assert numbers(report) == [1, 3, 4, 5, *range(10, 24)]


def test_gossip_declares_agent_id_as_number_8_in_third_place() -> None:
    message = message_of(gossip_pb2.DESCRIPTOR, "ValidationBundleSignature")
    assert numbers(message) == [1, 2, 8, 3, 4, 5, 6, 7]
    assert message.field[2].name == "agent_id"


def test_a_gossip_message_carries_one_of_two_signatures() -> None:
    message = message_of(gossip_pb2.DESCRIPTOR, "GossipMessage")
    assert [one.name for one in message.oneof_decl] == ["payload"]


def test_a_checkpoint_is_asked_for_by_epoch_or_by_hash() -> None:
    request = validator_service_pb2.GetCheckpointRequest(epoch=0)
    assert request.WhichOneof("by") == "epoch"
    request.cp_hash = b""
    assert request.WhichOneof("by") == "cp_hash"
    assert validator_service_pb2.GetCheckpointRequest().WhichOneof("by") is None


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (matcher_pb2.SubmitBidBatchRequest(), "partial_ok"),
        (validator_service_pb2.ExecutionReportBatchRequest(), "partial_ok"),
        (rootlayer_service_pb2.SubmitIntentBatchRequest(), "partial_ok"),
        (rootlayer_service_pb2.SubmitIntentBatchRequest(), "treat_exists_as_ok"),
        (rootlayer_service_pb2.ValidationBundleBatchRequest(), "partial_ok"),
    ],
)
def test_optional_fields_tell_absent_from_false(message: object, field: str) -> None:
    fresh = type(message)()
    assert not fresh.HasField(field)  # type: ignore[attr-defined]
    setattr(fresh, field, False)
    assert fresh.HasField(field)  # type: ignore[attr-defined]


def test_the_contract_has_no_other_oneofs_or_optional_fields() -> None:
    found = {
        f"{file.package}.{message.name}.{one.name}"
        for file in (proto_of(descriptor(*entry)) for entry in FILES)
        for message in file.message_type
        for one in message.oneof_decl
    }
    assert found == {
        "subnet.v1.GetCheckpointRequest.by",
        "subnet.v1.GossipMessage.payload",
        "subnet.v1.SubmitBidBatchRequest._partial_ok",
        "subnet.v1.ExecutionReportBatchRequest._partial_ok",
        "rootlayer.v1.SubmitIntentBatchRequest._partial_ok",
        "rootlayer.v1.SubmitIntentBatchRequest._treat_exists_as_ok",
        "rootlayer.v1.ValidationBundleBatchRequest._partial_ok",
    }


def test_committed_code_is_fresh() -> None:
    done = subprocess.run([GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_check_names_every_stale_file(tmp_path: Path) -> None:
    output = tmp_path / "pb"
    shutil.copytree(GENERATED, output)
    (output / "subnet" / "bid_pb2.py").write_text("# edited by hand\n")
    (output / "subnet" / "agent_pb2.py").unlink()
    (output / "subnet" / "gone_pb2.py").write_text("")
    done = subprocess.run(
        [GENERATOR, "--check", "--output", output], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make proto" in done.stderr
    assert "differs  subnet/bid_pb2.py" in done.stderr
    assert "missing  subnet/agent_pb2.py" in done.stderr
    assert "left over  subnet/gone_pb2.py" in done.stderr
