"""How a person gets from one screen to another: by keys, by the palette, and by the line typed after `:`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from hypersdk.errors import HyperSDKError
from tui.typeahead import TypeAheadApp

if TYPE_CHECKING:
    from hypersdk.model.virtualmachine import VirtualMachine
    from tui.cells import Key
    from tui.command_line import Order
    from tui.screens.base import ConsoleScreen
    from tui.workspace import Workspace


class NavigatingApp(TypeAheadApp):
    """The screens and the ways between them; what they show is the subclass' business."""

    @property
    def workspace(self) -> "Workspace":
        """What the screens share."""
        raise NotImplementedError

    def enter(self, namespace: str) -> None:
        """Show that namespace from now on."""
        raise NotImplementedError

    def go_to_context(self, name: str) -> None:
        """Show the cluster of that context from now on."""
        raise NotImplementedError

    def action_keys(self) -> None:
        """Show the keys."""
        from tui.screens.base import ConsoleScreen
        from tui.screens.help import HelpScreen

        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(HelpScreen(self.workspace, self.screen.VIEW))

    def action_operations(self) -> None:
        """Show the operations log."""
        from tui.screens.operations import OperationsScreen

        self.push_screen(OperationsScreen(self.workspace))

    def action_namespace(self) -> None:
        """Choose another namespace."""
        from tui.screens.namespaces import NamespacesScreen

        self.push_screen(NamespacesScreen(self.workspace), lambda name: self._namespace_chosen(name))

    def action_context(self) -> None:
        """Choose another context."""
        from tui.screens.contexts import ContextsScreen

        if self.workspace.session is not None:
            self.push_screen(ContextsScreen(self._contexts(), self.workspace.session.context), self._context_chosen)

    def action_show(self, name: str, typed: str = "") -> None:
        """Show a list, on top of the VM list."""
        from tui.screens.listings import list_screen

        self._leave_to_vms()
        if name != "vms":
            self.push_screen(list_screen(name, self.workspace))
        if typed:
            self.call_after_refresh(self._filter, typed)

    def action_command(self) -> None:
        """Type a command."""
        from tui.screens.command import CommandScreen

        self.push_screen(CommandScreen(self._vm_names(), [self.workspace.namespace], self._contexts()), self._typed)

    def follow(self, asked: "Order") -> None:
        """Do what a typed line asks for."""
        from tui import command_line as ask

        match asked:
            case ask.Nothing():
                return
            case ask.Quit():
                self.exit()
            case ask.Help():
                self.action_keys()
            case ask.Show():
                self.action_show(asked.list, asked.filter)
            case ask.ToNamespace():
                self.action_namespace() if asked.name is None else self._namespace_chosen(asked.name)
            case ask.ToContext():
                self.action_context() if asked.name is None else self._context_chosen(asked.name)
            case ask.Open():
                self._with_vms((asked.vm,), lambda screen, vms: self._open_vm(vms[0].key, asked.tab))
            case ask.Ask():
                self._with_vms(asked.vms, lambda screen, vms: screen.ask(asked.verb, vms))
            case ask.Unknown():
                self.notify(asked.words, severity="warning", markup=False)
            case _:
                assert_never(asked)

    def _typed(self, line: str | None) -> None:
        from tui.command_line import order

        self.follow(order(line or "", self._vm_names()))

    def _vm_names(self) -> list[str]:
        feed = self.workspace.feed
        return sorted(vm.metadata.name for vm in feed.vms) if feed else []

    def _contexts(self) -> list[str]:
        session = self.workspace.session
        try:
            return session.contexts() if session is not None else []
        except HyperSDKError as error:
            self.notify(str(error), severity="error", markup=False)
            return []

    def _namespace_chosen(self, namespace: str | None) -> None:
        if namespace is not None and namespace != self.workspace.namespace and self.workspace.session is not None:
            self.enter(namespace)

    def _context_chosen(self, name: str | None) -> None:
        if name is None:
            return
        known = self._contexts()
        if name in known:
            self._leave_to_vms()
            self.go_to_context(name)
        else:
            words = f"there is no context {name!r}; there are: {', '.join(known)}"
            self.notify(words, severity="warning", markup=False)

    def _leave_to_vms(self) -> None:
        """Close everything above the VM list."""
        from tui.screens.vms import VmsScreen

        while len(self.screen_stack) > 1 and not isinstance(self.screen, VmsScreen):
            self.pop_screen()

    def _filter(self, typed: str) -> None:
        from tui.screens.rows import RowsScreen

        if isinstance(self.screen, RowsScreen):
            self.screen.action_filter()
            self.screen.filter.value = typed
            self.screen.table.focus()

    def _open_vm(self, key: "Key", tab: str) -> None:
        from tui.screens.detail import DetailScreen

        self._leave_to_vms()
        self.push_screen(DetailScreen(self.workspace, key, tab))

    def _with_vms(self, names: tuple[str, ...], do: "Callable[[ConsoleScreen, list[VirtualMachine]], None]") -> None:
        """Do something to the VMs of these names, or to the targets of the screen when there are none."""
        from tui.screens.base import ConsoleScreen

        screen, feed = self.screen, self.workspace.feed
        if not isinstance(screen, ConsoleScreen) or feed is None:
            return
        named = [vm for vm in feed.vms if vm.metadata.name in names]
        if missing := set(names) - {vm.metadata.name for vm in named}:
            words = f"there is no VM {', '.join(sorted(missing))} in {self.workspace.where}"
            self.notify(words, severity="warning", markup=False)
        elif vms := named if names else screen.targets():
            do(screen, vms)
