"""`completion bash|zsh|fish`: the script by which a shell completes this program's commands.

click answers the shell's questions; the scripts are our own, as click's know one name alone: these ask the program
by the name or path that was typed, `task_server` or `scripts/task_server.py`.
"""

from __future__ import annotations

import click

from taskserver.cli.command import command
from taskserver.cli.output import print_json, say
from taskserver.cli.session import Session

SHELLS = ("bash", "zsh", "fish")

_BASH = """\
_task_server() {
    local IFS=$'\\n' line kind value
    COMPREPLY=()
    for line in $(COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD @VARIABLE@=bash_complete \\
        "${1/#\\~/$HOME}" 2>/dev/null); do
        IFS=, read -r kind value <<<"$line"
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) printf -v value %q "$value" && COMPREPLY+=("$value") ;;
        esac
    done
}

complete -o nosort -F _task_server task_server task_server.py
"""
_ZSH = """\
#compdef task_server task_server.py

_task_server() {
    local -a response plain described
    local kind key text
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT - 1)) @VARIABLE@=zsh_complete \\
        "${words[1]/#\\~/$HOME}" 2>/dev/null)}")
    for kind key text in ${response}; do
        case $kind in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain) if [[ $text == _ ]]; then plain+=("$key"); else described+=("$key:$text"); fi ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _task_server "$@"
else
    compdef _task_server task_server task_server.py
fi
"""
_FISH = """\
function _task_server
    set -l program (string replace -r '^~' $HOME (commandline -opc)[1])
    set -l answer (env @VARIABLE@=fish_complete COMP_WORDS=(commandline -cp | string collect) \\
        COMP_CWORD=(commandline -t | string collect) $program 2>/dev/null)
    for line in $answer
        set -l part (string split --max 1 , $line)
        switch $part[1]
            case dir
                __fish_complete_directories (commandline -t)
            case file
                __fish_complete_path (commandline -t)
            case plain
                echo $part[2]
        end
    end
end

complete --no-files --command task_server --arguments '(_task_server)'
complete --no-files --command task_server.py --arguments '(_task_server)'
"""


def script(shell: str) -> str:
    """The completion script for one of SHELLS."""
    from taskserver.cli.program import COMPLETE_VARIABLE

    return {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell].replace("@VARIABLE@", COMPLETE_VARIABLE)


@command(
    examples=[
        'eval "$(task_server completion bash)"',
        "task_server completion fish > ~/.config/fish/completions/task_server.fish",
    ]
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Prints the completion script for a shell."""
    if Session.of(ctx).json:
        print_json({"script": script(shell).rstrip("\n")})
    else:
        say(script(shell).rstrip("\n"))
