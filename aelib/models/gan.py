"""Generative adversarial networks: one training step, two networks, two optimizers.

Introduced in chapter 11; on images in chapter 12; with a choice of class in chapter 13.
"""

import math
import numbers

import keras
from keras import ops

from aelib.models.minibatch import MinibatchStdDev, Pack
from aelib.models.parts import MadeOfParts
from aelib.models.restarting import reset_optimizer
from aelib.validate import is_number

if keras.backend.backend() != "tensorflow":  # its two steps take their gradients with TensorFlow's tape
    raise ImportError(
        f"GANs train on Keras's TensorFlow backend, found {keras.backend.backend()!r}: unset KERAS_BACKEND, or set it "
        "to 'tensorflow', and start Python or the kernel anew"
    )
import tensorflow as tf


@keras.saving.register_keras_serializable("aelib")
class GAN(MadeOfParts, keras.Model):
    """`generator`: noise `(n, size)` to samples; `discriminator`: samples to logits `(n, 1)`, above 0 for real.

    A conditional generator takes `[noise, labels]`, its discriminator `[samples, labels]`; `fit` is then given the
    labels as y. Called on noise (or noise and labels) it generates. `smoothing`: real samples are labelled
    1 − smoothing for the discriminator (one-sided label smoothing, Salimans et al. 2016, arXiv:1606.03498). `noise`:
    standard deviation of Gaussian noise on all that the discriminator is shown (instance noise, Sønderby et al. 2017,
    arXiv:1610.04490). `minimax`: the generator climbs the discriminator's own loss, instead of having its samples
    labelled as real (both in Goodfellow et al. 2014, arXiv:1406.2661). `replay`: how many generated samples are kept;
    half of those that the discriminator is shown are then drawn from them (experience replay, Pfau & Vinyals 2016,
    arXiv:1610.01945; chapter 13). `fit` reports the two losses, in nats, and the share of samples
    that the discriminator classified correctly. Raises `ValueError` for two networks that do not fit each other, and
    for impossible smoothing and noise.
    """

    parts = ("generator", "discriminator")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        smoothing: float = 0.0,
        noise: float = 0.0,
        minimax: bool = False,
        replay: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_pair(generator, discriminator)
        if not is_number(smoothing) or not 0 <= smoothing < 0.5:
            raise ValueError(f"smoothing is {smoothing!r}: expected at least 0 (real is 1) and less than 0.5")
        if not is_number(noise) or noise < 0:
            raise ValueError(f"noise is {noise!r}: expected a standard deviation, a finite number, at least 0")
        if not isinstance(replay, numbers.Integral) or replay < 0:
            raise ValueError(f"replay is {replay!r}: expected a number of samples to keep, 0 for none")
        self.generator, self.discriminator = generator, discriminator
        self.generator_optimizer = self.discriminator_optimizer = None
        self.smoothing, self.noise, self.minimax, self.replay = smoothing, noise, minimax, int(replay)
        self.seed_generator = keras.random.SeedGenerator()
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.accuracy = keras.metrics.Mean(name="accuracy")
        self._memory = self._empty_memory() if replay else []
        self.build(generator.input_shape)

    def build(self, input_shape):
        self.built = True  # both networks are built already

    def call(self, inputs, training=None):
        return self.generator(inputs, training=training)

    def compile(self, generator_optimizer, discriminator_optimizer, **kwargs):
        """Keras's own `compile`, but for two optimizers; `kwargs`: `steps_per_execution`, `jit_compile`."""
        # Both through Keras, which adds the loss scaling that mixed_float16 needs; `optimizer` is the second one.
        super().compile(optimizer=discriminator_optimizer, **kwargs)
        self.discriminator_optimizer = self.optimizer
        super().compile(optimizer=generator_optimizer, **kwargs)
        self.generator_optimizer = self.optimizer
        # Each knows the weights of its own network, and no others: nothing needs to be frozen.
        self.generator_optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)

    def fit(self, x=None, y=None, batch_size=None, **kwargs):
        """Keras's own `fit`: x are the real samples, y their labels if the GAN is conditional.

        Raises `ValueError` if x, y or the batches do not suit the two networks, and for validation data and weights,
        which have no meaning here.
        """
        _refuse_unused(kwargs)
        if hasattr(x, "shape"):  # an array; a tf.data.Dataset comes in batches of its own
            self._check_data(x, y, batch_size or 32)
        else:
            kwargs.setdefault("shuffle", False)  # it shuffles itself, and Keras warns if told to
        return super().fit(x, y, batch_size, **kwargs)

    def train_step(self, data):
        """One step of the discriminator, then one of the generator, each with fresh noise."""
        real, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        _refuse_unused({"sample_weight": weights})
        labels = self._label_inputs(labels)
        self.discriminator_step(real, labels)
        self.generator_step(ops.shape(real)[0], labels)
        means = (self.generator_loss, self.discriminator_loss, self.accuracy)
        return {mean.name: mean.result() for mean in means}

    def discriminator_step(self, real, labels=()):
        """Phase 1: tell `real` from generated samples, as many of the one as of the other; `labels`: [labels] or []."""
        fake, fake_labels = self.generate(ops.shape(real)[0], labels), labels
        if self.replay:
            fake, *fake_labels = self._replayed([fake, *labels])
        with tf.GradientTape() as tape:
            on_real, on_fake = self.discriminate(real, labels), self.discriminate(fake, fake_labels)
            loss = self.cross_entropy(ops.full_like(on_real, 1 - self.smoothing), on_real)
            loss += self.cross_entropy(ops.zeros_like(on_fake), on_fake)
            scaled = self.discriminator_optimizer.scale_loss(loss)  # as it is, except in half precision
        weights = self.discriminator.trainable_variables
        self.discriminator_optimizer.apply(tape.gradient(scaled, weights), weights)
        self.discriminator_loss.update_state(loss)
        self.accuracy.update_state(ops.concatenate([on_real > 0, on_fake <= 0]))

    def generator_step(self, n, labels=()):
        """Phase 2: `n` new samples, to be taken for real. The gradient passes through the discriminator."""
        with tf.GradientTape() as tape:
            loss = self.loss_of_new_samples(n, labels)
            scaled = self.generator_optimizer.scale_loss(loss)
        weights = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(scaled, weights), weights)
        self.generator_loss.update_state(loss)

    def loss_of_new_samples(self, n, labels=(), minimax=None):
        """How far `n` new samples are from being taken for real; `minimax`: instead of the GAN's own."""
        on_fake = self.discriminate(self.generate(n, labels), labels)
        if self.minimax if minimax is None else minimax:
            return -self.cross_entropy(ops.zeros_like(on_fake), on_fake)
        return self.cross_entropy(ops.ones_like(on_fake), on_fake)

    def generator_gradient(self, n, labels=(), minimax=None):
        """The loss of `n` new samples, and its gradient for the generator's weights, to be looked at."""
        with tf.GradientTape() as tape:
            loss = self.loss_of_new_samples(n, labels, minimax)
        return loss, tape.gradient(loss, self.generator.trainable_variables)

    def generate(self, n, labels=()):
        """`n` samples from fresh noise, in training mode."""
        noise = keras.random.normal((n, self.generator.inputs[0].shape[-1]), seed=self.seed_generator)
        return self.generator([noise, *labels] if labels else noise, training=True)

    def discriminate(self, samples, labels=()):
        """The discriminator's logits of the samples, behind the instance noise, in training mode."""
        if self.noise:
            samples = ops.convert_to_tensor(samples)  # of the dtype of a layer's output, or of an array
            samples += self.noise * keras.random.normal(
                ops.shape(samples), dtype=samples.dtype, seed=self.seed_generator
            )
        return self.discriminator([samples, *labels] if labels else samples, training=True)

    def _empty_memory(self) -> list:
        """How many samples were kept so far, the samples, and their labels, if there are any."""
        shapes = [((), "int32"), ((self.replay, *self.generator.output_shape[1:]), "float32")]
        shapes += [((self.replay, *label.shape[1:]), label.dtype) for label in self.generator.inputs[1:]]
        return [self.add_weight(s, "zeros", t, trainable=False, name=f"replay_{i}") for i, (s, t) in enumerate(shapes)]

    def _replayed(self, new) -> list:
        """Keep the `new` samples (and labels) in the places of the oldest; exchange half of them for kept ones."""
        seen, *memory = self._memory
        n = ops.shape(new[0])[0]
        places = ops.mod(seen + ops.arange(n), self.replay)[:, None]
        for kept, now in zip(memory, new, strict=True):
            kept.assign(ops.scatter_update(kept, places, ops.cast(now, kept.dtype)))
        seen.assign_add(n)
        old = keras.random.randint((n // 2,), 0, ops.minimum(seen, self.replay), seed=self.seed_generator)
        parts = [
            (ops.cast(now, kept.dtype)[n // 2 :], ops.take(kept, old, axis=0))
            for kept, now in zip(memory, new, strict=True)
        ]
        return [ops.concatenate(part) for part in parts]

    def restart(self, weights=None) -> None:
        """Give both optimizers their initial states: the next `fit` starts anew, without the second of compiling.

        `weights`: as `get_weights()` returns them; without, both networks draw new initial ones.
        """
        if weights is None:
            for network in (self.generator, self.discriminator):
                network.set_weights(keras.models.clone_model(network).get_weights())
            for variable in self._memory:
                variable.assign(ops.zeros_like(variable))
        else:
            self.set_weights(weights)
        reset_optimizer(self.generator_optimizer, self.generator.trainable_variables)
        reset_optimizer(self.discriminator_optimizer, self.discriminator.trainable_variables)
        self.seed_generator.state.assign(keras.random.SeedGenerator().state)

    def _label_inputs(self, labels) -> list:
        wanted = len(self.generator.inputs) - 1
        if wanted != (labels is not None):
            found, do = ("no labels", "call fit(x, y)") if wanted else ("labels", "call fit(x) without y")
            raise ValueError(f"found {found}, but the generator takes {wanted or 'none'}: {do}")
        return [] if labels is None else [labels]

    def get_config(self):
        own = {"smoothing": self.smoothing, "noise": self.noise, "minimax": self.minimax, "replay": self.replay}
        return {**super().get_config(), **own}

    def get_compile_config(self):
        """The two optimizers, so that a loaded GAN trains on; nothing if there are none yet."""
        if not self.compiled:
            return {}
        names = ("generator_optimizer", "discriminator_optimizer")
        optimizers = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}
        return {**optimizers, "jit_compile": self.jit_compile, "steps_per_execution": self.steps_per_execution}

    def compile_from_config(self, config):
        """Undo `get_compile_config`."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def _check_data(self, x, y, batch_size) -> None:
        """Before a step is traced: labels there or not, samples of the right shape, no batch that is too small."""
        self._label_inputs(y)
        made = tuple(self.generator.output_shape[1:])
        if tuple(x.shape[1:]) != made:
            raise ValueError(f"x has samples of the shape {tuple(x.shape[1:])}, but the generator makes {made}")
        n = len(x)
        batches = {min(batch_size, n), n % batch_size or batch_size}  # the usual ones, and the last
        found = f"{n} samples in batches of {batch_size}"
        layers = [layer for network in (self.generator, self.discriminator) for layer in _layers(network)]
        if 1 in batches and any(isinstance(layer, BATCH_LAYERS) for layer in layers):
            fits = next((size for size in range(max(batch_size, 2), n + 2) if n % size != 1), 2)
            raise ValueError(
                f"{found} leave a batch of one, but batch normalization and minibatch statistics need two samples or "
                f"more: choose another batch_size, such as {fits}" + (", and more samples" if n == 1 else "")
            )
        m = math.lcm(*(layer.m for layer in layers if isinstance(layer, Pack)))
        if any(size % m for size in batches):
            raise ValueError(f"{found} do not make packs of {m}: choose multiples of {m} for both numbers")


# Arguments of Keras's `fit` that would do nothing for a GAN, and why.
_MEASURE = "neither loss says how good the samples are: leave it out and measure generated samples"
_COUNT = "every sample counts the same in both losses: leave it out and repeat the samples that are to count more"
UNUSED = {
    "validation_data": _MEASURE,
    "validation_split": _MEASURE,
    "sample_weight": _COUNT,
    "class_weight": _COUNT,
}


def _refuse_unused(arguments: dict) -> None:
    """Raise `ValueError` for an argument of `fit` that would do nothing; Keras's defaults are None and a split of 0."""
    for name, reason in UNUSED.items():
        value = arguments.get(name)
        if value is not None and not (name == "validation_split" and value == 0):
            raise ValueError(f"found {name}, but {reason}")


# What they compute of a sample depends on the others in its batch.
BATCH_LAYERS = (keras.layers.BatchNormalization, MinibatchStdDev)


def _layers(model) -> list:
    """All layers of a model, those of the models within it included."""
    return [inner for layer in model.layers for inner in (_layers(layer) if hasattr(layer, "layers") else [layer])]


def _check_pair(generator, discriminator) -> None:
    """Raise `ValueError` unless what the one makes, and the labels that it takes, are what the other takes."""
    made, taken = tuple(generator.output_shape[1:]), tuple(discriminator.inputs[0].shape[1:])
    if made != taken:
        raise ValueError(f"the generator makes samples of the shape {made}, but the discriminator takes {taken}")
    if tuple(discriminator.output_shape[1:]) != (1,):
        raise ValueError(
            f"the discriminator gives the shape {discriminator.output_shape}: expected a logit for each sample, (n, 1)"
        )
    labels, expected = ([tuple(i.shape[1:]) for i in model.inputs[1:]] for model in (generator, discriminator))
    if len(labels) > 1 or labels != expected:
        raise ValueError(
            f"the generator has {len(labels)} inputs for labels, of the shapes {labels}, and the discriminator "
            f"{len(expected)}, {expected}: expected both to take the same labels, or neither"
        )
