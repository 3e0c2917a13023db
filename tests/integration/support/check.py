"""What `tap-postgres check` finds."""

import dataclasses
import json

from support import tap

# The end of each error of a run that a check could have foreseen.
ADVICE = "; run: tap-postgres check"


def without_advice(result):
    """A Result whose error must end with the advice, without it."""
    assert result.stderr.endswith(ADVICE + "\n"), result
    return dataclasses.replace(result, stderr=result.stderr.removesuffix(ADVICE + "\n") + "\n")


def look(config, *args, expect=0, **files):
    """The findings of a check."""
    result = tap.run(config, "check", "--format", "json", *args, expect=expect, **files)
    return json.loads(result.stdout)["findings"]


def about(findings, subject, level=None):
    """What was found on a subject, as texts."""
    return [text(f) for f in findings if f["subject"] == subject and level in (None, f["level"])]


def text(finding):
    """A finding without its subject, as the text form has it."""
    remedy = ": ".join(part for part in (finding["needed"], finding["fix"]) if part)
    return f"{finding['level']} {finding['found']}" + (f"; {remedy}" if remedy else "")
