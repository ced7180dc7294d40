"""Where the rows of a model are: the protocol of every source of data."""


class Source:
    """Rows of data, all at once or part by part.

    To write one, subclass and

    1. set `names`, those of the columns, or None where the data had none;
    2. write `__len__`, the number of rows;
    3. write `parts()`, which yields the rows in parts, each time anew;
    4. write `sample()`, the part that stands for all of them where one must be looked at: rows
       drawn at random;
    5. where all rows are in memory, let `rows` be them, and both others give them.

    Attributes
    ----------
    names : list of str, or None
        The names of the columns.
    rows : object or None
        All rows, where they are in memory.
    """

    names = None
    rows = None

    def __len__(self):
        raise NotImplementedError

    def parts(self):
        """Yield the rows in parts, each time anew."""
        raise NotImplementedError

    def sample(self):
        """Return rows that stand for all of them."""
        raise NotImplementedError

    def map(self, function):
        """Return the source of what a function makes of each part."""
        return Mapped(self, function)

    def whole(self):
        """Return all rows; raise AttributeError where they are not in memory."""
        if self.rows is None:
            raise AttributeError(
                "This needs the rows of the training data, which are not part of the results: they "
                "were loaded from a file, or fitted in batches."
            )
        return self.rows


class Mapped(Source):
    """What a function makes of each part of another source, made anew in every pass."""

    def __init__(self, source, function):
        self._source, self._function, self.names = source, function, source.names

    def __len__(self):
        return len(self._source)

    def parts(self):
        """Yield what the function makes of each part."""
        return map(self._function, self._source.parts())

    def sample(self):
        """Return what the function makes of the sample."""
        return self._function(self._source.sample())


class Gone(Source):
    """Rows that were there once: results that are saved know how many, and keep none."""

    def __init__(self, length):
        self._length = length

    def __len__(self):
        return self._length

    parts = sample = Source.whole

    def map(self, function):
        """Return these, which nothing changes."""
        return self
