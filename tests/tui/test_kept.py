"""The lists of what is kept of VMs, snapshots, templates, backups, and what can be done to their rows."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import JsonObject, Resource, rfc3339
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.vmtemplate import VMTemplate
from tests.tui.builders import NOW, operation, snapshot, vm
from tests.tui.screen import app_of, console, lines, text, until
from tests.tui.scripted import ScriptedSession
from tests.tui.test_navigation import node
from tui.glyphs import UNICODE
from tui.lineage import lineage
from tui.screens.listings import list_screen

EARLIER = rfc3339(NOW - timedelta(minutes=5))


def _condition(type: str, status: str, reason: str, message: str) -> JsonObject:
    return {"type": type, "status": status, "reason": reason, "message": message}


def _made(model: type[Resource], kind: str, name: str, spec: JsonObject, status: JsonObject) -> Resource:
    metadata: JsonObject = {"name": name, "namespace": "default", "creationTimestamp": EARLIER}
    return model.model_validate({"kind": kind, "metadata": metadata, "spec": spec, "status": status})


def template(name: str, ready: bool, reason: str = "Imported", message: str = "") -> Resource:
    conditions = [_condition("Ready", str(ready), reason, message)]
    spec: JsonObject = {"displayName": "Debian", "image": {"source": "https://images/debian.qcow2"}}
    return _made(VMTemplate, "VMTemplate", name, spec, {"ready": ready, "usageCount": 3, "conditions": conditions})  # type: ignore[dict-item]


def backup(name: str, phase: str, message: str = "") -> Resource:
    spec: JsonObject = {"source": {"provider": "libvirt", "vmName": "web-1"}, "destination": {"type": "s3"}}
    over = _condition("Succeeded", "True" if phase == "Completed" else "False", phase, message)
    return _made(
        BackupJob, "BackupJob", name, spec, {"phase": phase, "kind": "Full", "size": 2**30, "conditions": [over]}
    )


def schedule(name: str, suspend: bool = False) -> Resource:
    source: JsonObject = {"source": {"provider": "libvirt", "vmName": "web-1"}, "destination": {"type": "s3"}}
    wire: JsonObject = {"schedule": "0 2 * * *", "suspend": suspend, "jobTemplate": {"spec": source}}
    return _made(BackupSchedule, "BackupSchedule", name, wire, {"lastScheduleTime": EARLIER})


def restore(name: str, phase: str, message: str) -> Resource:
    spec: JsonObject = {
        "source": {"type": "backup-ref", "backupJobRef": {"name": "nightly-1"}},
        "destination": {"provider": "libvirt", "vmName": "web-9"},
    }
    conditions = [_condition("Succeeded", "False", phase, message)]
    return _made(RestoreJob, "RestoreJob", name, spec, {"phase": phase, "conditions": conditions})  # type: ignore[dict-item]


def everything() -> ScriptedSession:
    frozen = {"consistency": "FilesystemFrozen"}
    return ScriptedSession(
        objects=[
            vm("web-1"),
            snapshot("base", "web-1", hours=3, **frozen),
            snapshot("pre-upgrade", "web-1", "base", hours=2, consistency="CrashConsistent"),
            snapshot("broken", "web-1", phase="Failed", hours=1),
            template("debian", True),
            template("wrong", False, "ChecksumMismatch", "the image is not the one of the checksum"),
            backup("nightly-1", "Completed", "stored"),
            backup("nightly-2", "Failed", "no such bucket"),
            schedule("nightly"),
            schedule("off", suspend=True),
            restore("again", "Failed", "there is a VM of that name"),
            operation("web-1", "migrate"),
            node("host-a"),
        ]
    )


LISTS = {
    "snap": ("f6", [["pre-upgrade", "web-1", "✓ Ready", "CrashCons", "3.0Mi", "base"], ["broken", "✗ Failed"]]),
    "template": ("f7", [["debian", "✓ Ready", " 3 "], ["wrong", "✗ ChecksumMis", "the image is"]]),
    "backup": ("f8", [["web-1", "✓ Completed", "1.0Gi"], ["✗ Failed", "no such"]]),
    "schedule": ("f9", [["nightly", "0 2 * * *", "✓ On"], ["off", "Suspended"]]),
    "restores": ("f10", [["again", "web-9", "✗ Failed", "there is a"]]),
}
"""By the words of the command line: the key, and what must stand in the rows."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_rows_say_what_is_kept_and_how_it_is(size: tuple[int, int]) -> None:
    async with console(everything(), size) as pilot:
        await until(pilot, "web-1")
        for command, (key, rows) in LISTS.items():
            for keys in ((key,), ("colon", *command, "enter")):
                await pilot.press(*keys)
                await until(pilot, rows[0][0])
                for wanted in rows:
                    assert any(all(words in line for words in wanted) for line in lines(pilot)), (wanted, text(pilot))
                await pilot.press("f2")
                await until(pilot, "1 VM, 1 running")


