"""docker-compose.yml, the Dockerfile and the balancer's configuration, held against the code and against each other."""

import asyncio
import ipaddress
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from examples.convoai import auth, chatbot, page
from examples.convoai.settings import Settings as Platform
from tests.repository import ROOT
from tests.servers.cluster import COMPOSE, CONFIGURATION, services
from tests.servers.postgres import Postgres
from tests.servers.proxies import program
from tests.servers.service import Running
from web.server.descriptors import fitting
from web.settings import Settings, unknown

SECRETS = ("SECRET", "PASSWORD", "KEYS", "KEY")
PLATFORM = ("auth", "chatbot", "page")
SERVICES = ("analytics", "balancer", "redis", "postgres")
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
RAW: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


def instructions(name: str) -> list[str]:
    """What a Dockerfile's instructions of that name say, in all stages."""
    return [match.strip() for match in re.findall(rf"^{name} (.+)$", DOCKERFILE, re.MULTILINE)]


def test_every_setting_is_one() -> None:
    """docker-compose.yml and the image set nothing that the service does not know, and nothing that it cannot read."""
    image = dict(re.findall(r"(ANALYTICS_\w+)=(\S+)", DOCKERFILE))
    environment = {**image, **services()["analytics"]["environment"]}
    assert unknown(environment) == []
    settings = Settings.read(environment)
    assert settings.host == "0.0.0.0"
    assert settings.redis_url
    assert settings.database_url.startswith("postgresql+psycopg://")


def test_exports_wait_on_a_disk() -> None:
    """The folder of temporary files, where exports lie, is a volume: the memory of /tmp holds no 200,000 users."""
    service = RAW["services"]["analytics"]
    name, folder = service["volumes"][0].split(":")
    assert service["environment"]["TMPDIR"] == folder
    assert name in RAW["volumes"]
    assert not any(place.startswith(folder) for place in service["tmpfs"])


def test_no_secret_is_written_down() -> None:
    """Secrets come from the environment alone; without those that are needed nothing starts."""
    names = [
        (name, str(value))
        for service in RAW["services"].values()
        for name, value in service.get("environment", {}).items()
        if name.endswith(SECRETS)
    ]
    assert {name for name, _ in names} >= {"ANALYTICS_JWT_SECRET", "ANALYTICS_TRACKING_KEYS", "POSTGRES_PASSWORD"}
    for name, value in names:
        assert re.fullmatch(r"\$\{\w+:(\?[^}]+|-)\}", value), name
    assert not re.search(r"://[^/\s]*:[^/\s]*@", COMPOSE.read_text())


