"""Files of Keras 0 to 2 and tf.keras: configs (JSON, YAML), HDF5 files, their weights and compile settings."""
