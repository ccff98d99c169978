"""Figures: the one style, what several chapters draw, the latent plane, the style explorer, the map of the course."""

from aelib.lazy import exports

_EXPORTS = {
    "COLOURS": "style",
    "MARKERS": "style",
    "use_style": "style",
    "show": "display",
    "play": "sounds",
    "image_rows": "images",
    "signed_images": "images",
    "thumbnails": "images",
    "code_map": "codes",
    "LatentPlane": "latent_plane",
    "grid": "latent_plane",
    "grid_size": "latent_plane",
    "plane": "latent_plane",
    "StyleExplorer": "style_explorer",
    "explorer": "style_explorer",
    "draw_field": "ring",
    "draw_noise_plane": "ring",
    "Chapter": "course_map",
    "CHAPTERS": "course_map",
    "draw_map": "course_map",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = exports(__name__, _EXPORTS)
