"""How to log in: from the environment, else as the owner of a server that we started."""

import os
from urllib.parse import urlsplit

from graphdet.errors import StoreError
from graphdet.store.neo4j.home import BOLT_PORT, USERNAME, Home, default_home

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def home_of(url: str) -> Home | None:
    """The home of the server at a URL when it is one that we started here, else None."""
    parts = urlsplit(url)
    place = Home(default_home())
    try:
        port = parts.port or BOLT_PORT
    except ValueError:
        return None
    return place if parts.hostname in LOOPBACK and place.note().get("bolt_port") == port else None


def login(url: str, username: str | None, password: str | None) -> tuple[str, str]:
    """User and password: as given, else NEO4J_USERNAME and NEO4J_PASSWORD, else the password file of our server.

    Raises:
        StoreError: there is none.
    """
    username = username or os.environ.get("NEO4J_USERNAME") or USERNAME
    password = password or os.environ.get("NEO4J_PASSWORD")
    if password:
        return username, password
    place = home_of(url)
    if place is None:
        raise StoreError(
            f"no password for {url}: set NEO4J_USERNAME and NEO4J_PASSWORD, "
            "or start a server of your own (graphdet neo4j start)"
        )
    return USERNAME, place.password()
