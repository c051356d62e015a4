"""The exact content that is sent for a publication, for sending it and for showing it before."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Protocol

from gitpip.config.publishing.activity import GIST_DATE, PER_GIST, TODAY
from gitpip.config.publishing.policy import PublishingPolicy
from gitpip.model import FileKey, GistFile, OnDelete, OnEdit
from gitpip.modes import CredentialsGuard, FoundCredentials
from gitpip.publish.activity import FurtherFile, Rendered, Wording, remarks_on, render
from gitpip.publish.credentials.detector import DETECTOR
from gitpip.publish.credentials.findings import (
    Examined,
    Parts,
    masked,
    parts_of,
    secrets_of,
    with_secrets,
    without,
)
from gitpip.publish.policy import Policies
from gitpip.store.database import Transaction
from gitpip.store.gists import gists, template_values
from gitpip.store.publications import approvals, parts
from gitpip.templates import Templates

NOT_JUDGED = "everything, as it could not be examined: "


@dataclass(frozen=True)
class PreviewedFields:
    """The fields of an activity besides its text, as the publishing settings give them."""

    type: str
    done: bool
    owner: str
    """A user of the account; `token` stands for the user of the token, `deal` for the
    deal's owner."""
    due_date: date | None
    priority: str | None


async def conditions(
    transaction: Transaction, day: date | None, *, policies: Policies, now: datetime
) -> PreviewedFields:
    """Return how an activity of a gist of this day (UTC) would be sent now, without a request."""
    policy = await policies.read(transaction)
    due = {GIST_DATE: day, TODAY: now.astimezone(UTC).date()}
    return PreviewedFields(
        type=policy.activity_type,
        done=policy.activity_done,
        owner=policy.activity_owner,
        due_date=due.get(policy.activity_due_date),
        priority=policy.activity_priority,
    )


@dataclass(frozen=True)
class RenderOptions:
    """The way an activity is rendered."""

    on_edit: OnEdit
    on_delete: OnDelete
    policies: Policies
    shown: FoundCredentials | None = None
    """The choice that a person who sees it has, or None if it is rendered to be sent."""


async def rendered(
    transaction: Transaction,
    key: FileKey,
    revision: int,
    *,
    on_edit: OnEdit,
    on_delete: OnDelete,
    policies: Policies,
) -> Rendered:
    """Return the activity of a stored file, made for one of its revisions, under these rules.

    A file that was never sent is rendered with the files of its gist that would go out with it.
    """
    return await _of_file(transaction, key, revision, RenderOptions(on_edit, on_delete, policies))


async def previewed(
    transaction: Transaction,
    key: FileKey,
    revision: int,
    *,
    options: RenderOptions,
    credentials: FoundCredentials = FoundCredentials.PUBLISH,
) -> Rendered:
    """Return what a person is shown of the activity of a file, as it is or as it will be.

    The same as `rendered`, with two exceptions. A file that is held for credentials is shown as an
    approval sends it, with or without them as `credentials` says. A file that was sent with them is
    shown as it was sent.
    """
    return await _of_file(transaction, key, revision, replace(options, shown=credentials))


async def _of_file(
    transaction: Transaction, key: FileKey, revision: int, options: RenderOptions
) -> Rendered:
    policy = await options.policies.read(transaction)
    per_gist = policy.activity_per == PER_GIST
    together = await parts.shown_with(transaction, key, revision, per_gist=per_gist)
    return await _rendered(transaction, together or [Unpublished(key, revision)], options)


class Piece(Protocol):
    """A file in an activity, with the marker of its publication if there is one."""

    @property
    def file_key(self) -> FileKey: ...

    @property
    def revision(self) -> int: ...

    @property
    def marker(self) -> str | None: ...

    @property
    def first_marker(self) -> str | None: ...


@dataclass(frozen=True)
class Unpublished:
    """A revision of a file without a publication."""

    file_key: FileKey
    revision: int
    marker: str | None = None
    first_marker: str | None = None


async def rendered_together(
    transaction: Transaction,
    together: Sequence[Piece],
    *,
    on_edit: OnEdit,
    on_delete: OnDelete,
    policies: Policies,
) -> Rendered:
    """Return the activity that holds these files of one gist in their order, under these rules.

    The current templates are used. Text that looks like a credential is left out, unless the
    settings say otherwise or a person approved this file with it.
    """
    return await _rendered(transaction, together, RenderOptions(on_edit, on_delete, policies))


@dataclass
class _Found:
    """The text that looks like credentials in the files of an activity, by kind and place."""

    left_out: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    """The secrets left out, with the kind of each."""
    sent: list[str] = field(default_factory=list)
    can_be_masked: bool = True
    trouble: str | None = None


