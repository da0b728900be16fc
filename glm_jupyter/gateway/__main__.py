"""`python -m glm_jupyter.gateway`: reads the configuration and serves until it is stopped."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from glm_jupyter import language
from glm_jupyter.api.errors import GLMError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8010
SHUTDOWN_SECONDS = 10  # for answers that are under way


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway; the exit status."""
    options = _parser().parse_args(arguments)
    language.choose("en")  # many users read it, in other languages than this machine's
    try:
        import uvicorn

        from .app import API, Gateway
        from .config import load
    except ImportError as error:
        print(
            f"The package {error.name} is missing: pip install 'glm-jupyter[gateway]'",
            file=sys.stderr,
        )
        return 2
    service = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
    host = options.host or service.hostname or DEFAULT_HOST
    port = service.port or DEFAULT_PORT if options.port is None else options.port
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/").rstrip("/") + "/"
    try:
        config = load(options.config, os.environ)
        gateway = Gateway(config, "/" if config.tokens else prefix)
    except GLMError as error:
        print(f"{error}\n{error.remedy}".strip(), file=sys.stderr)
        return 2
    server = uvicorn.Config(
        gateway.app(),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    # Before anything is settled in the database: a second gateway ends here.
    socket = server.bind_socket()
    socket.listen(server.backlog)
    port = socket.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    print(f"The gateway is at http://{shown}:{port}{gateway.prefix}{API}", flush=True)
    # The database works in a thread, and streams shall not wait for it 5 ms at a time.
    sys.setswitchinterval(0.0005)
    uvicorn.Server(server).run(sockets=[socket])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m glm_jupyter.gateway",
        description="One key of the service for a class: budgets, fair turns, usage.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="a TOML file")
    parser.add_argument("--host", help=f"where to listen (default: the Hub's, or {DEFAULT_HOST})")
    parser.add_argument("--port", type=int, help=f"(default: the Hub's, or {DEFAULT_PORT})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
