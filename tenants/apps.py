from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from django.contrib.auth import get_user_model

        from tenants import append_only, owning, signing_in, standing
        from tenants.audit import Action
        from tenants.models import ApiToken, IdentityProvider, Invitation, Membership, ServiceAccount, Tenant
        from tenants.models.tenant import QUOTAS
        from tenants.watching import watch

        post_migrate.connect(append_only.guard, sender=self, dispatch_uid="audit is append-only")
        assert owning  # it registers
        assert signing_in and standing  # noqa: PT018  # they listen
        limits = ("scopes", "pools", "networks", "expires_at")
        watch(
            ApiToken, "user", "name", "prefix", "session", *limits, "revoked_at",
            created=Action.TOKEN_CREATED, changed=Action.TOKEN_CHANGED, deleted=Action.TOKEN_DELETED,
        )  # fmt: skip
        watch(
            ServiceAccount, "name", "role", "purpose", "disabled_at",
            created=Action.SERVICE_CREATED, changed=Action.SERVICE_CHANGED, deleted=Action.SERVICE_DELETED,
        )  # fmt: skip
        # Of the installation: an account is no tenant's. What concerns signing in has events of its own.
        watch(
            get_user_model(), "username", "email", "is_active", "is_staff", "is_superuser",
            created=Action.ACCOUNT_CREATED, changed=Action.ACCOUNT_CHANGED, deleted=Action.ACCOUNT_DELETED,
            tenant=lambda _: None,
        )  # fmt: skip
        watch(
            Membership, "user", "role",
            created=Action.MEMBER_ADDED, changed=Action.MEMBER_CHANGED,
            deleted=lambda row: Action.MEMBER_LEFT if row.leaving else Action.MEMBER_REMOVED,
        )  # fmt: skip
        watch(Invitation, "role", "note", "expires_at", created=Action.INVITATION_CREATED)
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
