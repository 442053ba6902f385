"""The language of a notebook: which pool runs it. Changing it leaves cells and outputs as they are."""

from uuid import UUID

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_http_methods

from frontend.access import MemberRequest, member_required, own_notebook
from frontend.pools import pool_cards


@require_http_methods(["GET", "POST"])
@member_required
def language(request: MemberRequest, notebook_id: UUID) -> HttpResponse:
    """GET: the languages that there are. POST `pool`: run it in that one from now on; the page is loaded again then.

    The session in the old pool keeps its variables until it has been idle for its cooldown: who comes back finds them.
    """
    notebook = own_notebook(request, notebook_id)
    cards = {card.name: card for card in pool_cards(request.tenant)}
    if request.method == "GET":
        languages = [
            {"pool": card.name, "language": card.label, "words": card.words, "usable": card.usable}
            for card in cards.values()
        ]
        return JsonResponse({"pool": notebook.pool, "languages": languages})
    card = cards.get(request.POST.get("pool", ""))
    if card is None or not card.usable:
        message = "That language is not available right now. Choose another one."
        return JsonResponse({"error": "not_available", "message": message}, status=400)
    if not notebook.change_pool(card.name, card.kernel, card.language):
        message = "The notebook was just saved somewhere else. Try again."
        return JsonResponse({"error": "conflict", "message": message}, status=409)
    return JsonResponse({"pool": card.name, "language": card.language})
