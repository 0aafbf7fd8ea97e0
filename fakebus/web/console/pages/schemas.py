"""The schema registry: subjects, their versions, what changed, and whether a change is allowed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from functools import partial

from fakebus.catalogue.impact import Impact, Proposal, impact_of
from fakebus.catalogue.of_cluster import bus_landscape, cluster_landscape
from fakebus.cluster.interface import Cluster, NewSchema
from fakebus.errors import FakebusError
from fakebus.nesting import laid_out_text
from fakebus.schemas.languages import LANGUAGES
from fakebus.types import COMPATIBILITY_LEVELS
from fakebus.web.console.addresses import page_url
from fakebus.web.console.call import Call, Page, Redirect, is_number
from fakebus.web.console.differences import Line, compared
from fakebus.web.errors import RequestError

_MAX_ROWS = 300
LEVELS = tuple(sorted(COMPATIBILITY_LEVELS))
TYPES = tuple(sorted(LANGUAGES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Schema that is tried or registered."""

    text: str = ""
    schema_type: str = "AVRO"
    references: str = ""
    """One a line: the name, the subject, the version."""
    reasons: tuple[str, ...] | None = None
    """Why it may not be the next version; ``None`` if nobody has asked yet."""
    problem: str = ""


async def index(call: Call) -> Page:
    """List subjects."""
    schemas = call.cluster.schemas
    wanted = call.query.text("q").lower()
    subjects = [name for name in await schemas.subjects() if wanted in name.lower()]
    shown = [await schemas.version(name) for name in subjects[:_MAX_ROWS]]
    return Page(
        template="schemas.html",
        values={
            "shown": shown,
            "left": len(subjects) - len(shown),
            "wanted": call.query.text("q"),
            "level": await schemas.level(),
            "levels": LEVELS,
            "types": TYPES,
            "attempt": Attempt(),
        },
    )


async def show(call: Call) -> Page:
    """Show a version of a subject, what has changed, and whom it breaks that a field goes."""
    name, field = call.query.raw("name"), call.query.text("without")
    if not field and not call.query.text("gone"):
        return await _subject(call, name, None)
    proposal, attempt, impact = Proposal(field=field or None), None, None
    try:
        impact = await _impact(call.cluster, name, proposal)
    except FakebusError as error:
        attempt = await _standing(call.cluster, name, problem=str(error))
    return await _subject(call, name, attempt, impact)


async def _impact(cluster: Cluster, name: str, proposal: Proposal) -> Impact:
    landscape = await (cluster_landscape if cluster.is_external else bus_landscape)(cluster)
    # Comparing takes its time, which clients need not wait for.
    return await asyncio.to_thread(partial(impact_of, landscape, name, proposal))


async def _standing(cluster: Cluster, name: str, problem: str = "") -> Attempt:
    """Return the newest version, for the form of the next one."""
    latest = await cluster.schemas.version(name)
    references = "\n".join(" ".join(map(str, each)) for each in latest.references)
    return Attempt(
        text=laid_out_text(latest.text),
        schema_type=latest.schema_type,
        references=references,
        problem=problem,
    )


async def _subject(
    call: Call, name: str, attempt: Attempt | None, impact: Impact | None = None
) -> Page:
    schemas = call.cluster.schemas
    versions = await schemas.versions(name)
    shown = await schemas.version(name, call.query.number("version", versions[-1]))
    before = [version for version in versions if version < shown.version]
    other = call.query.number("against", before[-1] if before else shown.version)
    difference: list[Line] = []
    if other != shown.version:
        earlier = await schemas.version(name, other)
        difference = compared(laid_out_text(earlier.text), laid_out_text(shown.text))
    if attempt is None:
        attempt = await _standing(call.cluster, name)
    return Page(
        template="schema.html",
        status=400 if attempt.problem else 200,
        values={
            "name": name,
            "versions": versions,
            "shown": shown,
            "text": laid_out_text(shown.text),
            "other": other,
            "difference": difference,
            "level": await schemas.level(name),
            "levels": LEVELS,
            "types": TYPES,
            "attempt": attempt,
            "impact": impact,
            "field": call.query.text("without"),
        },
    )


async def register(call: Call) -> Page | Redirect:
    """Check a schema, or register it as the next version."""
    name = call.form.raw("name")
    attempt = Attempt(
        text=call.form.raw("text").replace("\r\n", "\n"),
        schema_type=call.form.text("type", "AVRO"),
        references=call.form.raw("references"),
    )
    schema = NewSchema(
        text=_compact(attempt.text),
        schema_type=attempt.schema_type,
        references=_references(attempt.references),
    )
    try:
        if call.form.text("do") == "register":
            schema_id = await call.cluster.schemas.register(name, schema)
            done = f"The schema has been registered; its id is {schema_id}."
            return Redirect(url=page_url("schema", name=name), done=done)
        if call.form.text("do") == "impact":
            proposal = Proposal(schema=schema.text, schema_type=schema.schema_type)
            impact = await _impact(call.cluster, name, proposal)
            return await _subject(call, name, attempt, impact)
        reasons = tuple(await call.cluster.schemas.check(name, schema))
        attempt = _with(attempt, reasons=reasons)
    except FakebusError as error:
        attempt = _with(attempt, problem=str(error))
    if name not in await call.cluster.schemas.subjects():
        told = attempt.problem or "There is no such subject yet, so that the schema fits."
        raise RequestError(400, told)
    return await _subject(call, name, attempt)


def _with(
    attempt: Attempt, *, reasons: tuple[str, ...] | None = None, problem: str = ""
) -> Attempt:
    return Attempt(
        text=attempt.text,
        schema_type=attempt.schema_type,
        references=attempt.references,
        reasons=reasons,
        problem=problem,
    )


def _compact(text: str) -> str:
    """Return JSON without what was laid out for reading, so that it is the schema it was."""
    try:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _references(text: str) -> tuple[tuple[str, str, int], ...]:
    references = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = line.split()
        if len(parts) != 3 or not is_number(parts[2]):
            raise RequestError(400, f"write a reference as NAME SUBJECT VERSION, not {line!r}")
        references.append((parts[0], parts[1], int(parts[2])))
    return tuple(references)


async def level(call: Call) -> Redirect:
    """Set the level of a subject, or of all, or take it back."""
    name, wanted = call.form.raw("name"), call.form.text("level")
    if wanted and wanted not in LEVELS:
        raise RequestError(400, f"there is no level {wanted!r}")
    await call.cluster.schemas.set_level(name or None, wanted or None)
    url = page_url("schema", name=name) if name else page_url("schemas")
    return Redirect(url=url, done="The compatibility level has been changed.")


async def delete(call: Call) -> Redirect:
    """Delete a subject softly."""
    name = call.form.raw("name")
    if call.form.text("confirm") != name.strip():
        raise RequestError(400, f"nothing was done: type the subject's name, {name}, to confirm")
    await call.cluster.schemas.delete(name)
    return Redirect(url=page_url("schemas"), done=f"The subject {name} has been deleted.")
