"""The options of `%%glm` and the commands of `%glm`: parsing, help, and what errors say."""

from __future__ import annotations

import os

import pytest
from IPython.core.interactiveshell import InteractiveShell

from glm_jupyter import GLMError
from glm_jupyter.magics.commands.commands import COMMANDS
from glm_jupyter.magics.options import HelpAsked, cell_parser, line_parser


def test_quoted_text_and_repeated_options() -> None:
    args = cell_parser().parse_line("""-s "Be 'brief'" --stop '\n' --stop END -t -0.5 -c""")
    assert args.system == "Be 'brief'"
    assert args.stop == ["\n", "END"]
    assert args.temperature == -0.5
    assert args.continue_ is True
    assert args.think is None


@pytest.mark.parametrize("system", ["posix", "nt"])
def test_quotation_marks_are_no_part_of_a_text_on_any_system(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "name", system)
    args = cell_parser().parse_line("""-s "be brief" --map "df.x" --stop 'a # b' -c=notes""")
    assert (args.system, args.map, args.stop) == ("be brief", "df.x", ["a # b"])


def test_a_path_of_windows_keeps_its_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    args = cell_parser().parse_line(r'-i C:\new\plot.png -i "C:\my plots\a.png" -s @C:\t.md')
    assert args.image == [r"C:\new\plot.png", r"C:\my plots\a.png"]
    assert args.system == r"@C:\t.md"
    monkeypatch.setattr(os, "name", "posix")
    assert cell_parser().parse_line(r"-i my\ plot.png").image == ["my plot.png"]


@pytest.mark.parametrize(
    ("line", "message", "remedy"),
    [
        ("--modle x", "--modle", "Did you mean --model?"),
        ("--temperature warm", "invalid float value", "--help"),
        ("-o class", "variable", "--help"),
        ("--think --no-think", "not allowed with", "--help"),
        ("-s 'open", "quotation", "quotation mark"),
        ("-m x What is it", "What is it", "the question goes below this line"),
    ],
)
def test_errors_say_what_to_do(line: str, message: str, remedy: str) -> None:
    with pytest.raises(GLMError) as caught:
        cell_parser().parse_line(line)
    assert message in f"{caught.value} {caught.value.remedy}"
    assert remedy in caught.value.remedy


def test_a_hint_is_never_the_option_that_was_given() -> None:
    for line in ("-m", "--max-tokens 1.5", "-t x", "--think --no-think"):
        with pytest.raises(GLMError) as caught:
            cell_parser().parse_line(line)
        assert "Did you mean" not in caught.value.remedy


def test_a_question_in_the_place_of_a_command_is_shown_its_place() -> None:
    with pytest.raises(GLMError) as caught:
        line_parser().parse_line("-m glm-4-airx what is this")
    assert "a cell that begins with %%glm" in caught.value.remedy


def test_help_lists_every_option_once() -> None:
    with pytest.raises(HelpAsked) as asked:
        cell_parser().parse_line("--help")
    text = str(asked.value)
    for option in ("--model NAME", "--system TEXT", "--dry-run", "--no-think", "--raw"):
        assert option in text
    assert "%%%" not in text


def test_commands_and_their_help() -> None:
    assert line_parser().parse_line("").command is None
    assert line_parser().parse_line("models 'glm-4*'").pattern == "glm-4*"
    with pytest.raises(HelpAsked, match="MODEL"):
        line_parser().parse_line("use --help")
    with pytest.raises(GLMError) as caught:
        line_parser().parse_line("modles")
    assert "Did you mean models?" in caught.value.remedy


def test_the_panel_says_in_a_terminal_that_it_needs_a_notebook(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "glm_jupyter")
    shell.run_line_magic("glm", "")
    assert "needs a notebook" in capsys.readouterr().out


def test_a_stopped_command_says_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(COMMANDS, "doctor", interrupted)
    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "glm_jupyter")
    with pytest.raises(KeyboardInterrupt) as stopped:
        shell.run_line_magic("glm", "doctor")
    shown = stopped.value._render_traceback_()  # type: ignore[attr-defined]
    assert shown == ["Stopped."]
