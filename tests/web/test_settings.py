"""The settings: defaults, checks, and the one line that a mistake gets."""

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import Process
from web.settings import InvalidSetting, Settings, unknown


def test_defaults_are_those_of_the_contract() -> None:
    """Without any variable the service is the embedded one on port 8002, and takes nothing without a key."""
    settings = Settings.read({})
    assert (settings.host, settings.port, settings.tick_ms) == ("127.0.0.1", 8002, 50)
    assert settings.database_url == "sqlite+aiosqlite:///data/analytics.db"
    assert (settings.redis_url, settings.jwt_secret, settings.jwks_url) == ("", "", "")
    assert settings.trusted_networks == ()
    assert settings == Settings.read({"ANALYTICS_PORT": ""})


def test_values_are_read() -> None:
    """Values come typed and cleaned."""
    settings = Settings.read(
        {
            "ANALYTICS_PORT": "9123",
            "ANALYTICS_TRACKING_KEYS": " abcdefgh-12345678 , acme:ABCDEFGH-12345678,eu:west:0123456789abcdef",
            "ANALYTICS_ALLOWED_ORIGINS": "https://Admin.example.com/, http://localhost:5173",
            "ANALYTICS_TRUSTED_NETWORKS": "10.0.0.0/8,192.168.1.1",
        }
    )
    assert settings.port == 9123
    assert settings.tracking_keys == {
        "abcdefgh-12345678": "default",
        "ABCDEFGH-12345678": "acme",
        "0123456789abcdef": "eu:west",
    }
    assert settings.allowed_origins == ("https://admin.example.com", "http://localhost:5173")
    assert [str(network) for network in settings.trusted_networks] == ["10.0.0.0/8", "192.168.1.1/32"]
    assert Settings.read({"ANALYTICS_TRUSTED_NETWORKS": "none"}).trusted_networks == ()


