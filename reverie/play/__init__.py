"""Play inside a learned model: in a browser (`session`, `latent`, `server`), or as Gymnasium's environment."""
