"""Random values of many types, as SQL literals."""

import json
import struct


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def text(rng):
    ranges = [
        (1, 0x7F),
        (1, 0x7F),
        (0x80, 0x7FF),
        (0x800, 0xD7FF),
        (0xE000, 0xFFFF),
        (0x10000, 0x10FFFF),
    ]
    special = "\"\\{},'=> \n\t"
    return "".join(
        rng.choice(special) if rng.random() < 0.3 else chr(rng.randint(*rng.choice(ranges)))
        for _ in range(rng.choice((1, 3, 20)))
    )


def floating(rng, form):
    """Any bit pattern; NaN has one spelling."""
    size = struct.calcsize(form)
    if rng.random() < 0.5:
        return repr(round(rng.uniform(-1e6, 1e6), rng.randint(0, 8)))
    return repr(struct.unpack(form, rng.randbytes(size))[0])


def numeric(rng):
    digits = "".join(rng.choice("0123456789") for _ in range(rng.choice((1, 4, 9, 40))))
    at = rng.randint(0, len(digits))
    return (
        rng.choice(("", "-"))
        + (digits[:at] or "0")
        + ("." + digits[at:] if at < len(digits) else "")
    )


def clock(rng):
    second = f"{rng.randint(0, 59):02}" + rng.choice(("", f".{rng.randint(0, 999999):06}"))
    return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{second}"


def day(rng):
    year = rng.choice((rng.randint(1, 9999), rng.randint(1900, 2100), rng.randint(10000, 290000)))
    return f"{year:04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}" + (
        " BC" if year < 4000 and rng.random() < 0.2 else ""
    )


def moment(rng):
    date, _, era = day(rng).partition(" ")
    return f"{date} {clock(rng)} {era}"


def offset(rng):
    sign, hours, minutes = rng.choice("+-"), rng.randint(0, 15), rng.randint(0, 59)
    seconds = rng.choice((0, 0, rng.randint(0, 59)))
    return f"{sign}{hours:02}:{minutes:02}:{seconds:02}"


def document(rng, depth=0):
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 5:
        return [document(rng, depth + 1) for _ in range(rng.randint(0, 3))]
    if kind == 6:
        return {text(rng): document(rng, depth + 1) for _ in range(rng.randint(0, 3))}
    return (
        None,
        rng.random() < 0.5,
        rng.randint(-(10**18), 10**18),
        round(rng.uniform(-100, 100), 6),
        text(rng),
    )[kind]


def interval(rng):
    return (
        f"{rng.randint(-5000, 5000)} mons {rng.randint(-5000, 5000)} days "
        f"{rng.randint(-9000, 9000)}:{rng.randint(0, 59)}:"
        f"{rng.randint(0, 59)}.{rng.randint(0, 999999):06}"
    )


def element(rng, make):
    return "NULL" if rng.random() < 0.1 else quoted(make(rng))


def array(make, kind):
    return (
        lambda rng: "ARRAY["
        + ", ".join(element(rng, make) for _ in range(rng.randint(0, 4)))
        + f"]::{kind}[]"
    )


SCALARS = {
    "smallint": lambda rng: str(rng.randint(-(2**15), 2**15 - 1)),
    "int": lambda rng: str(rng.randint(-(2**31), 2**31 - 1)),
    "bigint": lambda rng: str(rng.randint(-(2**63), 2**63 - 1)),
    "real": lambda rng: floating(rng, "<f"),
    "float8": lambda rng: floating(rng, "<d"),
    "numeric": numeric,
    "text": text,
    "bytea": lambda rng: r"\x" + rng.randbytes(rng.randint(0, 20)).hex(),
    "uuid": lambda rng: rng.randbytes(16).hex(),
    "date": day,
    "timestamp": moment,
    "timestamptz": moment,
    "time": clock,
    "timetz": lambda rng: clock(rng) + offset(rng),
    "interval": interval,
    "json": lambda rng: json.dumps(document(rng), ensure_ascii=rng.random() < 0.5),
    "jsonb": lambda rng: json.dumps(document(rng), ensure_ascii=rng.random() < 0.5),
    "inet": lambda rng: ".".join(str(rng.randint(0, 255)) for _ in range(4)),
}


def tables(rng, count):
    """Maps names to (type, `count` literals): a table for every type and for its arrays."""
    made = {}
    for i, (kind, make) in enumerate(SCALARS.items()):
        made[f"r{i}"] = (kind, [quoted(make(rng)) for _ in range(count)])
        made[f"a{i}"] = (kind + "[]", [array(make, kind)(rng) for _ in range(count)])
    return made
