"""The trial of templates: activities of sample gists and of stored ones under other templates."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from gitpip.config import Settings
from gitpip.config.publishing.activity import PER_GIST
from gitpip.errors import GistNotFound
from gitpip.marking import marker_of
from gitpip.model import FileKey, GistFile, GistId, OnDelete, OnEdit
from gitpip.publish.activity import FurtherFile, Rendered, Wording, remarks_on, render
from gitpip.publish.policy import Policies
from gitpip.publish.preview import templates_of
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, template_values
from gitpip.store.publications import parts
from gitpip.store.users import users
from gitpip.templates import Templates, TextKind, compile_template
from gitpip.templates.samples import SAMPLES
from gitpip.templates.template import NOTE_LIMIT

MAX_TRIALS = 20
"""The most activities that are shown."""
Per = Literal["file", "gist"]
_GISTS_AT_A_TIME = 200
_GIST_ID = re.compile("[0-9a-f]{20,32}")


@dataclass(frozen=True)
class Trial:
    """One file, or several of a gist, and the activity that it would become."""

    of: str
    """The name of the sample, or of the first stored file."""
    file: GistFile
    """The first file."""
    activity: Rendered


@dataclass(frozen=True)
class TrialCount:
    """The result for all stored files."""

    files: int = 0
    cut: int = 0
    """The number of notes that would lack some of the content or of what the template made."""
    longest: int = 0
    """The size of the largest note in bytes."""


async def trials_of(
    transaction: Transaction,
    settings: Settings,
    subject: str | None = None,
    note: str | None = None,
    per: Per | None = None,
) -> "Trials":
    """Return a trial of these templates, for one activity `per` file or gist.

    An argument that is None stands for the present setting. Raises TemplateInvalid.
    """
    policy = await Policies(settings.publishing).read(transaction)
    present = templates_of(policy)
    templates = Templates(
        present.subject if subject is None else compile_template(subject, TextKind.SUBJECT),
        present.note if note is None else compile_template(note, TextKind.NOTE),
    )
    per_gist = (per or policy.activity_per) == PER_GIST
    return Trials(templates, settings.on_edit, settings.on_delete, per_gist=per_gist)


@dataclass(frozen=True)
class Trials:
    """Tries templates, under these rules for remarks. Nothing is stored or sent."""

    templates: Templates
    on_edit: OnEdit
    on_delete: OnDelete
    per_gist: bool = False

    def samples(self) -> tuple[Trial, ...]:
        """Return the activities of the sample gists."""
        return (*self._gist_of_samples(), *self._single_samples())

    def _gist_of_samples(self) -> tuple[Trial, ...]:
        if not self.per_gist:
            return ()
        first, *others = SAMPLES[:3]
        shown = [_beside(other.file, other.remarks) for other in others]
        activity = render(first.file, wording=Wording(self.templates, first.around), others=shown)
        return (Trial(f"a gist with {1 + len(shown)} files", first.file, activity),)

    def _single_samples(self) -> tuple[Trial, ...]:
        return tuple(
            Trial(
                sample.name,
                sample.file,
                render(
                    sample.file,
                    revision=sample.revision,
                    remarks=sample.remarks,
                    wording=Wording(self.templates, sample.around),
                ),
            )
            for sample in SAMPLES
        )

    async def stored(self, transaction: Transaction, what: str, limit: int) -> tuple[Trial, ...]:
        """Return the first activities of a gist, or those of a user's newest files or gists.

        Raises GistNotFound, UserNotTracked.
        """
        if _GIST_ID.fullmatch(what):
            files = await self._of_gist(transaction, what, limit)
            return (await self._rendered(transaction, files))[:limit]
        user = await users.find(transaction, what)
        page = await gists.page(
            transaction,
            offset=0,
            limit=limit,
            user_key=user.key,
            content_limit=NOTE_LIMIT + 1,
        )
        if not self.per_gist:
            return await self._rendered(transaction, page.items)
        trials: list[Trial] = []
        for gist_id in dict.fromkeys(file.gist_id for file in page.items):
            files = await self._of_gist(transaction, gist_id, limit)
            trials += await self._rendered(transaction, files)
        return tuple(trials[:limit])

    async def _of_gist(
        self, transaction: Transaction, gist_id: str, limit: int
    ) -> tuple[GistFile, ...]:
        keys = await gists.keys_of_gist(transaction, GistId(gist_id))
        if not keys:
            raise GistNotFound(f"gitpip has stored no gist {gist_id} of a tracked user")
        most = _GISTS_AT_A_TIME if self.per_gist else limit
        return await gists.some(transaction, keys[:most], content_limit=NOTE_LIMIT + 1)

    async def everything(self, transaction: Transaction) -> TrialCount:
        """Return what all stored files of tracked users would become."""
        count = TrialCount()
        async for some in self._all_files(transaction):
            activities = [trial.activity for trial in await self._rendered(transaction, some)]
            count = TrialCount(
                count.files + len(some),
                count.cut + sum(activity.is_cut for activity in activities),
                max([count.longest, *(len(activity.note.encode()) for activity in activities)]),
            )
        return count

    async def _rendered(
        self, transaction: Transaction, files: Sequence[GistFile]
    ) -> tuple[Trial, ...]:
        around = await template_values.of_files(transaction, files, self.templates.uses)
        trials = []
        for file, *others in self._together(files):
            wording = Wording(self.templates, around[file.key])
            shown = [_beside(other, self._remarks(other)) for other in others]
            activity = render(file, remarks=self._remarks(file), wording=wording, others=shown)
            trials.append(Trial(file.filename, file, activity))
            await asyncio.sleep(0)  # a long note takes milliseconds
        return tuple(trials)

    def _remarks(self, file: GistFile) -> tuple[str, ...]:
        return remarks_on(file, on_edit=self.on_edit, on_delete=self.on_delete)

    def _together(self, files: Sequence[GistFile]) -> list[Sequence[GistFile]]:
        """Return the files of each activity, as if all were new."""
        if not self.per_gist:
            return [[file] for file in files]
        of_gists = [list(own) for _, own in groupby(files, key=lambda file: file.gist_id)]
        return [
            own[start : start + parts.MAX_FILES]
            for own in of_gists
            for start in range(0, len(own), parts.MAX_FILES)
        ]

    async def _all_files(self, transaction: Transaction) -> AsyncIterator[Sequence[GistFile]]:
        """Yield all stored files, some at a time. `per_gist` keeps the files of a gist together."""
        after = FileKey(0)
        kept: Sequence[GistFile] = ()
        while keys := await gists.keys_after(transaction, after, _GISTS_AT_A_TIME):
            found = await gists.some(transaction, keys, content_limit=NOTE_LIMIT + 1)
            found = (*kept, *found)
            *whole, last = self._together(found)
            yield [file for group in whole for file in group]
            kept, after = last, keys[-1]
        if kept:
            yield kept


def _beside(file: GistFile, remarks: Sequence[str]) -> FurtherFile:
    return FurtherFile(file, marker_of(file.gist_id, file.filename), remarks)
