"""Whether objects are as they must be: by their schema, by the rules of metadata, and by how large they may be."""
