//! From files to networks: formats, families, discovery.
