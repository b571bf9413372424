"""The service put together, and started."""

import ipaddress
from dataclasses import replace

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException

from graphdet import __version__
from graphdet.errors import GraphdetError, StoreBusy, StoreError, UsageError
from graphdet.service import api, desk
from graphdet.service.events import Watching, event_routes
from graphdet.service.limits import Doors, Gate, Limits
from graphdet.service.snapshot import Keeper


def make_app(keeper: Keeper, doors: Doors, limits: Limits, watching: Watching | None = None) -> FastAPI:
    """Make the ASGI application of a store's service; with `watching` it takes events too."""
    app = FastAPI(
        title="graphdet",
        version=__version__,
        description="Scores, rings and verdicts of a store. Keys: Authorization: Bearer KEY.",
        docs_url=None,  # their pages come from elsewhere; /desk/api shows the same from here
        redoc_url=None,
    )
    registry = CollectorRegistry()
    app.state.keeper, app.state.doors, app.state.registry = keeper, doors, registry
    app.state.watching = watching
    app.include_router(api.api_routes)
    if watching is not None:
        app.include_router(event_routes)
        registry.register(watching)
    app.include_router(desk.desk_routes)
    app.include_router(desk.session_routes)
    app.add_middleware(Gate, doors=doors, limits=limits, registry=registry)

    @app.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse("/desk/")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        body = desk.static(name)
        if body is None:
            return JSONResponse({"error": "there is no such file"}, 404)
        return Response(body, media_type=desk.STATIC_TYPES[name], headers={"cache-control": "max-age=3600"})

    @app.exception_handler(api.HttpRefusal)
    def refused(request: Request, error: api.HttpRefusal) -> Response:
        return _answer(request, error.status, error)

    @app.exception_handler(GraphdetError)
    def failed(request: Request, error: GraphdetError) -> Response:
        busy = isinstance(error, StoreBusy)
        status = 503 if isinstance(error, StoreError) else 422 if isinstance(error, UsageError) else 500
        answer = _answer(request, status, error)
        if busy:
            answer.headers["retry-after"] = "5"
        return answer

    @app.exception_handler(HTTPException)
    def not_found(request: Request, error: HTTPException) -> Response:
        return _answer(request, error.status_code, Exception(str(error.detail)))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        """Say which field is wrong, without what was sent: that may hold a secret."""
        where = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return _answer(request, 422, Exception(where))

    return app


def _answer(request: Request, status: int, error: Exception) -> Response:
    """An error as a page for people at the desk, as JSON for programs."""
    if request.url.path.startswith("/desk"):
        return HTMLResponse(desk.refused_page(error), status)
    return JSONResponse({"error": str(error)}, status)


def serve(
    keeper: Keeper,
    doors: Doors,
    host: str,
    port: int,
    limits: Limits | None = None,
    watching: Watching | None = None,
) -> uvicorn.Server:
    """Make the server; `run` of it answers until SIGINT or SIGTERM, and finishes requests that have begun.

    watching: whose events it takes; it is started and stopped by the caller.

    Raises:
        UsageError: others could reach it, and there are no keys.
    """
    limits = limits or Limits()
    if is_loopback(host):
        limits = replace(limits, hosts=frozenset({"localhost", "127.0.0.1", "::1"}))
    elif doors.keys is None or not doors.keys.valid():
        raise UsageError(
            f"{host} can be reached from other machines, and there are no keys yet; make one with: "
            "graphdet keys add NAME"
        )
    app = make_app(keeper, doors, limits, watching)
    config = uvicorn.Config(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False,
        timeout_keep_alive=15, limit_concurrency=200, h11_max_incomplete_event_size=64 * 1024,
    )  # fmt: skip
    return uvicorn.Server(config)


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
