"""The condition builder as a browser has it on the screen, and sends it."""

from urllib.parse import urlencode

from services.config.console.builder import Builder
from services.config.console.filter_form import Group, read
from services.config.console.forms import Form
from services.config.console.rendering import View, environment
from services.config.identity import ROLES, Identity, Workspace
from tests.forms import Document

_ENVIRONMENT = environment()
_PAGE = _ENVIRONMENT.from_string(
    "{% import 'builder.html' as rows with context %}<form method=post>{{ rows.show(builder.tree, '0', false) }}</form>"
)
_AUTHOR = Identity(
    user_id="u",
    email="author@example.com",
    permissions=ROLES["author"],
    workspace=Workspace(id="w", name="Workspace", time_zone="UTC"),
)


def rendered(tree: Group, focus: str = "") -> Document:
    view = View(environment=_ENVIRONMENT, path="/", identity=_AUTHOR)
    return Document(_PAGE.render(builder=Builder(tree=tree, focus=focus), by_place={}, view=view))


def sent(document: Document) -> Group:
    """What the form of a page is read as, after a browser has sent it as it is."""
    [form] = document.forms
    return read(Form.decode(urlencode(form.pairs()).encode()))
