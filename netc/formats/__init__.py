"""File formats that netc reads and writes: Caffe's weights and databases, HDF5, LMDB, LevelDB, archives."""
