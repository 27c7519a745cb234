"""What a node needs to send VMs away and to take others in, put together."""

from dataclasses import dataclass

from controller.node.attachments import Attachments
from controller.node.controller import NodeController
from controller.node.migration.incoming import Incoming
from controller.node.migration.leaving import Leavings
from controller.node.migration.outgoing import Outgoing
from controller.node.migration.ports import Peers
from controller.node.migration.records import Records
from controller.node.migration.sweep import Sweep
from controller.node.migration.work import Migrate
from controller.node.pools import NodePools


@dataclass(frozen=True)
class Moves:
    """The parts that others talk to."""

    work: Migrate
    incoming: Incoming
    sweep: Sweep


def moves_of(controller: NodeController, peers: Peers, pools: NodePools | None = None) -> Moves:
    """The parts for one node's controller."""
    near, settings, places = controller.with_, controller.settings, controller.places
    records = Records(settings.state / "moves")
    leavings = Leavings(near.hypervisor, near.consoles, places, pools)
    incoming = Incoming(
        settings,
        near.hypervisor,
        controller.host,
        places,
        records,
        leavings,
        near.consoles,
        controller.queue.add,
        Attachments(near.client),
        near.states,
    )
    sweep = Sweep(settings.node, near.client, records, leavings, incoming)
    outgoing = Outgoing(settings, near.hypervisor, places, records, peers, near.states)
    work = Migrate(settings, near.client, controller.vms, near.hypervisor, peers, outgoing, incoming, sweep, near.now)
    return Moves(work, incoming, sweep)
