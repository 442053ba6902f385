"""Signing in by a tenant's own OpenID Connect provider. `oidc` says who may, `fetching` is how we speak to it."""
