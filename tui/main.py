"""The command `hypersdk`: what it is asked, whether this terminal can show it, and the start."""

import os
import sys
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # typing itself is a tenth of the time to the first words
if TYPE_CHECKING:
    from pathlib import Path

    from hypersdk.settings import Places
    from tui.options import Options
    from tui.session import Session

SPLASH = "HyperSDK  starting"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the console; the exit code of the process."""
    given, environ = sys.argv[1:] if argv is None else argv, dict(os.environ)
    words = refusal(environ, all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)))
    if not words:
        # Before anything is loaded; what argparse has to say is longer, and stands in its place.
        sys.stdout.write(f"{SPLASH}\r")
        sys.stdout.flush()
    options = parsed(given, environ)
    if words:
        print(f"hypersdk: {words}", file=sys.stderr)  # noqa: T201
        return 2
    from pathlib import Path

    from hypersdk.settings import places

    log_to_file(places(environ), Path(environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "hypersdk")
    return run(options, environ)


def parsed(argv: Sequence[str], environ: Mapping[str, str]) -> "Options":
    """The flags; argparse ends the process for --help and for mistakes."""
    import argparse
    from pathlib import Path

    from tui.options import Options

    parser = argparse.ArgumentParser("hypersdk", description="Virtual machines on Kubernetes objects, in a terminal.",
                                     epilog="'hyperctl' does the same line by line.")  # fmt: skip
    parser.add_argument(
        "--kubeconfig", default="", help="kubeconfig file (default: $KUBECONFIG, the local stack's, ~/.kube/config)"
    )
    parser.add_argument("--context", default="", help="context of the kubeconfig")
    parser.add_argument("-n", "--namespace", default="", help="namespace to begin with (default: the context's)")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="begin with all namespaces")
    parser.add_argument("--keymap", default="", metavar="NAME", help="keymap: default, vim, emacs, or one of yours")
    parser.add_argument(
        "--theme", default="", metavar="NAME", help="theme: dark, light, high-contrast, ansi, mono, or one of yours"
    )
    parser.add_argument("--read-only", action="store_true", help="look, but change nothing")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    given = parser.parse_args(argv)
    home = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return Options(
        given.kubeconfig, given.context, given.namespace, given.all_namespaces, given.keymap, given.theme,
        given.read_only, mouse=not given.no_mouse, config=home / "hypersdk",
    )  # fmt: skip


def refusal(environ: Mapping[str, str], is_terminal: bool) -> str:
    """Why the console cannot run here; empty when it can."""
    if not is_terminal:
        return "this is not a terminal; 'hyperctl k8s vm list' works in pipes and scripts"
    if environ.get("TERM", "") in {"", "dumb"}:
        return "TERM says that this terminal cannot place text; use 'hyperctl k8s vm list', or set TERM"
    return ""


def shows_unicode(environ: Mapping[str, str], encoding: str) -> bool:
    """Whether the terminal can be trusted with braille and signs: a UTF-8 locale and not the Linux console."""
    return encoding.replace("-", "").lower() == "utf8" and environ.get("TERM") not in {"linux", "vt100", "vt220"}


def log_to_file(where: "Places", fallback: "Path") -> None:
    """The screen is for the screen: everything logged goes to a file, or nowhere."""
    import logging

    handler: logging.Handler = logging.NullHandler()
    for folder in (where.log, fallback):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handler = logging.FileHandler(folder / "console.log", encoding="utf-8")
            break
        except OSError:
            continue
    logging.basicConfig(
        handlers=[handler], level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.captureWarnings(True)


def run(options: "Options", environ: Mapping[str, str]) -> int:
    """Load Textual and the theme, then the app."""
    import locale
    from functools import partial

    from tui import garbage

    garbage.seldom()
    from tui.preferences import with_preferences
    from tui.theme import FEW_COLOURS, choose_theme, has_few_colours

    options, wrong = with_preferences(options)
    few = has_few_colours(environ)
    asked = FEW_COLOURS if environ.get("NO_COLOR") is not None else options.theme
    theme, notice = choose_theme(asked, options.theme_folders, few)
    from tui.app import HypersdkApp

    unicode = shows_unicode(environ, locale.getpreferredencoding(False))
    app = HypersdkApp(
        options,
        partial(connect, options, environ),
        theme,
        notices=[words for words in (wrong, notice) if words],
        unicode=unicode,
    )
    sys.stdout.write(" " * len(SPLASH) + "\r")
    sys.stdout.flush()
    app.run(mouse=options.mouse)
    return app.return_code or 0


async def connect(options: "Options", environ: Mapping[str, str], context: str = "") -> "Session":
    """A session on the API that was asked for, or on another context of its kubeconfig."""
    from hypersdk.kube.endpoint import Endpoint, default_kubeconfig
    from hypersdk.settings import places
    from tui.session import live_session

    kubeconfig = options.kubeconfig or default_kubeconfig(environ, places(environ).kubeconfig)
    return await live_session(Endpoint(kubeconfig, context or options.context))
