"""The list of notebooks: what is new, what is searched, and the states of the languages."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from frontend.access import MemberRequest, member_required
from frontend.listing import SORTS, Wanted, list_notebooks, shared_with
from frontend.pools import container_cards, pool_cards


@require_GET
@member_required
@ensure_csrf_cookie
def page(request: MemberRequest) -> HttpResponse:
    """All of it; with `?part=list` only the rows that a search found, for the page that asks while somebody types."""
    pools = pool_cards(request.tenant)
    languages = {pool.name: pool.language for pool in pools}
    listing = list_notebooks(request.tenant, request.user, Wanted.read(request.GET), languages)
    context = {"listing": listing, "sorts": SORTS}
    if request.GET.get("part") == "list":
        return render(request, "frontend/list.html", context)
    examples = [pool for pool in pools if pool.example and pool.usable]
    context |= {
        "pools": pools,
        "examples": examples,
        "tour": next((pool for pool in examples if pool.language == "Python"), None),
        "shared": shared_with(request.tenant, request.user, languages),
        "import_limit": settings.MAX_IMPORT_BYTES,
        "containers": container_cards(request.tenant),
        "deleted": request.session.pop("deleted_notebook", None),
    }
    return render(request, "frontend/notebooks.html", context)


@require_GET
@member_required
def pool_list(request: MemberRequest) -> HttpResponse:
    """The part of the list that changes by itself; the page asks for it every few seconds."""
    return render(request, "frontend/pools.html", {"pools": pool_cards(request.tenant)})
