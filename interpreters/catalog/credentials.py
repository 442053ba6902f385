"""Credentials for registries: made and deleted, never read."""

from django.core.exceptions import ValidationError

from interpreters.catalog.checking import checked
from interpreters.models import RegistryCredential
from interpreters.sessions import access, problems
from tenants.authentication import Actor
from tenants.models import Scope, Tenant
from tenants.threads import in_thread

MOST = 100  # of one tenant
LONGEST_SECRET = 16 * 1024


@in_thread
def list_of(actor: Actor) -> list[RegistryCredential]:
    access.allowed(actor, Scope.POOLS_MANAGE)
    return list(RegistryCredential.objects.filter(tenant=actor.tenant).order_by("pk"))


@in_thread
def create(actor: Actor, registry: str, username: str, secret: str) -> RegistryCredential:
    access.allowed(actor, Scope.POOLS_MANAGE)
    if full := too_many(actor.tenant):
        raise problems.Conflict(full, "too_many")
    if not 0 < len(secret) <= LONGEST_SECRET:
        raise problems.BadRequest(f"A secret has 1 to {LONGEST_SECRET} characters.", "invalid")
    credential = RegistryCredential(tenant=actor.tenant, registry=registry, username=username, secret=secret)
    try:
        credential.full_clean()
    except ValidationError as error:
        raise checked(error) from error
    credential.save()
    return credential


@in_thread
def delete(actor: Actor, credential: int) -> None:
    """Images that were pulled with it stay; they cannot be refreshed without another."""
    find(actor, credential).delete()


def too_many(tenant: Tenant) -> str:
    """Why a tenant may have no credential more; empty if it may."""
    if RegistryCredential.objects.filter(tenant=tenant).count() < MOST:
        return ""
    return f"A tenant may have {MOST} credentials: delete one."


def find(actor: Actor, credential: int) -> RegistryCredential:
    access.allowed(actor, Scope.POOLS_MANAGE)
    found = RegistryCredential.objects.filter(tenant=actor.tenant, pk=credential).first()
    if found is None:
        raise problems.NotFound("There is no such credential: it may be another tenant's.")
    return found
