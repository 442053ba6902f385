from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants import append_only, owning, signing_in
        from tenants.audit import Action
        from tenants.models import ApiToken, Membership, Tenant
        from tenants.models.tenant import QUOTAS
        from tenants.watching import watch

        post_migrate.connect(append_only.guard, sender=self, dispatch_uid="audit is append-only")
        assert owning  # it registers
        assert signing_in  # it listens
        limits = ("scopes", "pools", "networks", "expires_at")
        watch(
            ApiToken, "user", "name", "prefix", "session", *limits, "revoked_at",
            created=Action.TOKEN_CREATED, changed=Action.TOKEN_CHANGED,
        )  # fmt: skip
        watch(
            Membership, "user", "role",
            created=Action.MEMBER_ADDED, changed=Action.MEMBER_CHANGED, deleted=Action.MEMBER_REMOVED,
        )  # fmt: skip
        watch(
            Tenant, "name", "slug", "allowed_registries", "egress_ceiling", "egress_allowed", "record_code", *QUOTAS,
            created=Action.TENANT_CREATED, changed=Action.TENANT_CHANGED, tenant=lambda row: row.pk,
        )  # fmt: skip
