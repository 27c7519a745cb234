"""From a kubeconfig and a context to an open connection: addresses, credentials, TLS (kubernetes_asyncio's part)."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from hypersdk.errors import ConfigError, Unreachable
from hypersdk.kube.causes import cause
from hypersdk.kube.library import load

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client import ApiClient

_NOT_SIGNED_IN = 401
IN_CLUSTER_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True)
class Endpoint:
    """Which API to talk to: a kubeconfig file and one of its contexts (its current one when empty)."""

    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True)
class Context:
    """One context of a kubeconfig."""

    name: str
    namespace: str
    cluster: str


def default_kubeconfig(environ: Mapping[str, str], embedded: Path) -> str:
    """$KUBECONFIG, else the embedded API's, else ~/.kube/config; empty in a pod, which has a service account."""
    if environ.get("KUBECONFIG"):
        return environ["KUBECONFIG"]
    if os.access(embedded, os.R_OK):
        return str(embedded)
    of_the_user = Path("~/.kube/config").expanduser()
    return "" if os.access(IN_CLUSTER_TOKEN, os.R_OK) and not of_the_user.exists() else str(of_the_user)


class Connection:
    """An open HTTP connection pool to one API server, which signs in anew when its credentials are no longer taken."""

    def __init__(self, api: "ApiClient", context: Context, renew: Callable[[], Awaitable["ApiClient"]]) -> None:
        self._api = api
        self.context = context
        self._renew = renew
        self._renewing = asyncio.Lock()
        self._previous: ApiClient | None = None

    @property
    def host(self) -> str:
        """The API server's address, such as `https://127.0.0.1:6443`."""
        return str(self._api.configuration.host)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        content_type: str = "application/json",
        timeout: "aiohttp.ClientTimeout | float | None" = None,
    ) -> "aiohttp.ClientResponse":
        """Send one request and answer with the open response, whatever its status; Unreachable without one."""
        import aiohttp

        async def sent(api: "ApiClient") -> "aiohttp.ClientResponse":
            response: aiohttp.ClientResponse = await api.call_api(
                path,
                method,
                query_params=list(query),
                header_params={"Content-Type": content_type, "Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
            return response

        try:
            used = self._api
            response = await sent(used)
            if response.status == _NOT_SIGNED_IN and await self._signed_in_anew(used):
                response.release()
                response = await sent(self._api)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"no answer from {self.host}: {cause(error)}") from error
        return response

    async def websocket(
        self, path: str, query: Sequence[tuple[str, str]] = (), protocols: Sequence[str] = ()
    ) -> "aiohttp.ClientWebSocketResponse":
        """Open a WebSocket; the caller closes it. aiohttp.WSServerHandshakeError carries a refusal's status."""
        import aiohttp

        async def opened(api: "ApiClient") -> "aiohttp.ClientWebSocketResponse":
            headers: dict[str, str] = {}
            await api.update_params_for_auth(headers, [], ["BearerToken"])
            url = self.host + path + (f"?{urlencode(query)}" if query else "")
            session: aiohttp.ClientSession = api.rest_client.pool_manager
            return await session.ws_connect(url, headers=headers, protocols=protocols, heartbeat=20, max_msg_size=2**22)

        used = self._api
        try:
            return await opened(used)
        except aiohttp.WSServerHandshakeError as error:
            if error.status != _NOT_SIGNED_IN or not await self._signed_in_anew(used):
                raise
        return await opened(self._api)

    async def _signed_in_anew(self, used: "ApiClient") -> bool:
        """Read the credentials once more (a plugin is run, a token file is read); False when there are no new ones."""
        async with self._renewing:
            if self._api is not used:
                return True
            try:
                api = await self._renew()
            except ConfigError:
                return False
            if self._previous is not None:
                await self._previous.close()
            # Streams may still run on the one before: they end with their own time limit.
            self._api, self._previous = api, used
            return True

    async def close(self) -> None:
        """Close every connection of the pool."""
        if self._previous is not None:
            await self._previous.close()
        await self._api.close()


async def connect(endpoint: Endpoint) -> Connection:
    """Open a connection pool; ConfigError when the kubeconfig cannot be used."""
    api, context = await _signed_in(endpoint)

    async def renew() -> "ApiClient":
        return (await _signed_in(endpoint))[0]

    return Connection(api, context, renew)


async def _signed_in(endpoint: Endpoint) -> tuple["ApiClient", Context]:
    load()
    from kubernetes_asyncio.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.connection_pool_maxsize = 64
    if not endpoint.kubeconfig and os.access(IN_CLUSTER_TOKEN, os.R_OK):
        context = _in_cluster(configuration)
    else:
        context = await _from_file(endpoint, configuration)
    return ApiClient(configuration), context


def _in_cluster(configuration: object) -> Context:
    from kubernetes_asyncio.config import ConfigException
    from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader

    try:
        InClusterConfigLoader(str(IN_CLUSTER_TOKEN), str(IN_CLUSTER_TOKEN.with_name("ca.crt"))).load_and_set(
            configuration
        )
    except (ConfigException, OSError) as error:
        raise ConfigError(f"cannot use the service account in {IN_CLUSTER_TOKEN.parent}: {error}") from error
    namespace = IN_CLUSTER_TOKEN.with_name("namespace")
    return Context("in-cluster", namespace.read_text().strip() if namespace.exists() else "default", "in-cluster")


async def _from_file(endpoint: Endpoint, configuration: object) -> Context:
    import yaml
    from kubernetes_asyncio.config import ConfigException, load_kube_config

    found = next((c for c in contexts(endpoint) if endpoint.context in {c.name, ""}), None)
    if found is None:
        raise ConfigError(
            f"{endpoint.kubeconfig} has no context {endpoint.context!r}; see 'kubectl config get-contexts'"
        )
    try:
        await load_kube_config(endpoint.kubeconfig, found.name, client_configuration=configuration)
    except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{endpoint.kubeconfig}: {error}") from error
    except (TypeError, AttributeError, LookupError) as error:  # how the library meets a file that lacks something
        words = f"the context {found.name} cannot be used: it needs a cluster and a user of the same file"
        raise ConfigError(f"{endpoint.kubeconfig}: {words}") from error
    return found


def contexts(endpoint: Endpoint) -> list[Context]:
    """Every context of the kubeconfig, the current one first; ConfigError when there is none."""
    load()
    import yaml
    from kubernetes_asyncio.config import ConfigException, list_kube_config_contexts

    try:
        listed, current = list_kube_config_contexts(endpoint.kubeconfig)
    except (ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"no usable kubeconfig at {endpoint.kubeconfig}: {error}. Start the local stack with 'hyperctl up', "
            "or point KUBECONFIG at a cluster"
        ) from error
    first = current["name"] if current else ""
    ordered = sorted(listed or [], key=lambda one: one["name"] != first)
    return [
        Context(one["name"], one["context"].get("namespace") or "default", one["context"].get("cluster", ""))
        for one in ordered
    ]
