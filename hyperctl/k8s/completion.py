"""`hyperctl completion SHELL`: the script that a shell reads to complete our command lines."""

from typing import Final

from hyperctl.exits import Exit
from hypersdk.errors import UsageError

_BASH: Final = """# hyperctl: source <(hyperctl completion bash)
_hyperctl() {
    local IFS=$'\\n' word words=() at
    # bash takes words apart at = and :, which is not how hyperctl reads them
    words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=()
    while IFS= read -r word; do
        [ -n "$word" ] && COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" __complete "${words[@]}" 2>/dev/null)
    case "${COMPREPLY[0]}" in *=) compopt -o nospace ;; esac
}
complete -o default -F _hyperctl hyperctl
"""
_ZSH: Final = """#compdef hyperctl
# hyperctl: source <(hyperctl completion zsh)
_hyperctl() {
    local -a found
    found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    found=("${(@)found:#}")
    if (( ${#found} )); then
        compadd -a found
    else
        _files
    fi
}
if [ "${funcstack[1]}" = _hyperctl ]; then
    _hyperctl "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
    compdef _hyperctl hyperctl
fi
"""
_FISH: Final = """# hyperctl: hyperctl completion fish | source
function __hyperctl_complete
    set -l words (commandline -opc) (commandline -ct)
    hyperctl __complete $words[2..-1] 2>/dev/null
end
complete -c hyperctl -a '(__hyperctl_complete)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def main(words: list[str]) -> int:
    """Print the script of a shell."""
    if words in (["-h"], ["--help"]):
        print(
            "usage: hyperctl completion bash|zsh|fish\n\nPrints the shell's completion script.\n\n"
            "examples:\n  source <(hyperctl completion bash)\n  source <(hyperctl completion zsh)\n"
            "  hyperctl completion fish | source"
        )
        return Exit.OK
    if len(words) != 1 or words[0] not in SCRIPTS:
        raise UsageError("usage: hyperctl completion bash|zsh|fish")
    print(SCRIPTS[words[0]], end="")
    return Exit.OK
