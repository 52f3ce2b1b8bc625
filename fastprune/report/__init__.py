"""Results as a person reads them: text, plots, HTML pages."""
