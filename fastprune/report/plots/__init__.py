"""Results as figures: curves, bars, sample images, contact sheets, all in one style."""
