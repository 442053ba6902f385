"""What a model finds wrong, as a Problem."""

from django.core.exceptions import ValidationError

from interpreters.sessions import problems


def checked(error: ValidationError) -> problems.BadRequest:
    """The first findings as a sentence: where, and what to do."""
    found = error.message_dict if hasattr(error, "error_dict") else {"__all__": error.messages}
    told = {field: " ".join(messages) for field, messages in found.items()}
    sentences = [words if field == "__all__" else f"{field}: {words}" for field, words in told.items()]
    return problems.BadRequest(" ".join(sentences[:3]), "invalid")
