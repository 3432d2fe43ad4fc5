"""Switches a process's traces on where its configuration names a collector."""

from pinai_subnet.runtime.lifecycle import Process
from pinai_subnet.runtime.otlp import SpanExporter, TracingSection


def start_tracing(process: Process, section: TracingSection, member: str) -> None:
    """Export the spans of this member from now on; without an endpoint nothing is kept and nothing is sent."""
    if not section.endpoint:
        return
    exporter = SpanExporter(
        process.vitals.tracer,
        endpoint=section.endpoint,
        resource={"service.name": f"pinai-{process.name}", "service.instance.id": member},
    )
    process.loop("export_spans", exporter.run)
