"""How people sign in: django-allauth with our rules. It does passwords, second factors, passkeys, OpenID Connect and
the list of sign-ins; here is what it asks an application, and what a sign-in by a tenant's own provider may reach."""
