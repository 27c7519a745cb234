"""The console as a program on the sample fleet, for tests in a real terminal: `python -m tests.tui.program`."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from hypersdk.errors import ConfigError
from hypersdk.model.virtualmachine import VirtualMachine
from tests.tui.fleet import fleet
from tui import main
from tui.options import Options
from tui.session import Session


async def connect(options: Options, environ: Mapping[str, str], context: str = "") -> Session:
    """The sample fleet, born now so that no age changes while a test counts bytes."""
    if options.context == "missing":
        raise ConfigError("there is no context 'missing'")
    session = fleet()
    born = datetime.now(UTC) - timedelta(days=9, hours=12)
    session.objects = [
        one.but(metadata=one.metadata.but(creation_timestamp=born)) if isinstance(one, VirtualMachine) else one
        for one in session.objects
    ]
    return session


if __name__ == "__main__":
    main.connect = connect
    sys.exit(main.main())
