from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants import append_only, signing_in
        from tenants.audit import Action
        from tenants.models import ApiToken, IdentityProvider, Membership, Tenant
        from tenants.models.tenant import QUOTAS
        from tenants.watching import watch

        post_migrate.connect(append_only.guard, sender=self, dispatch_uid="audit is append-only")
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
            Tenant, "name", "slug", "allowed_registries", "egress_ceiling", "egress_allowed", "record_code",
            "requires_second_factor", *QUOTAS,
            created=Action.TENANT_CREATED, changed=Action.TENANT_CHANGED, tenant=lambda row: row.pk,
        )  # fmt: skip
        watch(
            IdentityProvider, "name", "issuer", "client_id", "secret", "allowed_domains", "claim", "claim_value",
            "creates_members", "default_role", "enabled",
            created=Action.PROVIDER_CREATED, changed=Action.PROVIDER_CHANGED, deleted=Action.PROVIDER_DELETED,
        )  # fmt: skip
