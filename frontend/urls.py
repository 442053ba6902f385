from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from frontend.views import containers, document, files, notebooks, pages, tenant, trash, versions

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="notebooks"), name="home"),
    path("login", pages.SignInView.as_view(), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    path("tenant", tenant.switch, name="switch_tenant"),
    path("output-frame", pages.output_frame, name="output_frame"),
    path("containers/<slug:pool>/", containers.page, name="container"),
    path("notebooks/", notebooks.listing, name="notebooks"),
    path("notebooks/new", notebooks.create, name="new_notebook"),
    path("notebooks/pools", notebooks.pool_list, name="notebook_pools"),
    path("notebooks/import", files.bring, name="import_notebooks"),
    path("notebooks/trash", trash.page, name="trash"),
    path("notebooks/trash/empty", trash.empty, name="empty_trash"),
    path("notebooks/<uuid:notebook_id>/", notebooks.page, name="notebook"),
    path("notebooks/<uuid:notebook_id>/document", document.document, name="notebook_document"),
    path("notebooks/<uuid:notebook_id>/rename", notebooks.rename, name="rename_notebook"),
    path("notebooks/<uuid:notebook_id>/delete", notebooks.delete, name="delete_notebook"),
    path("notebooks/<uuid:notebook_id>/restore", notebooks.restore, name="restore_notebook"),
    path("notebooks/<uuid:notebook_id>/purge", trash.purge, name="purge_notebook"),
    path("notebooks/<uuid:notebook_id>/copy", files.copy, name="copy_notebook"),
    path("notebooks/<uuid:notebook_id>/download", files.export, {"form": "ipynb"}, name="download_notebook"),
    path("notebooks/<uuid:notebook_id>/export/<slug:form>", files.export, name="export_notebook"),
    path("notebooks/<uuid:notebook_id>/versions", versions.versions, name="notebook_versions"),
    path("notebooks/<uuid:notebook_id>/versions/<int:version_id>", versions.version, name="notebook_version"),
    path("notebooks/<uuid:notebook_id>/versions/<int:version_id>/restore", versions.restore, name="restore_version"),
]
