"""From items to prompts: a list, a Series, or the rows of a DataFrame, and one template."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from typing import Any

from glm_jupyter.api.errors import GLMError, InputError
from glm_jupyter.language import _
from glm_jupyter.prompt.expand import expand
from glm_jupyter.prompt.secrets import Secrets, secrets


def each(items: Iterable[Any]) -> Iterator[Any]:
    """The items one by one; a row of a DataFrame as a dict."""
    if is_dask(items):
        raise InputError(
            _("A collection of Dask's is asked about when Dask computes it. Nothing was sent."),
            remedy=_("`glm.map` gives what Dask is to compute; or give `items.compute()`."),
        )
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(items, pandas.DataFrame):
        names = [str(name) for name in items.columns]
        return (
            dict(zip(names, row, strict=True)) for row in items.itertuples(index=False, name=None)
        )
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise InputError(
            _("An object of type {kind} is not a list of items. Nothing was sent.").format(
                kind=type(items).__name__
            ),
            remedy=_("Give a list, a Series, a DataFrame or any other iterable of items."),
        )
    return iter(items)


def is_dask(items: Any) -> bool:
    """Whether `items` is a collection of Dask's."""
    dask = sys.modules.get("dask.base")
    return dask is not None and bool(dask.is_dask_collection(items))


def prompts(
    items: Iterator[Any], template: str | None, namespace: Mapping[str, Any] | None
) -> Iterator[str | GLMError]:
    """What is asked about each item, or the error in place of it."""
    known = list(secrets())
    for item in items:
        try:
            yield prompt_for(item, template, namespace, known)
        except GLMError as error:
            yield error


def index_of(items: Any) -> Any:
    """The index of a Series or DataFrame; None for anything else."""
    pandas = sys.modules.get("pandas")
    has_one = pandas is not None and isinstance(items, pandas.Series | pandas.DataFrame)
    return items.index if has_one else None


def check_prompt(prompt: object) -> None:
    """Raise InputError where a prompt is no text."""
    if not isinstance(prompt, str | None):
        raise InputError(
            _("A prompt is text, not {kind}. Nothing was sent.").format(kind=type(prompt).__name__)
        )


def prompt_for(
    item: Any,
    template: str | None,
    namespace: Mapping[str, Any] | None,
    secrets: Secrets | None = None,
) -> str:
    """What is asked about `item`.

    In a template with `{{ }}`, `item` is the item, and the columns of a row are names too.
    Otherwise, and without a `namespace`, the item stands below the template, or alone. Raises
    InputError for an item that is missing (None, NaN, empty), and for a template that cannot be
    expanded.
    """
    if _missing(item):
        raise InputError(_("The item is empty; nothing was asked."), remedy=_("Drop empty items."))
    if template is None:
        return words(item)
    if namespace is None or "{{" not in template:
        return f"{template}\n\n{words(item)}"
    row = item if isinstance(item, dict) else {}
    return expand(template, {**namespace, **row, "item": item}, secrets=secrets).text


def words(item: Any) -> str:
    """The item in a prompt or a table: a row of a DataFrame with the names of its columns."""
    if isinstance(item, dict):
        return "\n".join(f"{name}: {value}" for name, value in item.items() if not _missing(value))
    return str(item)


def _missing(item: Any) -> bool:
    if isinstance(item, dict):
        return all(map(_missing, item.values()))
    if isinstance(item, str):
        return not item.strip()
    pandas = sys.modules.get("pandas")
    if pandas is not None and pandas.api.types.is_scalar(item):
        return bool(pandas.isna(item))
    return item is None or (isinstance(item, float) and isnan(item))
