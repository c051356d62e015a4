"""What the OpenAPI document promises holds, for whatever a client may send."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.trials import trials
from tests.web.conftest import serving

KEY = "key-of-the-contract-test-" + "k" * 16

# Generating for every operation takes long enough to be found "too slow" on a busy machine.
TRIALS = settings(max_examples=trials(8), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_operation_keeps_its_contract(database_url: str, tmp_path: Path) -> None:
    with serving(tmp_path, database_url, GITPIP_ADMIN_KEY=KEY) as served:
        assert _try_everything(served.gitpip.url) > 15


def _try_everything(url: str) -> int:
    """Send every operation what its document allows and forbids; gives how many there are."""
    headers = {"Authorization": f"Bearer {KEY}"}
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)
    # Two of one name would be told apart by their modules, in the classes that clients generate.
    assert [name for name in schema.raw_schema["components"]["schemas"] if "__" in name] == []
    tried = 0

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @TRIALS
        @given(case=operation.as_strategy())
        def keeps_its_contract(case: Case[Any]) -> None:
            # What a login, an id or a backfill rule may be is said in words, not as a pattern.
            case.call_and_validate(
                timeout=60, headers=headers, excluded_checks=[positive_data_acceptance]
            )

        keeps_its_contract()
        tried += 1

    return tried
