"""``fastprune inspect``."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fastprune.cli import exits
from fastprune.cli.keras_start import import_keras_quietly
from fastprune.errors import FastpruneError, OptionError
from fastprune.files.kinds import check_network_file


def run(arguments: argparse.Namespace) -> int:
    """Say what each file is; 1 when one cannot be told or does not fit the network."""
    from fastprune.inspection.files import as_json, inspect_file
    from fastprune.inspection.kinds import kind_of

    if arguments.contact_sheet is not None and len(arguments.files) != 1:
        message = (
            f"expected one set with --contact-sheet; got {len(arguments.files)} files; inspect "
            "them one by one"
        )
        raise OptionError(message)
    if arguments.model is not None:
        check_network_file(arguments.model)
    status = 0
    found: list[Any] = []
    for path in arguments.files:
        try:
            kind = kind_of(path)
            if kind == "network" or (kind == "set" and arguments.model):
                import_keras_quietly()
            one = inspect_file(
                path, model=arguments.model, data_name=arguments.data_name,
                label_name=arguments.label_name,
            )  # fmt: skip
        except FastpruneError as error:
            exits.say("error", str(error), as_json=arguments.format == "json")
            status = 1
            continue
        check = getattr(one, "check", None)
        status = 1 if check is not None and check.problem is not None else status
        if arguments.format == "text":
            print(("\n" if found else "") + str(one))
        found.append(one)
    drawn = _contact_sheet(arguments, found)
    if arguments.format == "json":
        files: dict[str, Any] = {"files": [as_json(one) for one in found], **drawn}
        print(json.dumps(files, default=str, allow_nan=False))
    return status


def _contact_sheet(arguments: argparse.Namespace, found: list[Any]) -> dict[str, str]:
    """Draw the contact sheet of the one set, if one is wanted."""
    from fastprune.inspection.set_findings import SetInspection
    from fastprune.report.plots.contact_sheets import contact_sheet

    if arguments.contact_sheet is None or not found:
        return {}
    if not isinstance(found[0], SetInspection):
        message = f"expected a set with --contact-sheet; got a {found[0].kind} ({found[0].path})"
        raise OptionError(message)
    names = (found[0].data or arguments.data_name, found[0].label or arguments.label_name)
    contact_sheet(
        found[0].path, arguments.contact_sheet, images=arguments.images, data_name=names[0],
        label_name=names[1],
    )  # fmt: skip
    if arguments.format == "text":
        print(f"  {'contact sheet':<13} {arguments.contact_sheet}")
    return {"contact_sheet": str(arguments.contact_sheet)}
