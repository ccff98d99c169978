"""Data: sets of images by name, deformed copies, and what is drawn or made by code."""

from aelib.lazy import exports

_EXPORTS = {
    "DatasetError": "dataset",
    "Dataset": "dataset",
    "KNOWN": "loading",
    "load": "loading",
    "IDX_FILES": "idx",
    "deformed_copies": "deform",
    "check_sequences": "sequences",
    "rows_as_steps": "sequences",
    "as_images": "sequences",
    "pad": "sequences",
    "HEART_ANOMALIES": "series",
    "WAVE_ANOMALIES": "series",
    "heartbeats": "series",
    "sinusoids": "series",
    "FACTORS": "shapes",
    "DIRECTIONS": "shapes",
    "Shapes": "shapes",
    "make_shapes": "shapes",
    "draw_shapes": "shapes",
    "directions": "shapes",
    "CONTINUOUS": "faces",
    "FACE_FACTORS": "faces",
    "HAIR_STYLES": "faces",
    "Faces": "faces",
    "make_faces": "faces",
    "draw_faces": "faces",
    "MODES": "ring",
    "SPREAD": "ring",
    "NEAR": "ring",
    "CENTRES": "ring",
    "make_ring": "ring",
    "ring_images": "ring",
    "nearest_mode": "ring",
    "batches": "batching",
    "shrink": "pyramid",
    "enlarge": "pyramid",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = exports(__name__, _EXPORTS)
