"""The console as a program on the sample fleet, for tests in a real terminal: `python -m tests.tui.program`.

SIGUSR1 takes its API away, SIGUSR2 brings it back.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypersdk.errors import ConfigError
from hypersdk.model.virtualmachine import VirtualMachine
from tests.tui.fleet import fleet
from tui import main
from tui.options import Options
from tui.session import Session

REFUSED = "cannot reach https://127.0.0.1:6443: connection refused"


async def connect(options: Options, environ: Mapping[str, str], context: str = "") -> Session:
    """The sample fleet, born now so that no age changes while a test counts bytes."""
    if options.context == "missing":
        raise ConfigError("there is no context 'missing'")
    session = fleet()
    session.link.echoes = True
    born = datetime.now(UTC) - timedelta(days=9, hours=12)
    session.objects = [
        one.but(metadata=one.metadata.but(creation_timestamp=born)) if isinstance(one, VirtualMachine) else one
        for one in session.objects
    ]
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, session.lose, REFUSED, session.namespace)
    loop.add_signal_handler(signal.SIGUSR2, session.find, session.namespace)
    return session


if __name__ == "__main__":
    main.connect = connect
    sys.exit(main.main())
