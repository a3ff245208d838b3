# A transform: what it reads, what it writes, what may be set of it, and its function over one record.
from .fields import fields
from .parameters import schema


class Transform:
    """A declared transform; called, it is its function."""

    def __init__(self, inputs, outputs, parameters, clean):
        self.inputs = fields(inputs, "inputs")
        self.outputs = fields(outputs, "outputs")
        self.schema = schema(parameters)
        # A function that takes no parameters is not given them.
        self.takes_parameters = bool(parameters)
        self.clean = clean

    def __call__(self, *arguments):
        return self.clean(*arguments)


def transform(*, inputs, outputs, parameters=None):
    """Declares the function that follows as a transform.

    `inputs` and `outputs` map names to types, `parameters` maps names to JSON Schemas. The function makes a verdict of
    one record, a dict; where there are parameters, they are its second argument. A package has one.
    """
    return lambda clean: Transform(inputs, outputs, parameters or {}, clean)
