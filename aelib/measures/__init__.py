"""Measures: reconstruction, codes, disentanglement, likelihood, the quality of samples, drawn faces, bands, filters."""

from aelib.lazy import exports

_EXPORTS = {
    "squared_error": "reconstruction",
    "psnr": "reconstruction",
    "gradient_energy": "reconstruction",
    "fit_pca": "reconstruction",
    "pca_reconstruct": "reconstruction",
    "captured_variance": "reconstruction",
    "sequence_errors": "reconstruction",
    "nearest_neighbour_error": "codes",
    "linear_probe_error": "codes",
    "TunedFilter": "filters",
    "tune_filter": "filters",
    "Classifier": "classifier",
    "train_classifier": "classifier",
    "FaceReader": "face_reader",
    "train_face_reader": "face_reader",
    "combination_shares": "factors",
    "factor_spread": "factors",
    "total_variation": "factors",
    "image_bands": "bands",
    "band_distances": "bands",
    "SampleQuality": "samples",
    "sample_quality": "samples",
    "frechet_floor": "samples",
    "frechet_distance": "samples",
    "precision_and_recall": "neighbours",
    "log_importance_weights": "likelihood",
    "importance_weighted_bound": "likelihood",
    "mutual_information": "disentanglement",
    "mutual_information_gap": "disentanglement",
    "sap_score": "disentanglement",
    "beta_vae_score": "disentanglement",
    "mode_shares": "modes",
    "modes_covered": "modes",
    "distance_to_ring": "modes",
    "Watch": "modes",
    "tournament": "modes",
}
__all__ = list(_EXPORTS)
__getattr__, __dir__ = exports(__name__, _EXPORTS)
