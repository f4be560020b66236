"""No text becomes markup or code: not in a template, and not in the script."""

import re

from services.config.console.rendering import FOLDER, STATIC

TEMPLATES = {path.name: path.read_text() for path in (FOLDER / "templates").glob("*.html")}
SCRIPT = (STATIC / "console.js").read_text()


def test_the_only_thing_that_is_not_escaped_is_written_in_the_templates_themselves() -> None:
    unescaped = [name for name, text in TEMPLATES.items() for _ in re.findall(r"\|\s*safe|autoescape|Markup", text)]
    assert unescaped == ["macros.html"]
    assert TEMPLATES["macros.html"].count("{{ attributes|safe }}") == 1
    given = [one for text in TEMPLATES.values() for one in re.findall(r"attributes=(.{2})", text)]
    assert len(given) > 10
    assert all(one[0] == "'" for one in given)  # a literal
    beside = {one.strip() for text in TEMPLATES.values() for one in re.findall(r"attributes='[^']*'([^,)]*)", text)}
    # Of these only literals get into the page.
    assert beside == {
        "",
        "if may_write else ''",
        "~ (email and ' autofocus' or ''",
        "~ (not email and ' autofocus' or ''",
    }


def test_the_script_makes_no_markup_and_no_code_of_text() -> None:
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|\beval\b|\bFunction\b"
    assert re.findall(makers, SCRIPT) == []
    assert re.findall(r"set(?:Timeout|Interval)\((?!\(\) =>)", SCRIPT) == []


def test_the_script_keeps_nothing_under_a_name_that_somebody_else_has_chosen() -> None:
    """Under `__proto__` it would be kept for everything. Sets, and the fields of forms, have no such name."""
    assert re.findall(r"[\w)]\[(?!\.\.\.)(?![\"'`\d])[^\]]+\]\s*=(?!=)", SCRIPT) == []
    assert "Object.assign" not in SCRIPT
