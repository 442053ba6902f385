"""What others may want to hear of."""

from django.dispatch import Signal

# `user`: somebody whose signing in, in one browser or all, counts no more. Whoever ends one sends it.
sign_in_ended = Signal()
