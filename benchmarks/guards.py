"""Whether a test fails for each guard of exactly once that is taken out, one after the other.

`python -m benchmarks.guards` takes about ten minutes. It copies the package, takes one guard out of
the copy, runs the tests that are named with it, and expects one of them to fail. It exits with 1
if a guard is missed by its tests, or if its text is not found where it is said to be.
`python -m benchmarks.guards hold` tries only those whose name contains a word.

`tests/test_guards.py` keeps the list true.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gitpip"
TESTS = ROOT / "tests"
PASSED, FAILED = 0, 1
"""Exit codes of pytest."""


@dataclass(frozen=True)
class Guard:
    """Something that keeps a file from being sent twice, to a stranger, or never."""

    name: str
    file: str
    """Below the package."""
    text: str
    """As it stands there, exactly once."""
    without: str
    """What takes its place."""
    test: str
    """A file below `tests`, and a word that selects some of its tests: `file.py -k word`."""


GUARDS = (
    Guard(
        "a further activity has a marker of its own",
        "marking.py",
        '    return marker(marker_before, "again")',
        "    return marker_before",
        "publish/test_sent_again.py -k under_the_present_settings",
    ),
    Guard(
        "a further activity that a restored database forgot is adopted",
        "store/publications/sent_again.py",
        "        if seen := by_marker.get(following[row.id]) or next(newer, None):",
        "        if seen := None:",
        "publish/test_sent_again.py -k restored_database",
    ),
    Guard(
        "a new database recognises a further activity by the first marker",
        "store/publications/recognition.py",
        "    return await _sent_again_since(transaction, account_key, wanted, kept) | kept",
        "    return kept",
        "publish/test_sent_again.py -k new_database",
    ),
    Guard(
        "an undo keeps what a person has changed",
        "publish/undoer.py",
        "        if activity.is_as_written(due.note_written_at):",
        "        if True:",
        "publish/test_undo.py -k a_person_touched",
    ),
    Guard(
        "what may have been sent goes again to the place where it was sent",
        "publish/places.py",
        "            return kept\n",
        "            pass\n",
        "publish/test_targets.py -k sent_again_to_where",
    ),
    Guard(
        "nothing goes to the place of another account",
        "publish/places.py",
        "        if target.other_account is not None:",
        "        if False:",
        "publish/test_targets.py -k another_account",
    ),
    Guard(
        "a claim that was made for a former target of its user is taken back",
        "store/users/targets.py",
        "            **lease.NO_CLAIM,\n",
        "",
        "publish/test_targets.py -k former_target_at_any",
    ),
    Guard(
        "a target that is gone keeps the files of its user waiting",
        "publish/places.py",
        "        return NotProcessed(again, UNUSABLE_TARGET_WAIT, everyone=False)",
        "        return None",
        "publish/test_targets.py -k holds_up_its_user",
    ),
    Guard(
        "a person that is gone is not linked to the place again",
        "publish/deals.py",
        "NO_LINKS if deal.links == place.links else deal.links",
        "deal.links",
        "publish/test_targets.py -k found_by_its_title",
    ),
    Guard(
        "what an activity of a gist holds is bound to it before it is sent",
        "store/publications/outbox.py",
        "        await parts.bind(transaction, claim.id, others, present)",
        "        pass",
        "publish/test_gists.py -k left_uncertain",
    ),
    Guard(
        "another tool's activity is adopted only where nothing was sent",
        "store/surveys/others.py",
        "                    nothing_sent,\n                    tracked,",
        "                    tracked,",
        "publish/test_other_tools.py -k under_way",
    ),
    Guard(
        "of several activities of a file no second one is adopted",
        "publish/surveyor.py",
        "                await others.settle(transaction, survey.id)",
        "                pass",
        "publish/test_other_tools.py -k not_certain",
    ),
    Guard(
        "files that a note names are adopted with it",
        "store/publications/markers.py",
        "            await attach_parts(transaction, account_key, wanted, now, on_edit)",
        "            pass",
        "publish/test_gists.py -k found_by_its_footer",
    ),
    Guard(
        "what looks like credentials is held",
        "publish/screening_checks.py",
        "    return Hold(HeldBecause.CREDENTIALS, told)",
        "    return PUBLISH",
        "publish/test_screening.py -k credentials_waits",
    ),
    Guard(
        "no note holds what looks like credentials",
        "publish/preview.py",
        "        sent.append(masked(file, whole))",
        "        sent.append(file)",
        "publish/test_screening.py -k edit_puts_no",
    ),
    Guard(
        "no note names another file that looks like a credential",
        "publish/preview.py",
        "        wording = _with_clean_names(wording, in_names)",
        "        pass",
        "publish/test_screening.py -k approves_a_file",
    ),
    Guard(
        "nothing of an owner who opted out is sent",
        "store/publications/opt_outs.py",
        "    if await transaction.scalar(_first) is None:",
        "    if True:",
        "publish/test_screening.py -k who_opted_out_is_sent",
    ),
    Guard(
        "the row is sent only by who claimed it",
        "store/publications/delivered.py",
        """                of.token == token,
                of.state == PublicationState.PENDING,
