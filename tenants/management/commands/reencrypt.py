"""`manage.py reencrypt`: put every stored secret under the present SECRET_KEY, after which fallbacks may go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from tenants.accounts.second_factor import reencrypt
from tenants.encryption import CannotDecrypt, Ciphertext, EncryptedTextField, encrypted_fields, rotate


class Command(BaseCommand):
    help = "Encrypt every stored secret anew with THERMAE_SECRET_KEY. Keys in THERMAE_SECRET_KEY_FALLBACKS may go then."

    def handle(self, **options: Any) -> None:
        done = lost = 0
        for model, field in encrypted_fields():
            for row in model._base_manager.exclude(**{f"{field.name}__isnull": True}).values_list("pk", flat=True):
                try:
                    done += _rotate(model, field, row)
                except CannotDecrypt:
                    lost += 1
                    self.stderr.write(f"{model._meta.label} {row}: {field.name} was encrypted with an unknown key.")
        for pk, fault in reencrypt():
            done, lost = (done, lost + 1) if fault else (done + 1, lost)
            if fault:
                self.stderr.write(f"The second factor {pk} was encrypted with an unknown key.")
        self.stdout.write(f"Encrypted {done} anew.")
        if lost:
            raise CommandError(f"{lost} cannot be read: add their key to THERMAE_SECRET_KEY_FALLBACKS, or enter them.")


def _rotate(model: type[models.Model], field: EncryptedTextField, pk: Any) -> bool:
    with transaction.atomic():
        row = model._base_manager.select_for_update().filter(pk=pk)
        value = row.values_list(field.name, flat=True).first()
        return value is not None and bool(row.update(**{field.name: Ciphertext(rotate(value))}))
