"""The commands about prices of LLM calls: those that ship with the service, and a tenant's own ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from web.cli.command import actor, check, fail, read_settings, run
from web.settings import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.engine.database import Database, WriteTransaction
    from storage.prices.own import KeptPrice
    from storage.prices.price import Price, Rate

T = TypeVar("T")

app = typer.Typer(help="Prices of LLM calls: the shipped ones, and a tenant's own.", no_args_is_help=True)

_TENANT = Annotated[str, typer.Option(help="Whose prices.")]
_PROVIDER = Annotated[str, typer.Argument(metavar="PROVIDER", help="As calls name it.")]
_MODEL = Annotated[str, typer.Argument(metavar="MODEL", help="As calls name it.")]
_DOLLARS = "Dollars a million tokens, such as 2.50."


@app.command("list")
def list_prices(tenant: _TENANT = DEFAULT_TENANT) -> None:
    """List the prices that are kept for a tenant: its own, and the shipped ones by which its calls were priced."""
    from storage.prices.own import read_kept

    async def read(database: "Database") -> "list[KeptPrice]":
        async with database.read() as connection:
            return await read_kept(connection, tenant)

    for kept in run(read):
        typer.echo(f"{_line(kept.price)}  {_state(kept)}")


@app.command()
def show(
    provider: _PROVIDER,
    model: _MODEL,
    service_tier: Annotated[str, typer.Option(help="The service tier of calls.")] = "",
    at: Annotated[str | None, typer.Option(help="A time (ISO 8601, UTC). Default: now.")] = None,
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Show the price of a model at a time, and all shipped ones of it."""
    from storage.model.clock import now
    from storage.model.events import LlmCall
    from storage.prices.pricing import find_price, read_own
    from storage.prices.shipped import prices_of, table

    moment = now() if at is None else _moment(at)
    call = LlmCall(provider=provider, model=model, operation="chat", service_tier=service_tier or None)
    own = _write(lambda connection: read_own(connection, tenant, [model.lower()]))
    found = find_price(call, moment, own)
    typer.echo(f"no price at {moment}" if found is None else f"at {moment}: {_line(found)}")
    typer.echo(f"shipped ({table().source}):")
    for price in prices_of(provider, model):
        typer.echo(f"  {_line(price)}")


