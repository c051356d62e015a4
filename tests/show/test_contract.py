"""What the OpenAPI document promises holds, for whatever a client may send."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.show.conftest import Served

# Generating for every operation takes long enough to be found "too slow" on a busy machine.
TRIALS = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_operation_keeps_its_contract(served_from_any: Served) -> None:
    schema = schemathesis.openapi.from_url(f"{served_from_any.gitpip.url}/openapi.json")
    tried = 0

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @TRIALS
        @given(case=operation.as_strategy())
        def keeps_its_contract(case: Case[Any]) -> None:
            # What a login, an id or a backfill rule may be is said in words, not as a pattern.
            case.call_and_validate(timeout=20, excluded_checks=[positive_data_acceptance])

        keeps_its_contract()
        tried += 1

    assert tried > 15
