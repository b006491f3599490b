"""Makes tests/data/while/: what TensorFlow 2.21 with Keras 3 writes of recurrent layers.

Run once, in an environment of its own with TensorFlow 2.21: `python -m tests.while_files`. With
`--large FOLDER` it makes four LSTMs of 128 units and 100 steps, 1.9 MB, which are not kept.
Beside NAME.tflite stands NAME.npz: x, and the y that Keras gave of it.
"""

import argparse
import pathlib
from typing import Any

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent / "data" / "while"
STEPS, SIZE, SEQUENCES = 5, 3, 4
GRID = 2.0**-8  # int8 weights of the quantized file are whole numbers of these: nothing is lost


def models(layers: Any) -> dict[str, tuple[tuple[int, int], list[Any]]]:
    """Name to steps and values per step, and layers."""
    small = STEPS, SIZE
    return {
        "lstm": (small, [layers.LSTM(4), layers.Dense(2)]),
        "gru": (small, [layers.GRU(4), layers.Dense(2)]),
        "gru_reset_before": (small, [layers.GRU(4, reset_after=False), layers.Dense(2)]),
        "rnn": (small, [layers.SimpleRNN(4), layers.Dense(2)]),
        "rnn_relu": (small, [layers.SimpleRNN(4, activation="relu"), layers.Dense(2)]),
        "two_lstms_each_step": (
            small,
            [
                layers.LSTM(4, return_sequences=True),
                layers.LSTM(5, return_sequences=True),
                layers.Dense(2),
            ],
        ),
        "bidirectional": (
            small,
            [layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.Dense(2)],
        ),
        "bidirectional_finals": (
            (STEPS, 4),
            [layers.Bidirectional(layers.GRU(4)), layers.Dense(2, activation="softmax")],
        ),
        "equal_sizes": ((4, 4), [layers.GRU(4, return_sequences=True), layers.LSTM(4)]),
        "one_step": ((1, SIZE), [layers.LSTM(3, return_sequences=True), layers.GRU(3)]),
        "flatten": (
            small,
            [
                layers.LSTM(4, return_sequences=True, use_bias=False),
                layers.Flatten(),
                layers.Dense(2, activation="relu"),
            ],
        ),
        "quantized_weights": ((STEPS, 14), [layers.LSTM(20), layers.Dense(52)]),
        "unrolled": ((2, SIZE), [layers.LSTM(4, unroll=True)]),
    }


def weights(shape: tuple[int, ...], name: str, rng: np.random.Generator) -> Any:
    """Random; of the quantized file each column is int8 times `GRID`, up to 127."""
    drawn: Any = rng.normal(0, min(0.4, shape[0] ** -0.5), shape)  # larger ones would be chaotic
    if name == "quantized_weights" and len(shape) == 2:
        whole = rng.integers(-126, 127, shape)
        whole[0] = 127
        drawn = whole * GRID
    return drawn.astype(np.float32)


def make(folder: pathlib.Path, name: str, sizes: tuple[int, int], layers: list[Any]) -> None:
    """One file, and what Keras gives."""
    import keras
    import tensorflow

    rng = np.random.default_rng(sum(map(ord, name)))
    model = keras.Sequential([keras.Input(sizes, batch_size=1), *layers])
    model.set_weights([weights(array.shape, name, rng) for array in model.get_weights()])
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    if name == "quantized_weights":
        converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    content = converter.convert()
    (folder / f"{name}.tflite").write_bytes(content)
    x = rng.normal(size=(SEQUENCES, *sizes)).astype(np.float32)
    y = np.concatenate([np.asarray(model(sequence[None])) for sequence in x])
    np.savez(folder / f"{name}.npz", x=x, y=y)
    print(f"{name}: {len(content):,} B")


def main() -> None:
    """Makes all files."""
    from keras import layers

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=pathlib.Path, metavar="FOLDER")
    large = parser.parse_args().large
    if large is None:
        for name, (sizes, made) in models(layers).items():
            make(FOLDER, name, sizes, made)
        return
    four = [layers.LSTM(128, return_sequences=k < 3) for k in range(4)]
    make(large, "four_lstms", (100, 16), [*four, layers.Dense(4)])


if __name__ == "__main__":
    main()