@app.command("import")
def import_prices(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON: an array of prices.")],
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Take all prices of a file for the tenant's own, or none if one of them breaks a rule."""
    from storage.prices.own import read_written

    try:
        prices = _checked(lambda: read_written(file.read_bytes()))
    except OSError:
        raise fail(f"{file} cannot be read") from None
    _set(tenant, prices)


@app.command("set")
def set_one(
    provider: _PROVIDER,
    model: _MODEL,
    input_price: Annotated[str | None, typer.Option("--input", help=_DOLLARS)] = None,
    cached_input: Annotated[str | None, typer.Option(help=f"{_DOLLARS} Default: as input.")] = None,
    cache_write: Annotated[str | None, typer.Option(help=f"{_DOLLARS} Default: as input.")] = None,
    output: Annotated[str | None, typer.Option(help=_DOLLARS)] = None,
    reasoning: Annotated[str | None, typer.Option(help=f"{_DOLLARS} Default: as output.")] = None,
    request: Annotated[str | None, typer.Option(help="Dollars a call, beside its tokens.")] = None,
    service_tier: Annotated[str, typer.Option(help="Only for calls of this tier.")] = "",
    start: Annotated[str, typer.Option("--from", help="The first day (UTC). Default: always.")] = "",
    end: Annotated[str, typer.Option("--until", help="The day (UTC) from which on it ends. Default: never.")] = "",
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Take a price for the tenant's own: calls that are committed from now on cost that."""
    from storage.prices.own import Written, price_of

    written = Written(
        provider,
        model,
        input_price,
        cached_input,
        cache_write,
        output,
        reasoning,
        request,
        service_tier,
        start,
        end,
    )
    _set(tenant, _checked(lambda: [price_of(written)]))


@app.command()
def remove(
    price_id: Annotated[str, typer.Argument(metavar="ID", help="The price's id, as prices list shows it.")],
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Use an own price no more; calls that were priced by it keep their cost."""
    from storage.credentials import record_prices
    from storage.prices.own import remove_price

    def work(connection: "WriteTransaction") -> "Price":
        removed = remove_price(connection, tenant, price_id)
        record_prices(connection, actor(), tenant, "price removed", price_id)
        return removed

    try:
        typer.echo(f"removed: {_line(_write(work))}")
    except KeyError:
        raise fail("there is no such price of the tenant's own: see convoai-analytics prices list") from None


@app.command()
def reprice(
    start: Annotated[str, typer.Option("--from", help="Inclusive: a date of the service's zone, or an ISO 8601 time.")],
    end: Annotated[str, typer.Option("--to", help="Exclusive: the same.")],
    apply: Annotated[bool, typer.Option("--apply", help="Change the costs. Without it nothing is changed.")] = False,
    tenant: _TENANT = DEFAULT_TENANT,
) -> None:
    """Say what calls would cost by the prices of now; with --apply change that. What a sender told stays."""
    from storage.credentials import record_prices
    from storage.model.money import write_dollars
    from storage.write.reprice import Repriced
    from storage.write.reprice import reprice as price_again

    settings = read_settings()

    async def work(database: "Database") -> Repriced:
        begin, until = (_range_end(name, value, database) for name, value in (("--from", start), ("--to", end)))
        done = await price_again(database, tenant, begin, until, settings.change_log_entries, is_dry=not apply)
        if apply:
            costs = f"{write_dollars(done.before)} to {write_dollars(done.after)} dollars"
            said = f"{begin} to {until}: {done.changed} calls, {costs}"
            await database.write(lambda connection: record_prices(connection, actor(), tenant, "calls repriced", said))
        return done

    done = run(work)
    typer.echo(f"{done.calls:,} calls, of which {done.changed:,} {'changed' if apply else 'would change'}:")
    typer.echo(f"  {write_dollars(done.before)} dollars and {done.unpriced_before:,} without a cost before")
    typer.echo(f"  {write_dollars(done.after)} dollars and {done.unpriced_after:,} without a cost after")
    if not apply and done.changed:
        typer.echo("nothing was changed: --apply does it")


def _range_end(option: str, value: str, database: "Database") -> str:
    from web.http.operations import moment

    try:
        return moment(value, database.days)
    except ValueError as error:
        raise fail(f"{option} {error}") from None


@app.command()
def build() -> None:
    """Make the table of shipped prices of the genai-prices that is installed; for developers of the service."""
    from storage.prices import build as builder
    from storage.prices.shipped import FILE

    try:
        builder.write()
    except ModuleNotFoundError:
        raise fail("genai-prices is not installed: it is one of the packages for development") from None
    typer.echo(f"wrote {FILE.name}")


def _set(tenant: str, prices: "list[Price]") -> None:
    from storage.credentials import record_prices
    from storage.prices.own import set_prices

    check("--tenant", tenant)

    def work(connection: "WriteTransaction") -> None:
        set_prices(connection, tenant, prices)
        record_prices(connection, actor(), tenant, "prices set", f"{len(prices)}: {', '.join(_ids(prices))}"[:600])

    _checked(lambda: _write(work))
    for price in prices:
        typer.echo(_line(price))


def _ids(prices: "list[Price]") -> Iterator[str]:
    return (price.id for price in prices[:20])


def _write(work: "Callable[[WriteTransaction], T]") -> T:
    return run(lambda database: database.write(work))


def _checked(work: Callable[[], T]) -> T:
    from storage.prices.own import InvalidPrice

    try:
        return work()
    except InvalidPrice as error:
        raise fail(str(error)) from None


def _moment(written: str) -> str:
    from datetime import UTC, datetime

    from storage.model import clock

    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise fail("--at must be an ISO 8601 time such as 2026-11-30T12:00:00Z") from None
    return clock.text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _state(kept: "KeptPrice") -> str:
    if kept.removed_at is not None:
        return f"removed {kept.removed_at}"
    return "shipped" if kept.set_at is None else f"own, set {kept.set_at}"


def _line(price: "Price") -> str:
    """Write a price in one line, with dollars a million tokens."""
    rates = (f"{name} {_rate(rate)}" for name in _KINDS if (rate := getattr(price.rates, name)) is not None)
    request = f", request {_dollars(price.rates.request, 12)}" if price.rates.request else ""
    span = f"{price.valid_from or '...'} to {price.valid_until or '...'}"
    hours = "" if price.hours == ("00:00", "24:00") else f" {'-'.join(price.hours)}"
    tier = f" [{price.service_tier}]" if price.service_tier else ""
    return f"{price.id}  {price.provider} {price.model}{tier}  {span}{hours}  {', '.join(rates)}{request}"


_KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")


def _rate(rate: "Rate") -> str:
    if isinstance(rate, int):
        return _dollars(rate, 6)
    return " / ".join(_dollars(pico, 6) + (f" above {above}" if above > 0 else "") for above, pico in rate)


def _dollars(pico: int, decimals: int) -> str:
    """Write pico-dollars as dollars: for each of a million tokens (6), or for one call (12)."""
    from decimal import Decimal

    return format(Decimal(pico).scaleb(-decimals).normalize(), "f")
