"""What activities would look like under other templates: of sample gists, and of stored ones."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gitpip.config import Settings
from gitpip.errors import GistNotFound
from gitpip.model import FileKey, GistFile, GistId, OnDelete, OnEdit
from gitpip.publish.activity import Rendered, Wording, remarks_on, render
from gitpip.publish.policy import Policies
from gitpip.publish.preview import templates_of
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, surroundings
from gitpip.store.users import users
from gitpip.templates import Kind, Templates, compile_template
from gitpip.templates.samples import SAMPLES
from gitpip.templates.template import NOTE_LIMIT

MOST = 20
"""How many files are shown at most."""
_AT_A_TIME = 200
_GIST_ID = re.compile("[0-9a-f]{20,32}")


@dataclass(frozen=True)
class Trial:
    """One file, and the activity that it would become."""

    of: str
    """What the sample is; for a stored file its name."""
    file: GistFile
    activity: Rendered


@dataclass(frozen=True)
class Count:
    """What all stored files would become."""

    files: int = 0
    cut: int = 0
    """How many notes would lack some of the content, or of what the template made."""
    longest: int = 0
    """The size of the largest note in bytes."""


async def trials_of(
    transaction: Transaction,
    settings: Settings,
    subject: str | None = None,
    note: str | None = None,
) -> "Trials":
    """These templates to try, the present ones for None. Raises TemplateInvalid."""
    present = templates_of(await Policies(settings.publishing).read(transaction))
    templates = Templates(
        present.subject if subject is None else compile_template(subject, Kind.SUBJECT),
        present.note if note is None else compile_template(note, Kind.NOTE),
    )
    return Trials(templates, settings.on_edit, settings.on_delete)


@dataclass(frozen=True)
class Trials:
    """Tries templates, under these rules for remarks; nothing is stored or sent."""

    templates: Templates
    on_edit: OnEdit
    on_delete: OnDelete

    def samples(self) -> tuple[Trial, ...]:
        """The activities of the sample gists."""
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
        """The activities of a gist's first files, or of a user's newest ones.

        Raises GistNotFound, UserNotTracked.
        """
        if _GIST_ID.fullmatch(what):
            return await self._rendered(transaction, await self._of_gist(transaction, what, limit))
        user = await users.find(transaction, what)
        page = await gists.page(
            transaction,
            offset=0,
            limit=limit,
            user_key=user.key,
            content_limit=NOTE_LIMIT + 1,
        )
        return await self._rendered(transaction, page.items)

    async def _of_gist(
        self, transaction: Transaction, gist_id: str, limit: int
    ) -> tuple[GistFile, ...]:
        keys = await gists.keys_of_gist(transaction, GistId(gist_id))
        if not keys:
            raise GistNotFound(f"no gist {gist_id} of a tracked user is stored")
        return await gists.some(transaction, keys[:limit], content_limit=NOTE_LIMIT + 1)

    async def everything(self, transaction: Transaction) -> Count:
        """What all stored files of tracked users would become."""
        count = Count()
        async for some in _all_files(transaction):
            activities = [trial.activity for trial in await self._rendered(transaction, some)]
            count = Count(
                count.files + len(activities),
                count.cut + sum(activity.is_cut for activity in activities),
                max([count.longest, *(len(activity.note.encode()) for activity in activities)]),
            )
        return count

    async def _rendered(
        self, transaction: Transaction, files: Sequence[GistFile]
    ) -> tuple[Trial, ...]:
        around = await surroundings.of_files(transaction, files, self.templates.uses)
        trials = []
        for file in files:
            wording = Wording(self.templates, around[file.key])
            remarks = remarks_on(file, on_edit=self.on_edit, on_delete=self.on_delete)
            activity = render(file, remarks=remarks, wording=wording)
            trials.append(Trial(file.filename, file, activity))
            await asyncio.sleep(0)  # a long note takes milliseconds
        return tuple(trials)


async def _all_files(transaction: Transaction) -> AsyncIterator[tuple[GistFile, ...]]:
    after = FileKey(0)
    while keys := await gists.keys_after(transaction, after, _AT_A_TIME):
        yield await gists.some(transaction, keys, content_limit=NOTE_LIMIT + 1)
        after = keys[-1]
