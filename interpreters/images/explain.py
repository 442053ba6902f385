"""What an engine says of a registry, in words that say what to do. Pure."""

import re
from collections.abc import Callable

from interpreters.references import Reference

# Pattern in the engine's words → ours. The first that matches is taken: what is said of logins comes before what is
# said of names, because a registry may answer a stranger with either.
SENTENCES: tuple[tuple[str, Callable[[Reference, bool], str]], ...] = (
    (
        r"no basic auth credentials|authentication required|unauthorized|denied|forbidden|401|incorrect username",
        lambda image, login: (
            f"{image.host} does not accept this username and secret for {image.path}: correct the credential."
            if login
            else f"{image.host} gives {image.path} to nobody without a login, or has no such image: "
            "choose a credential for it."
        ),
    ),
    (
        r"manifest unknown|manifest for .* not found|not found: manifest",
        lambda image, login: (
            f"{image.host} has no {image.path} with "
            + (f"the digest {image.digest}." if image.digest else f"the tag {image.tag!r}: check its name.")
        ),
    ),
    (
        r"name unknown|repository .* not found|name invalid|404",
        lambda image, login: f"{image.host} has no image named {image.path}: check its name.",
    ),
    (
        r"no matching manifest|does not match the specified platform|image operating system",
        lambda image, login: f"{image} is not made for this engine's platform: choose one that is.",
    ),
    (
        r"toomanyrequests|rate limit|429",
        lambda image, login: f"{image.host} takes no more requests for now: try later, or with a credential.",
    ),
    (
        r"no such host|name resolution|server misbehaving",
        lambda image, login: f"There is no registry at {image.host}: check its name.",
    ),
    (
        r"http response to https client|x509|tls:|certificate",
        lambda image, login: f"{image.host} has no certificate that the engine trusts: ask the operator.",
    ),
    (
        r"connection refused|no route to host|network is unreachable|i/o timeout|request canceled|deadline exceeded"
        r"|connection reset|timeout|: eof",
        lambda image, login: f"The registry {image.host} does not answer: try later, or check its name.",
    ),
    (r"no space left", lambda image, login: "The engine's disk is full: ask the operator."),
)


def explain(words: str, image: Reference, *, login: bool) -> str:
    """A sentence for people; the engine's own words where we know nothing better."""
    for pattern, sentence in SENTENCES:
        if re.search(pattern, words, re.IGNORECASE):
            return sentence(image, login)
    return f"{image} could not be pulled: {words[:500]}"
