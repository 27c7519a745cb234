"""Who comes in? The caller's name, its right, and the VM that it means, before anything of the VM is said."""

import shlex
from dataclasses import dataclass

from aiohttp import web

from controller.gateway import audit
from controller.gateway.access import Access, Caller, Verb, Wish, caller_of
from controller.gateway.audit import Visit
from controller.gateway.targets import Lookup, Target, target_of_name
from controller.telemetry.context import about_vm
from hypersdk.errors import Forbidden
from hypersdk.kube.streams import SubResource
from hypersdk.model.kinds import SUBRESOURCES
from hypersdk.plaintext import plain

GROUP = SUBRESOURCES.partition("/")[0]
UNKNOWN_PEER = "unix"


@dataclass(frozen=True)
class Door:
    """Lets callers in to the VMs that are known here."""

    lookup: Lookup
    access: Access
    allowed_names: frozenset[str] = frozenset()

    async def admit(self, request: web.Request, subresource: SubResource, *verbs: Verb) -> tuple[Visit, Target]:
        """Who calls and which VM is meant, once any of the verbs is allowed: nobody else learns whether it exists."""
        caller = caller_of(request, self.allowed_names)
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        about_vm(plain(namespace), plain(name))
        for verb in verbs:
            wish = Wish(verb, namespace, name, subresource)
            if await self.access.allows(caller, wish):
                return Visit(caller, wish, peer_of(request)), target_of_name(self.lookup, namespace, name)
        wish = Wish(verbs[0], namespace, name, subresource)
        audit.record("refused", Visit(caller, wish, peer_of(request)))
        raise Forbidden(refusal(caller, wish), 403, "Forbidden")


def refusal(caller: Caller, wish: Wish) -> str:
    """Which right is missing, and how it is had."""
    resource = f"virtualmachines/{wish.subresource}"
    role = "hypersdk-view" if wish.verb == "get" else "hypersdk-operate"
    words = ["kubectl", "create", "rolebinding", role, "-n", wish.namespace, f"--clusterrole={role}"]
    return (
        f'user "{caller.user}" cannot {wish.verb} {resource} of "{wish.name}" in namespace "{wish.namespace}": '
        f'missing is the verb "{wish.verb}" on {resource} in the API group {GROUP}. The role {role} has it: '
        f"{shlex.join([*words, f'--user={caller.user}'])}"
    )


def peer_of(request: web.Request) -> str:
    """Where the caller connects from: an API server in between says so."""
    return request.headers.get("X-Forwarded-For") or request.remote or UNKNOWN_PEER
