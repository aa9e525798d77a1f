"""outcross plugins: what there is to run, and from what it can be made."""

from __future__ import annotations

from typing import Any

from outcross.cli.options import Debug, Json, print_json


def command(json: Json = False, debug: Debug = False) -> None:
    """List experiments, families, sources, policies and measures."""
    from outcross.runs import plugins
    from outcross.runs.spec import shipped, title_of

    experiments = {name: title_of(name) for name in shipped()}
    kinds = {
        group: {name: first_line(plugins.factory(group, name)) for name in plugins.names(group)}
        for group in ("families", "sources", "policies")
    }
    measures = {m.name: ", ".join(m.quantities) for m in plugins.measures()}
    if json:
        print_json({"experiments": experiments, **kinds, "measures": measures})
        return
    from rich.markup import escape
    from rich.table import Table

    from outcross.cli.progress import console

    screen = console(stderr=False)
    for group, entries in {"experiments": experiments, **kinds, "measures": measures}.items():
        table = Table(title=group, title_justify="left", box=None, show_header=False, pad_edge=False)
        for name, about in entries.items():
            table.add_row(f"  {escape(name)}", escape(about))
        screen.print(table)


def first_line(thing: Any) -> str:
    """What a kind is: the first line of its module's docstring for a class, of its own for a function."""
    import inspect

    module = inspect.getmodule(thing)
    text = (module.__doc__ if inspect.isclass(thing) and module else thing.__doc__) or ""
    own = thing.__doc__ if module and module.__name__.endswith("policies") else text
    return (own or "").strip().partition("\n")[0]
