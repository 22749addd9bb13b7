"""A host's data path as data, and walks over it: which headers a packet gets, and what every device lets through."""
