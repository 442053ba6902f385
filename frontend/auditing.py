"""What the audit log keeps of notebooks: who may see them, and where they went. Never what is in them."""

from frontend.models import Collaborator, Notebook, ShareLink
from tenants.audit import Action
from tenants.watching import watch

watch(
    Notebook,
    *("title", "owner", "pool", "open_to_tenant", "deleted_at"),
    created=Action.NOTEBOOK_CREATED,
    changed=Action.NOTEBOOK_CHANGED,
    deleted=Action.NOTEBOOK_DELETED,
)
watch(
    Collaborator,
    *("notebook", "user", "role"),
    created=Action.NOTEBOOK_SHARED,
    changed=Action.NOTEBOOK_SHARING_CHANGED,
    deleted=Action.NOTEBOOK_UNSHARED,
    tenant=lambda row: row.notebook.tenant_id,
)
watch(
    ShareLink,
    *("notebook", "public", "expires_at", "revoked_at", "taken_at"),
    created=Action.LINK_CREATED,
    changed=Action.LINK_CHANGED,
    deleted=Action.LINK_DELETED,
    tenant=lambda row: row.notebook.tenant_id,
)
