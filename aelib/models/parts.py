"""Models that are made of smaller ones, and how those are kept in a saved file.

Introduced in chapter 01.
"""

import copy

import keras


class MadeOfParts:
    """For a `keras.Model` whose constructor takes other `keras.Model`s: their configurations are part of its own.

    `parts`: the names of those arguments, which are names of attributes, too. Stands before `keras.Model` among the
    base classes; further arguments of the constructor are added to `get_config`, as in any Keras model.
    """

    parts: tuple[str, ...] = ()

    def get_config(self) -> dict:
        """The configuration, with those of the parts."""
        parts = {part: keras.saving.serialize_keras_object(getattr(self, part)) for part in self.parts}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config: dict):
        """A model of this configuration, which stays as it is; its weights are new."""
        return cls(**{**config, **cls.load_parts(copy.deepcopy({part: config[part] for part in cls.parts}))})

    @classmethod
    def load_parts(cls, configs: dict) -> dict[str, keras.Model]:
        """The parts of these configurations, by their names."""
        return {part: keras.saving.deserialize_keras_object(config) for part, config in configs.items()}
