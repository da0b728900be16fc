"""History: the cells as the kernel remembers them, where neither page nor file tells of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from glm_jupyter.prompt.above import Cell, known

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


MOST = 200  # cells whose displays are kept; no model could take more


class History:
    """The cells of one kernel, in nbformat's form. `see` is a hook of ipykernel's displays.

    IPython keeps what was printed and returned, and ipykernel nothing of what was displayed, so
    that is kept here, as text.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        # By the cell's place in the history and the display's id.
        self._displayed: dict[int, dict[Any, dict[str, Any]]] = defaultdict(dict)

    def see(self, message: dict[str, Any]) -> dict[str, Any]:
        """Keep the texts of a display that is being published."""
        content = message["content"]
        shown = content.get("transient", {}).get("display_id") or object()
        if message["header"]["msg_type"] == "update_display_data":
            cell = next((kept for kept in self._displayed.values() if shown in kept), None)
            if cell is not None:
                cell[shown] = known(content["data"])
            return message
        count = len(self._sources) - 1  # of the cell that runs, however IPython counts
        if count < max(self._displayed, default=0):
            self._displayed.clear()  # %reset has begun anew
        self._displayed[count][shown] = known(content["data"])
        if len(self._displayed) > MOST:
            del self._displayed[min(self._displayed)]
        return message

    def cells(self) -> list[Cell]:
        """The cells before the one that runs."""
        return [
            {"cell_type": "code", "source": source, "outputs": list(self._outputs(count))}
            for count, source in enumerate(self._sources[:-1])
            if source
        ]

    @property
    def _sources(self) -> Sequence[str]:
        manager = self._shell.history_manager
        return manager.input_hist_raw if manager else ()

    def _outputs(self, count: int) -> Iterator[dict[str, Any]]:
        manager: Any = self._shell.history_manager
        # Before IPython 9 only values were kept.
        outputs = getattr(manager, "outputs", {}).get(count, [])
        for output in outputs:
            if output.output_type.endswith("_stream"):
                yield {"output_type": "stream", "text": output.bundle["stream"]}
            elif output.output_type == "display_data":  # in a terminal
                yield {"output_type": "display_data", "data": output.bundle}
        for data in self._displayed.get(count, {}).values():
            yield {"output_type": "display_data", "data": data}
        if count in manager.output_hist_reprs:
            data = {"text/plain": manager.output_hist_reprs[count]}
            yield {"output_type": "execute_result", "data": data}
        if error := getattr(manager, "exceptions", {}).get(count):
            yield {"output_type": "error", "ename": error["ename"], "evalue": error["evalue"]}
