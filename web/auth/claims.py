"""What the claims of a token say: subject, roles and tenant, under the names that an auth service gives them.

A claim is named exactly (``https://example.com/roles``) or by the path that leads to it (``realm_access.roles``); a
claim of exactly that name comes first. An error names the claim and its setting, never what the token holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from web.http.problems import Problem, unauthorized
from web.settings import DEFAULT_TENANT, Settings

ADMIN = "admin"
"""The role that may read, unless ``ANALYTICS_JWT_ADMIN_ROLE`` names another."""
MAX_NAME = 255
"""Characters of a subject or tenant."""


@dataclass(frozen=True)
class Claims:
    """The names of the claims that matter here, and the role that may read."""

    roles: str = "roles"
    admin_role: str = ADMIN
    tenant: str = "tenant"

    @classmethod
    def of(cls, settings: Settings) -> "Claims":
        """Take the names from *settings*."""
        return cls(settings.jwt_roles_claim, settings.jwt_admin_role, settings.jwt_tenant_claim)

    def read_roles(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        """Read the roles: a list of texts, or one text that is split at spaces; raises a 401 :exc:`Problem`."""
        roles = find(claims, self.roles)
        if roles is None:
            raise unauthorized(f"the token lacks the claim {self.roles} (ANALYTICS_JWT_ROLES_CLAIM)")
        if isinstance(roles, str):
            return tuple(roles.split())
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise unauthorized(
                f"the token's claim {self.roles} is neither a text nor a list of texts (ANALYTICS_JWT_ROLES_CLAIM)"
            )
        return tuple(roles)

    def read_tenant(self, claims: Mapping[str, Any]) -> str:
        """Read the tenant, by default the default one; raises a 401 :exc:`Problem`."""
        tenant = find(claims, self.tenant)
        if tenant is None:
            return DEFAULT_TENANT
        if not _is_name(tenant):
            raise unauthorized(f"the token's claim {self.tenant} is not a name (ANALYTICS_JWT_TENANT_CLAIM)")
        return str(tenant)

    def check_admin(self, roles: tuple[str, ...]) -> None:
        """Raise a 403 :exc:`Problem` if the role of admins is not one of *roles*."""
        if self.admin_role not in roles:
            raise Problem(
                403,
                f"the token does not have the role {self.admin_role} (ANALYTICS_JWT_ADMIN_ROLE) "
                f"in its claim {self.roles} (ANALYTICS_JWT_ROLES_CLAIM)",
            )

    def write(self, roles: list[str], tenant: str) -> dict[str, Any]:
        """Write roles and tenant so that they are read again."""
        return {self.roles: roles, self.tenant: tenant}


DEFAULT_CLAIMS = Claims()


def read_subject(claims: Mapping[str, Any]) -> str:
    """Read the subject, a whole number as its text; raises a 401 :exc:`Problem`."""
    subject = claims["sub"]
    if isinstance(subject, int) and not isinstance(subject, bool) and abs(subject) < 10**MAX_NAME:
        subject = str(subject)
    if not _is_name(subject):
        raise unauthorized("the token's claim sub is not a name")
    return str(subject)


def find(claims: Any, name: str) -> Any:
    """Find the claim of this *name*, or at this path; None if there is none."""
    if not isinstance(claims, Mapping):
        return None
    if claims.get(name) is not None:
        return claims[name]
    # A name on the path may hold dots itself, as those of Keycloak's clients do.
    for end, character in enumerate(name):
        if character == "." and name[:end] in claims:
            found = find(claims[name[:end]], name[end + 1 :])
            if found is not None:
                return found
    return None


def _is_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME
        and "\0" not in value
        and value.encode(errors="replace").decode() == value
    )
