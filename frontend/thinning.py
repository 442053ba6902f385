"""Which automatic versions to give up when there are too many: the further back, the wider apart."""

from collections.abc import Sequence


def surplus(ages: Sequence[float], keep: int) -> list[int]:
    """Indexes of the versions to remove, so that `keep` are left. `ages` in seconds, the newest first.

    The newest and the oldest stay. Of the others goes, one at a time, whose neighbours are nearest to each other for
    their age: minutes count among those of the last hour, days among those of last year.
    """
    left = list(range(len(ages)))
    removed = []
    while len(left) > max(keep, 2):
        crowded = min(
            range(1, len(left) - 1), key=lambda at: (ages[left[at + 1]] - ages[left[at - 1]]) / max(ages[left[at]], 1.0)
        )
        removed.append(left.pop(crowded))
    if keep < 2:
        removed += left[keep:]
    return sorted(removed)
