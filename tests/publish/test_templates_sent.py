"""Activities are worded by the stored templates, and recognised whatever these say."""

from gitpip.marking import marker_of
from gitpip.model import OnEdit
from gitpip.store.publications import publishing_settings
from gitpip_standins import Fault
from tests.publish.test_edits import GIST, NAME, publish
from tests.support.scene import Scene

FIRST = marker_of(GIST, NAME)


async def store(scene: Scene, **templates: str) -> None:
    async with scene.database.begin() as transaction:
        await publishing_settings.change(transaction, templates, by="a test", now=scene.clock())


async def test_a_template_counts_for_what_is_sent_next(scene: Scene) -> None:
    scene.on_edit = OnEdit.NEW
    await publish(scene, "v1")
    await store(
        scene,
        subject_template="{{ user.external_id }}: {{ file.language|upper }}",
        note_template="<p>{{ gist.files|join }}, {{ user.tags|length }}</p>{{ content }}",
    )
    # The answer is lost, so the activity is recognised by what the template can't change.
    scene.crm.faults.script(Fault.drop(processed=True), method="POST", path="activities$")
    await publish(scene, "v2")
    first, second = scene.crm.activities
    assert first["subject"] == f"{NAME} · ada [{FIRST}]"
    marker = (await scene.rows())[1].marker
    assert second["subject"] == f"1: PYTHON (revision 2) · ada [{marker}]"
    assert str(second["note"]).startswith(f"<p>{NAME}, 0</p><pre>v2</pre><p>content ")
    assert await scene.states() == ["published"] * 2


async def test_a_note_that_is_written_anew_follows_the_present_template(scene: Scene) -> None:
    scene.on_edit = OnEdit.UPDATE
    await publish(scene, "v1")
    await store(scene, subject_template="other", note_template="<b>new words</b>{{ content }}")
    await publish(scene, "v2")
    (activity,) = scene.crm.activities
    assert activity["subject"] == f"{NAME} · ada [{FIRST}]"
    assert str(activity["note"]).startswith("<b>new words</b><pre>v2</pre><p>content ")
    assert str(activity["note"]).endswith(f"gitpip {FIRST}</p>")


async def test_a_stored_template_that_does_not_count_any_more_stops_nothing(scene: Scene) -> None:
    await store(scene, subject_template="{{ a.variable.of.another.version }}")
    await publish(scene, "v1")
    assert scene.crm.activities[0]["subject"] == f"{NAME} · ada [{FIRST}]"
