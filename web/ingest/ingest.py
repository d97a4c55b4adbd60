"""What all endpoints share that take events: who may post, what a post costs, and the writer."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.fairness.turns import Turns
from storage.model.events import AnyEvent
from storage.retention.policy import Earliest
from storage.write.groups import Receipt
from storage.write.writer import Writer
from web.auth.ingest import IngestAuthenticator, IngestIdentity
from web.ingest.intake import Intake

SERVED = 128
"""Posts of a tenant that are checked and committed at once. The next ones wait: many posts of one tenant must not hold
up the posts of others."""
WAITING = 10_000
"""Posts of a tenant that may wait for that."""


@dataclass(eq=False)
class Ingest:
    """The way of a post into the database."""

    writer: Writer
    authenticator: IngestAuthenticator
    intake: Intake
    earliest: Earliest
    served: Turns = field(default_factory=lambda: Turns("posts", sys.maxsize, SERVED, WAITING))

    async def write(self, identity: IngestIdentity, events: Sequence[AnyEvent]) -> Receipt:
        """Commit events when it is their sender's turn; raises as :meth:`Writer.write` does."""
        async with self.served.of(identity.tenant_id):
            return await self.writer.write(identity.tenant_id, events)
