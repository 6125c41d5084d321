"""Groups of rows that are computed together.

Networks are fastest on batches of similar lengths. Therefore rows are sorted by length and cut into
groups, which are the unit of work of a worker. The last bits of the audio differ with the size of a
batch. Therefore the groups of a run depend on its rows alone, and a run that was stopped and goes
on writes the same bytes as one that was not.
"""

from collections.abc import Sequence

from tts.batch.rows import Row

#: most rows of a group, and most characters of its texts
GROUP_ROWS = 32
GROUP_CHARS = 4000


def group_rows(rows: Sequence[Row], numbers: Sequence[int]) -> list[list[int]]:
    """Return groups of rows, those with the longest texts first: they show early whether the memory
    is enough, and the last groups of several workers end at about the same time.

    Args:
        rows: all rows.
        numbers: indices of the rows to group.

    Returns:
        The indices of each group.
    """
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
    """Return a string that is the same for rows that can share a batch."""
    options = row.options
    return repr((row.model, options.pitch, options.steps, options.guidance, options.temperature))
