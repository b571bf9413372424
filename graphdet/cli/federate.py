"""graphdet federate: learning one ring judge and one network together with owners of other logs, showing no row."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from graphdet.cli import options
from graphdet.cli.guard import guarded, say
from graphdet.cli.progress import make_progress
from graphdet.errors import UsageError

app = typer.Typer(
    name="federate",
    help="Learn together with owners of other logs, without showing them a row.",
    no_args_is_help=True,
)
FEDERATE_PORT = 8719
Tls = Annotated[
    Path | None,
    typer.Option(
        "--tls",
        metavar="DIR",
        help="Folder with authority.pem, certificate.pem and key.pem; needed between machines.",
    ),
]
Epsilon = Annotated[
    float | None,
    typer.Option(
        "--epsilon",
        metavar="E",
        help="Differential privacy: what may be told of one example; less is more private.",
    ),
]
Delta = Annotated[
    float, typer.Option("--delta", metavar="D", help="With --epsilon: the probability that more is told.")
]
MatchKey = Annotated[
    Path | None,
    typer.Option(
        "--match-key", metavar="FILE", help="Also look for rings that span owners, by this common key."
    ),
]


@contextmanager
def _extra() -> Iterator[None]:
    """Say which extra is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("grpc", "opacus"):
            raise
        raise UsageError(
            f"this needs {error.name}, which is not installed: pip install 'graphdet[federate]'"
        ) from None


@app.command("server")
@guarded
def server(
    parties: Annotated[
        int, typer.Option("--parties", metavar="N", min=2, max=100, help="How many owners learn together.")
    ],
    rounds: Annotated[
        int,
        typer.Option("--rounds", metavar="N", min=1, max=10_000, help="NoisySteps that are taken together."),
    ] = 100,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where it listens.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="On which port.")
    ] = FEDERATE_PORT,
    tls: Tls = None,
    patience: Annotated[
        int,
        typer.Option("--patience", metavar="S", min=1, help="Seconds after which who is silent is left out."),
    ] = 600,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Lead parties through the rounds of learning, and end when all have left.

    It holds no log. It sees each party's gradients, and keeps one that pulls too hard or against all others from
    deciding anything; who did that in half of the rounds is named at the end.
    """
    from graphdet.cli import show

    with _extra():
        from graphdet.verbs.federate import ServeRequest, serve_parties
    facts = serve_parties(ServeRequest(parties, rounds, host, port, tls, patience, seed), say)
    if json:
        show.print_json(facts)
    else:
        print(f"{len(facts['parties'])} parties learned together in {rounds} rounds.")


@app.command("join")
@guarded
def join_command(
    address: Annotated[
        str, typer.Argument(metavar="HOST:FEDERATE_PORT", help="Where the server is.", show_default=False)
    ],
    model: options.ModelDir,
    name: Annotated[
        str,
        typer.Option("--name", metavar="NAME", help="What this party is called; with --tls as certified."),
    ],
    store: options.StoreUrl = None,
    epsilon: Epsilon = None,
    delta: Delta = 1e-5,
    match_key: MatchKey = None,
    tls: Tls = None,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> None:
    """Learn from a store's log together with the other parties, and keep the models as train does.

    No row, id or item leaves: only gradients do, with --epsilon shortened and with noise, and with --match-key keyed
    hashes of what suspicious groups act on.
    """
    from graphdet.cli import show

    host, _, number = address.rpartition(":")
    if not host or not number.isdigit() or not 0 < int(number) < 65536:
        raise UsageError(f"{address!r} is no HOST:FEDERATE_PORT; for example 127.0.0.1:{FEDERATE_PORT}")
    with _extra():
        from graphdet.federate.privacy import Budget
        from graphdet.verbs.federate import MATCHES_FILE, JoinRequest, join
    budget = Budget(epsilon, delta) if epsilon is not None else None
    request = JoinRequest(host.strip("[]"), int(number), name, budget, match_key, tls, seed)
    with options.opened(store, read_only=True) as source:
        facts = join(source, model, request, make_progress())
    if json:
        show.print_json(facts)
        return
    print(f"Learned with {facts['parties'] - 1} others in {facts['rounds']} rounds.")
    if budget is None:
        print("No differential privacy: gradients left as they are (--epsilon adds noise).")
    else:
        print(
            f"Differential privacy: epsilon {facts['epsilon']:.2f} at delta {delta:g}, noise {facts['noise']:.2f}."
        )
    if match_key is not None:
        print(f"{facts['matches']} of {facts['offered']} groups go on elsewhere: {model / MATCHES_FILE}")
    print(f"Model: {model}; next: graphdet score --model {model}")
