"""Numbers as a person reads them: seconds, bytes and counts."""


def human_seconds(seconds: float) -> str:
    """``12.3 µs``."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def human_count(number: int) -> str:
    """``1,234``; from 10¹² on ``1.23e+12``."""
    return f"{number:,}" if number < 10**12 else f"{number:.3g}"


def human_bytes(number: float) -> str:
    """``1.5 MiB``."""
    for power, unit in ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        scale = 1 << power
        if number >= scale:
            return f"{number / scale:,.4g} {unit}"
    return f"{int(number)} B"


def short(number: float, digits: int = 4) -> str:
    """``−0.4167``, ``1.2e+05``: few digits, and a proper minus sign."""
    return f"{float(number):.{digits}g}".replace("-", "−")
