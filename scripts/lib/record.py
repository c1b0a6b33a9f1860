"""Records as @dataclass(frozen=True) makes them, for the modules that every command imports.

Importing dataclasses and having it generate a dozen classes takes half as long as Python takes to start with sqlite3. Where a
command computes for seconds anyway, dataclasses serve.
"""


class Record:
    """The annotations of a subclass are its fields, in their order; a value in the class is a default. Nothing is set twice."""

    FIELDS: tuple[str, ...] = ()

    def __init_subclass__(cls):
        cls.FIELDS = tuple(cls.__annotations__)

    def __init__(self, *values, **named):
        given = dict(zip(self.FIELDS, values))
        wrong = [*named.keys() & given.keys(), *named.keys() - set(self.FIELDS)]
        absent = [name for name in self.FIELDS if name not in given and name not in named and not hasattr(type(self), name)]
        if wrong or absent or len(values) > len(self.FIELDS):
            raise TypeError(f"{type(self).__name__}({', '.join(self.FIELDS)}) was given {len(values)} values and {', '.join(named) or 'no names'}")
        for name in self.FIELDS:
            self.__dict__[name] = given[name] if name in given else named[name] if name in named else getattr(type(self), name)

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__}.{name} can't be changed")

    __delattr__ = lambda self, name: self.__setattr__(name, None)

    def __eq__(self, other):
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self):
        return hash(tuple(vars(self).values()))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"
