"""`config show|convert|schema|path`: the configuration as the daemon reads it."""

from __future__ import annotations

from pathlib import Path

import click

from taskserver.cli.command import group, option
from taskserver.cli.output import note, print_json, say
from taskserver.cli.session import Session, pass_session
from taskserver.texts import mark, translate


@group(examples=["task_server config show --origin", "task_server config convert config/kivitendo.conf"])
def config() -> None:
    """Shows the configuration and converts INI files to TOML."""


@config.command(examples=["task_server config show", "task_server config show --origin"])
@option("--origin", is_flag=True, help=mark("Say of each key which line of which file it comes from."))
@pass_session
def show(session: Session, origin: bool) -> None:
    """Prints the configuration in force as TOML, with all defaults; passwords are hidden."""
    from taskserver.config import effective, show

    settings = session.settings
    if session.json:
        document = effective(settings)
        print_json({"values": document, "origins": settings.origins} if origin else document)
    else:
        say(show(settings, origin=origin).rstrip("\n"))
    for warning in settings.warnings:
        note(translate("warning: {text}", text=warning))


@config.command(examples=["task_server config convert config/kivitendo.conf > etc/taskserver.toml"])
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@pass_session
def convert(session: Session, file: Path) -> None:
    """Prints the sections of a configuration file that are ours as TOML, passwords included."""
    from taskserver.config import convert

    converted = convert(file)
    if session.json:
        import tomllib

        print_json(tomllib.loads(converted))
    else:
        say(converted.rstrip("\n"))


@config.command(examples=["task_server config schema > taskserver.schema.json"])
def schema() -> None:
    """Prints the JSON schema of the configuration, with every key explained."""
    from taskserver.config import schema

    print_json(schema())


@config.command(examples=["task_server config path"])
@pass_session
def path(session: Session) -> None:
    """Prints which configuration file is read."""
    if session.json:
        print_json({"path": session.config_file()})
    else:
        say(str(session.config_file()))
