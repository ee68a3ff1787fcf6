# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""What if a job fails by bad luck? It is run again, as often as it may; what it stored once stays.

Prints:
    fetched 1461 days at attempt 3
    attempts noted in the store: 1, 2, 3
    fetches paid for: 1
"""

from __future__ import annotations

from actorcloud import Cloud, current


def note(attempt: int) -> None:
    """Store something at each attempt: plain `mutate_store` happens each time."""
    attempts = cloud.fetch("weather", "attempts", [])
    cloud.store("weather", "attempts", [*attempts, attempt])


def pay() -> None:
    """Store something that may happen only once."""
    cloud.store("weather", "paid", cloud.fetch("weather", "paid", 0) + 1)


def fetch_weather() -> str:
    """Fetch the observations from a service that is away twice."""
    attempt = current().attempt
    cloud.mutate_store(lambda: note(attempt))
    cloud.mutate_store(pay, once="pay")  # the attempts after this one find it done
    if attempt < 3:
        raise ConnectionError(f"the service does not answer (attempt {attempt})")
    return f"1461 days at attempt {attempt}"


with Cloud(workers=1) as cloud:
    for key in ("attempts", "paid"):
        cloud.mutate_store(lambda key=key: cloud.delete("weather", key))

    ref = cloud.options(retries=5).add_job(fetch_weather)
    print(f"fetched {cloud.result(ref)}")
    print(f"attempts noted in the store: {', '.join(map(str, cloud.fetch('weather', 'attempts')))}")
    print(f"fetches paid for: {cloud.fetch('weather', 'paid')}")
