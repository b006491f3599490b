"""What users give in place of a file that is read: other formats, folders, addresses."""

import pathlib
import re

_WEIGHTS = "save the weights where it was made: torch.save(model.state_dict(), 'model.pt')"
_KERAS = (
    "save it as .keras where it was made: tf.keras.models.load_model(folder).save('model.keras')"
)
_PICKLE = f"pickled objects are never loaded; {_WEIGHTS}, or np.savez with PyTorch's names"
WAYS_OUT = {
    (".pb", ".tf"): _KERAS,
    (".hdf5",): "if Keras wrote it, rename it to .h5",
    (".pkl", ".pickle", ".joblib", ".dill"): _PICKLE,
    (".ckpt", ".bin", ".pt2", ".ptl", ".pte", ".mar", ".jit"): _WEIGHTS,
    (".npy", ".csv", ".txt"): "that is data, which goes to --calibration; give a trained network",
    (".toml",): "a device goes to --device; give a trained network",
    (".py", ".ipynb"): "that is a program; give the weights that it saves",
    (".zip", ".gz", ".tar", ".tgz", ".xz", ".7z"): "unpack it and give the file inside",
    (".json", ".yaml", ".yml"): "that describes a network without weights; give the file of both",
}


def way_out(suffix: str) -> str:
    """What to do with a file of a suffix that is not read, behind a semicolon, or nothing."""
    found = (said for suffixes, said in WAYS_OUT.items() if suffix.lower() in suffixes)
    return "".join(f"; {said}" for said in found)


def no_file(path: pathlib.Path) -> str | None:
    """What a name that is not a file's stands for, with the way out; else None."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) and not path.parent.is_dir():
        return "is an address; download the file and give its name"
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return f"is a SavedModel of TensorFlow; {_KERAS}"
        return "is a folder, not a file; give the file in it that holds a trained network"
    return None
