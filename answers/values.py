"""Names that short_text still asks for; they go when it compares through equal.same."""

from .markup import spell
from .quantity import Quantity
from .structure import Relation, of, read


def value_of(text):
    """A Quantity of the number that a formula with a name or an approximation states: "v = 3.2 m/s", "\\\\sqrt{2} \\\\approx 1.41"; None else."""
    value = of(text)
    sides = value.sides[::-1] if isinstance(value, Relation) else (spell(text),)
    found = (read(side) for side in sides)
    return next((quantity for quantity in found if isinstance(quantity, Quantity)), None)
