"""What operators of other frameworks do, in the words of ONNX: one table of pure functions."""
