"""What the checks of all languages share."""

from header import Header


def missing(described: Header, words: set[str], but: dict[str, str]) -> list[str]:
    """The functions and status numbers of laser.h that a binding does not mention; `but` names those it may leave out, and why."""
    wanted = {f.name for f in described.functions} | {c.name for c in described.constants if c.name.startswith("LASER_ERR_")}
    problems = [f"{name} has no twin" for name in sorted(wanted - words - but.keys())]
    return problems + [f"{name} is excused ({but[name]}), but it is used or gone" for name in sorted(but) if name in words or name not in wanted]
