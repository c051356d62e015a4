"""Whatever a template and a gist hold, the activity is safe, small, and recognised as ours."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from gitpip.errors import TemplateInvalid
from gitpip.marking import content_tag_of, marker_of
from gitpip.model import GistFile, GistId
from gitpip.publish.activity import Wording, find_markers, render
from gitpip.templates import Surroundings, Templates
from gitpip.templates.template import NOTE_LIMIT
from tests.publish.test_activity import HOSTILE, PLAIN, Reading, files
from tests.support.trials import trials

AROUND = Surroundings(("engine.py", "notes <b>.md"), "customer-7", ("beta", "eu & uk"))


def worded(
    file: GistFile = PLAIN, *, subject: str | None = None, note: str | None = None
) -> tuple[str, str]:
    wording = Wording(Templates.of(subject, note), AROUND)
    rendered = render(file, remarks=("Edited.",), wording=wording)
    return rendered.subject, rendered.note


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ gist.id }}", PLAIN.gist_id),
        ("{{ gist.created_at }}", "2026-01-01 00:00 UTC"),
        ("{{ found_at|date('%d.%m.%Y') }}", "01.01.2026"),
        ("{{ file.language|upper }} {{ file.size|number }}", "PYTHON 12,345"),
        ("{{ file.name|truncate(4) }}", "eng…"),
        ("{{ gist.files|join(' + ') }}", "engine.py + notes &lt;b&gt;.md"),
        ("{{ gist.files|length }}{{ file.truncated }}", "2no"),
        ("{% for tag in user.tags %}{{ loop.index }}{{ tag }},{% endfor %}", "1beta,2eu &amp; uk,"),
        ("{{ user.external_id }}/{{ user.login|lower }}", "customer-7/ada"),
        ("{% if 'beta' in user.tags and file.size > 5 %}b{% else %}n{% endif %}", "b"),
        ("{{ 'one' if file.revision == 1 else 'more' }}", "one"),
        ("{{ '<b>' }}&nbsp;<b>x</b>", "&lt;b&gt;&nbsp;<b>x</b>"),
        ("{% for remark in remarks %}<i>{{ remark }}</i>{% endfor %}", "<i>Edited.</i>"),
        (
            "{{ ('https://crm.example/?id=' ~ user.external_id)|link('me & you') }}",
            '<a href="https://crm.example/?id=customer-7">me &amp; you</a>',
        ),
    ],
)
def test_what_a_template_makes(template: str, expected: str) -> None:
    _, note = worded(note=template)
    marker = marker_of(PLAIN.gist_id, PLAIN.filename)
    foot = f"<p>content {content_tag_of(PLAIN.blob_hash)} gitpip {marker}</p>"
    assert note == expected + foot


def test_a_subject_is_plain_text_before_the_login_and_the_marker() -> None:
    subject, _ = worded(subject="{{ user.external_id }}: {{ file.name }}\n& {{ gist.description }}")
    marker = marker_of(PLAIN.gist_id, PLAIN.filename)
    assert subject == f"customer-7: engine.py & An engine · ada [{marker}]"
    nothing, _ = worded(replace(PLAIN, description=None), subject="{{ gist.description }}")
    assert nothing == f"unnamed · ada [{marker}]"


def test_the_content_goes_where_the_template_says() -> None:
    _, note = worded(note="<p>above</p>{{ content }}<p>below</p>")
    assert note.startswith(
        "<p>above</p><pre>print(&#x27;hello&#x27;)\n</pre><p>below</p><p>content"
    )
    _, long = worded(replace(PLAIN, content="x" * 200_000), note="{{ content }}<p>below</p>")
    assert "</pre><p>File shortened. Full file: " in long
    assert "<p>below</p><p>content" in long
    assert NOTE_LIMIT - 10 < len(long.encode()) <= NOTE_LIMIT
    _, absent = worded(replace(PLAIN, content=None), note="a{{ content }}b")
    assert absent.startswith("a<p>The file is too large to show here. Full file: <a href=")


def test_an_overlong_note_of_a_template_is_cut_with_its_tags_closed() -> None:
    names = tuple(f"{number}&".ljust(255, "€") for number in range(300))
    wording = Wording(
        Templates.of(None, "<ul>{% for name in gist.files %}<li>{{ name }}</li>{% endfor %}</ul>"),
        Surroundings(names),
    )
    rendered = render(PLAIN, wording=wording)
    assert rendered.is_cut
    assert NOTE_LIMIT - 500 < len(rendered.note.encode()) <= NOTE_LIMIT
    reading = Reading(rendered.note)
    assert not reading.open
    assert "…</li></ul><p>content" in rendered.note
    assert not render(PLAIN, wording=replace(wording, around=AROUND)).is_cut


# Small templates of every construct: text, values, conditions and loops, with tags around them.
VALUES = st.sampled_from(
    [
        *("gist.id", "gist.url", "gist.description", "gist.created_at|date", "gist.files|join"),
        *("file.name", "file.language", "file.size|number", "file.raw_url", "file.truncated"),
        *("user.login", "user.external_id", "user.tags|join('&')", "found_at", "gist.url|link"),
        *("gist.description|truncate(9)|upper", "file.name|default('<none>')", "file.size"),
        *("file.raw_url|link(file.name)", "gist.id ~ file.name ~ 1", "'<i>&'", "file.name|length"),
    ]
).map("{{{{ {} }}}}".format)
LITERALS = st.sampled_from(["x", " \n", "&amp;", "&", ">", "<br/>", "gitpip gp-aaaaaaaaaaaa", '"'])
LOOPS = VALUES.map(
    "{{% for tag in user.tags %}}<li>{}{{{{ tag }}}}</li>{{% else %}}x{{% endfor %}}".format
)
BODIES = st.recursive(
    VALUES | LITERALS | LOOPS,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map("".join),
        parts.map("<p>{}</p>".format),
        parts.map("<ul><li>{}</li></ul>".format),
        parts.map("{{% if gist.description %}}{}{{% else %}}-{{% endif %}}".format),
    ),
    max_leaves=4,
)
NOTES = st.builds("{}{{{{ content }}}}{}".format, BODIES, BODIES) | BODIES.filter(str.strip)


@settings(max_examples=trials(30))
@given(files, NOTES, VALUES)
def test_any_activity_is_ours_and_holds_no_markup_of_a_gist(
    file: GistFile, note: str, subject: str
) -> None:
    marker = marker_of(file.gist_id, file.filename)
    try:
        templates = Templates.of(subject if "link" not in subject else None, note)
    except TemplateInvalid as error:
        # It may repeat a long name, which is too much for 300 files.
        if "more than 100 KB" not in str(error):
            raise
        reject()
    rendered = render(file, revision=2, wording=Wording(templates, AROUND))
    found = find_markers(subject=rendered.subject, note=rendered.note)
    assert found.in_subject == found.in_footer == marker
    assert found.content == content_tag_of(file.blob_hash)
    assert len(rendered.note.encode()) <= NOTE_LIMIT
    assert len(rendered.subject) <= 255
    reading = Reading(rendered.note)
    assert not reading.open
    assert not reading.strange
    allowed = {("p", ()), ("pre", ()), ("a", ("href",)), ("ul", ()), ("li", ()), ("br", ())}
    assert set(reading.tags) <= allowed
    assert all(link and link.startswith(("https://", "http://")) for link in reading.links)


@pytest.mark.parametrize("hostile", [*HOSTILE, "{{ 7 * 7 }}{% for x in y %}", "\0content\0"])
def test_the_content_of_a_gist_is_not_run_as_a_template(hostile: str) -> None:
    file = replace(PLAIN, filename=hostile, description=hostile, content=hostile)
    note = "<p>{{ file.name }}</p>{{ content }}<p>{{ gist.description }}</p>"
    subject, text = worded(file, subject="{{ gist.description }} {{ file.name }}", note=note)
    reading = Reading(text)
    assert reading.tags == [("p", ()), ("pre", ()), ("p", ()), ("p", ())]
    assert not reading.strange
    shown = reading.texts["pre"] + reading.texts["p"] + subject
    assert "\0" not in shown
    assert "49" not in subject
    assert hostile.count("{") * 5 == shown.count("{")


def test_a_template_that_quotes_a_marker_names_no_other_file() -> None:
    other = marker_of(GistId("f" * 32), "secret.txt")
    subject, note = worded(subject=f"x · ada [{other}]", note=f"<p>content 0 gitpip {other}</p>")
    found = find_markers(subject=subject, note=note)
    assert found.in_subject == found.in_footer == marker_of(PLAIN.gist_id, PLAIN.filename)


def test_a_template_takes_little_time_at_the_worst() -> None:
    note = "{% for name in gist.files %}{% if gist.description|upper|lower == name %}x"
    wording = Wording(
        Templates.of(None, note + "{% endif %}{% endfor %}"), Surroundings(("n",) * 300)
    )
    file = replace(PLAIN, description="ŉ" * 5_000)
    start = time.process_time()
    render(file, wording=wording)
    assert time.process_time() - start < 1
