"""Whether 32 bytes are a public key of Ed25519 that a signature can be relied on with.

RFC 8032 section 5.1.3 (decoding) refuses what is no point. A point of small order is one, but
signatures under it can be made without any secret: whoever registers it could deny them all.
"""

P = 2**255 - 19
_D = -121_665 * pow(121_666, -1, P) % P
_ROOT = pow(2, (P - 1) // 4, P)
"""A square root of -1."""
_EIGHTFOLD = 3
"""The cofactor is 8: a point that three doublings turn into nothing has small order."""


def _decoded(key: bytes) -> tuple[int, int] | None:
    number = int.from_bytes(key, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(key) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * _ROOT % P
    if (x * x - square) % P:
        return None
    return (P - x if x % 2 != sign else x), y


def _doubled(x: int, y: int) -> tuple[int, int]:
    term = _D * x * x * y * y % P
    return (
        2 * x * y * pow(1 + term, -1, P) % P,
        (y * y + x * x) * pow(1 - term, -1, P) % P,
    )


def is_sound(key: bytes) -> bool:
    """False for what is no point, is not spelled in the one right way, or has small order."""
    point = _decoded(key)
    if point is None:
        return False
    for _ in range(_EIGHTFOLD):
        point = _doubled(*point)
    return point != (0, 1)
