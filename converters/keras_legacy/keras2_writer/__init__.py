"""Models written as tf.keras (Keras 2) writes them."""
