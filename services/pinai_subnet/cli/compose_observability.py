"""The containers that watch a network in containers, and whom Prometheus asks. Not the rules and the dashboards.

They are in the profile `observability`, listen on this host only, and are the projects' own images, pinned by version.
"""

from pinai_subnet.cli.compose_services import AGENT_HTTP_PORT, Kind, Service, services_of

_FOLDERS = {"development": "./deployment/observability", "deployment": "../observability"}

_BLOCKS = """
  prometheus: # docker compose --profile observability up -d
    image: ${{PROMETHEUS_IMAGE:-prom/prometheus:v3.5.0}}
    container_name: ${{CONTAINER_PREFIX:-pinai}}-prometheus
    profiles: [observability]
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    networks: [subnet-network]
    command:
      - --config.file=/etc/prometheus/prometheus.yml
      - --storage.tsdb.path=/prometheus
      - --storage.tsdb.retention.time=30d
      - --storage.tsdb.retention.size=4GB
    volumes:
      - {folder}/prometheus.yml:/etc/prometheus/prometheus.yml:ro
      - {folder}/alerts.yml:/etc/prometheus/alerts.yml:ro
      - prometheus:/prometheus
    ports:
      - "${{OBSERVABILITY_BIND_ADDRESS:-127.0.0.1}}:${{PROMETHEUS_PORT:-9490}}:9090"
    mem_limit: 1g
    pids_limit: 512

  grafana: # shows the dashboards to whoever reaches the port; nobody can change anything
    image: ${{GRAFANA_IMAGE:-grafana/grafana:12.1.1}}
    container_name: ${{CONTAINER_PREFIX:-pinai}}-grafana
    profiles: [observability]
    restart: unless-stopped
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: ["/tmp:mode=1777,size=64m"]
    networks: [subnet-network]
    environment:
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false"
      GF_ANALYTICS_REPORTING_ENABLED: "false"
      GF_AUTH_ANONYMOUS_ENABLED: "true"
      GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer
      GF_AUTH_BASIC_ENABLED: "false"
      GF_AUTH_DISABLE_LOGIN_FORM: "true"
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: "true"
    volumes:
      - {folder}/grafana/provisioning:/etc/grafana/provisioning:ro
      - {folder}/grafana/dashboards:/etc/grafana/dashboards:ro
      - grafana:/var/lib/grafana
    ports:
      - "${{OBSERVABILITY_BIND_ADDRESS:-127.0.0.1}}:${{GRAFANA_PORT:-9491}}:3000"
    mem_limit: 512m
    pids_limit: 512
"""

VOLUMES = ("prometheus", "grafana")

_PROMETHEUS = """\
# Whom Prometheus asks, in the network of the Compose file.
# Made by `subnetctl compose prometheus --validators {validators}`: change the number there, not here.
global: {{scrape_interval: 15s, evaluation_interval: 15s}}
rule_files: [alerts.yml]
scrape_configs:
"""


def observability_blocks(kind: Kind) -> str:
    """Return the containers as they are written in the Compose file."""
    return _BLOCKS.format(folder=_FOLDERS[kind])


def prometheus_text(validators: int) -> str:
    """Return Prometheus's configuration for a network of this many validators."""
    jobs: dict[str, list[Service]] = {}
    for service in services_of("deployment", validators):
        jobs.setdefault(_job(service), []).append(service)
    return _PROMETHEUS.format(validators=validators) + "".join(
        _scrape(job, services) for job, services in jobs.items()
    )


def _job(service: Service) -> str:
    return "agent" if service.health_port == AGENT_HTTP_PORT else service.name.partition("-")[0]


def _scrape(job: str, services: list[Service]) -> str:
    if services[0].development:
        # Without the profile `dev` these names lead nowhere: no target then, instead of one that is always down.
        names = ", ".join(service.name for service in services)
        return (
            f"  - job_name: {job}\n"
            "    dns_sd_configs:\n"
            f"      - {{names: [{names}], type: A, port: {services[0].health_port}}}\n"
            "    relabel_configs:\n"
            "      - {source_labels: [__meta_dns_name], target_label: instance}\n"
        )
    rows = "".join(
        f'      - {{targets: ["{service.name}:{service.health_port}"], labels: {{instance: {service.name}}}}}\n'
        for service in services
    )
    return f"  - job_name: {job}\n    static_configs:\n{rows}"
