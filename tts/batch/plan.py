"""Which rows are computed together.

Networks run fastest on batches of similar lengths, so rows are sorted by length and cut into
groups, the unit of work of a worker. Rounding differs in the last bits with the size of a batch:
groups therefore depend on the list of rows alone, never on what is done already, and a run that is
stopped and goes on gives the bytes of one that was not.
"""

from collections.abc import Sequence

from tts.batch.rows import Row

GROUP_ROWS = 32
GROUP_CHARS = 4000


def plan(rows: Sequence[Row], numbers: Sequence[int]) -> list[list[int]]:
    """Groups of `numbers` (places in `rows`), the longest texts first: they tell early whether the
    memory is enough, and the last groups of the workers end together."""
    order = sorted(numbers, key=lambda n: (_kind(rows[n]), len(rows[n].text), n))
    groups: list[list[int]] = []
    chars = 0
    for number in order:
        size = len(rows[number].text)
        new = (
            not groups
            or len(groups[-1]) == GROUP_ROWS
            or chars + size > GROUP_CHARS
            or _kind(rows[groups[-1][0]]) != _kind(rows[number])
        )
        if new:
            groups.append([])
            chars = 0
        groups[-1].append(number)
        chars += size
    return sorted(groups, key=lambda group: (-len(rows[group[-1]].text), group))


def _kind(row: Row) -> str:
    """Rows of one kind can share a batch."""
    o = row.options
    return repr((row.model, o.pitch, o.steps, o.guidance, o.temperature))
