"""graphdet neo4j: a server for people who have none."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, obeyed
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError

app = typer.Typer(
    name="neo4j", help="Start, stop and look at a local Neo4j.", no_args_is_help=True, rich_markup_mode=None
)
HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="GRAPHDET_NEO4J_HOME",
        help="Where the server keeps its data [default: graphdet/neo4j in your data folder].",
    ),
]


@app.command("start")
@guarded
def start_command(
    home: HomeFolder = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", min=1, max=65535, help="Of Neo4j Browser [default: 7474].")
    ] = None,
    bolt_port: Annotated[
        int | None, typer.Option("--bolt-port", min=1, max=65535, help="Of the database [default: 7687].")
    ] = None,
    docker: Annotated[
        bool | None, typer.Option("--docker/--no-docker", help="Through Docker or not [default: if it runs].")
    ] = None,
    json: options.Json = False,
) -> None:
    """Start Neo4j on this machine and wait until it answers; a running one is left as it is."""
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.store.neo4j import server

    info = server.start(
        home, http_port=http_port, bolt_port=bolt_port, docker=docker, progress=make_progress()
    )
    if json:
        show.print_json(asdict(info))
        return
    print("Neo4j was running already." if info.already else "Neo4j is running.")
    _print_pairs(
        ("store", info.url),
        ("browser", info.browser_url),
        ("username", info.username),
        ("password", f"in the file {info.password_file}"),
    )


@app.command("stop")
@guarded
def stop_command(home: HomeFolder = None, json: options.Json = False) -> None:
    """Stop the server and wait for its clean end; its data stay."""
    from graphdet.cli import show
    from graphdet.store.neo4j import server

    ended = server.stop(home, make_progress())
    if json:
        show.print_json({"stopped": ended})
    else:
        print("Neo4j is stopped." if ended else "Neo4j was not running.")


@app.command("remove")
@guarded
def remove_command(
    home: HomeFolder = None,
    data: Annotated[bool, typer.Option("--data", help="The databases and their password too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: options.Json = False,
) -> None:
    """Stop the server and remove its files, 140 MB of jars among them; its data stay unless --data."""
    from graphdet.cli import show
    from graphdet.store.neo4j import server

    place = server.status(home).home
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("say --yes to remove the server where nobody can be asked")
        what = "the server AND ALL ITS DATA" if data else "the server; its data stay"
        typer.confirm(f"Remove from {place}: {what}. Go on?", abort=True, err=True)
    gone = server.remove(home, data=data, progress=make_progress())
    if json:
        show.print_json({"removed": [str(path) for path in gone], "data_kept": not data})
        return
    for path in gone:
        print(f"Removed {path}")
    if not data:
        print(f"The data stay in {place}: `graphdet neo4j start` runs on them; remove --data takes them too.")


@app.command("status")
@guarded
def status_command(home: HomeFolder = None, json: options.Json = False) -> None:
    """Say whether the server runs, and where."""
    from dataclasses import asdict

    from graphdet.cli import show
    from graphdet.store.neo4j import server

    now = server.status(home)
    if json:
        show.print_json(asdict(now))
        return
    print("Neo4j is running." if now.running else "Neo4j is not running; start it with: graphdet neo4j start")
    if now.url:
        _print_pairs(
            ("store", now.url),
            ("browser", str(now.browser_url)),
            ("password", f"in the file {now.password_file}"),
            ("home", str(now.home)),
        )


@app.command("favourites")
@guarded
def favourites_command(
    out: Annotated[Path, typer.Option("--out", readable=False, metavar="FILE", help="The zip to write.")],
    json: options.Json = False,
) -> None:
    """Write the saved queries as a zip of favourites: drop it on Neo4j Browser."""
    from graphdet.store.neo4j import browser

    _write(
        out,
        browser.favourites(),
        json,
        "Drop this file on Neo4j Browser, then open its favourites (the star).",
    )


@app.command()
@guarded
def style(
    out: Annotated[
        Path, typer.Option("--out", readable=False, metavar="FILE", help="The .grass file to write.")
    ],
    json: options.Json = False,
) -> None:
    """Write the style of the drawings as a .grass file: drop it on Neo4j Browser.

    A server that `graphdet neo4j start` started has it already.
    """
    from graphdet.store.neo4j import browser

    _write(
        out, browser.style_text().encode(), json, "Drop this file on Neo4j Browser; `:style reset` undoes it."
    )


def _write(out: Path, content: bytes, json: bool, words: str) -> None:
    from graphdet.cli import show
    from graphdet.files import replacing

    with replacing(out) as temporary:
        temporary.write_bytes(content)
    if json:
        show.print_json({"file": str(out), "n_bytes": len(content)})
    else:
        print(f"{out}\n{words}")


@app.command()
@guarded
def guide(
    store: options.StoreUrl = None,
    ring: Annotated[
        str | None,
        typer.Option("--ring", metavar="RING", help="The case [default: the most suspicious ring]."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Where it is served, on this machine only.")
    ] = 7475,
) -> None:
    """Serve a guide that leads through one case in Neo4j Browser, until Ctrl-C.

    In the Browser: `:guide http://localhost:7475/guide.html`. Also serves the style and the favourites.
    """
    from graphdet.store.neo4j import server
    from graphdet.store.neo4j.guide import GuideServer, case_of

    url = store or server.status().url
    if url is None:
        raise UsageError(
            "name the store (--store neo4j://localhost:7687), or start one: graphdet neo4j start"
        )
    with options.opened(url, read_only=True) as source:
        case = case_of(source, ring)
    with GuideServer(case, port) as serving:
        print(
            f"The guide to {case.ring_id} is served on this machine; stop it with Ctrl-C. In Neo4j Browser type"
        )
        print(f"  :guide {serving.url}/guide.html", flush=True)
        serving.serve()
    obeyed()


def _print_pairs(*pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        print(f"  {name:9} {value}")
