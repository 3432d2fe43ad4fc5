"""A host that is not kind: a disk runs full, and the engine gives every container a proxy that is not there."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.containers.kit import IMAGE, ContainerNetwork, until

pytestmark = pytest.mark.containers

FULL = "validator-3"
NOBODY = "http://127.0.0.1:9"
SMALL_DISK = f"""\
services:
  disk: # keeps the small disk of {FULL} from vanishing between two containers
    image: {IMAGE}
    pull_policy: never
    container_name: ${{CONTAINER_PREFIX}}-disk
    entrypoint: [sleep, infinity]
    network_mode: none
    init: true
    volumes: ["{FULL}:/disk"]
  keys:
    depends_on: {{disk: {{condition: service_started}}}}
volumes:
  {FULL}:
    driver_opts: {{type: tmpfs, device: tmpfs, o: "size=40m"}}
"""


@pytest.fixture(scope="module")
def harsh(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerNetwork]:
    """A network of which one validator has 40 MB of disk, behind a proxy where nobody answers."""
    client = tmp_path_factory.mktemp("client")
    proxies = {"default": {"httpProxy": NOBODY, "httpsProxy": NOBODY}}
    (client / "config.json").write_text(json.dumps({"proxies": proxies}))
    (client / "cli-plugins").symlink_to(Path.home() / ".docker/cli-plugins")
    made = ContainerNetwork(
        directory=tmp_path_factory.mktemp("harsh"), variables={"DOCKER_CONFIG": str(client)}
    )
    (made.directory / "docker-compose.override.yml").write_text(SMALL_DISK)
    settings = made.directory / "config/validator.yaml"
    settings.write_text(settings.read_text().replace("min_free_mb: 256", "min_free_mb: 4"))
    try:
        made.up()
        yield made
    finally:
        print(made.logs()[-4000:])
        made.remove()


def test_a_proxy_of_the_engine_is_not_asked_for_what_is_inside(harsh: ContainerNetwork) -> None:
    """Row 39: every container has the variables, all are ready, healthy, and settle an intent."""
    for service in harsh.services:
        assert f"http_proxy={NOBODY}" in harsh.execute(service, "env").stdout.splitlines()
        probe = harsh.inspect(service)["Config"]["Healthcheck"]["Test"][1:]
        until(lambda s=service, p=probe: harsh.execute(s, *p).returncode == 0, f"{service} healthy")
    harsh.finalised(harsh.submit(b"past the proxy"))


def test_a_validator_on_a_full_disk_only_reads_and_goes_on_without_a_restart(
    harsh: ContainerNetwork,
) -> None:
    """Row 10: intents are settled without it, it says why it only reads, and loses nothing."""
    started = harsh.inspect(FULL)["State"]["StartedAt"]
    before = harsh.submit(b"with room")
    harsh.finalised(before)
    filled = harsh.execute(FULL, "sh", "-c", "cat /dev/zero >/app/data/filler")
    assert "No space left" in filled.stderr

    def only_reads() -> bool:
        answer = httpx.get(harsh.url(FULL) + "/readyz", timeout=5.0)
        return answer.status_code == 503 and "SN-V107" in answer.text

    until(only_reads, f"{FULL} says that it only reads")
    harsh.finalised(harsh.submit(b"without it"))
    until(
        lambda: harsh.inspect(FULL)["State"]["Health"]["Status"] == "unhealthy", "the engine knows"
    )
    assert harsh.execute(FULL, "rm", "/app/data/filler").returncode == 0
    harsh.wait_ready()
    harsh.finalised(harsh.submit(b"with room again"))
    harsh.one_ledger()
    state = harsh.inspect(FULL)
    assert (state["State"]["StartedAt"], state["RestartCount"]) == (started, 0)
    assert harsh.status(before) == "COMPLETED"
