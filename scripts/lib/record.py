"""Records as @dataclass(frozen=True) makes them, for the modules that every command imports.

Importing dataclasses and having it generate a dozen classes takes half as long as Python takes to start with sqlite3. Where a
command computes for seconds anyway, dataclasses serve.
"""


class Record:
    """The annotations of a subclass are its fields, in their order; a value in the class is the default. A default dict is
    shared by all that were given none, so it is never written to."""

    FIELDS: tuple[str, ...] = ()
    DEFAULTS: dict = {}

    def __init_subclass__(cls):
        cls.FIELDS = tuple(cls.__annotations__)
        cls.DEFAULTS = {name: vars(cls)[name] for name in cls.FIELDS if name in vars(cls)}

    def __init__(self, *values, **named):
        given = {**dict(zip(self.FIELDS, values)), **named}
        self.__dict__.update(self.DEFAULTS, **given)
        if len(given) != len(values) + len(named) or len(vars(self)) != len(self.FIELDS) or not given.keys() <= self.__annotations__.keys():
            raise TypeError(f"{type(self).__name__}({', '.join(self.FIELDS)}) was given {len(values)} values and {', '.join(named) or 'no names'}")

    def but(self, **changes) -> "Record":
        """The same with other values for some fields."""
        return type(self)(**dict(zip(self.FIELDS, self.astuple())) | changes)

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__}.{name} can't be changed")

    __delattr__ = lambda self, name: self.__setattr__(name, None)

    def __eq__(self, other):
        return self.astuple() == other.astuple() if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash(self.astuple())

    def astuple(self) -> tuple:
        return tuple(self.__dict__[name] for name in self.FIELDS)  # and not what a cached_property keeps beside them

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in zip(self.FIELDS, self.astuple()))})"
