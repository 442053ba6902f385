from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.generic import RedirectView

from frontend.views import containers, document, language, notebooks, pages, tenant

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
    path("notebooks/<uuid:notebook_id>/", notebooks.page, name="notebook"),
    path("notebooks/<uuid:notebook_id>/document", document.document, name="notebook_document"),
    path("notebooks/<uuid:notebook_id>/rename", notebooks.rename, name="rename_notebook"),
    path("notebooks/<uuid:notebook_id>/language", language.language, name="notebook_language"),
    path("notebooks/<uuid:notebook_id>/delete", notebooks.delete, name="delete_notebook"),
    path("notebooks/<uuid:notebook_id>/restore", notebooks.restore, name="restore_notebook"),
    path("notebooks/<uuid:notebook_id>/download", notebooks.download, name="download_notebook"),
]
