"""Runs `tap-postgres check` and reads its findings."""

import dataclasses
import json

from support import tap

# The end of each error that a check can find beforehand.
ADVICE = "; run: tap-postgres check"


def without_advice(result):
    """Removes the advice from a Result; the error must end with it."""
    assert result.stderr.endswith(ADVICE + "\n"), result
    return dataclasses.replace(result, stderr=result.stderr.removesuffix(ADVICE + "\n") + "\n")


def run_check(config, *args, expect=0, **files):
    """Runs a check and returns its findings."""
    result = tap.run(config, "check", "--format", "json", *args, expect=expect, **files)
    return json.loads(result.stdout)["findings"]


def about(findings, subject, level=None):
    """The findings on a subject, as text."""
    return [text(f) for f in findings if f["subject"] == subject and level in (None, f["level"])]


def text(finding):
    """A finding without its subject, in the text format of check."""
    remedy = ": ".join(part for part in (finding["needed"], finding["fix"]) if part)
    return f"{finding['level']} {finding['found']}" + (f"; {remedy}" if remedy else "")
