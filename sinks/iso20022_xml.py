"""XML in and out for the messages of a bank: one spelling out, nothing but elements in.

What comes in is a stranger's text. A document type, an entity, a processing instruction, another
encoding than UTF-8, and more bytes, elements or levels than a message of a day has, are refused
before anything of them is expanded.
"""

from xml.etree import ElementTree
from xml.parsers import expat

from supplytwin.schemas.errors import Code, RecordError

Element = ElementTree.Element

BYTES_MAX = 16 * 1024 * 1024
ELEMENTS_MAX = 500_000
DEPTH_MAX = 64
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"


def document(message: str, body: str) -> tuple[Element, Element]:
    """A new document of a message (`pain.001.001.09`), and its one child `body` to fill."""
    root = ElementTree.Element("Document", {"xmlns": _NAMESPACE + message})
    return root, ElementTree.SubElement(root, body)


def put(parent: Element, path: str, value: str | None = None, **attributes: str) -> Element:
    """New elements below `parent`, one for each name of `path` (`Id/IBAN`); the last one, with
    `value` as its text.
    """
    for name in path.split("/"):
        parent = ElementTree.SubElement(parent, name)
    parent.text = value
    parent.attrib.update(attributes)
    return parent


def written(root: Element) -> bytes:
    """The document in UTF-8 without white space between elements: the same tree, the same bytes."""
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


class _Reader:
    """Builds a tree from expat's events and stops at the first thing that may not be there."""

    def __init__(self) -> None:
        self.builder = ElementTree.TreeBuilder()
        self.depth = 0
        self.elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > DEPTH_MAX:
            raise _refused(f"is nested more than {DEPTH_MAX} levels deep")
        if self.elements > ELEMENTS_MAX:
            raise _refused(f"has more than {ELEMENTS_MAX} elements")
        self.builder.start(_named(name), attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(_named(name))

    def declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() not in {"UTF-8", "UTF8", "US-ASCII"}:
            raise _refused(f"is in {encoding[:20]}, only UTF-8 is read")


def _named(name: str) -> str:
    """As ElementTree writes it: `{namespace}local`."""
    return "{" + name if "}" in name else name


def _doctype(*_: object) -> None:
    raise _refused("has a document type declaration")


def _instruction(*_: object) -> None:
    raise _refused("has a processing instruction")


def parsed(data: bytes) -> Element:
    """The root of a document; names are `{namespace}local`.

    Raises RecordError (MALFORMED or TOO_LARGE) that says what is not taken.
    """
    if len(data) > BYTES_MAX:
        raise RecordError(
            Code.TOO_LARGE, "", f"has {len(data)} bytes, at most {BYTES_MAX} are read"
        )
    if b"\0" in data:  # expat takes UTF-16 by its first bytes, whatever it is told
        raise _refused("is not UTF-8")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.builder.data
    parser.XmlDeclHandler = reader.declared
    parser.StartDoctypeDeclHandler = _doctype
    parser.EntityDeclHandler = _doctype
    parser.ProcessingInstructionHandler = _instruction
    try:
        parser.Parse(data, True)  # noqa: FBT003  the call takes no names
        return reader.builder.close()
    except expat.ExpatError as error:
        raise _refused(f"is not well-formed XML: {error}") from None
    except UnicodeError:
        raise _refused("is not UTF-8") from None


def message_of(root: Element) -> str:
    """The message that a root element names: `camt.053.001.08`. Raises RecordError when the root
    is no Document of ISO 20022.
    """
    space, _, name = root.tag.rpartition("}")
    if name != "Document" or not space.startswith("{" + _NAMESPACE):
        raise RecordError(
            Code.UNKNOWN_SCHEMA,
            "Document",
            f"the root is {root.tag[:120]!r}, no ISO 20022 Document",
        )
    return space.removeprefix("{" + _NAMESPACE)


def _refused(why: str) -> RecordError:
    return RecordError(Code.MALFORMED, "", why)
