"""graphdet serve, review, keys: the HTTP service, the analyst's desk in a browser, and who may use them.

graphdet mcp: what an agent may ask.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphdet.cli import options
from graphdet.cli.deciding import By, noted, who
from graphdet.cli.guard import guarded, obeyed, say
from graphdet.cli.live import (
    AlertTargets,
    DryRunAlerts,
    LatenessSpan,
    LeastSeverity,
    LookEvery,
    LookRows,
    MostEvents,
    QuietSpan,
    WatchModel,
    WindowSpan,
    watch_request,
)
from graphdet.errors import UsageError

if TYPE_CHECKING:
    import uvicorn

    from graphdet.service.limits import Doors

KEYS_VARIABLE = "GRAPHDET_KEYS"
DEFAULT_KEYS = Path("~/.config/graphdet/keys.json")
PORT, DESK_PORT = 8717, 8718

Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys", metavar="FILE", envvar=KEYS_VARIABLE, help=f"The file of keys [default: {DEFAULT_KEYS}]."
    ),
]
Host = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where it listens.")]
app = typer.Typer(
    name="keys", help="Make, list and revoke the keys of the HTTP service.", no_args_is_help=True
)


@guarded
def serve_command(
    store: options.StoreUrl = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535, help="On which port.")] = PORT,
    keys: Keys = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="NAME", help="Take events too (POST /events), read by this config."),
    ] = None,
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="SOURCE", help="Follow SOURCE too, as watch does.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for rejects.csv and dead letters.")
    ] = None,
    window: WindowSpan = "30d",
    most_events: MostEvents = 200_000,
    lateness: LatenessSpan = "1h",
    look_rows: LookRows = 10_000,
    look_every: LookEvery = "1s",
    alert: AlertTargets = None,
    quiet: QuietSpan = None,
    least: LeastSeverity = "low",
    dry_run: DryRunAlerts = False,
    model: WatchModel = None,
    fdr: options.Fdr = None,
    seed: options.Seed = 0,
    device: options.DeviceName = options.Device.auto,
) -> None:
    """Serve the findings of a store over HTTP: users, rings, verdicts, health, metrics, and the desk.

    A key is needed for everything but /health and /ready; graphdet keys add makes one. /openapi.json
    describes the interface. With --config and --out it takes events too, and keeps the findings current.
    """
    from graphdet.service.keys import KeyRing
    from graphdet.service.limits import Doors

    given = locals()
    if (config is None) != (out is None) or (watch is not None and config is None):
        raise UsageError(
            "taking events needs both --config and --out; --watch SOURCE follows a source beside"
        )
    ring = KeyRing(_keys_file(keys))
    if not ring.valid():
        raise UsageError(f"{ring.path} has no keys yet; make one with: graphdet keys add NAME --scope read")
    said = f"Serving {store} on http://{host}:{port}; stop it with Ctrl-C."
    if config is None:
        _serve(store, Doors(ring), host, port, said)
    else:
        _serve_live(given, Doors(ring), said)


def _serve_live(given: Mapping[str, Any], doors: "Doors", said: str) -> None:
    """Serve and watch in one process, on one store; given: the options of `serve` by name."""
    from graphdet.config import load_config
    from graphdet.service.app import serve
    from graphdet.service.events import Watching
    from graphdet.service.snapshot import Keeper
    from graphdet.verbs.watch import Watcher

    host, port, out = given["host"], given["port"], given["out"]
    settings, request = load_config(given["config"]), watch_request(given)
    _check_port(host, port)
    with options.opened(given["store"], create=True) as store:
        watcher = Watcher.open(given["watch"], settings, store, out, request, say)
        watching = Watching(watcher)
        server = serve(Keeper(given["store"], watcher), doors, host, port, watching=watching)

        def stop() -> None:
            server.should_exit = True

        watching.ended = stop
        watching.start()
        print(said, flush=True)
        try:
            _answer(server)
        finally:
            watching.stop()


@guarded
def review_command(
    findings: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="The folder of a run; or give --store.")
    ] = None,
    store: options.StoreUrl = None,
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=1, max=65535, help="On which port.")
    ] = DESK_PORT,
    by: By = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Review findings in a browser on this machine: a queue of rings, their evidence, and decisions.

    Only whoever has the address that is printed can use it, and only from this machine.
    """
    from graphdet.service.limits import Caller, Doors

    store = options.store_of(findings, store)
    doors = Doors()
    session = doors.open_session(Caller(who(by), frozenset({"read", "write", "decide"})))
    address = f"http://127.0.0.1:{port}/login?session={session}"
    _serve(
        store,
        doors,
        "127.0.0.1",
        port,
        f"The desk is at {address}\nStop it with Ctrl-C.",
        address if browser else None,
    )


