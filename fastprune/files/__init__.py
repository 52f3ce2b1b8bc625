"""Files, whatever they hold: whole or not at all, HDF5 from strangers, CSV."""
