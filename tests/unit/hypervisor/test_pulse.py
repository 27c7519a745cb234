"""What the kernel tells of a process: of this one here, whose numbers are known to move."""

import os
import time

from controller.hypervisor.pulse import Run, disk_traffic, interface_traffic, read_pulses

TABLE = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls
    lo:  100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
 vnet3: 5000      50    0    0    0     0          0         0     7000      70    0    0    0     0       0          0
"""
IO = b"rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n"


def test_cpu_time_and_memory_of_a_process_are_read() -> None:
    before = read_pulses({"me": Run(os.getpid())})["me"]
    spent = time.process_time_ns()
    while time.process_time_ns() - spent < 20_000_000:
        pass
    after = read_pulses({"me": Run(os.getpid())})["me"]
    assert 20_000_000 <= after.cpu_time_ns - before.cpu_time_ns < 10_000_000_000
    assert after.resident_bytes > 1 << 20


def test_process_that_is_gone_has_no_pulse() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    assert read_pulses({"gone": Run(child, ("lo",)), "me": Run(os.getpid(), ("no-such-tap",))}).keys() == {"me"}


def test_traffic_is_the_guests_and_not_the_hosts_view() -> None:
    assert interface_traffic(TABLE)["vnet3"] == (7000, 5000)


def test_what_went_to_storage_is_read() -> None:
    assert disk_traffic(IO) == (4096, 8192)