WRONG = {
    "PORT": ["http", "-1", "65536", "8002.5", "٣"],
    "DATABASE_URL": ["data.db", "mysql://user:hunter2@db/x", "sqlite+aiosqlite://"],
    "REDIS_URL": [
        "localhost:6379",
        "http://localhost",
        "redis://h:notaport",
        "redis+sentinel://h:1",
        "redis+cluster://h/hunter2",
    ],
    "SMTP_URL": [
        "mail.example.com",
        "http://mail.example.com",
        "smtp://hunter2@mail.example.com",
        "smtp://mail.example.com/hunter2",
        "smtp://mail.example.com:99999999",
    ],
    "MAIL_FROM": ["hunter2", "a@b c", "Ann <ann@example.com", "a@example.com\nBcc: b@example.com", "<>", "a@-"],
    "JWKS_URL": ["auth.example.com", "file:///etc/passwd", "http://auth:99999999"],
    "TRACKING_KEYS": [
        "short",
        "acme:has space in it 123",
        "acme:ümlaut-0123456789",
        "a:0123456789abcdef,b:0123456789abcdef",
    ],
    "JWT_AUDIENCE": [",", " , ", "a\nb"],
    "JWT_ISSUER": [","],
    "JWT_ROLES_CLAIM": ["a\nb", " roles", "x" * 256],
    "JWT_ADMIN_ROLE": ["a\0b", "admin "],
    "JWT_TENANT_CLAIM": ["\n"],
    "OIDC_ISSUER": ["login.example.com", "file:///etc/passwd"],
    "OIDC_CLIENT_ID": ["\n"],
    "OIDC_SCOPES": ["email", "profile email"],
    "OIDC_NAME": ["\n"],
    "OIDC_SESSION_HOURS": ["0", "-1", "soon"],
    "ALERTS_NETWORKS": ["10.0.0.0/99", "everyone", "10.0.0.1/8"],
    "TRUSTED_NETWORKS": ["10.0.0.0/99", "everyone", "10.0.0.1/8"],
    "TRUSTED_PROXIES": ["proxy"],
    "ALLOWED_ORIGINS": ["*", "panel.example.org", "https://a.example/path"],
    "TIMEZONE": ["Mars/Olympus", "../etc/passwd", "/etc/localtime"],
    "TICK_MS": ["0", "1e3"],
    "HEARTBEAT_SECONDS": ["0", "nan", "soon"],
    "WRITE_DEADLINE_SECONDS": ["-1", "inf"],
    "MAX_CONNECTIONS": ["0"],
    "MAX_CONNECTIONS_PER_TENANT": ["0"],
    "MAX_CONNECTIONS_PER_USER": ["none"],
    "MAX_CONNECTIONS_PER_ADDRESS": ["1,000"],
    "SUBSCRIBE_SECONDS": ["0"],
    "MESSAGES_PER_SECOND": ["0", "inf"],
    "TRACKING_EVENTS_PER_SECOND": ["none", "-1"],
    "TRACKING_BURST_EVENTS": ["0"],
    "HEAD_SECONDS": ["0", "1 minute"],
    "BODY_SECONDS": ["0", "86400"],
    "ANSWER_SECONDS": ["0", "86400"],
    "QUEUE_EVENTS": ["0"],
    "MEMORY_MB": ["0", "-1", "much"],
    "EXPORTS_MB": ["0"],
    "READ_SECONDS": ["0", "3601", "long"],
    "CHANGE_LOG_ENTRIES": ["0"],
    "STOP_SECONDS": ["0"],
    "DRAIN_SECONDS": ["-1", "long"],
    "DRAIN_PAUSE_MS": ["0", "0.5"],
    "RETENTION_ACTIVITY_DAYS": ["-1", "1.5", "40000"],
    "RETENTION_MESSAGE_DAYS": ["-1", "90d"],
    "RETENTION_API_USAGE_DAYS": ["-1", "forever"],
    "RETENTION_CONVERSATION_DAYS": ["-1", "1.5"],
    "RETENTION_LLM_CALL_DAYS": ["-1", "1.5"],
    "RETENTION_AUDIT_DAYS": ["-1", "1.5"],
    "LOG_LEVEL": ["loud"],
    "LOG_FORMAT": ["xml"],
    "ACCESS_LOG": ["yes"],
    "AUDIT_LOG": ["yes"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_nonsense_is_refused(name: str, value: str) -> None:
    """A value that makes no sense is refused in one line that names the variable and never repeats the value."""
    with pytest.raises(InvalidSetting) as refused:
        Settings.read({f"ANALYTICS_{name}": value})
    assert str(refused.value).startswith(f"ANALYTICS_{name} ")
    assert "\n" not in str(refused.value)
    assert len(value) < 4 or value not in str(refused.value)


def test_every_setting_has_its_nonsense() -> None:
    """A new setting without a check of its values fails here; host and secrets take any text."""
    names = {field.name.upper() for field in dataclasses.fields(Settings)}
    assert names - {"HOST", "JWT_SECRET", "OIDC_CLIENT_SECRET", "ALERTS_SECRET"} == set(WRONG)


def test_unknown_variables_are_found() -> None:
    """A variable that looks like a setting but is none is named."""
    environment = {"ANALYTICS_PROT": "1", "ANALYTICS_PORT": "1", "OTHER": "1"}
    assert unknown(environment) == ["ANALYTICS_PROT"]


def test_a_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    """serve ends with exit code 2 and exactly one line; the value, which can be secret, is not in it."""
    process = Process(tmp_path, DATABASE_URL="mysql://user:hunter2@db/x")
    done = process.command("serve")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ANALYTICS_DATABASE_URL" in done.stderr
    assert "hunter2" not in done.stderr


async def test_an_unknown_variable_is_only_warned_about(tmp_path: Path) -> None:
    """serve starts in spite of an unknown variable, and names it in a warning."""
    process = Process(tmp_path, TYPO="1")
    await process.start()
    assert process.terminate() == 0
    assert '"name": "ANALYTICS_TYPO"' in process.log()


async def test_a_second_serve_is_refused(tmp_path: Path) -> None:
    """A second serve on the same file ends with exit code 2 and one line; the first goes on."""
    process = Process(tmp_path)
    await process.start()
    done = process.command("serve")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "another process is writing" in done.stderr
    assert process.terminate() == 0


def test_settings_are_immutable() -> None:
    """Nobody changes a setting at run time."""
    settings: Any = Settings.read({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1


def no_folder(folder: Path) -> str:
    (folder / "file").write_text("")
    return f"sqlite+aiosqlite:///{folder}/file/a.db"


def no_database(folder: Path) -> str:
    (folder / "text.db").write_text("this is not a database, but long enough to be taken for one" * 50)
    return f"sqlite+aiosqlite:///{folder}/text.db"


@pytest.mark.parametrize("make", [no_folder, no_database])
def test_an_unusable_database_is_one_line(tmp_path: Path, make: Any) -> None:
    """A database that cannot be opened stops the start with exit code 2 and one line."""
    done = Process(tmp_path, DATABASE_URL=make(tmp_path)).command("serve")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    """A port that another program has stops the start with exit code 2 and one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = Process(tmp_path, PORT=str(taken.getsockname()[1])).command("serve")
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr


async def test_a_short_secret_is_warned_about(tmp_path: Path) -> None:
    """A secret that the auth service chose too short still works, and the log says so without repeating it."""
    process = Process(tmp_path, JWT_SECRET="tooshort")
    await process.start()
    assert process.terminate() == 0
    assert "short_secret" in process.log()
    assert "tooshort" not in process.log()
