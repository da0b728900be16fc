"""What a user types: `%%glm` and `%glm`, and how they reach the session."""

from __future__ import annotations

import re
from asyncio import CancelledError
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.completer import context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from glm_jupyter import bridge
from glm_jupyter.language import _
from glm_jupyter.render.channel import channel_for
from glm_jupyter.sessions.settings import configured

from .history import History
from .page import Page

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Coroutine

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell

    from glm_jupyter.answer import Answer
    from glm_jupyter.sessions.turn import Turn

    from .cell import Question
    from .templates import Template

ABOVE = re.compile(r"(?<!\S)--above\b")
CELL = re.compile(r"%%glm(?=\s|$)")


class Stopped(KeyboardInterrupt):
    """The user stopped the answer; what had arrived is kept."""

    def __init__(self, says: str = "") -> None:
        super().__init__(says or _("Stopped. What had arrived is kept, also in `_glm`."))

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@magics_class
class GLMMagics(Magics):
    """`%glm` and `%%glm`, and the input transformer through which a cell awaits its answer."""

    shell: InteractiveShell

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._depth = 0
        self._cell_id: str | None = None
        self._written: Template | None = None
        self.history = History(shell)
        self.channel = channel_for(shell)
        self.page = Page(self.channel) if self.channel else None

    @no_var_expand
    @line_cell_magic
    def glm(self, line: str, cell: str | None = None) -> None:
        """Ask a GLM model (`%%glm`), or look after models, keys and the engine (`%glm`).

        `%%glm --help` lists what a cell can ask for, `%glm --help` the commands.
        """
        if cell is None:
            try:
                self._command(line)
            except Stopped:
                raise
            except KeyboardInterrupt:
                raise Stopped(_("Stopped.")) from None
        elif asked := self._read(line, cell):
            self._run(self._ask(asked))

    async def aglm(self, line: str, cell: str) -> None:
        """`%%glm` for a cell that is awaited: the kernel stays responsive while it streams."""
        told = None
        if ABOVE.search(line) and self.channel and self._cell_id:
            told = await self.channel.cells_above(self._cell_id)
        if asked := self._read(line, cell, told):
            try:
                await self._ask(asked)
            except CancelledError:
                raise Stopped from None

    def _run(self, asking: Coroutine[Any, Any, None]) -> None:
        try:
            bridge.run(asking)
        except (KeyboardInterrupt, CancelledError):
            raise Stopped from None

    def _cells_above(self, told: list[Any] | None) -> tuple[list[Any], str]:
        """The cells above the one that runs: as the page told, as saved, or as remembered."""
        from pathlib import Path

        from glm_jupyter.prompt.above import of_file
        from glm_jupyter.sessions.notebook import notebook_path

        if told is not None:
            return told, ""
        path = notebook_path()
        if path and (saved := of_file(Path(path), self._cell_id)) is not None:
            return saved, _("as the notebook was saved last")
        return self.history.cells(), _("by the kernel's history")

    def _read(self, line: str, cell: str, told: list[Any] | None = None) -> Question | None:
        """What the cell asks; nothing where it only asked for help, which is printed."""
        from glm_jupyter.sessions import session as sessions

        from . import cell as cells
        from . import explain
        from .options import HelpAsked

        explain.remember()
        try:
            with bridge.interruptible():  # what stands in double braces may compute for long
                return cells.read(
                    line,
                    cell,
                    self.shell.user_ns,
                    sessions.current(),
                    lambda: self._cells_above(told),
                )
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return None
        except CancelledError:
            raise Stopped(_("Stopped. Nothing was sent.")) from None

    async def _ask(self, asked: Question) -> None:
        from glm_jupyter.sessions import session as sessions

        self._written = asked.written
        if asked.args.map:
            await self._map(asked)
            return
        if asked.args.compare:
            await self._compare(asked)
            return
        cell = self._cell_id or asked.prompt  # a terminal's cells have no id
        asking = replace(asked.asking, cell=cell)
        turn = sessions.current().turn(asked.prompt, asked.options, asking)
        if asked.args.dry_run:
            from .dry_run import preview

            self._display(preview(turn, asked.values))
            return
        self._keep(turn.answer, asked.args.output)
        await self._show(turn)
        if asked.args.code:
            self._offer_code(turn.answer)

    async def _explain(self, args: Namespace) -> None:
        from glm_jupyter.sessions import session as sessions
        from glm_jupyter.sessions.options import Asking, AskOptions

        from . import explain
        from .cell import below
        from .dry_run import preview

        session = sessions.current()
        asked = explain.question(self.shell.user_ns, data=args.data)
        options = AskOptions(model=args.model, endpoint=args.endpoint, system=explain.SYSTEM)
        notes = []
        if args.above is not None:
            room = session.room(options)
            asked, note = below(asked, args.above, room, lambda: self._cells_above(None))
            notes.append(note)
        asking = Asking(aside=True, to_send=not args.dry_run, notes=tuple(notes))
        turn = session.turn(asked, options, asking)
        if args.dry_run:
            self._display(preview(turn, ()))
            return
        self._keep(turn.answer, None)
        await self._show(turn)
        self._offer_code(turn.answer)

    async def _task(self, wanted: str) -> None:
        """Wait for what an earlier cell has handed in, and show it."""
        from glm_jupyter.sessions import session as sessions

        from .commands import tasks

        job = tasks.find(wanted)
        if job.kind == "batch":
            await self._batch(job.id)
            return
        turn = sessions.current().resume(job)
        self._keep(turn.answer, None)
        await self._show(turn)

    async def _batch(self, wanted: str) -> None:
        """Wait for a batch that an earlier map has handed in, and show its answers."""
        from glm_jupyter.mapping.answers import Answers
        from glm_jupyter.mapping.mapping import fill_from_batch
        from glm_jupyter.mapping.table import bundle

        answers = Answers()
        self._keep(answers, None)
        try:
            await fill_from_batch(answers, wanted)
        finally:
            if any(answers):
                self._display(bundle(answers))

    def _offer_code(self, answer: Answer) -> None:
        """Put the answer's code into a new cell below; it runs when somebody runs it."""
        from .codeblocks import python_in

        if code := python_in(answer.text):
            self.shell.set_next_input(code)
        else:
            print(_("The answer holds no block of Python code for a new cell."))  # noqa: T201

    def _keep(self, answer: Any, name: str | None) -> None:
        self.shell.user_ns["_glm"] = answer
        if name:
            self.shell.user_ns[name] = answer

    async def _map(self, asked: Question) -> None:
        from glm_jupyter.mapping.table import bundle

        from .map_cell import CellMap

        each = CellMap(asked, self.shell.user_ns)
        if asked.args.dry_run:
            self._display(each.preview())
            return
        self._keep(each.answers, asked.args.output)
        try:
            await each.run()
        finally:
            if any(each.answers):
                self._display(bundle(each.answers))

    async def _compare(self, asked: Question) -> None:
        from glm_jupyter.render.columns import ColumnsView
        from glm_jupyter.sessions import session as sessions

        from .compare import turns_for
        from .dry_run import preview

        models = asked.args.compare
        asking = replace(asked.asking, aside=True)
        both = turns_for(sessions.current(), models, asked.prompt, asked.options, asking)
        if asked.args.dry_run:
            for turn in both.turns:
                self._display(preview(turn, asked.values))
            return
        self._keep(both.answers, asked.args.output)
        view = ColumnsView(self.shell, both.answers, both.errors)
        try:
            with bridge.awake():
                view.changed()
                await both.run(view.changed)
        finally:
            view.close()

    async def _show(self, turn: Turn) -> None:
        from glm_jupyter.render.live import view_for

        from .waiting import making, remark

        view = view_for(self.shell, turn.answer, self.channel)
        if says := making(turn):
            view.status(says)
        try:
            with bridge.awake():
                async with aclosing(turn.stream()) as events:
                    async for event in events:
                        if says := remark(event, turn):
                            view.status(says)
                        view.changed()
        finally:
            view.close()

    def _command(self, line: str) -> None:
        from . import explain
        from .commands import commands
        from .options import HelpAsked, line_parser

        explain.remember()
        try:
            args = line_parser().parse_line(line)
        except HelpAsked as help_text:
            print(help_text)  # noqa: T201
            return
        if args.command == "explain":
            self._run(self._explain(args))
            return
        if args.command == "tasks" and args.id:
            self._run(self._task(args.id))
            return
        args.written = self._written
        shown = commands.COMMANDS[args.command or "panel"](args)
        if shown is not None:
            self._display(shown)

    def _display(self, bundle: dict[str, Any]) -> None:
        self.shell.display_pub.publish(bundle)

    def transform(self, lines: list[str]) -> list[str]:
        """Turn a `%%glm` cell into a call with its text as it was typed.

        The first transformer to see it, for IPython's own take prompts (`>>>`) off the lines. The
        call is awaited at the top level of a kernel's cell only: `%%time` and its like compile
        their inner cell without `await`, and a terminal has nobody to be responsive to.
        """
        typed = "".join(lines).lstrip("\n")
        if not (match := CELL.match(typed)):
            return lines
        line, _, cell = typed[match.end() :].partition("\n")
        asked = f"{line.strip()!r}, {cell!r})\n"
        if self._depth or not (hasattr(self.shell, "kernel") and self.shell.autoawait):
            return [f"get_ipython().run_cell_magic('glm', {asked}"]
        return [f"await get_ipython().find_cell_magic('glm').__self__.aglm({asked}"]

    # check_complete must see the magic itself: it waits for a blank line in a terminal.
    transform.has_side_effects = True  # type: ignore[attr-defined]

    @context_matcher(identifier="glm_jupyter")  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """What Tab offers on our lines and in `{{ }}`."""
        from .completion import complete

        return complete(context, self.shell)

    def hooks(self) -> dict[str, Any]:
        """The shell's events this extension listens to."""
        return {
            "pre_execute": self._enter,
            "pre_run_cell": self._see_cell,
            "post_execute": self._leave,
        }

    def _enter(self) -> None:
        self._depth += 1

    def _see_cell(self, info: ExecutionInfo) -> None:
        if self._depth == 1:
            self._cell_id = info.cell_id

    def _leave(self) -> None:
        # The cell that loaded the extension was entered before we listened.
        self._depth = max(0, self._depth - 1)


