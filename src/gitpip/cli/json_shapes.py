"""The fields of the JSON of each command that changes something.

An unknown field is refused before the command runs. A command that only reads refuses it when it
prints.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from gitpip.actions.adoption import BY_ADOPT
from gitpip.actions.surveys import AdoptedOthers
from gitpip.bodies.accounts import AccountBody
from gitpip.bodies.audits import SurveyBody
from gitpip.bodies.checks import CheckBody
from gitpip.bodies.feeds import IssuedAddressBody
from gitpip.bodies.gists import FileBody
from gitpip.bodies.held import AnsweredBody
from gitpip.bodies.inbox import MarkBody, SavedFilterBody
from gitpip.bodies.keys import IssuedKeyBody, KeyBody
from gitpip.bodies.publications import MovedBody, PublicationBody
from gitpip.bodies.publishing import PersonsPauseBody, ResumedBody
from gitpip.bodies.publishing_settings import PublishingSettingBody
from gitpip.bodies.repairs import RepairBody
from gitpip.bodies.rules import OptOutBody, RuleBody
from gitpip.bodies.status import NotesBody
from gitpip.bodies.undos import UndoBody
from gitpip.bodies.users import UserBody
from gitpip.runtime.oneshot import Drained
from gitpip.runtime.oneshot_accounts import Adoption

DRY_RUN = "--dry-run"
"""The option with which a command only reads."""


def _of(body: type[BaseModel]) -> tuple[str, ...]:
    return tuple(body.model_fields)


def _each(noun: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(noun))


SHAPES: Mapping[str, tuple[str, ...]] = {
    "users add": (*_of(UserBody), "external_id", "new", "confirmed"),
    "users change": _of(UserBody),
    "users check": _of(UserBody),
    "users import": ("added", "known", "faults"),
    "users remove": ("login", "removed"),
    "check": _of(CheckBody),
    "publish": _each(Drained),
    "latest": _of(FileBody),
    "try-now": ("ended",),
    "inbox read": _of(MarkBody),
    "inbox unread": _of(MarkBody),
    "inbox undo": _of(MarkBody),
    "inbox save": _of(SavedFilterBody),
    "inbox delete": _of(SavedFilterBody),
    "publications retry": _of(PublicationBody),
    "publications skip": _of(PublicationBody),
    "publications approve": _of(MovedBody),
    "publications hold": _of(MovedBody),
    "publications repair": _of(RepairBody),
    "held --approve": _of(AnsweredBody),
    "notes": _of(NotesBody),
    "publishing pause": _of(PersonsPauseBody),
    "publishing resume": _of(ResumedBody),
    "publishing settings set": _of(PublishingSettingBody),
    "publishing settings unset": _of(PublishingSettingBody),
    "rules add": _of(RuleBody),
    "rules change": _of(RuleBody),
    "rules move": _of(RuleBody),
    "rules remove": ("id", "name", "removed"),
    "opt-outs add": (*_of(OptOutBody), "skipped"),
    "opt-outs remove": ("login", "removed"),
    "undo": _of(UndoBody),
    "undos resume": _of(UndoBody),
    "undos acknowledge": ("acknowledged",),
    "adopt": _each(Adoption),
    "adopt --acknowledge": BY_ADOPT,
    "adopt --from-others": _each(AdoptedOthers),
    "adopt --no-wait": _of(SurveyBody),
    "audit": (*_of(SurveyBody), "summary", "lines"),
    "audit --no-wait": _of(SurveyBody),
    "accounts switch": (*_of(AccountBody), "from", "to"),
    "keys create": _of(IssuedKeyBody),
    "keys rotate": _of(IssuedKeyBody),
    "keys revoke": (*_of(KeyBody), "revoked_at"),
    "feeds create": _of(IssuedAddressBody),
    "feeds revoke": ("id", "name", "revoked"),
}
"""The fields by the command, and by the option that gives its JSON other fields: the last one here
counts."""


def fields_of(path: Sequence[str], words: Sequence[str]) -> tuple[str, ...] | None:
    """The fields of what a command prints after it changed something; None where it only reads.

    `path` names the command, `words` are what follows.
    """
    given = {word.partition("=")[0] for word in words}
    if DRY_RUN in given:
        return None
    found = None
    for name, fields in SHAPES.items():
        command, _, option = name.partition(" --")
        if command == " ".join(path) and (not option or f"--{option}" in given):
            found = fields
    return found
