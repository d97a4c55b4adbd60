"""Leases: work that one process at a time does, since it would cost as much in each of them.

A lease is no guarantee, since clocks differ and processes stand still: what is done under one has to be right also if
two do it. It saves the second one.
"""

from datetime import timedelta

from sqlalchemy import Connection, or_, update

from storage.model import clock
from storage.tables import schema
from storage.tables.bulk import replace

_leases = schema.leases.c
_MAKE = replace(schema.leases, ())


def take_lease(connection: Connection, name: str, holder: str, seconds: float) -> bool:
    """Take or keep a lease for so many *seconds*; False if another *holder* has it.

    One that ends further ahead than that was given by a clock that has been set back since, and counts as ended.
    """
    now = clock.moment(clock.now())
    until = clock.text(now + timedelta(seconds=seconds))
    _MAKE.write(connection, [(name, "", "")])
    is_free = or_(_leases.holder == holder, _leases.until < clock.text(now), _leases.until > until)
    taken = update(schema.leases).where(_leases.name == name, is_free).values(holder=holder, until=until)
    return bool(connection.execute(taken).rowcount)


def end_lease(connection: Connection, name: str, holder: str) -> None:
    """Give a lease back before its end."""
    mine = update(schema.leases).where(_leases.name == name, _leases.holder == holder)
    connection.execute(mine.values(holder="", until=""))
