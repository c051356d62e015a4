"""Bodies of activities under other templates."""

from typing import Self

from pydantic import BaseModel

from gitpip.actions.trial import Trial


class TrialBody(BaseModel):
    """One file, or several of a gist, and the activity that it would become."""

    of: str
    login: str
    gist_id: str
    filename: str
    """The language of the first file."""
    subject: str
    note: str
    is_cut: bool
    """True if the note lacks some of the content, or some text of the template."""

    @classmethod
    def of_trial(cls, trial: Trial) -> Self:
        """The body of a trial."""
        return cls(
            of=trial.of,
            login=trial.file.login,
            gist_id=trial.file.gist_id,
            filename=trial.file.filename,
            subject=trial.activity.subject,
            note=trial.activity.note,
            is_cut=trial.activity.is_cut,
        )
