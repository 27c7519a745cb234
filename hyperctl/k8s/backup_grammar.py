"""Which words follow `hyperctl k8s backup` and `hyperctl k8s restore`?"""

from typing import TYPE_CHECKING, Final

from hyperctl.k8s.parser import (
    Grammar,
    command,
    flag,
    for_list,
    for_one,
    group,
    option,
)

if TYPE_CHECKING:
    from hyperctl.k8s.parser import Commands

PLACES: Final = ("s3", "local", "nfs")


def backup_commands(commands: "Commands") -> None:
    """Every command of `backup`."""
    for_list(command(commands, "list", "show backups", "backup list -A"))
    for_one(command(commands, "get", "show one backup", "backup get nightly-1770206400 -o yaml"), "backup")
    example = "backup create -vm my-vm -bucket vm-backups -secret store"
    _create(command(commands, "create", "back a virtual machine up, and wait for the end", example))
    checking = "read a stored backup and everything that it stands on, and tell whether it can be restored"
    _named(command(commands, "verify", checking, "backup verify nightly-1770206400"))
    deleting = command(commands, "delete", "remove a backup from its store, and its job", "backup delete my-backup")
    _named(deleting)
    flag(deleting, "keep-data", "remove the job alone; a backup that is under way is cancelled")
    schedules = group(commands, "schedule", "schedules of backups")
    for_list(listing := command(schedules, "list", "show schedules", "backup schedule list"))
    listing.set_defaults(group="schedule")
    for word, what in (
        ("suspend", "make no more backups at its times"),
        ("resume", "make backups at its times again"),
        ("run", "begin its backups at once; its times stay"),
        ("delete", "delete a schedule with its jobs; what they stored stays"),
    ):
        acting = command(schedules, word, what, f"backup schedule {word} nightly")
        acting.add_argument("schedule", metavar="NAME")
        acting.set_defaults(group="schedule")


def restore_commands(commands: "Commands") -> None:
    """Every command of `restore`."""
    for_list(command(commands, "list", "show restores", "restore list"))
    for_one(command(commands, "get", "show one restore", "restore get my-vm-restore -o yaml"), "restore")
    ending = "delete a restore: one under way is cancelled, of one that is over the virtual machine stays"
    command(commands, "delete", ending, "restore delete my-vm-restore").add_argument("restore", metavar="NAME")
    example = "restore create -from nightly-1770206400 -vm my-vm-2 --start"
    parser = command(commands, "create", "make a virtual machine of a backup, and wait for the end", example)
    option(parser, "name", "of the RestoreJob; made up when left out")
    option(parser, "from", "the BackupJob that made the backup")
    option(parser, "path", "where the backup lies instead, as its outputPath has it: bucket and folder, or a path")
    _store(parser)
    option(parser, "vm", "the name of the virtual machine; that of the backup when left out")
    flag(parser, "overwrite", "replace the disks of the virtual machine of that name, which must be off")
    flag(parser, "start", "start it afterwards")
    flag(parser, "no-wait", "do not wait for the end")


def _create(parser: Grammar) -> None:
    option(parser, "vm", "the virtual machine")
    option(parser, "name", "of the BackupJob; made up when left out")
    parser.add_argument("-type", "--type", choices=PLACES, default="s3", help="where it goes (default: %(default)s)")
    option(parser, "bucket", "the bucket; of local and nfs the folder on the node", "")
    option(parser, "prefix", "a folder in it", "")
    _store(parser)
    parser.add_argument("-format", "--format", choices=("qcow2", "raw"), help="of the files (else qcow2, compressed)")
    flag(parser, "incremental", "store what changed since the last one; the first one is full")
    option(parser, "base", "the BackupJob to stand on; the newest that will do when left out", "")
    flag(parser, "no-wait", "do not wait for the end")


def _store(parser: Grammar) -> None:
    option(parser, "endpoint", "URL of the object store; AWS when left out", "")
    option(parser, "region", "of the bucket", "")
    option(parser, "secret", "the Secret with accessKeyId and secretAccessKey; else the node's own account", "")


def _named(parser: Grammar) -> None:
    parser.add_argument("backup", metavar="NAME")
