"""Django's admin with our own site, whose doors open by a person's role."""

from django.contrib.admin.apps import AdminConfig


class ThermaeAdminConfig(AdminConfig):
    default_site = "tenants.admin_site.ThermaeAdminSite"