@pytest.mark.parametrize("name", [*SERVICES, *PLATFORM])
def test_every_container_is_hardened(name: str) -> None:
    """Each runs on a read-only root without capabilities, as one version of its image, and says whether it is well."""
    service = RAW["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service or ("build" in service and instructions("HEALTHCHECK"))
    if "build" not in service:
        assert re.fullmatch(r"[\w/]+:\d+\.\d+(\.\d+)?-\w+", service["image"])
    assert set(service.get("depends_on", {})) <= {*SERVICES, *(PLATFORM if name in PLATFORM else ())}
    assert all(needed == {"condition": "service_healthy"} for needed in service.get("depends_on", {}).values())


def test_there_are_descriptors_enough() -> None:
    """The service may have as many descriptors as its panels and all others need: it lowers no limit."""
    service = services()["analytics"]
    settings = Settings.read(service["environment"])
    assert fitting(settings, service["ulimits"]["nofile"]) is settings


def test_the_balancer_is_outside() -> None:
    """Nobody is trusted by address; the one proxy that is named is the balancer, and no other can have its address."""
    found, networks = services(), RAW["networks"]
    settings = Settings.read(found["analytics"]["environment"])
    address = ipaddress.ip_network(found["balancer"]["networks"]["services"]["ipv4_address"])
    (range_,) = networks["services"]["ipam"]["config"]
    assert settings.trusted_networks == ()
    assert settings.trusted_proxies == (address,)
    assert address.subnet_of(ipaddress.ip_network(range_["subnet"]))  # type: ignore[arg-type]
    assert not address.overlaps(ipaddress.ip_network(range_["ip_range"]))
    assert networks["store"] == {"internal": True}
    assert [name for name in SERVICES if "store" in found[name]["networks"]] == ["analytics", "redis", "postgres"]
    assert [name for name in SERVICES if "ports" in found[name]] == ["balancer"]


def test_a_stop_has_its_time() -> None:
    """Docker ends nothing by force before it has had the time that it is to have."""
    found = services()
    settings = Settings.read(found["analytics"]["environment"])
    assert seconds(found["analytics"]["stop_grace_period"]) > settings.stop_seconds
    hard = re.search(r"hard-stop-after (\d+s)", CONFIGURATION.read_text())
    assert hard is not None
    assert seconds(found["balancer"]["stop_grace_period"]) > seconds(hard[1])


def test_the_ports_are_the_same() -> None:
    """What is published, listened on, looked for and exposed is one port."""
    found, configuration = services(), CONFIGURATION.read_text()
    port = str(Settings.read({}).port)
    published = found["balancer"]["ports"][0].split(":")
    assert published == [port, port]
    assert found["balancer"]["environment"]["BALANCER_BIND"] == f":{port}"
    assert f"analytics:{port} " in configuration
    assert instructions("EXPOSE") == [port]
    assert f"127.0.0.1:{port}/ready" in instructions("HEALTHCHECK")[0]
    assert f"http://127.0.0.1:{port}/" in found["balancer"]["healthcheck"]["test"][-1]


def test_live_connections_outlive_the_balancers_timeout() -> None:
    """The balancer waits longer than the longest silence of a live connection, by its default."""
    heartbeat = Settings.read(services()["analytics"]["environment"]).heartbeat_seconds
    configuration = CONFIGURATION.read_text()
    for timeout in ("client", "server"):
        found = re.search(rf"timeout {timeout} (\d+s)", configuration)
        assert found is not None
        assert seconds(found[1]) > 3 * heartbeat


def test_the_balancer_understands_its_configuration() -> None:
    """HAProxy takes haproxy.cfg with the environment that docker-compose.yml gives, without a warning."""
    environment = {**os.environ, **services()["balancer"]["environment"]}
    done = subprocess.run(
        [program("haproxy"), "-c", "-dW", "-f", CONFIGURATION], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    used = set(re.findall(r"\$\{(\w+)\}|defined\((\w+)\)", CONFIGURATION.read_text()))
    known = {*services()["balancer"]["environment"], "PROCESS_1", "PROCESS_2", "PROCESS_3"}
    assert {name for pair in used for name in pair if name} == known


async def test_the_health_check_of_the_image_works(running: Running) -> None:
    """Its command says so when the service is ready, and when it is not there."""
    (text,) = instructions("HEALTHCHECK")
    command = json.loads(text.partition("CMD ")[2])
    command[-1] = command[-1].replace(str(Settings.read({}).port), str(running.service.settings.port))

    def ask() -> int:
        return subprocess.run([sys.executable, *command[1:]], capture_output=True, timeout=30, check=False).returncode

    assert command[0] == "python"
    assert await asyncio.to_thread(ask) == 0
    await running.service.drain()
    assert await asyncio.to_thread(ask) == 1


def test_the_health_check_of_the_database_works(postgres: Postgres) -> None:
    """PostgreSQL has the program, and it knows these options."""
    _, name, *options = services()["postgres"]["healthcheck"]["test"]
    assert postgres.check(name, *options, f"--port={postgres.port}")
    assert not postgres.check(name, *options, "--port=1")


def test_the_image_is_not_root() -> None:
    """It runs as a user with a number of its own, whose process gets the signals itself."""
    for stage in re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[2:]:
        user = re.search(r"^USER (\d+)$", stage, re.MULTILINE)
        assert user is not None
        assert int(user[1]) > 1000
        assert f"--uid {user[1]} " in stage
    assert json.loads(instructions("CMD")[-1]) == ["convoai-analytics", "serve"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert all(
        re.fullmatch(r"python:\d+\.\d+\.\d+-[\w-]+( AS (build|platform))?", image) for image in instructions("FROM")
    )


def test_the_image_is_built_from_what_it_needs() -> None:
    """Of the files here the build sees those that it names and the three packages, none that could hold a secret."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*"
    allowed = [pattern[1:] for pattern in patterns if pattern[0] == "!"]
    needed = [
        *instructions("COPY")[0].split()[:-1],
        "requirements-build.lock",
        "Makefile",
        "convoai_analytics",
        "hatch_build.py",
        "pyproject.toml",
        "README.md",
    ]
    assert set(needed) <= set(allowed)
    assert all((ROOT / name).exists() for name in allowed)
    assert not [name for name in (".env", "data", ".git", "tests", "bench") if any(fnmatch(name, a) for a in allowed)]


def test_the_platform_is_a_profile() -> None:
    """The example services start only if they are asked for, from a stage that is not the service's image."""
    assert {name for name, service in RAW["services"].items() if "profiles" in service} == set(PLATFORM)
    assert set(RAW["services"]) == {*SERVICES, *PLATFORM}
    for name in PLATFORM:
        service = RAW["services"][name]
        assert (service["profiles"], service["build"]["target"]) == (["platform"], "platform")
        assert service["networks"] == ["services"]
    assert not DOCKERFILE.rpartition("\nFROM ")[2].partition("\n")[0].endswith("platform")


@pytest.mark.parametrize(("name", "module"), [("auth", auth), ("chatbot", chatbot), ("page", page)])
def test_the_platforms_settings_are_ones(name: str, module: Any) -> None:
    """What an example service is told it understands; it listens where its port, check and addresses say."""
    service = services()[name]
    image = dict(re.findall(r"(CONVOAI_\w+)=(\S+)", DOCKERFILE))
    assert service["command"] == ["python", "-m", module.__name__]
    settings = Platform.read({**image, **service["environment"]}, module.PORT)
    assert settings.host == "0.0.0.0"
    assert service["ports"] == [f"127.0.0.1:{module.PORT}:{module.PORT}"]
    assert f"127.0.0.1:{module.PORT}/health" in service["healthcheck"]["test"][-1]
    assert getattr(settings, f"{name}_url") == f"http://127.0.0.1:{module.PORT}"
    assert settings.jwks_url == f"http://auth:{auth.PORT}{auth.KEYS}"
    assert settings.analytics_url == f"http://analytics:{Settings.read({}).port}"
    # Each has its own folder: the chatbot cannot read the key by which tokens are signed.
    volumes = [volume.partition(":") for volume in service.get("volumes", ())]
    assert volumes == ([] if name == "page" else [(name, ":", str(settings.data))])
    assert {volume for volume, *_ in volumes} <= set(RAW["volumes"])
