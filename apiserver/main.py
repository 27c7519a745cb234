"""hypersdk-apiserver: the embedded Kubernetes API of one host, on one port, from one folder."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from apiserver import home
from apiserver.certificates import Certificates
from apiserver.gateway import Gateway
from apiserver.handlers.call import Api
from apiserver.kubeconfig import kubeconfig
from apiserver.lifecycle.bootstrap import bootstrap, shipped
from apiserver.lifecycle.internal import Own
from apiserver.lifecycle.keeper import Keeper
from apiserver.patience import Patience
from apiserver.registry.builtin import builtin_resources
from apiserver.registry.catalogue import Catalogue
from apiserver.server import Server
from apiserver.storage.database import Database, StorageError
from apiserver.storage.recovery import recover
from apiserver.storage.store import Store
from hypersdk.data import data_folder

DATABASE = "objects.db"
_SHUTDOWN_S = 2.0
_HANDSHAKE_S = 10.0
_REQUESTS = logging.getLogger("requests")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    state: Path
    port: int
    kubeconfig: Path
    gateway: Path | None
    listen: str
    verbose: bool = False
    recover: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 2 when the server cannot start."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    _REQUESTS.setLevel(logging.INFO if options.verbose else logging.WARNING)
    os.umask(0o077)
    try:
        with home.owned(options.state):
            if options.recover:
                _recover(options)
            else:
                asyncio.run(serve(options))
    except (home.StartError, StorageError) as error:
        print(f"hypersdk-apiserver: {error}", file=sys.stderr)  # noqa: T201 -- talk for the person who starts it
        return 2
    return 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="hypersdk-apiserver", description="The embedded Kubernetes API of one host.")
    parser.add_argument("--state", type=Path, required=True, help="folder for the database, certificates and token")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes the last one, or a free one")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="where to write the client's kubeconfig")
    parser.add_argument("--gateway", type=Path, help="the controller's unix socket, for streams of virtual machines")
    parser.add_argument("--listen", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--verbose", action="store_true", help="log each request, with its answer's status and seconds")
    parser.add_argument("--recover", action="store_true", help="save what is readable in a damaged database, and end")
    return Options(**vars(parser.parse_args(arguments)))


def _recover(options: Options) -> None:
    came = recover(options.state / DATABASE, now())
    print(f"{came.objects} objects recovered; the damaged file is {came.damaged}")  # noqa: T201 -- the answer


async def serve(options: Options) -> None:
    """Open everything, say that it is ready, and wait for the end."""
    stopped = _stop_on_signals()
    listener = _listen(options)
    port = listener.getsockname()[1]
    token = home.token(options.state)
    home.keep_port(options.state, port)
    certificates = Certificates(options.state)
    certificates.ensure(options.listen, now())
    store = Store(Database(options.state / DATABASE), asyncio.get_running_loop())
    try:
        gateway = Gateway(options.gateway)
        own = Own(store, Catalogue(builtin_resources()), now)
        keeper = Keeper(own)
        keeper.begin()
        await bootstrap(own, shipped(data_folder("deploy") / "crds"))
        server = Server(Api(store, own.catalogue, now), gateway, token)
        runner, accepting = await _serve_http(server, listener, certificates)
        address = f"https://{_reachable(options.listen)}:{port}"
        home.write_private(options.kubeconfig, kubeconfig(address, certificates.authority.read_bytes(), token))
        print(f"ready {address}", flush=True)  # noqa: T201 -- the one line that whoever starts it waits for
        await _keep_until(stopped, keeper)
        accepting.close()
        store.cut_watches()
        await runner.cleanup()
        await gateway.close()
    finally:
        store.close()


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def _listen(options: Options) -> socket.socket:
    """A listening socket: the wanted port, else the last one, else a free one."""
    if options.port == 0:
        last = home.last_port(options.state)
        with suppress(OSError):
            return _bound(options.listen, last)
    try:
        return _bound(options.listen, options.port)
    except OSError as error:
        where = f"{options.listen} port {options.port}"
        raise home.StartError(f"cannot listen on {where}: {error.strerror}; choose another --port") from error


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _reachable(listen: str) -> str:
    """The address that a client on this host uses."""
    if listen in {"0.0.0.0", "::"}:
        return "127.0.0.1" if listen == "0.0.0.0" else "[::1]"
    return f"[{listen}]" if ":" in listen else listen


async def _serve_http(
    server: Server, listener: socket.socket, certificates: Certificates
) -> tuple[web.AppRunner, asyncio.Server]:
    words = '"%r" %s %Tf'
    runner = web.AppRunner(
        server.application(), access_log=_REQUESTS, access_log_format=words, shutdown_timeout=_SHUTDOWN_S
    )
    await runner.setup()
    answering = runner.server
    assert answering is not None
    accepting = await asyncio.get_running_loop().create_server(
        lambda: Patience(answering()),
        sock=listener,
        ssl=certificates.context(),
        ssl_handshake_timeout=_HANDSHAKE_S,
        backlog=128,
    )
    return runner, accepting


def _stop_on_signals() -> asyncio.Event:
    """Set when SIGTERM or SIGINT comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def _keep_until(stopped: asyncio.Event, keeper: Keeper) -> None:
    """Keep house until it is time to stop."""
    keeping = asyncio.create_task(keeper.run())
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([keeping, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        keeping.cancel()
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


if __name__ == "__main__":
    sys.exit(main())
