"""How a chapter prints a model: its sizes and parameters, and the source of the builder that made it.

Introduced in chapter 01.
"""

import ast
import inspect
import textwrap

import keras

from aelib.models.autoencoder import Autoencoder


def describe(autoencoder: Autoencoder) -> str:
    """The layers of encoder and decoder, a line each: sizes of the outputs, and the number of parameters.

    Of several inputs or outputs the first is named: of pooling with switches, the pooled map.
    """
    lines = []
    for part in (autoencoder.encoder, autoencoder.decoder):
        steps = ["×".join(map(str, part.inputs[0].shape[1:]))]
        for layer in part.layers:
            if isinstance(layer, keras.layers.InputLayer):
                continue
            size = "×".join(map(str, keras.tree.flatten(layer.output)[0].shape[1:]))
            if size != steps[-1] or layer.weights:  # a layer that only shifts its input adds nothing to the picture
                steps.append(size)
        lines.append(f"{part.name}: {' → '.join(steps)} · {part.count_params():,} parameters")
    return "\n".join([*lines, f"together: {autoencoder.count_params():,} parameters"])


def source(function) -> str:
    """The source of a builder or a method, without its docstring, as a chapter prints it."""
    text = textwrap.dedent(inspect.getsource(function))
    first = ast.parse(text).body[0].body[0]
    lines = text.splitlines(keepends=True)
    if function.__doc__:
        del lines[first.lineno - 1 : first.end_lineno]
    return "".join(lines)
