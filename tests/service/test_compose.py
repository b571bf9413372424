"""The service of docker-compose.yml as a plain process: it takes events, ends when asked, and keeps secrets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from graphdet.service.keys import KeyRing
from tests.helpers.paths import ROOT
from tests.live.small_logs import csv_file, small_log

yaml = pytest.importorskip("yaml")
TOML = '[columns]\nuser_id = "user"\nitem_id = "item"\ntimestamp = "at"\n[time]\nunit = "ms"\n'
SECRETS = {"GRAPHDET_HOOK": "hook-path-3f9a", "GRAPHDET_ALERT_KEY": "signing-key-77c1"}


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def test_every_service_has_an_image_and_only_this_machine_reaches_it() -> None:
    services = compose()["services"]
    assert set(services) == {"neo4j", "graphdet"}
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source.startswith("./") or source in compose()["volumes"]


def ask(port: int, path: str, key: str, body: bytes | None = None) -> str:
    """The answer of a path, a refusal's too."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    try:
        with urlopen(Request(f"http://127.0.0.1:{port}{path}", body, headers), timeout=30) as answer:
            return f"{answer.status} {answer.headers} {answer.read().decode()}"
    except HTTPError as error:
        return f"{error.code} {error.headers} {error.read().decode()}"


def test_the_service_starts_as_a_plain_process_and_tells_no_secret(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(TOML)
    (tmp_path / "logs").mkdir()
    rows = small_log(1, n_members=30, n_targets=8)
    csv_file(tmp_path / "logs" / "a.csv", rows[:-1])
    key = KeyRing(tmp_path / "keys.json").add("shop", ["read", "write", "decide"])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    words = [
        word.replace("/data", str(tmp_path)).replace("0.0.0.0", "127.0.0.1").replace("8717", str(port))
        for word in compose()["services"]["graphdet"]["command"]
    ]
    secrets = SECRETS | {"key": key}
    env = os.environ | SECRETS | {"GRAPHDET_HOOK": f"http://127.0.0.1:1/{SECRETS['GRAPHDET_HOOK']}"}
    command = [sys.executable, "-m", "graphdet", *words]
    said = tmp_path / "said.txt"
    with (
        said.open("w") as file,
        subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT, env=env) as process,
    ):
        try:
            until, ready = time.monotonic() + 240, ""
            while time.monotonic() < until and f'"n_events":{len(rows) - 1},' not in ready.replace(" ", ""):
                assert process.poll() is None, said.read_text()
                time.sleep(0.1)
                try:
                    ready = ask(port, "/ready", "")
                except URLError:
                    continue
            event = json.dumps(dict(zip(("user", "item", "at"), rows[-1], strict=True))).encode()
            told = [ask(port, "/events", key, event), ask(port, "/events", key, b"{broken"), ready]
            assert told[0].startswith("202")
            while '"behind":0' not in ask(port, "/ready", "").replace(" ", "") and time.monotonic() < until:
                time.sleep(0.1)
            told += [
                ask(port, path, key)
                for path in ("/users/bad0", "/rings", "/metrics", "/openapi.json", "/desk/", "/x")
            ]
            told += [
                ask(port, path, "wrong-" + key[:-2])
                for path in ("/users/bad0", "/rings", "/desk/", "/metrics")
            ]
            assert [answer[:3] for answer in told[-4:-2]] == ["401", "401"]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
    assert process.returncode in (0, 128 + signal.SIGTERM), said.read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"alerts.jsonl", "live.duckdb", "rejects.csv", "keys.json"} <= {path.name for path in files}
    told += [path.read_bytes().decode("latin-1") for path in files]
    for name, secret in secrets.items():
        assert not [text[:300] for text in told if secret in text], name
