"""The services that the tests start for themselves are real."""

import psycopg
import pytest
import redis as redis_client

from tests.services import RedisServer


@pytest.mark.redis
def test_redis_keeps_nothing_over_a_restart(redis_server: RedisServer) -> None:
    connection = redis_client.Redis.from_url(redis_server.url)
    connection.set("word", "bath")
    assert connection.get("word") == b"bath"
    redis_server.stop()
    redis_server.start()
    assert connection.get("word") is None
    connection.close()


@pytest.mark.postgres
def test_postgres_answers(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("select 40 + 2").fetchone()
    assert row == (42,)
