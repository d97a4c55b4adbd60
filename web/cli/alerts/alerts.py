"""The command alerts: rules from a file, which can be reviewed and versioned, and a list of those that there are."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from storage.errors import TooManyRules
from web.cli.command import actor, check, fail, read_settings, run
from web.settings import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.alerts.rule import Rule
    from storage.alerts.rules import KeptRule
    from storage.engine.database import Database, WriteTransaction
    from storage.retention.steps import Done
    from storage.tables.heads import Head

app = typer.Typer(help="Rules of alerts, beside a running service.", no_args_is_help=True)

_TENANT = Annotated[str, typer.Option(help="Whose rules.")]


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TOML: a table [rules.ID] for each rule.")],
    delete_others: Annotated[
        bool, typer.Option("--delete-others", help="Delete the rules that the file does not have.")
    ] = False,
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Set the rules of a file, all of them or, if one is wrong, none. They count from the next commit on."""
    check("--tenant", tenant)
    rules = _read(file)
    keep = read_settings().change_log_entries

    async def work(database: "Database") -> "tuple[set[str], set[str]]":
        from storage.alerts.rules import read_rules
        from storage.retention.steps import Steps

        async with database.read() as connection:
            before = {kept.id: kept.rule for kept in await read_rules(connection, tenant)}
        await Steps(database, keep).take(tenant, _step(database, rules, delete_others=delete_others))
        changed = {rule_id for rule_id, rule in rules.items() if before.get(rule_id) != rule}
        return changed, before.keys() - rules.keys() if delete_others else set()

    try:
        changed, deleted = run(work)
    except TooManyRules as error:
        raise fail(str(error)) from None
    for rule_id in sorted(changed):
        typer.echo(f"set {rule_id}")
    for rule_id in sorted(deleted):
        typer.echo(f"deleted {rule_id}")
    typer.echo(f"{len(rules)} rules, of which {len(changed)} changed; {len(deleted)} deleted")


def _step(database: "Database", rules: "dict[str, Rule]", *, delete_others: bool) -> Any:
    from storage.alerts.rules import Place, apply_rules
    from storage.retention.steps import NOTHING, Done

    def step(connection: "WriteTransaction", head: "Head") -> "Done":
        place = Place(head, database.epoch, database.days)
        decided = apply_rules(connection, place, rules, actor(), delete_others=delete_others)
        return NOTHING if decided.counts is None else Done(1, "alerts", alerts=decided.counts)

    return step


@app.command("list")
def list_rules(tenant: _TENANT = DEFAULT_TENANT) -> None:
    """List the rules, and how they stand."""

    async def read(database: "Database") -> "list[KeptRule]":
        from storage.alerts.rules import read_rules

        async with database.read() as connection:
            return await read_rules(connection, tenant)

    for kept in run(read):
        typer.echo(f"{kept.id}  {kept.rule.kind}  {_state(kept)}  {kept.rule.name}")


def _state(kept: "KeptRule") -> str:
    if not kept.rule.enabled:
        return "off"
    found = [f"{state.status}{f' {state.level} %' if state.level else ''}" for state in kept.states]
    return ", ".join(found) or "ok"


def _read(file: Path) -> "dict[str, Rule]":
    """Read and check the rules of a file."""
    from storage.alerts.rule import RULE_ID, InvalidRule, Rule
    from storage.alerts.rule import check as check_rule

    try:
        document = tomllib.loads(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"cannot read {file}: {type(error).__name__}") from None
    except tomllib.TOMLDecodeError:
        raise fail(f"{file} is not TOML") from None
    tables = document.get("rules", {})
    if set(document) - {"rules"} or not isinstance(tables, dict):
        raise fail(f"{file} may have tables [rules.ID] alone")
    rules = {}
    for rule_id, table in tables.items():
        if not RULE_ID.fullmatch(rule_id):
            raise fail("the id of a rule must be 1 to 64 of a-z, 0-9 and ._-, and begin with a letter or digit")
        try:
            rules[rule_id] = msgspec.convert(table, Rule)
            check_rule(rules[rule_id])
        except (InvalidRule, msgspec.ValidationError) as error:
            raise fail(f"rules.{rule_id}: {error}") from None
    return rules