@guarded
def mcp_command(store: options.StoreUrl = None, by: By = None) -> None:
    """Answer an agent over the Model Context Protocol, on standard input and output, until it hangs up.

    Its tools read, none writes: suspects, rings, leads, one user, one ring, and the named queries. That findings were
    opened to an agent is noted in the audit log first.
    """
    from graphdet.casework.disclosure import Disclosure, disclose
    from graphdet.service.snapshot import Keeper

    try:
        from graphdet.service.agent import agent_server
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        raise UsageError(
            f"this needs {error.name}, which is not installed: pip install 'graphdet[mcp]'"
        ) from None
    with options.opened(store) as source:
        disclose(source, Disclosure("mcp", (), ("json",), "an agent"), noted(by))
    agent_server(Keeper(str(store))).run("stdio")


def _serve(
    store: str | None, doors: "Doors", host: str, port: int, said: str, address: str | None = None
) -> None:
    """Check the store and the port, say where the service is, and answer until somebody stops it."""
    import threading
    import webbrowser

    from graphdet.service.app import serve
    from graphdet.service.snapshot import Keeper

    with options.opened(store, read_only=True):
        pass  # a clear message where it is absent, busy or damaged
    keeper = Keeper(str(store))
    server = serve(keeper, doors, host, port)
    _check_port(host, port)
    print(said, flush=True)
    if address is not None:
        threading.Timer(1.0, webbrowser.open, (address,)).start()
    _answer(server)


def _answer(server: "uvicorn.Server") -> None:
    """Answer until somebody stops it, which is the way to end."""
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        obeyed()


def _check_port(host: str, port: int) -> None:
    import socket

    try:
        probe = socket.create_server((host, port))
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened on ({error.strerror}); give another --port"
        ) from error
    probe.close()


def _keys_file(given: Path | None) -> Path:
    return (given or DEFAULT_KEYS).expanduser()


@app.command("add")
@guarded
def add_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is; decisions are noted under it.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="SCOPE", help="read, write or decide; may be repeated [default: read]."
        ),
    ] = None,
    keys: Keys = None,
) -> None:
    """Make a key, print it once, and keep its hash."""
    from graphdet.service.keys import KeyRing

    ring = KeyRing(_keys_file(keys))
    token = ring.add(name, scope or ["read"])
    say(f"The key of {name}, kept as a hash in {ring.path}. It is shown this once:")
    print(token)


@app.command("list")
@guarded
def list_keys(keys: Keys = None, json: options.Json = False) -> None:
    """List the keys: whose they are, what they allow, since when."""
    from graphdet.cli import show
    from graphdet.service.keys import KeyRing

    found = KeyRing(_keys_file(keys)).valid()
    rows = [{"name": key.name, "scopes": list(key.scopes), "made_at": key.made_at} for key in found]
    if json:
        show.print_json({"keys": rows})
    elif rows:
        columns = (("name", False), ("may", False), ("since", False))
        show.print_rows(columns, ((key.name, ", ".join(key.scopes), key.made_at) for key in found))
    else:
        print("There are no keys.")


@app.command("revoke")
@guarded
def revoke_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key.")], keys: Keys = None
) -> None:
    """Revoke a key; a running service refuses it from the next request on."""
    from graphdet.service.keys import KeyRing

    KeyRing(_keys_file(keys)).revoke(name)
    print(f"The key of {name} is revoked.")