""",
        "                of.state == PublicationState.PENDING,\n",
        "publish/test_second_sends.py -k lost_its_claim",
    ),
    Guard(
        "a removed user's file is not sent",
        "store/publications/delivered.py",
        "                of_sent(of.user_key, start.mode),\n",
        "",
        "publish/test_removed_users.py",
    ),
    Guard(
        "what is sent again is watched for an hour",
        "store/publications/outbox.py",
        "    if begun and claim.looked_at is not None:",
        "    if False:",
        "publish/test_doubles.py",
    ),
    Guard(
        "the account is asked about again after a claim",
        "publish/publisher.py",
        "if claimed and not await self._account_guard.permits(new=new):",
        "if claimed and False:",
        "publish/test_any_moment.py -k company_that_was_left",
    ),
    Guard(
        "the database still holds what this process knows to be there",
        "publish/sender.py",
        "if not await self._last_sent.is_there(transaction) or not",
        "if not",
        "publish/test_any_moment.py -k after_a_restore",
    ),
    Guard(
        "the deal that was sent last is remembered",
        "publish/deals.py",
        "            self._last_sent.note_deal_sent(deal.user_key, title, now)\n",
        "",
        "publish/test_set_back.py -k a_deal_that_no_list_shows",
    ),
    Guard(
        "a deal that the database lost is waited for",
        "publish/account_guard.py",
        "                if await self._last_sent.has_lost_deal_or_hold(transaction):",
        "                if False:",
        "publish/test_set_back.py -k a_deal_that_no_list_shows",
    ),
    Guard(
        "what is waited for is waited for after another restore",
        "publish/last_sent.py",
        "        return present is not None and present > now",
        "        return True",
        "publish/test_set_back.py -k after_another_restore",
    ),
    Guard(
        "a look is renewed if the turn came late",
        "publish/sender.py",
        "            if not delivery.is_fresh(again.looked_at, self._now()):",
        "            if False:",
        "publish/test_second_sends.py",
    ),
    Guard(
        "what may have been sent is looked for right before it is sent again",
        "publish/sender.py",
        "        elif claim.looked_at is not None:",
        "        elif False:",
        "publish/test_second_sends.py",
    ),
    Guard(
        "a process that was held up does not send",
        "publish/deals.py",
        "    if clocks.read().most_since(leased) < waits.latest_start:",
        "    if True:",
        "publish/test_publisher.py -k held_up_after",
    ),
    Guard(
        "absence is concluded late",
        "publish/delivery.py",
        "    return seen_at >= (in_flight_until or seen_at + waits.absence)",
        "    return True",
        "publish/test_exactly_once.py -k with_sqlite",
    ),
    Guard(
        "what a list showed is compared before anything is sent",
        "publish/account_guard.py",
        "            or strange\n",
        "",
        "publish/test_comparison.py -k look_shows_of_another",
    ),
    Guard(
        "after a comparison that found something young it waits",
        "publish/account_guard.py",
        "        hold = now + UNSETTLED_FOR if doubtful else None",
        "        hold = None",
        "publish/test_comparison.py",
    ),
    Guard(
        "the ledger is compared before the first send",
        "publish/account_guard.py",
        "            self._compared_in != here\n            or self._set_back",
        "            self._set_back",
        "publish/test_comparison.py",
    ),
    Guard(
        "a comparison that was cut short ends no earlier than what was known when it began",
        "publish/comparison.py",
        "            if not state.read:",
        "            if True:",
        "publish/test_comparison_pages.py",
    ),
    Guard(
        "a comparison reads everything after one that saw another installation was cut short",
        "publish/comparison.py",
        "reading.others |= _of_others(reading, page.items, told)",
        "pass",
        "publish/test_comparison_pages.py",
    ),
    Guard(
        "what another company's lists showed is forgotten",
        "publish/account_guard.py",
        "        if known.identity != self._identity:",
        "        if False:",
        "publish/test_accounts.py -k lists_of_one_company",
    ),
    Guard(
        "a deal that belongs to another user is not taken",
        "publish/pipedrive/deal_index.py",
        "            if any(owner != wanted.user_key for owner in owners.get(deal_id, ())):",
        "            if False:",
        "publish/test_whose_deal.py",
    ),
)


def main() -> None:
    """Take each guard out, and print what its tests say."""
    words = sys.argv[1:]
    seen = [_is_seen(one) for one in GUARDS if all(word in one.name for word in words)]
    if not all(seen):
        sys.exit(1)


def _is_seen(guard: Guard) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "gitpip"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        take_out(guard, copy)
        code = _tested(guard.test.split(), Path(folder))
    told = {PASSED: "MISSED by", FAILED: "seen by"}.get(code, f"pytest ended with {code}:")
    print(f"{guard.name}: {told} tests/{guard.test}", flush=True)
    return code == FAILED


def take_out(guard: Guard, package: Path) -> None:
    """Take a guard out of a package; ValueError where it is not there, or not once."""
    file = package / guard.file
    before = file.read_text()
    if before.count(guard.text) != 1:
        raise ValueError(f"{guard.name}: its text is not exactly once in {guard.file}")
    file.write_text(before.replace(guard.text, guard.without))


def _tested(test: Sequence[str], folder: Path) -> int:
    """The exit code of these tests with the package in the folder."""
    path, *options = test
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, str(TESTS / path)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_PROFILE": "thorough",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=900,
        check=False,
    )
    return done.returncode


if __name__ == "__main__":
    main()
