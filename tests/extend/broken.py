"""A package whose entry points are wrong in each way that is expected."""

FILES = {
    "acmebroken/__init__.py": b"",
    "acmebroken/formats.py": b"""
from graphkit.extend import Format


class RecognizesRaises(Format):
    name = "Raises"
    suffixes = (".raises",)

    def recognizes(self, source):
        return source.json["key"]


class RecognizesFails(Format):
    name = "Fails"

    def recognizes(self, source):
        raise ZeroDivisionError("a defect")

    def upgrade(self, config):
        raise KeyError("another defect")


class RecognizesNothing(Format):
    name = "Nothing"

    def recognizes(self, source):
        return None


class NameIsTaken(Format):
    name = "ONNX"


class OptionIsTaken(Format):
    name = "Option"
    options = {"strict": "an argument of convert"}


class HasNoName(Format):
    suffixes = (".nameless",)


def not_a_format():
    pass


FAILING = [RecognizesRaises, RecognizesFails, RecognizesNothing]
HALF = [type("Good", (Format,), {"name": "Good"}), NameIsTaken]
""",
}
POINTS = {
    "failing": "acmebroken.formats:FAILING",
    "missing": "acmebroken.not_there:FORMATS",
    "taken": "acmebroken.formats:HALF",
    "option": "acmebroken.formats:OptionIsTaken",
    "nameless": "acmebroken.formats:HasNoName",
    "function": "acmebroken.formats:not_a_format",
}