@pytest.mark.timeout(60)
async def test_message_that_its_column_cuts_is_whole_below_and_above_the_manifest() -> None:
    why = "this node keeps no backups in folders: start it again with --backup-folder DIR"
    session = ScriptedSession(objects=[vm("web-1"), backup("old", "Completed", "stored"), backup("new", "Failed", why)])
    async with console(session, (100, 24)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f8")
        await until(pilot, "2 backups")
        await pilot.press("end" if "✗" in lines(pilot)[3] else "home")
        await until(pilot, f" {why}")
        await pilot.press("enter")
        await until(pilot, "kind: BackupJob")
        assert why in text(pilot)
        await pilot.press("escape")
        await until(pilot, "esc Back")


async def test_what_came_of_a_deed_is_read_until_the_cursor_moves_on() -> None:
    objects = [vm("web-1"), backup("old", "Completed", "stored"), backup("new", "Completed", "kept")]
    async with console(ScriptedSession(objects=objects)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f8")
        await until(pilot, "2 backups")
        await pilot.press("e", "y")
        await until(pilot, "Verify new: done")
        assert "Verify new: done" in lines(pilot)[-2]
        await pilot.press("end")
        await until(pilot, "2/2  stored")


async def test_lists_are_live_and_say_when_they_cannot_be_had() -> None:
    session = ScriptedSession(objects=[vm("web-1")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        assert ("vmsnapshots", "default") not in session.caches, "watched before anybody asked"
        await pilot.press("f6")
        assert "Z on a VM takes one" in await until(pilot, "There are no snapshots in default.")
        session.put(snapshot("s-1", "web-1", phase="Creating"))
        await until(pilot, "↻ Creating")
        session.put(snapshot("s-1", "web-1"))
        await until(pilot, "✓ Ready")
        session.lose("cannot reach the API")
        await until(pilot, "✗ stale")
        await pilot.press("f7")
        await until(pilot, "The templates cannot be listed.")
        session.find()
        await until(pilot, "There are no templates in default.")
        await pilot.press("f10")
        assert "U on a backup makes one" in await until(pilot, "There are no restores in default.")
        await pilot.press("f9")
        assert "'hyperctl k8s apply -f' makes one" in await until(pilot, "There are no schedules in default.")


async def test_changes_before_a_screen_is_made_are_kept_for_it() -> None:
    session = ScriptedSession(objects=[vm("web-1")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        app = app_of(pilot)
        app.push_screen(list_screen("snapshots", app.workspace))
        app.on_hypersdk_app_feed_moved()
        app.enter("default")
        app.on_hypersdk_app_feed_moved()
        await until(pilot, "There are no snapshots in default.")
        await pilot.press("f2")
        await until(pilot, "1 VM, 1 running")


async def test_changes_while_the_console_ends_reach_no_screen() -> None:
    async with console(ScriptedSession(objects=[vm("web-1")])) as pilot:
        await until(pilot, "web-1")
        app = app_of(pilot)
        app._running = False  # the first thing that an end does; the second is that the widgets go
        await app.screen.query("*").remove()
        app.on_hypersdk_app_feed_moved()
        app._running = True


Done = tuple[str, str, dict[str, str]]
DEEDS: Sequence[tuple[str, str, Sequence[str], str, Done]] = [
    ("f6", "U", [*"pre", "enter"], "-snapshot pre", ("snapshot.restore", "pre", {})),
    ("f6", "y", [*"copy", "enter"], "vm clone web-1", ("snapshot.clone", "pre", {"target": "copy"})),
    ("f6", "d", ["y"], "vm snapshot delete web-1", ("snapshot.delete", "pre", {})),
    ("f4", "d", ["y"], "op cancel web-1-migrate", ("op.cancel", "web-1-migrate", {})),
    ("f8", "e", ["y"], "backup verify nightly", ("backup.verify", "nightly", {})),
    ("f8", "U", [*"web-7", "enter"], "restore create -from", ("backup.restore", "nightly", {"vm": "web-7"})),
    ("f8", "d", [*"nightly", "enter"], "backup delete", ("backup.delete", "nightly", {})),
    ("f9", "R", ["y"], "backup schedule run nights", ("schedule.run", "nights", {})),
    ("f9", "t", ["y"], "backup schedule suspend nights", ("schedule.suspend", "nights", {})),
    ("f9", "d", [*"nights", "enter"], "backup schedule delete nights", ("schedule.delete", "nights", {})),
    ("f10", "d", ["y"], "restore delete again", ("restore.delete", "again", {})),
    ("f3", "t", ["y"], "node cordon host-a", ("node.cordon", "host-a", {})),
    ("f7", "c", [*"n-1", "enter"], "-from-template debian", ("template.use", "debian", {"name": "n-1"})),
]
"""The list's key, the deed's, what its dialog is answered, the words of its command, and what is done then."""


@pytest.mark.timeout(60)
async def test_what_can_be_done_to_a_row_has_a_key_a_dialog_and_a_command() -> None:
    objects = [vm("web-1"), snapshot("pre", "web-1"), operation("web-1", "migrate"), backup("nightly", "Completed")]
    objects += [node("host-a"), template("debian", True), schedule("nights"), restore("again", "Failed", "no")]
    session = ScriptedSession(objects=objects)
    async with console(session) as pilot:
        await until(pilot, "web-1")
        for list_key, key, answer, words, done in DEEDS:
            await pilot.press(list_key)
            await until(pilot, "1/1")
            await pilot.press(key)
            await until(pilot, words)
            await pilot.press(*answer)
            await until(pilot, ": done")
            assert session.done.pop() == done
            app_of(pilot).clear_notifications()
            await pilot.press("f2")
            await until(pilot, "1 VM, 1 running")


async def test_schedule_that_is_suspended_is_resumed_and_not_suspended_again() -> None:
    session = ScriptedSession(objects=[vm("web-1"), schedule("off", suspend=True)])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f9")
        await until(pilot, "1/1")
        await pilot.press("t")
        await until(pilot, "Suspend refused: off is suspended already")
        await pilot.press("s")
        await until(pilot, "backup schedule resume off")
        await pilot.press("y")
        await until(pilot, ": done")
        assert session.done == [("schedule.resume", "off", {})]


async def test_what_makes_no_sense_is_refused_with_the_reason() -> None:
    session = ScriptedSession(objects=[vm("web-1"), snapshot("half", "web-1", phase="Creating")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f6")
        await until(pilot, "half")
        await pilot.press("U")
        await until(pilot, "Restore refused: half is Creating")


async def test_enter_on_an_option_goes_on_to_what_is_missing_then_does_it() -> None:
    session = ScriptedSession(objects=[vm("web-1"), snapshot("pre", "web-1")])
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("f6")
        await until(pilot, "pre")
        await pilot.press("y")
        await until(pilot, "Clone pre?")
        await pilot.press("tab", "space", "enter", *"copy", "tab", "enter")
        await until(pilot, ": done")
        assert session.done == [("snapshot.clone", "pre", {"target": "copy", "linked": True})]


async def test_page_of_the_disks_shows_which_snapshot_stands_on_which() -> None:
    session = everything()
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("enter")
        await until(pilot, "[overview]")
        await pilot.press("6")
        await until(pilot, "└ pre-upgrade")
        session.put(snapshot("after", "web-1", "pre-upgrade", hours=0))
        await until(pilot, "└ after")


def test_lineage_of_lost_parents_and_circles_is_drawn_flat() -> None:
    kept = [snapshot("a", "x", "b"), snapshot("b", "x", "a"), snapshot("c", "x", "gone"), snapshot("d", "other")]
    rows = ["".join(span.text for span in row) for row in lineage(("default", "x"), kept, NOW, UNICODE)]
    assert [row.split()[0] for row in rows] == ["Snapshots", "c", "a", "b"]
