"""Scripts that complete the words of `sezoo` in a shell, made from the parsers of its commands."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["SCRIPTS", "Words", "words_of"]

TOP = (
    "--config-path",
    "--config-name",
    "--multirun",
    "--dry-run",
    "--quiet",
    "--verbose",
    "--debug",
    "--version",
    "--help",
)
"""Options without a command."""


@dataclass(frozen=True)
class Words:
    """What can stand behind a command.

    Attributes
    ----------
    options : all of them, by their names.
    values : of options that take one of a few, and of the words without an option ("").
    files : options whose value is a file or a folder, or anything else that nobody can list.
    """

    command: str
    summary: str
    options: dict[str, str]
    values: dict[str, tuple[str, ...]]
    files: tuple[str, ...]


def words_of(command: str, summary: str, parser: argparse.ArgumentParser) -> Words:
    """The words of a command's parser."""
    options: dict[str, str] = {}
    values: dict[str, tuple[str, ...]] = {}
    files: list[str] = []
    for action in parser._actions:  # argparse has no other way to list them
        choices = tuple(action.choices or getattr(action.type, "values", ()) or getattr(action, "known", ()))
        for flag in action.option_strings:
            options[flag] = _first_words(action.help or "")
            if choices:
                values[flag] = choices
            elif action.nargs != 0:
                files.append(flag)
        if not action.option_strings and choices:
            values[""] = values.get("", ()) + choices
    return Words(command, summary, options, values, tuple(files))


def _first_words(text: str) -> str:
    """A description for a list: what stands before the first explanation."""
    short = text.partition(" (")[0].partition(";")[0].partition(": ")[0]
    return short if len(short) <= 60 else short[:57] + "..."


# -- bash ------------------------------------------------------------------------------------------------


def bash(words: Sequence[Words]) -> str:
    """For bash 3 and later."""
    options = "\n".join(f"        {each.command}) options='{' '.join(each.options)}' ;;" for each in words)
    cases = []
    for each in words:
        for flag, choices in each.values.items():
            place = f"{each.command}:{flag}" if flag else f"{each.command}:+"
            cases.append(f"        {place}) values='{' '.join(choices)}' ;;")
        if each.files:
            cases.append(f"        {'|'.join(f'{each.command}:{flag}' for flag in each.files)}) files=1 ;;")
    commands = " ".join(each.command for each in words)
    lines = "\n".join(cases)
    return f"""\
# sezoo: completion for bash
_sezoo() {{
    local word previous command options values files
    word="${{COMP_WORDS[COMP_CWORD]}}"
    previous="${{COMP_WORDS[COMP_CWORD-1]}}"
    command="${{COMP_WORDS[1]}}"
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{commands} {" ".join(TOP)}' -- "$word"))
        return
    fi
    case "$command" in
{options}
        *) options='{" ".join(TOP)}' ;;
    esac
    case "$command:$previous" in
{lines}
    esac
    if [ -z "$values$files" ] && [ "${{word#-}}" = "$word" ]; then
        case "$command:+" in
{lines}
        esac
    fi
    if [ -n "$values" ]; then
        local before=""  # of several values with commas between them, the last one is completed
        case "$word" in *,*) before="${{word%,*}}," ;; esac
        COMPREPLY=($(compgen -P "$before" -W "$values" -- "${{word##*,}}"))
    elif [ -z "$files" ] && [ "${{word#-}}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -o bashdefault -F _sezoo sezoo
"""


# -- zsh -------------------------------------------------------------------------------------------------


def zsh(words: Sequence[Words]) -> str:
    """For zsh, with descriptions."""
    commands = "\n".join(f"        {_quoted(f'{each.command}:{each.summary}')}" for each in words)
    cases = []
    for each in words:
        specs = []
        for flag, told in each.options.items():
            about = told.replace("[", "(").replace("]", ")").replace(":", " ")
            if flag in each.values:
                action = f":value:({' '.join(each.values[flag])})"
            else:
                action = ":value:_files" if flag in each.files else ""
            specs.append(_quoted(f"*{flag}[{about}]{action}"))
        rest = f"({' '.join(each.values[''])})" if "" in each.values else "_files"
        specs.append(_quoted(f"*:word:{rest}"))
        cases.append(f"        {each.command}) _arguments {' '.join(specs)} ;;")
    lines = "\n".join(cases)
    return f"""\
#compdef sezoo
# sezoo: completion for zsh
_sezoo() {{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        _values option {" ".join(TOP)}
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
{lines}
        *) _files ;;
    esac
}}
compdef _sezoo sezoo
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# -- fish ------------------------------------------------------------------------------------------------


def fish(words: Sequence[Words]) -> str:
    """For fish, with descriptions."""
    lines = ["# sezoo: completion for fish"]
    lines += [
        f"complete -c sezoo -n __fish_use_subcommand -a {each.command} -d {_in_fish(each.summary)}" for each in words
    ]
    for each in words:
        condition = f"complete -c sezoo -n '__fish_seen_subcommand_from {each.command}'"
        if "" in each.values:
            lines.append(f"{condition} -f -a '{' '.join(each.values[''])}'")
        for flag, told in each.options.items():
            name = f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
            if flag in each.values:
                value = f" -x -a '{' '.join(each.values[flag])}'"
            else:
                value = " -r -F" if flag in each.files else ""
            lines.append(f"{condition} {name}{value} -d {_in_fish(told)}")
    return "\n".join(lines) + "\n"


def _in_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# -- PowerShell ------------------------------------------------------------------------------------------


def powershell(words: Sequence[Words]) -> str:
    """For PowerShell 5 and later; without an answer it completes files."""

    def listed(names: Sequence[str]) -> str:
        return "@(" + ", ".join("'" + name.replace("'", "''") + "'" for name in names) + ")"

    options = "\n".join(f"    '{each.command}' = {listed(list(each.options))}" for each in words)
    values = "\n".join(
        f"    '{each.command} {flag}' = {listed(choices)}" for each in words for flag, choices in each.values.items()
    )
    return f"""\
# sezoo: completion for PowerShell
$sezooOptions = @{{
{options}
}}
$sezooValues = @{{
{values}
}}
Register-ArgumentCompleter -Native -CommandName sezoo -ScriptBlock {{
    param($word, $line, $position)
    $elements = $line.CommandElements | Where-Object {{ $_.Extent.EndOffset -lt $position }}
    $before = @($elements | ForEach-Object {{ "$_" }})
    if ($before.Count -lt 2) {{
        $found = {listed([each.command for each in words] + list(TOP))}
    }} else {{
        $command = $before[1]
        $found = $sezooValues["$command $($before[-1])"]
        if (-not $found -and "$word".StartsWith('-')) {{ $found = $sezooOptions[$command] }}
        if (-not $found) {{ $found = $sezooValues["$command "] }}
    }}
    $found | Where-Object {{ $_ -like "$word*" }} | ForEach-Object {{
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }}
}}
"""


SCRIPTS: dict[str, Callable[[Sequence[Words]], str]] = {
    "bash": bash,
    "zsh": zsh,
    "fish": fish,
    "powershell": powershell,
}
"""By the names of the shells."""
