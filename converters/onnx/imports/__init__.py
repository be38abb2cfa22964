"""Import of ONNX files that graphkit did not write."""
