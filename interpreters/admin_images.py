"""Images and credentials for registries, for administrators. A secret goes in and never comes out."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.html import format_html

from interpreters.catalog import credentials, images
from interpreters.forms import OfferedForm
from interpreters.models import InterpreterImage, RegistryCredential
from interpreters.models.uploads import NoSpace, UploadTooLarge, remove_upload, size_of, store
from interpreters.tasks import acquire_images, enqueue
from tenants import storage
from tenants.models import Tenant
from tenants.registries import BadRegistry, normalised
from tenants.scoping import BY_TENANT, TenantScopedAdmin

OFFER = "Offered to"


def kept(sent: Iterable[bytes], tenant: Tenant | None, more: int) -> str:
    """Store an upload; returns its name. The form has looked already: others may have stored something since."""
    name = store(sent)
    try:
        if tenant is not None:
            storage.check(Tenant.objects.hold(tenant.pk), more)
    except storage.StorageFull:
        remove_upload(name)
        raise
    return name


def may_offer(request: HttpRequest, row: Any) -> bool:
    """An operator, what is shared."""
    return bool(request.user.is_superuser) and (row is None or row.tenant_id is None)


class ImageForm(OfferedForm):
    """What an image is made from, by its origin: a reference, an archive, or a Dockerfile with or without a context."""

    file = forms.FileField(
        required=False,
        label="Upload",
        help_text="An archive of `docker save`, or a tar or zip with a Dockerfile at its root.",
    )
    dockerfile = forms.CharField(
        required=False, widget=forms.Textarea, help_text="In place of an upload, where it copies no files."
    )

    class Meta:
        model = InterpreterImage
        fields = (
            "tenant", "name", "kind", "origin", "registry_reference", "credential", "source", "language", "kernel",
            "warm_up", "least_memory", "offered_to_all", "offered_to",
        )  # fmt: skip

    more = 0  # bytes that its tenant will store

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        origin, given = cleaned.get("origin"), cleaned.get("file") or cleaned.get("dockerfile")
        uploaded = origin in images.UPLOADED
        if uploaded and not given and not self.instance.pk:
            raise forms.ValidationError("Upload a file, or write a Dockerfile.")
        if given and not uploaded:
            raise forms.ValidationError("An upload belongs to an archive or a Dockerfile: choose that as the origin.")
        if cleaned.get("dockerfile") and origin == InterpreterImage.Origin.ARCHIVE:
            raise forms.ValidationError("An archive is uploaded; a Dockerfile is an origin of its own.")
        if self.sent_size > settings.MAX_IMAGE_UPLOAD_BYTES:
            raise forms.ValidationError(str(UploadTooLarge()))
        if (tenant := cleaned.get("tenant")) is not None:
            self._check_room(tenant)
        return cleaned

    def _check_room(self, tenant: Tenant) -> None:
        """As by REST, before anything is kept. An image that is new to a tenant brings all that there is of it."""
        image = self.instance
        is_new = image.tenant_id != tenant.pk
        if is_new and (full := images.too_many(tenant)):
            raise forms.ValidationError(full)
        if is_new:
            self.more = max(1, (image.size or 0) + (self.sent_size or size_of(image.upload)))
        elif self.sent_size:
            self.more = max(1, self.sent_size - size_of(image.upload))
        try:
            storage.check(tenant, self.more)
        except storage.StorageFull as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    @property
    def sent(self) -> Iterable[bytes] | None:
        """What was uploaded or written; None if nothing was."""
        file, text = self.cleaned_data.get("file"), self.cleaned_data.get("dockerfile")
        return file.chunks() if file else [text.encode()] if text else None

    @property
    def sent_size(self) -> int:
        file, text = self.cleaned_data.get("file"), self.cleaned_data.get("dockerfile")
        return file.size if file else len(text.encode()) if text else 0


@admin.register(InterpreterImage)
class InterpreterImageAdmin(TenantScopedAdmin[InterpreterImage]):
    form = ImageForm
    list_display = ("name", "kind", "origin", "tenant", "state", "progress", "short_digest", "weight", "built_at")
    list_filter = ("state", "kind", "origin", BY_TENANT)
    ordering = ("name", "id")
    list_select_related = ("tenant",)
    search_fields = ("name", "language", "reference", "registry_reference")
    shared_choices = ("credential",)
    readonly_fields = (
        "state", "progress", "error", "reference", "digest", "weight", "exposed_port", "image_user", "volumes",
        "built_at", "log",
    )  # fmt: skip
    actions = ("refresh",)
    filter_horizontal = ("offered_to",)
    fieldsets = (
        (None, {"fields": ("name", "tenant", "kind", "origin", "least_memory")}),
        (OFFER, {"fields": ("offered_to_all", "offered_to")}),
        ("From a registry", {"fields": ("registry_reference", "credential")}),
        ("From an upload", {"fields": ("file", "dockerfile")}),
        ("For code", {"fields": ("source", "language", "kernel", "warm_up")}),
        ("State", {"fields": readonly_fields}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: InterpreterImage | None = None) -> Any:
        left_out = {OFFER} if not may_offer(request, obj) else set()
        left_out |= {"State"} if obj is None else set()
        return [entry for entry in super().get_fieldsets(request, obj) if entry[0] not in left_out]

    @admin.display(description="size", ordering="size")
    def weight(self, image: InterpreterImage) -> str:
        return str(filesizeformat(image.size)) if image.size else ""

    @admin.display(description="digest", ordering="digest")
    def short_digest(self, image: InterpreterImage) -> str:
        return image.digest.removeprefix("sha256:")[:12]

    @admin.display(description="log")
    def log(self, image: InterpreterImage) -> str:
        return format_html('<pre style="overflow: auto; max-height: 30em">{}</pre>', image.build_log)

    def save_model(self, request: HttpRequest, obj: InterpreterImage, form: Any, change: bool) -> None:
        sent, former = form.sent, ""
        if sent is not None:
            try:
                former, obj.upload = obj.upload, kept(sent, obj.tenant, form.more)
            except (UploadTooLarge, NoSpace, storage.StorageFull) as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
                sent, former = None, ""
        elif obj.origin not in images.UPLOADED:
            former, obj.upload = obj.upload, ""  # nothing is made from it any more
        super().save_model(request, obj, form, change)
        remove_upload(former)
        made_from = {"origin", "registry_reference", "credential", "source"}
        if sent is not None or not change or made_from & set(form.changed_data):
            obj.request()
            enqueue(acquire_images)
            self.message_user(request, "A worker makes it now: load this page again to see how far it is.")

    def delete_model(self, request: HttpRequest, obj: InterpreterImage) -> None:
        super().delete_model(request, obj)
        remove_upload(obj.upload)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[InterpreterImage]) -> None:
        uploads = list(queryset.values_list("upload", flat=True))
        super().delete_queryset(request, queryset)
        for upload in uploads:
            remove_upload(upload)

    @admin.action(description="Rebuild: pull or build the selected images anew", permissions=["change"])
    def refresh(self, request: HttpRequest, chosen: QuerySet[InterpreterImage]) -> None:
        for image in chosen:
            image.request()
        enqueue(acquire_images)
        self.message_user(request, f"A worker makes {len(chosen)}. Pools change over when each is done.")


class CredentialForm(forms.ModelForm[RegistryCredential]):
    password = forms.CharField(
        label="Secret", required=False, strip=False, widget=forms.PasswordInput, max_length=16 * 1024,
        help_text="A password or token. It is stored encrypted and never shown; empty keeps what there is.",
    )  # fmt: skip

    class Meta:
        model = RegistryCredential
        fields = ("tenant", "registry", "username")

    def clean_registry(self) -> str:
        try:
            return normalised(self.cleaned_data["registry"])
        except BadRegistry as error:
            raise forms.ValidationError(str(error)) from error

    def clean_password(self) -> str:
        secret: str = self.cleaned_data["password"]
        if not secret and not self.instance.pk:
            raise forms.ValidationError("Give the password or token that goes with the name.")
        return secret

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        moved = self.instance.pk and cleaned.get("registry") != self.initial.get("registry")
        if moved and not cleaned.get("password"):
            # Else whoever may edit it could have a secret, which they were never told, sent to a host of their own.
            raise forms.ValidationError("For another registry, enter the secret again.")
        tenant = cleaned.get("tenant")
        if tenant and tenant.pk != self.instance.tenant_id and (full := credentials.too_many(tenant)):
            raise forms.ValidationError(full)
        return cleaned

    def save(self, commit: bool = True) -> RegistryCredential:
        if self.cleaned_data["password"]:
            self.instance.secret = self.cleaned_data["password"]
        return super().save(commit)


@admin.register(RegistryCredential)
class RegistryCredentialAdmin(TenantScopedAdmin[RegistryCredential]):
    form = CredentialForm
    list_display = ("registry", "username", "tenant", "created_at")
    list_filter = ("registry", BY_TENANT)
    ordering = ("registry", "id")
    list_select_related = ("tenant",)
    search_fields = ("registry", "username")
