"""The errors, warnings and findings that the sources can report."""

import re

from support.tap import ROOT

# The start of a message: errors that are thrown or logged, problems that a run or a check reports.
SITES = (
    r"\bthrow (?:pg::|tap::)?\w+\(",
    r"\blog::(?:warn|error|critical)\(",
    r"\bProblem\b(?: \w+)?[({]",
    r"\bfail\((?:\s*\{|(?:where|place|source), )",
    r"\busage_error\(",
    r"\bwarn\(\s*\{",
    r"\breport\w*\.(?:note|warning|error)\([^{;]*\{",
)
COMMENT = re.compile(r"^\s*//.*$|\s// [^\"\n]*$", re.MULTILINE)
STRING = r'"(?:[^"\\\n]|\\.)*"'
STATEMENT = re.compile(rf"(?:[^;\"]|{STRING})*")
LITERAL = re.compile(rf'R"\((?P<raw>.*?)\)"|(?:{STRING}\s*)+', re.DOTALL)


def text_of(literal):
    """The value of adjacent string literals."""
    if literal["raw"] is not None:
        return literal["raw"]
    parts = re.findall(STRING, literal[0])
    return "".join(part[1:-1] for part in parts).replace('\\"', '"').replace("\\\\", "\\")


def message_patterns():
    """Yields (file, message) for each message that has words; {} is a variable part."""
    unused = set(SITES)
    for path in sorted([*ROOT.glob("src/**/*.[ch]pp"), *ROOT.glob("include/**/*.hpp")]):
        code = COMMENT.sub("", path.read_text(encoding="utf-8"))
        for kind in SITES:
            for site in re.finditer(kind, code):
                literal = LITERAL.search(STATEMENT.match(code, site.end())[0])
                message = literal and re.sub(r"\{[^{}]*\}", "{}", text_of(literal))
                # others are composed of messages
                if message and len(re.findall(r"\w{2,}", message)) > 1:
                    unused.discard(kind)
                    yield str(path.relative_to(ROOT)), message
    assert not unused, f"not found in the sources, perhaps renamed: {unused}"
