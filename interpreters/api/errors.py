"""Every error in one shape: `{"error": "<code>", "message": "<what to do>"}`."""

import logging
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from interpreters.sessions import Problem, problems
from tenants.authentication import NotAllowed

logger = logging.getLogger(__name__)


def render(problem: Problem) -> HttpResponse:
    told: dict[str, Any] = {**problem.about, "error": problem.code, "message": problem.message}
    if problem.position:
        told["position"] = problem.position
    response = JsonResponse(told, status=problem.status)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    if problem.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def no_such_address(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(problems.NotFound("There is nothing at this address: see /api/v1/docs."))


def told(errors: Sequence[dict[str, Any]]) -> str:
    """Pydantic's findings as a sentence: where, and what is expected there."""
    sentences = []
    for error in errors[:3]:
        # ("body", <our parameter>, "pool") or ("query", "after")
        place = ".".join(str(part) for part in error["loc"][2 if error["loc"][0] == "body" else 1 :])
        sentences.append(f"{place or 'the body'}: {error['msg'][0].lower()}{error['msg'][1:]}")
    return f"Correct {'; '.join(sentences)}."


def install(api: NinjaAPI) -> None:
    @api.exception_handler(Problem)
    def _(request: HttpRequest, error: Problem) -> HttpResponse:
        return render(error)

    @api.exception_handler(NotAllowed)
    def _(request: HttpRequest, error: NotAllowed) -> HttpResponse:
        return render(problems.of_tenants(error))

    @api.exception_handler(ValidationError)
    def _(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return render(problems.BadRequest(told(error.errors), "invalid"))

    @api.exception_handler(OperationalError)
    def _(request: HttpRequest, error: OperationalError) -> HttpResponse:
        logger.error("%s %s: %s", request.method, request.path, error)
        return render(problems.Unavailable("The database does not answer: try again.", "database", retry_after=2))

    @api.exception_handler(RequestDataTooBig)
    def _(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        return render(problems.TooLarge("This body is too large: put data into a file and upload that."))

    @api.exception_handler(HttpError)
    def _(request: HttpRequest, error: HttpError) -> HttpResponse:
        problem = problems.BadRequest(f"{error.message}. Send a JSON object with its Content-Type.")
        problem.status = error.status_code
        return render(problem)

    @api.exception_handler(Http404)
    def _(request: HttpRequest, error: Http404) -> HttpResponse:
        return no_such_address(request)
