"""Forms of a page, filled in and sent as a browser without scripts does it (HTML, sections 4.10.5 and 4.10.21)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

Pair = tuple[str, str]

_ONE_LINE = {"text", "search", "email", "password", "tel", "url"}


@dataclass
class Field:
    """A control with a name; `is_on` is about boxes, `options` are those of a list."""

    name: str
    kind: str
    value: str
    is_on: bool = True
    is_disabled: bool = False
    options: list[str] = field(default_factory=list)
    attributes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass
class Button:
    """What sends a form; `text` is what people, and screen readers, call it."""

    text: str
    name: str
    value: str
    action: str
    is_disabled: bool


@dataclass
class HtmlForm:
    id: str
    action: str
    method: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)

    def pairs(self, pressed: Button | None = None) -> list[Pair]:
        """What is sent, line breaks as a browser sends them."""
        sent = [(one.name, one.value) for one in self.fields if one.name and one.is_on and not one.is_disabled]
        if pressed is not None and pressed.name:
            sent.append((pressed.name, pressed.value))
        return [(name.replace("\n", "\r\n"), value.replace("\n", "\r\n")) for name, value in sent]


class Document(HTMLParser):
    """The forms of a page, its labels, its text and its title."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.forms: list[HtmlForm] = []
        self.labels: dict[str, str] = {}
        self.links: list[str] = []
        self._by_id: dict[str, Field] = {}
        self._texts: list[str] = []
        self._form: HtmlForm | None = None
        self._fieldsets: list[bool] = []
        self._templates = 0  # what is in one is not on the page
        self._open: tuple[str, Callable[[str], None]] | None = None
        self._loose: list[tuple[str, Button]] = []
        # A parser of HTML reads these so (HTML, section 13.2.3.5 and on).
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd"))
        self.close()
        for form_id, button in self._loose:
            self.form(form_id).buttons.append(button)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def form(self, form_id: str) -> HtmlForm:
        [found] = [one for one in self.forms if one.id == form_id]
        return found

    def field(self, label: str) -> Field:
        """The only field with this label."""
        [found] = {id(one): one for one in self._labelled(label)}.values()
        return found

    def button(self, text: str) -> tuple[HtmlForm, Button]:
        """The first button with this text, and the form that it sends."""
        return next((form, one) for form in self.forms for one in form.buttons if one.text == text)

    def offers(self) -> set[str]:
        """The texts of all buttons that can be pressed."""
        return {one.text for form in self.forms for one in form.buttons if not one.is_disabled}

    def _labelled(self, label: str) -> Iterator[Field]:
        return (self._by_id[target] for target, text in self.labels.items() if text == label and target in self._by_id)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._templates += tag == "template"
        if not self._templates:
            self._begin(tag, dict(attrs))

    def _begin(self, tag: str, given: Mapping[str, str | None]) -> None:
        match tag:
            case "form":
                self._form = HtmlForm(
                    given.get("id") or "", given.get("action") or "", (given.get("method") or "get").lower()
                )
                self.forms.append(self._form)
            case "fieldset":
                self._fieldsets.append("disabled" in given)
            case "input":
                self._input(given)
            case "textarea":
                self._textarea(given)
            case "select":
                self._add(Field(given.get("name") or "", "select", ""), given)
            case "option":
                self._option(given)
            case "button":
                self._button(given)
            case "label":
                self._collect(
                    "label", lambda text: self.labels.update({given.get("for") or "": " ".join(text.split())})
                )
            case "a":
                self.links.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if self._templates:
            self._templates -= tag == "template"
            return
        if self._open is not None and self._open[0] == tag:
            _, done = self._open
            self._open = None
            done("".join(self._collected))
        if tag == "form":
            self._form = None
        if tag == "fieldset":
            self._fieldsets.pop()

    def handle_data(self, data: str) -> None:
        if self._templates:
            return
        self._texts.append(data)
        if self._open is not None:
            self._collected.append(data)

    def _collect(self, tag: str, done: Callable[[str], None]) -> None:
        self._open, self._collected = (tag, done), list[str]()

    def _add(self, one: Field, given: Mapping[str, str | None]) -> Field:
        one.is_disabled = "disabled" in given or any(self._fieldsets)
        one.attributes = given
        if self._form is not None:
            self._form.fields.append(one)
        self._by_id[given.get("id") or ""] = one
        return one

    def _input(self, given: Mapping[str, str | None]) -> None:
        kind, value = given.get("type") or "text", given.get("value") or ""
        if kind in _ONE_LINE:
            value = value.replace("\n", "")
        is_box = kind in {"checkbox", "radio"}
        if is_box and "value" not in given:
            value = "on"
        self._add(Field(given.get("name") or "", kind, value, is_on=not is_box or "checked" in given), given)

    def _textarea(self, given: Mapping[str, str | None]) -> None:
        one = self._add(Field(given.get("name") or "", "textarea", ""), given)

        def done(text: str) -> None:
            one.value = text.removeprefix("\n")

        self._collect("textarea", done)

    def _option(self, given: Mapping[str, str | None]) -> None:
        assert self._form is not None
        chosen = self._form.fields[-1]
        value = given.get("value") or ""
        if "selected" in given or not chosen.options:
            chosen.value = value
        chosen.options.append(value)

    def _button(self, given: Mapping[str, str | None]) -> None:
        if given.get("type") == "button":
            return
        form, other = self._form, given.get("form")
        is_disabled = "disabled" in given or any(self._fieldsets)

        def done(text: str) -> None:
            name = given.get("aria-label") or " ".join(text.split())
            action = given.get("formaction") or ""
            made = Button(name, given.get("name") or "", given.get("value") or "", action, is_disabled)
            if other:
                self._loose.append((other, made))
            elif form is not None and given.get("aria-hidden") != "true":
                form.buttons.append(made)

        self._collect("button", done)
