"""What authors do to courses and libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fakebus.openedx.samples.sample import Sample, Samples, sample, time
from fakebus.openedx.world import BIOLOGY, COMPUTING, COURSES, Data


def _catalog() -> Iterator[Sample]:
    for index, course in enumerate(COURSES):
        schedule: Data = {"start": time(course.start), "pacing": ("self", "instructor")[index % 2]}
        if course.end is not None:
            schedule |= {
                "end": time(course.end),
                "enrollment_start": time(f"{course.start}1d"),
                "enrollment_end": time("-1w"),
            }
        yield sample(
            course.number.lower(),
            f"-{26 - index}w",
            "catalog_info",
            {
                "course_key": course.key,
                "name": course.name,
                "schedule_data": schedule,
                "hidden": False,
                "invitation_only": course is COMPUTING,
            },
        )


def _courses(weeks: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, course in enumerate(COURSES):
            yield sample(
                course.number.lower(),
                f"-{weeks - index}w",
                "course",
                course.data,
            )

    return samples


_BLOCKS = (("vertical", "week_1"), ("problem", "quiz_1"), ("html", "welcome"))


def _blocks(days: int, *, version: bool = False) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, (block_type, block_id) in enumerate(_BLOCKS):
            usage_key = BIOLOGY.block(block_type, block_id)
            data: Data = {"usage_key": usage_key, "block_type": block_type}
            if version and index:
                data["version"] = usage_key
            yield sample(block_id, f"-{days - index}d", "xblock_info", data)

    return samples


def _duplicated() -> Iterator[Sample]:
    for index, (block_type, block_id) in enumerate(_BLOCKS):
        yield sample(
            block_id,
            f"-{60 - index}d",
            "xblock_info",
            {
                "usage_key": BIOLOGY.block(block_type, f"{block_id}_copy"),
                "block_type": block_type,
                "source_usage_key": BIOLOGY.block(block_type, block_id),
            },
        )


def _skills() -> Iterator[Sample]:
    for index, (block_type, block_id) in enumerate(_BLOCKS):
        yield sample(
            block_id,
            f"-{40 - index}d",
            "xblock_info",
            {
                "usage_key": BIOLOGY.block(block_type, block_id),
                "verified_skills": [2, 7, 11][: index + 1],
                "ignored_skills": [] if index else [5],
            },
        )


_LIBRARIES = ("lib:Humboldt:BIO-LIB", "lib:UniTokyo:CS-LIB", "lib:OpenedX:DEMO")


def _libraries(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            yield sample(
                key.split(":")[2].lower(),
                f"-{days - index}d",
                "content_library",
                {"library_key": key, "update_blocks": bool(index)},
            )

    return samples


def _library_blocks(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield sample(
                slug.lower(),
                f"-{days - index}d",
                "library_block",
                {"library_key": key, "usage_key": f"lb:{org}:{slug}:problem:cell-{index + 1}"},
            )

    return samples


def _collections(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield sample(
                slug.lower(),
                f"-{days - index}d",
                "library_collection",
                {
                    "collection_key": f"lib-collection:{org}:{slug}:week-1",
                    "background": bool(index),
                },
            )

    return samples


def _containers(days: int) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        for index, key in enumerate(_LIBRARIES):
            _, org, slug = key.split(":")
            yield sample(
                slug.lower(),
                f"-{days - index}d",
                "library_container",
                {"container_key": f"lct:{org}:{slug}:unit:intro", "background": bool(index)},
            )

    return samples


def _objects(days: int, *, changes: bool) -> Callable[[], Iterator[Sample]]:
    def samples() -> Iterator[Sample]:
        keys = (BIOLOGY.key, BIOLOGY.block("problem", "quiz_1"), "lb:Humboldt:BIO-LIB:html:intro")
        for index, key in enumerate(keys):
            data: Data = {"object_id": key}
            if changes:
                data["changes"] = ["tags", "collections"][: index + 1]
            yield sample(str(index + 1), f"-{days - index}d", "content_object", data)

    return samples


SAMPLES: Samples = {
    "content_authoring.content.object.associations.changed.v1": _objects(30, changes=True),
    "content_authoring.content.object.tags.changed.v1": _objects(28, changes=False),
    "content_authoring.content_library.collection.created.v1": _collections(80),
    "content_authoring.content_library.collection.deleted.v1": _collections(10),
    "content_authoring.content_library.collection.updated.v1": _collections(70),
    "content_authoring.content_library.container.created.v1": _containers(80),
    "content_authoring.content_library.container.deleted.v1": _containers(9),
    "content_authoring.content_library.container.published.v1": _containers(60),
    "content_authoring.content_library.container.updated.v1": _containers(70),
    "content_authoring.content_library.created.v1": _libraries(90),
    "content_authoring.content_library.deleted.v1": _libraries(5),
    "content_authoring.content_library.updated.v1": _libraries(85),
    "content_authoring.course.catalog_info.changed.v1": _catalog,
    "content_authoring.course.created.v1": _courses(29),
    "content_authoring.course.import.completed.v1": _courses(28),
    "content_authoring.course.rerun.completed.v1": _courses(27),
    "content_authoring.library_block.created.v1": _library_blocks(78),
    "content_authoring.library_block.deleted.v1": _library_blocks(8),
    "content_authoring.library_block.published.v1": _library_blocks(58),
    "content_authoring.library_block.updated.v1": _library_blocks(68),
    "content_authoring.xblock.created.v1": _blocks(90),
    "content_authoring.xblock.deleted.v1": _blocks(20),
    "content_authoring.xblock.duplicated.v1": _duplicated,
    "content_authoring.xblock.published.v1": _blocks(80, version=True),
    "content_authoring.xblock.updated.v1": _blocks(85),
    "learning.xblock.skill.verified.v1": _skills,
}
"""By event type, without its beginning."""
