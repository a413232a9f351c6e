"""completion: what a shell needs to complete commands, options, runs, studies and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence

from kdsearch import registry
from kdsearch.cli.grammar import make_parser
from kdsearch.cli.output import say, say_json
from kdsearch.errors import KdsearchError
from kdsearch.spec.sources import shipped_studies
from kdsearch.spec.teacher_card import shipped_cards

Completer = Mapping[str, object]
"""By shell what completes an argument, and under ``preamble`` the functions that it calls, as shtab takes them."""

_FILES = {"bash": "compgen -f", "zsh": "_files", "fish": "__fish_complete_path (commandline -ct)"}
_FOLDERS = {"bash": "compgen -d", "zsh": "_files -/", "fish": "__fish_complete_directories"}
# names of folders may be anything: no shell may read one as a program, as compgen -W and _alternative "(..)" would
_BASH_RUNS = """_kdsearch_runs() {
  local each name
  for each in runs/*/; do
    name=$(basename -- "$each")
    [[ -e ${each}lock && $name == "$1"* ]] && printf '%s\n' "$name"
  done
  compgen -d -- "$1"
}"""
_ZSH_RUNS = """_kdsearch_runs() {
  local -a runs expl
  runs=(runs/*/lock(N:h:t))
  _wanted runs expl run compadd -a runs
  _files -/
}"""
_FISH_RUNS = """function _kdsearch_runs
  for each in runs/*/lock
    basename -- (dirname -- $each)
  end
  __fish_complete_directories
end"""


def completion(given: argparse.Namespace) -> int:
    """Prints the script."""
    script = write_script(given.shell)
    if given.json:
        say_json({"shell": given.shell, "script": script})
    else:
        say(script)
    return 0


def write_script(shell: str) -> str:
    """The script by which a shell completes the whole command line.

    Raises:
        KdsearchError: shtab, which writes it, is not installed.
    """
    try:
        import shtab  # here: only this command needs it
    except ImportError:
        raise KdsearchError("shtab, which writes completions, is not installed: pip install shtab") from None
    parser = make_parser()
    known = find_completers()
    for action in list_arguments(parser):
        if action.metavar in known:
            action.complete = known[action.metavar]  # type: ignore[attr-defined]  # where shtab looks for it
            known[action.metavar] = {**known[action.metavar], "preamble": {}}  # one copy of each function
    return str(shtab.complete(parser, shell))


def list_arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of every command."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from list_arguments(each)


def find_completers() -> dict[str | tuple[str, ...] | None, Completer]:
    """By the metavar of an argument what completes it; one that is not here is a word of the user's own."""
    from kdsearch.spec.reference import list_sections

    runs = {"bash": "_kdsearch_runs", "zsh": "_kdsearch_runs", "fish": "(_kdsearch_runs)"}
    runs_by_shell = {"bash": _BASH_RUNS, "zsh": _ZSH_RUNS, "fish": _FISH_RUNS}
    student = {shell: call.replace("runs", "student") for shell, call in runs.items()}
    student_by_shell = {
        "bash": '_kdsearch_student() {\n  _kdsearch_runs "$1"; compgen -f -- "$1"\n}',
        "zsh": "_kdsearch_student() {\n  _kdsearch_runs; _files\n}",
        "fish": f"function _kdsearch_student\n  _kdsearch_runs; {_FILES['fish']}\nend",
    }
    studies, cards = [*shipped_studies()], [name.removesuffix(".yaml") for name in shipped_cards()]
    return {
        "RUN": {**runs, "preamble": runs_by_shell},
        "STUDY": _offer("study", studies, _FILES),
        "CARD": _offer("card", cards, _FILES),
        "NAME": _offer("name", studies, {}),
        "FORMAT": _offer("format", registry.available("kdsearch.exporters"), {}),
        "SECTION": _offer("section", list_sections(), {}),
        "RUN|FILE": {**student, "preamble": student_by_shell},
        "FILE": _offer("file", [], _FILES),
        "IMAGE": _offer("image", [], _FILES),
        "DIR": _offer("folder", [], _FOLDERS),
    }


def _offer(name: str, words: Sequence[str], more: Mapping[str, str]) -> Completer:
    """Completes to one of the words, or to whatever the shell's own function finds."""
    function, listed = f"_kdsearch_{name}", " ".join(words)
    bash = [f'compgen -W "{listed}" -- "$1"'] if words else []
    zsh = [f"'words:{name}:({listed})'"] if words else []
    fish = [f"printf '%s\\n' {listed}"] if words else []
    if more:
        bash.append(f'{more["bash"]} -- "$1"')
        zsh.append(f"'more:{name}:{more['zsh']}'")
        fish.append(more["fish"])
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f"{function}() {{\n  {'; '.join(bash)}\n}}",
            "zsh": f"{function}() {{\n  _alternative {' '.join(zsh)}\n}}",
            "fish": f"function {function}\n  {'; '.join(fish)}\nend",
        },
    }