async def _rendered(
    transaction: Transaction, together: Sequence[Piece], options: RenderOptions
) -> Rendered:
    policy = await options.policies.read(transaction)
    templates = templates_of(policy)
    first, *others = together
    found = _Found()
    file = await _file(transaction, first, options.on_edit)
    remarks = remarks_on(file, on_edit=options.on_edit, on_delete=options.on_delete)
    around = await template_values.of_files(transaction, [file], templates.uses)
    wording = Wording(templates, around[file.key], first.first_marker)
    is_guarded = policy.credentials is not CredentialsGuard.PUBLISH or (
        # A person's decision about these files counts, even if the setting has changed.
        await approvals.any_masked(transaction, [(one.file_key, one.revision) for one in together])
    )
    rest = [await _file(transaction, piece, options.on_edit) for piece in others]
    remarks_on_rest = [
        remarks_on(other, on_edit=options.on_edit, on_delete=options.on_delete) for other in rest
    ]
    if is_guarded:
        file, *rest = await _guarded(transaction, together, [file, *rest], options, found)
        # The person who approved this file was not asked about the names of the others. A secret in
        # a file is also secret in a name.
        names = Parts("", "", "\n".join(wording.around.filenames))
        in_names = with_secrets(names, await DETECTOR.examined(names), found.secrets)
        wording = _with_clean_names(wording, in_names)
        found.trouble = found.trouble or in_names.trouble
    shown = [
        FurtherFile(other, piece.marker or "", remarks_on_it)
        for piece, other, remarks_on_it in zip(others, rest, remarks_on_rest, strict=True)
    ]
    activity = render(
        file,
        marker=first.marker,
        revision=first.revision,
        remarks=remarks,
        wording=wording,
        others=shown,
    )
    return replace(
        activity,
        masked=tuple(found.left_out),
        credentials=tuple(found.sent),
        can_be_masked=bool(found.sent) and found.can_be_masked,
        trouble=found.trouble,
    )


def _named(found: Examined) -> Sequence[str]:
    """Return what is left out of a file, by kind and place."""
    return found.named if found.not_judged is None else (NOT_JUDGED + found.not_judged,)


async def _file(transaction: Transaction, piece: Piece, on_edit: OnEdit) -> GistFile:
    # If edits are written into the note, it always shows the file as it is now.
    shown = None if on_edit is OnEdit.UPDATE else piece.revision
    return await gists.file(transaction, piece.file_key, shown)


async def _guarded(
    transaction: Transaction,
    pieces: Sequence[Piece],
    files: Sequence[GistFile],
    options: RenderOptions,
    found: _Found,
) -> list[GistFile]:
    """Return the files of an activity as they are sent: each without its credentials.

    A file that a person approved with them is complete. Text that is left out of one file is left
    out of the others, too, even if it does not look like a credential there.
    """
    examined = [
        await _examined(transaction, piece, file, options, found)
        for piece, file in zip(pieces, files, strict=True)
    ]
    for file, examination in zip(files, examined, strict=True):
        if examination is not None:
            found.secrets |= secrets_of(file, examination)
    sent = []
    for file, examination in zip(files, examined, strict=True):
        if examination is None:
            sent.append(file)
            continue
        whole = with_secrets(parts_of(file), examination, found.secrets)
        found.left_out += _named(whole)
        sent.append(masked(file, whole))
    return sent


async def _examined(
    transaction: Transaction, piece: Piece, file: GistFile, options: RenderOptions, found: _Found
) -> Examined | None:
    """Return what is left out of a file, or None if a person approved it as it is."""
    asked = transaction, piece.file_key, piece.revision, file.revised_at
    with_them = options.shown is FoundCredentials.PUBLISH
    if with_them and await approvals.shown_with_credentials(*asked):
        examination = await DETECTOR.examine(file)
        found.sent += _named(examination)
        found.can_be_masked = found.can_be_masked and examination.not_judged is None
        return None
    without_them = options.shown is FoundCredentials.MASK
    if not without_them and await approvals.sent_with_credentials(*asked):
        return None
    examination = await DETECTOR.examine(file)
    found.trouble = found.trouble or examination.trouble
    return examination


def _with_clean_names(wording: Wording, in_names: Examined) -> Wording:
    """Return the wording with each credential in a filename replaced by its kind."""
    names = wording.around.filenames
    if in_names.not_judged is None and not in_names.spans[-1]:
        return wording
    if in_names.not_judged is not None:
        shown: tuple[str, ...] = ()
    else:
        shown = tuple(without("\n".join(names), in_names.spans[-1]).split("\n"))
    return replace(wording, around=replace(wording.around, filenames=shown))


def templates_of(policy: PublishingPolicy) -> Templates:
    """Return the templates of the publishing settings."""
    return Templates(policy.subject_template, policy.note_template)
