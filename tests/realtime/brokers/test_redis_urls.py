"""Redis URLs: what they name, and what is refused."""

import pytest

from realtime.brokers.redis_urls import CLUSTER, SENTINEL, SINGLE, RedisUrl, parse_redis_url


def written(url: RedisUrl) -> list[str]:
    return [url.server(*host) for host in url.hosts]


def test_one_server() -> None:
    """The plain form names one server, with the port that Redis has by default."""
    url = parse_redis_url("rediss://ada:p%40ss@redis.example/3?ssl_ca_certs=/etc/ssl/redis.pem")
    assert (url.kind, url.hosts) == (SINGLE, (("redis.example", 6379),))
    assert written(url) == ["rediss://ada:p%40ss@redis.example:6379/3?ssl_ca_certs=%2Fetc%2Fssl%2Fredis.pem"]
    assert written(parse_redis_url("redis://localhost")) == ["redis://localhost:6379/"]


def test_sentinels() -> None:
    """Several sentinels name a service; their credentials are not the server's."""
    url = parse_redis_url(
        "redis+sentinel://ada:pass@one:1,two,[::1]:3/main/2?sentinel_username=eve&sentinel_password=a%26b"
    )
    assert (url.kind, url.service) == (SENTINEL, "main")
    assert url.hosts == (("one", 1), ("two", 26379), ("::1", 3))
    assert url.server("::2", 6379) == "redis://ada:pass@[::2]:6379/2"
    assert [url.sentinel(*host) for host in url.hosts][::2] == [
        "redis://eve:a%26b@one:1/",
        "redis://eve:a%26b@[::1]:3/",
    ]
    assert parse_redis_url("redis+sentinel://one/main").sentinel("one", 26379) == "redis://one:26379/"


def test_cluster() -> None:
    """Some nodes of a cluster are named; each is reached with the same credentials."""
    url = parse_redis_url("rediss+cluster://:pass@one:7000, two:7001")
    assert url.kind == CLUSTER
    assert written(url) == ["rediss://:pass@one:7000/", "rediss://:pass@two:7001/"]


def test_secrets_do_not_show() -> None:
    """What is printed of a URL has no credentials."""
    url = parse_redis_url("redis+sentinel://ada:hunter2@one/main?sentinel_password=hunter3")
    assert "hunter" not in repr(url)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://hunter2@",
        "redis://host:0",
        "redis://host:notaport",
        "redis://host:65536",
        "redis://one,two",
        "redis://host/hunter2",
        "redis://host?ssl_ca_certs=/x",
        "rediss://host?hunter2=1",
        "redis://host#hunter2",
        "redis+sentinel://host",
        "redis+sentinel://host/",
        "redis+sentinel://host/main/x",
        "redis+sentinel://one,,two/main",
        "redis+sentinel://host/main?sentinel_secret=hunter2",
        "redis+cluster://host/1",
        "redis+cluster://host?sentinel_password=hunter2",
        "redis+other://hunter2",
    ],
)
def test_nonsense_is_refused(url: str) -> None:
    """What makes no sense is refused by what it should be, and never repeated."""
    with pytest.raises(ValueError, match=r"^(must|may)") as error:
        parse_redis_url(url)
    assert "hunter" not in str(error.value)
    assert "localhost" not in str(error.value)