def _document(shell: InteractiveShell) -> None:
    """Have the kernel tell of our options and models where a front end asks about them.

    IPython looks up Python names only, and has no hook for others. What is offered by Tab gets a
    hint in the place of a signature, which only functions of Python have.
    """
    kernel: Any = getattr(shell, "kernel", None)
    if not hasattr(kernel, "do_inspect"):
        return  # there is none, or Pyodide's, which has no hook either
    of_python, completions = kernel.do_inspect, kernel.do_complete

    def do_inspect(code: str, cursor_pos: int, *args: Any, **options: Any) -> Any:
        from .completion import documentation

        if text := documentation(code, cursor_pos):
            return {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}
        return of_python(code, cursor_pos, *args, **options)

    def do_complete(code: str, cursor_pos: int) -> Any:
        from .completion import hints

        reply = completions(code, cursor_pos)
        if words := hints(code, cursor_pos):
            for offer in reply["metadata"].get("_jupyter_types_experimental", ()):
                offer["signature"] = words.get(offer["text"], "")
        return reply

    kernel.do_inspect, kernel.do_complete = do_inspect, do_complete


def load(shell: InteractiveShell) -> None:
    """Register the magics, the transformer and the formatter of answers; loading twice is once."""
    unload(shell)
    configured(shell)
    magics = GLMMagics(shell)
    shell.register_magics(magics)
    shell.input_transformers_cleanup.insert(0, magics.transform)
    shell.Completer.custom_matchers.append(magics.match)
    _document(shell)
    for event, hook in magics.hooks().items():
        shell.events.register(event, hook)
    if hasattr(shell.display_pub, "register_hook"):  # ipykernel's
        shell.display_pub.register_hook(magics.history.see)
    if shell.display_formatter:
        shell.display_formatter.mimebundle_formatter.for_type_by_name(
            "glm_jupyter.answer", "Answer", _bundle
        )
        shell.display_formatter.mimebundle_formatter.for_type_by_name(
            "glm_jupyter.media", "Made", _made
        )


def unload(shell: InteractiveShell) -> None:
    """Take back what `load` did."""
    magics = shell.magics_manager.registry.pop("GLMMagics", None)
    if magics is None:
        return
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("glm", None)
    shell.input_transformers_cleanup.remove(magics.transform)
    shell.Completer.custom_matchers.remove(magics.match)
    for wrapped in ("do_inspect", "do_complete"):
        vars(getattr(shell, "kernel", shell)).pop(wrapped, None)
    if magics.channel:
        magics.page.close()
        magics.channel.close()
    for event, hook in magics.hooks().items():
        shell.events.unregister(event, hook)
    if hasattr(shell.display_pub, "unregister_hook"):
        shell.display_pub.unregister_hook(magics.history.see)
    if shell.display_formatter:
        for known in ("answer.Answer", "media.Made"):
            shell.display_formatter.mimebundle_formatter.pop(f"glm_jupyter.{known}", None)


def _bundle(answer: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
    from glm_jupyter.render.markdown import bundle

    return bundle(answer)


def _made(made: Any, include: Any = None, exclude: Any = None) -> dict[str, Any]:
    from glm_jupyter.render.media import bundle

    return bundle([made])
