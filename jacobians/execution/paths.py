"""In which order the factors of a term are multiplied."""

from collections.abc import Sequence

from jacobians.execution import ordering

Letters = tuple[int, ...]


def contraction_path(
    letters: Sequence[Letters], kept: frozenset[int], sizes: Sequence[int]
) -> list[tuple[int, int]]:
    """Which two arrays are multiplied at each step; both leave the list, the product joins its end."""
    if len(letters) < 2:
        return []
    if len(letters) == 2:
        return [(0, 1)]
    alike = _alike(letters)
    if alike is not None:
        left = [own for place, own in enumerate(letters) if place not in alike]
        return [alike, *contraction_path([*left, letters[alike[0]]], kept, sizes)]
    if len(letters) <= ordering.MOST:
        return ordering.best_order(letters, kept, sizes)
    import opt_einsum as oe  # loads slowly

    inputs = ",".join("".join(oe.get_symbol(a) for a in own) for own in letters)
    used = set().union(*letters)
    output = "".join(oe.get_symbol(a) for a in sorted(kept & used))
    shapes = [tuple(sizes[a] for a in own) for own in letters]
    path, _ = oe.contract_path(f"{inputs}->{output}", *shapes, shapes=True, optimize="auto")
    pairs: list[tuple[int, int]] = []
    theirs = list(range(len(letters)))  # numbers of the arrays as opt_einsum's path counts them
    ours = list(theirs)
    for step in path:
        joined, *others = (theirs[place] for place in step)
        theirs = [number for number in theirs if number not in {joined, *others}]
        for other in others:  # more than two at once are taken two by two
            first, second = sorted((ours.index(joined), ours.index(other)))
            pairs.append((first, second))
            joined, ours = _next(ours, first, second)
        theirs.append(joined)
    return pairs


def _alike(letters: Sequence[Letters]) -> tuple[int, int] | None:
    """Two arrays of the same letters: multiplied first, they cost no more than one of them later."""
    first: dict[frozenset[int], int] = {}
    for place, own in enumerate(map(frozenset, letters)):
        if first.setdefault(own, place) != place:
            return first[own], place
    return None


def _next(numbers: list[int], first: int, second: int) -> tuple[int, list[int]]:
    """Replace two arrays of the list by their product at its end."""
    new = max(numbers) + len(numbers)
    return new, [n for place, n in enumerate(numbers) if place not in (first, second)] + [new]
